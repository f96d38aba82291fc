public import Failures
import Files
import Texts

/// One safetensors file, its header wholly checked when it is opened.
public final class SafeTensorsFile: TensorStore {
  public let path: String
  /// The strings of `__metadata__`.
  public var metadata: [String: String] { Dictionary(header.map { ($0.key, $0.value) }) { $1 } }
  public let tensors: [TensorDescription]

  private let header: TextTable<String>
  fileprivate let data: TensorData

  public var files: [String] { [path] }
  public var totalBytes: Int { data.totalBytes }

  /// Opens the file at `path`.
  /// - Parameter mapped: maps the file, which is fastest, and takes a handler of SIGBUS: that is how the system says that
  ///   something else has cut the file. Without, it is read piece by piece, by calls that report errors.
  public init(path: String, mapped: Bool = true) throws(SafeTensorsError) {
    let source: FileBytes
    let start: [UInt8]
    do throws(FileError) {
      source = try FileBytes(path: path, mapped: mapped)
      start = try source.bytes(0..<min(Leftover.startSize, source.size))
    } catch {
      throw SafeTensorsError(error)
    }
    try Self.checkKind(start, path)
    let length = try SafeTensorsHeader.length(prefix: Array(start.prefix(8)), fileSize: source.size, file: path)
    let text: [UInt8]
    do throws(FileError) { text = try source.bytes(8..<8 + length) } catch { throw SafeTensorsError(error) }
    let header = try SafeTensorsHeader.parse(text, fileSize: source.size, file: path)
    self.path = path
    self.header = header.metadata
    data = TensorData(path: path, source: source, entries: header.entries)
    self.tensors = header.entries.values.map(\.description).sorted { $0.name.precedes($1.name) }
  }

  /// Refuses what no length of a header begins: the highest of its 8 bytes are zero.
  private static func checkKind(_ start: [UInt8], _ path: String) throws(SafeTensorsError) {
    func failure(_ found: String, _ remedy: Message) -> SafeTensorsError {
      SafeTensorsError(
        .notWeights, file: path, place: "start of file", expected: "a safetensors file", found: found, remedy: remedy)
    }
    if let leftover = Leftover(start, fromText: false) { throw failure(leftover.found, leftover.remedy) }
    if start.starts(with: [0x50, 0x4B, 3, 4]) {
      throw failure("an archive, such as torch.save writes", "if PyTorch made it, let its name end in .pt")
    }
  }

  public func description(of name: String) -> TensorDescription? { data.description(of: name) }

  public func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    try data.floats(name, shape: shape)
  }

  public func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    try data.doubles(name, shape: shape)
  }

  public func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    try data.rows(name, indices: indices, columns: columns)
  }
}

extension SafeTensorsFile: MappedTensorStore {
  package func mapped(_ name: String) -> MappedTensor? { data.mapped(name) }
}
