import CDemo
import Files
import FoundationEssentials
import Glibc

/// A picture that ships with the bundled model, and prompts that are true of it.
public struct DemoPicture: Sendable {
  /// The file name, such as `dusk.png`.
  public let name: String
  /// The PNG file.
  public let bytes: [UInt8]
  public let prompts: [String]

  /// The bundled pictures.
  public static func all() throws(LeGradError) -> [DemoPicture] {
    struct Entry: Decodable {
      let picture: String
      let prompts: [String]
    }
    let entries: [Entry]
    do {
      entries = try JSONDecoder().decode([Entry].self, from: Data(EmbeddedFile.bytes("samples/samples.json")))
    } catch { throw LeGradError(.input, "the bundled table of pictures cannot be read: \(error)") }
    var pictures: [DemoPicture] = []
    for entry in entries {
      pictures.append(
        DemoPicture(
          name: entry.picture, bytes: try EmbeddedFile.bytes("samples/" + entry.picture), prompts: entry.prompts))
    }
    return pictures
  }
}

/// Files that are part of the binary.
enum EmbeddedFile {
  static var names: [String] {
    (0..<legrad_demo_file_count()).map { unsafe String(cString: legrad_demo_file_at($0).name) }
  }

  static func bytes(_ name: String) throws(LeGradError) -> [UInt8] {
    for index in 0..<legrad_demo_file_count() {
      let file = unsafe legrad_demo_file_at(index)
      if unsafe String(cString: file.name) == name {
        return unsafe Array(UnsafeBufferPointer(start: file.bytes, count: Int(file.count)))
      }
    }
    throw LeGradError(.input, "\(name) is not part of this build")
  }
}

/// The bundled model as a folder like any other, in the system's folder for temporary files; removed with its owner.
final class EmbeddedModel: Sendable {
  let folder: String
  private let files: [String]

  init() throws(LeGradError) {
    let parent = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    var template = Array((parent + "/legrad-XXXXXX").utf8CString)
    guard let made = unsafe mkdtemp(&template) else {
      throw LeGradError(
        .input, "no folder for temporary files could be made in \(parent); set TMPDIR to one that can be written")
    }
    folder = unsafe String(cString: made)
    var files: [String] = []
    for name in EmbeddedFile.names where name.hasPrefix("model/") {
      let path = folder + "/" + name.dropFirst("model/".count)
      do {
        try AtomicFile.write(EmbeddedFile.bytes(name), to: path)
      } catch let error as LeGradError {
        throw error
      } catch { throw LeGradError(.input, "\(error)") }
      files.append(path)
    }
    self.files = files
  }

  deinit {
    for file in files { unsafe unlink(file) }
    unsafe rmdir(folder)
  }
}
