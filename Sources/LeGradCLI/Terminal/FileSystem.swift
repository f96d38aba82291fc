import Failures
import Files
import Glibc
import ImageFiles
import LeGrad

/// Questions about paths, and folders to write in.
enum FileSystem {
  static func name(of path: String) -> String {
    FilePath(path).name.text
  }

  /// Makes a folder and those above it, unless they exist, and checks that files can be made in it.
  /// - Returns: the folders that were made, the outermost first.
  @discardableResult
  static func makeWritableFolder(_ path: String) throws(LeGradError) -> [String] {
    let made: [String]
    do { made = path.isEmpty ? [] : try FileTree.create(folder: path) } catch {
      throw .badFile("\(path): the output folder cannot be made: \(error.found); choose another with -o")
    }
    guard unsafe access((path.isEmpty ? "." : path).fileSystemBytes, W_OK | X_OK) == 0 else {
      throw .badFile("\(path): the output folder cannot be written to: \(systemMessage(errno)); choose another with -o")
    }
    return made
  }

  /// Refuses to replace what is there, unless that is asked for.
  static func requireAbsent(_ paths: [String], overwrite: Bool) throws(LeGradError) {
    guard !overwrite, let path = paths.first(where: FileTree.exists) else { return }
    throw .usage("\(path) exists; give --overwrite to replace it, or another folder with -o")
  }

  /// Removes those of the folders that nothing was written into.
  static func removeEmpty(_ folders: [String]) {
    for folder in folders.reversed() { unsafe rmdir(folder.fileSystemBytes) }
  }

  /// The upright picture of a file.
  /// - Parameter name: what the picture is to whoever named it.
  static func picture(
    _ path: String, called name: String = "image", pixelLimit: Int
  ) throws(LeGradError) -> DecodedImage {
    if let reason = unreadableReason(path) { throw .badFile("\(path): the \(name) cannot be read: \(reason)") }
    do {
      return try RGBImage.decode(path: path, pixelLimit: pixelLimit, applyOrientation: true)
    } catch { throw LeGradError(error) }
  }

  /// The first bytes of a regular file, at most so many; none of anything else, or where they cannot be read.
  static func start(of path: String, count: Int) -> [UInt8] {
    do throws(FileError) {
      let file = try FileBytes(path: path, mapped: false)
      return try file.bytes(0..<min(file.size, count))
    } catch { return [] }
  }

  /// A picture's file that is read and not decoded yet.
  static func pictureFile(_ path: String) throws(LeGradError) -> PictureFile {
    if let reason = unreadableReason(path) { throw .badFile("\(path): the image cannot be read: \(reason)") }
    do { return try PictureFile(path: path) } catch { throw LeGradError(error) }
  }

  /// Why an image cannot be read, as far as that is known without opening it.
  static func unreadableReason(_ path: String) -> String? {
    if FileTree.isFolder(path) { return "it is a folder, not a picture" }
    return unsafe access(path.fileSystemBytes, R_OK) == 0 ? nil : systemMessage(errno)
  }
}
