import CDemo
import Failures
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
    let names = EmbeddedFile.names.filter { $0.hasPrefix("model/") }
    // Named before they are written: a failure half-way removes what is there.
    files = names.map { [folder] in folder + "/" + $0.dropFirst("model/".count) }
    for (name, path) in zip(names, files) {
      let bytes = try EmbeddedFile.bytes(name)
      do { try AtomicFile.write(bytes, to: path) } catch { throw LeGradError(error) }
    }
  }

  deinit {
    for file in files { unsafe unlink(file) }
    unsafe rmdir(folder)
  }
}
