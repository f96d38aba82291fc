public import Failures
import Glibc

/// Files that appear whole or not at all.
public enum AtomicFile {
  /// Writes `bytes` to a temporary file in the same folder, then gives it the name `path`. A file that was there is
  /// replaced; on any error it is left as it was and the temporary file is removed.
  public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    try write(bytes, to: path, mode: 0o666)
  }

  /// - Parameter mode: who may read and write the file, as far as the process's mask lets them.
  static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(FileError) {
    let file = try TemporaryFile(target: path, mode: mode)
    try file.write(bytes)
    try file.commit(overwrite: true, durably: false)
  }
}
