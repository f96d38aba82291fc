public import Failures
import Files
public import SafeTensors
import Texts

/// One weight file as `torch.save` of PyTorch 1.6 or later writes it: a ZIP archive of a pickle and the bytes of its
/// storages. Archive, pickle and views are wholly checked when it is opened, before any weight is read.
///
/// Tensors are all that is taken. The pickle's classes and functions are names in a fixed list, and nothing is ever
/// called; a file that needs more is refused with the command by which PyTorch converts it.
public final class TorchFile: TensorStore {
  public let path: String
  public let tensors: [TensorDescription]
  /// The keys that lead from the saved object to the dictionary of the tensors, such as `["state_dict"]`; none where it
  /// is the object itself.
  public let dictionaryKeys: [String]

  fileprivate let data: TensorData

  public var files: [String] { [path] }
  public var totalBytes: Int { data.totalBytes }

  /// Opens the file at `path`.
  /// - Parameter mapped: see `SafeTensorsFile.init(path:mapped:)`.
  public init(path: String, mapped: Bool = true) throws(TorchFileError) {
    let source: FileBytes
    do throws(FileError) {
      source = try FileBytes(path: path, mapped: mapped)
    } catch {
      throw TorchFileError(error)
    }
    let faults = TorchFaults(path: path)
    try Self.checkKind(source, faults)
    let members = try ZipArchive(source).members
    try Self.checkMembers(members, source, faults)
    var machine = PickleMachine(
      try Self.contents("data.pkl", in: members, source, limit: PickleMachine.maximumBytes, faults), members: members,
      faults: faults)
    let object = try machine.run()
    let dictionary = try StateDictionary(in: object, of: machine, faults: faults)
    var entries: TextTable<TensorData.Entry> = [:]
    entries.reserveCapacity(dictionary.tensors.count)
    for (name, view) in dictionary.tensors {
      entries[name] = TensorData.Entry(
        description: TensorDescription(name: name, shape: view.shape, elementType: view.elementType),
        elementCount: view.elementCount, bytes: view.bytes, strides: view.strides)
    }
    self.path = path
    dictionaryKeys = dictionary.keys
    tensors = entries.values.map(\.description).sorted { $0.name.precedes($1.name) }
    data = TensorData(path: path, source: source, entries: entries)
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

  /// Tells an archive from what else goes by these names.
  private static func checkKind(_ source: FileBytes, _ faults: TorchFaults) throws(TorchFileError) {
    let start: [UInt8]
    do throws(FileError) {
      start = try source.bytes(0..<min(Leftover.startSize, source.size))
    } catch { throw TorchFileError(error) }
    if start.starts(with: [0x50, 0x4B, 3, 4]) { return }
    let expected = "the archive that torch.save of PyTorch 1.6 and later writes"
    // Protocols 2 to 5; in 0 and 1, what torch.save begins with is "L119547037146038801333356L".
    if start.count > 1, start[0] == 0x80, 2...5 ~= start[1] {
      throw faults.unread(.legacyPickle, "start of file", expected: expected, found: "a pickle without an archive")
    }
    // POSIX ustar: the magic of a header block stands at byte 257.
    if start.count > 262, start[257...].starts(with: "ustar".utf8) {
      throw faults.unread(.tar, "start of file", expected: expected, found: "a tar file")
    }
    if let leftover = Leftover(start, fromText: false) {
      throw TorchFileError(
        .notTorch, file: faults.path, place: "start of file", expected: expected, found: leftover.found,
        remedy: leftover.remedy)
    }
    throw TorchFileError(
      .notTorch, file: faults.path, place: "start of file", expected: expected,
      found: start.isEmpty ? "an empty file" : "other bytes",
      remedy: "the file is cut or not what its name says; fetch it again")
  }

  /// Checks what the archive says of itself; see `PyTorchStreamReader::init` of `caffe2/serialize/inline_container.cc`.
  private static func checkMembers(
    _ members: TextTable<Range<Int>>, _ source: FileBytes, _ faults: TorchFaults
  ) throws(TorchFileError) {
    let version = String(decoding: try contents("version", in: members, source, limit: 16, faults), as: UTF8.self)
    guard let number = Int(version.filter { !$0.isWhitespace }), 1...10 ~= number else {
      throw faults.unread(.version, "member \"version\"", expected: "1 to 10", found: version)
    }
    guard members["byteorder"] != nil else { return }
    let order = String(decoding: try contents("byteorder", in: members, source, limit: 16, faults), as: UTF8.self)
    guard order.isSame(as: "little") else {
      throw faults.unread(.byteOrder, "member \"byteorder\"", expected: "little", found: order)
    }
  }

  private static func contents(
    _ name: String, in members: TextTable<Range<Int>>, _ source: FileBytes, limit: Int, _ faults: TorchFaults
  ) throws(TorchFileError) -> [UInt8] {
    guard let range = members[name] else {
      throw faults.damaged(
        .missingMember, "archive", expected: "the member \"\(name)\", as torch.save writes it", found: "none")
    }
    guard range.count <= limit else {
      throw faults.unread(
        .limit, "member \"\(name)\"", expected: "at most \(limit) bytes", found: "\(range.count)")
    }
    do throws(FileError) { return try source.bytes(range) } catch { throw TorchFileError(error) }
  }
}

extension TorchFile: MappedTensorStore {
  package func mapped(_ name: String) -> MappedTensor? { data.mapped(name) }
}
