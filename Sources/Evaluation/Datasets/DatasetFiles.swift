import Failures
import Files
import ImageFiles
import LeGrad
import StrictJSON
import Texts

/// An error about a file, or about what `file` names in its place.
/// - Parameter kind: that of a bad data set, if it is not another.
func fault(
  _ file: String, _ place: String? = nil, kind: FailureKind = .input, expected: String, found: String, remedy: Message
) -> LeGradError {
  LeGradError(kind, .fault(file: file, place: place, expected: expected, found: Message(found), remedy: remedy))
}

/// Files of a data set that are read whole.
enum DatasetFile {
  static func bytes(_ path: String, limit: Int) throws(LeGradError) -> [UInt8] {
    do { return try WholeFile.read(path, limit: limit) } catch { throw LeGradError(error) }
  }

  /// The lines of UTF-8 text, without their ends and with their numbers from 1.
  static func lines(
    _ path: String, limit: Int, remedy: Message = "save it as plain text"
  ) throws(LeGradError) -> [(number: Int, text: Substring)] {
    guard let text = String(validating: try bytes(path, limit: limit), as: UTF8.self) else {
      throw fault(path, expected: "UTF-8 text", found: "other bytes", remedy: remedy)
    }
    var lines = text.lines()
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines.enumerated().map { ($0 + 1, $1) }
  }

  static func members(_ path: String, limit: Int) throws(LeGradError) -> TextTable<JSONValue> {
    let value: JSONValue
    let bytes = try bytes(path, limit: limit)
    do throws(JSONError) {
      value = try JSONParser.parse(bytes)
    } catch {
      if let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: true, isJSON: true) {
        throw fault(path, expected: "JSON", found: leftover.found, remedy: leftover.remedy)
      }
      throw fault(
        path, "byte \(error.offset)", expected: error.expected, found: error.found, remedy: "correct the file")
    }
    guard case .object(let members) = value else {
      throw fault(path, expected: "a JSON object", found: value.summary, remedy: "correct the file")
    }
    return members
  }

  /// The entries of `folder` in the order of their bytes.
  static func names(_ folder: String) throws(LeGradError) -> [FilePath] {
    do throws(FileError) { return try FileTree.names(in: folder).sorted() } catch { throw LeGradError(error) }
  }
}

struct ImageFile: Equatable, Sendable {
  let folder: String
  let name: FilePath
  /// The name without its ending.
  var stem: FilePath { name.stem }

  var path: String { folder + "/" + name.text }

  /// The PNG and JPEG files of `folder`, by their endings in any case, in the order of their names' bytes; hidden files
  /// are left out, and so is the rest, which is counted.
  static func list(_ folder: String, leftOut: inout LeftOut) throws(LeGradError) -> [ImageFile] {
    var files: [ImageFile] = []
    for name in try DatasetFile.names(folder) where !name.isHidden {
      let file = ImageFile(folder: folder, name: name)
      if let ending = name.ending, ["png", "jpg", "jpeg"].contains(ending) {
        files.append(file)
      } else if FileTree.isFolder(file.path) {
        leftOut.addFolder()
      } else {
        leftOut.add(ending: name.ending)
      }
    }
    return files
  }

  /// The pictures of `folder` by the name without its ending; no two may share one.
  static func byStem(_ folder: String, leftOut: inout LeftOut) throws(LeGradError) -> [FilePath: ImageFile] {
    var files: [FilePath: ImageFile] = [:]
    for file in try list(folder, leftOut: &leftOut) {
      if let other = files.updateValue(file, forKey: file.stem) {
        throw fault(
          folder, expected: "one picture named \(file.stem)", found: "\(other.name) and \(file.name)",
          remedy: "remove one")
      }
    }
    return files
  }

  /// Reads the file.
  func opened() throws(LeGradError) -> PictureFile {
    do throws(ImageError) { return try PictureFile(path: path, takesPipes: false) } catch { throw Self.failure(error) }
  }

  /// One that is too large for the memory fails alone; where nothing can be opened, no picture is to blame.
  fileprivate static func failure(_ error: ImageError) -> LeGradError {
    LeGradError(error, kind: error.rule == .exhausted ? nil : .input)
  }
}

extension PictureFile {
  /// - Parameter upright: turns the picture as its EXIF orientation asks.
  func decoded(upright: Bool) throws(LeGradError) -> DecodedImage {
    do throws(ImageError) {
      return try decode(pixelLimit: RGBImage.defaultPixelLimit, applyOrientation: upright)
    } catch { throw ImageFile.failure(error) }
  }
}
