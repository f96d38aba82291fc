import FoundationEssentials

/// A folder of its own for one test, removed at the end.
public final class ScratchFolder {
  public let path: String

  public init() throws {
    path = FileManager.default.temporaryDirectory.path + "/legrad-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Makes a file of that name and returns its path.
  @discardableResult
  public func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(filePath: file))
    return file
  }

  /// Names of the entries, sorted.
  public var listing: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}
