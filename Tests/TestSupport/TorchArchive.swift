/// An archive as `torch.save` lays it out, member by member; what is to be wrong with it can be said.
public struct TorchArchive: Sendable {
  public struct Member: Sendable {
    public var name: String
    public var bytes: [UInt8]
    public var flags: UInt64 = 0x0808
    public var method: UInt64 = 0
    /// Sizes and offset in ZIP64 fields, whatever they are.
    public var isWide = false
    /// Says how the directory lies about the member.
    public var directoryName: String?
    public var directorySize: Int?
    public var directoryOffset: Int?
    public var directoryFlags: UInt64?

    public init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  public var members: [Member]
  public var hasZIP64End = true

  /// `pickle` as `data.pkl`, `storages` under `data/`, and what else torch.save writes.
  public init(_ pickle: [UInt8], storages: [[UInt8]] = [], root: String = "archive") {
    members = [Member("\(root)/data.pkl", pickle), Member("\(root)/.format_version", Array("1".utf8))]
    members.append(Member("\(root)/byteorder", Array("little".utf8)))
    members += storages.enumerated().map { Member("\(root)/data/\($0.offset)", $0.element) }
    members.append(Member("\(root)/version", Array("3\n".utf8)))
  }

  /// Changes the member of this name.
  public mutating func change(_ name: String, _ change: (inout Member) -> Void) {
    for index in members.indices where members[index].name == name { change(&members[index]) }
  }

  /// The file.
  public var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let offset = file.count
      let checksum = crc32(member.bytes)
      let isDescribedLater = member.flags & 8 != 0
      let size = UInt64(member.bytes.count)
      let name = Array(member.name.utf8)
      // The data starts at a multiple of 64, behind an extra field of padding.
      let wide = member.isWide ? little(1, 2) + little(16, 2) + little(size, 8) + little(size, 8) : []
      let start = offset + 30 + name.count + wide.count + 4
      let padding = (64 - start % 64) % 64
      file += little(0x0403_4B50, 4) + little(0, 2) + little(member.flags, 2) + little(member.method, 2) + little(0, 4)
      file += little(isDescribedLater ? 0 : checksum, 4)
      for _ in 0..<2 { file += little(member.isWide ? 0xFFFF_FFFF : isDescribedLater ? 0 : size, 4) }
      file += little(UInt64(name.count), 2) + little(UInt64(wide.count + 4 + padding), 2) + name + wide
      file += Array("FB".utf8) + little(UInt64(padding), 2) + [UInt8](repeating: 0x5A, count: padding)
      file += member.bytes
      if isDescribedLater { file += little(0x0807_4B50, 4) + little(checksum, 4) + little(size, 4) + little(size, 4) }

      let listed = Array((member.directoryName ?? member.name).utf8)
      let (listedSize, listedOffset) = (
        UInt64(bitPattern: Int64(member.directorySize ?? member.bytes.count)),
        UInt64(bitPattern: Int64(member.directoryOffset ?? offset))
      )
      let extra =
        member.isWide
        ? little(1, 2) + little(24, 2) + little(listedSize, 8) + little(listedSize, 8) + little(listedOffset, 8) : []
      directory += little(0x0201_4B50, 4) + little(0, 4) + little(member.directoryFlags ?? member.flags, 2)
      directory += little(member.method, 2) + little(0, 4) + little(checksum, 4)
      for _ in 0..<2 { directory += little(member.isWide ? 0xFFFF_FFFF : listedSize, 4) }
      directory += little(UInt64(listed.count), 2) + little(UInt64(extra.count), 2) + little(0, 10)
      directory += little(member.isWide ? 0xFFFF_FFFF : listedOffset, 4) + listed + extra
    }
    let start = UInt64(file.count)
    let (count, size) = (UInt64(members.count), UInt64(directory.count))
    file += directory
    if hasZIP64End {
      file += little(0x0606_4B50, 4) + little(44, 8) + little(0, 12) + little(count, 8) + little(count, 8)
      file += little(size, 8) + little(start, 8)
      file += little(0x0706_4B50, 4) + little(0, 4) + little(start + size, 8) + little(1, 4)
    }
    file += little(0x0605_4B50, 4) + little(0, 4) + little(count, 2) + little(count, 2) + little(size, 4)
    return file + little(start, 4) + little(0, 2)
  }

  private func little(_ value: UInt64, _ count: Int) -> [UInt8] { littleEndian(value, count) }

  private func crc32(_ bytes: [UInt8]) -> UInt64 {
    var remainder: UInt32 = ~0
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 { remainder = remainder & 1 == 0 ? remainder >> 1 : remainder >> 1 ^ 0xEDB8_8320 }
    }
    return UInt64(~remainder)
  }
}

/// Opcodes of a pickle of protocol 2, put together by value.
public enum Pickle {
  /// The whole pickle of one object.
  public static func whole(_ object: [UInt8]) -> [UInt8] { [0x80, 2] + object + Array(".".utf8) }

  public static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  public static func string(_ text: String) -> [UInt8] {
    Array("X".utf8) + littleEndian(UInt64(text.utf8.count), 4) + Array(text.utf8)
  }

  /// LONG1 with 8 bytes.
  public static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + littleEndian(UInt64(bitPattern: Int64(value)), 8) }

  public static func tuple(_ elements: [[UInt8]]) -> [UInt8] {
    Array("(".utf8) + elements.flatMap { $0 } + Array("t".utf8)
  }

  public static func integers(_ values: [Int]) -> [UInt8] { tuple(values.map(integer)) }

  public static func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + items.flatMap { string($0.0) + $0.1 } + Array("u".utf8)
  }

  public static func call(_ global: [UInt8], _ arguments: [[UInt8]]) -> [UInt8] {
    global + tuple(arguments) + Array("R".utf8)
  }

  public static func storage(_ key: String, _ type: String, count: Int) -> [UInt8] {
    tuple([string("storage"), global("torch", type), string(key), string("cpu"), integer(count)]) + Array("Q".utf8)
  }

  /// A tensor that shows elements of `storage`.
  public static func tensor(
    _ storage: [UInt8], offset: Int = 0, shape: [Int], strides: [Int]
  ) -> [UInt8] {
    call(
      global("torch._utils", "_rebuild_tensor_v2"),
      [
        storage, integer(offset), integers(shape), integers(strides), [0x89],
        call(global("collections", "OrderedDict"), []),
      ])
  }
}

/// The first `count` bytes of `value`, little-endian.
public func littleEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: value >> ($0 * 8)) : 0 }
}

/// An archive of float32 tensors that lie row-major, each with a storage of its own.
public func torchArchive(_ tensors: [(name: String, shape: [Int], values: [Float])], prefix: String = "") -> [UInt8] {
  let items = tensors.enumerated().map { index, tensor in
    let strides = tensor.shape.indices.map { tensor.shape[($0 + 1)...].reduce(1, *) }
    let storage = Pickle.storage("\(index)", "FloatStorage", count: tensor.values.count)
    return (prefix + tensor.name, Pickle.tensor(storage, shape: tensor.shape, strides: strides))
  }
  let storages = tensors.map { $0.values.flatMap { littleEndian(UInt64($0.bitPattern), 4) } }
  return TorchArchive(Pickle.whole(Pickle.dictionary(items)), storages: storages).bytes
}
