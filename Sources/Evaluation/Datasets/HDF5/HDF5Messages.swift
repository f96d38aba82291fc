import Processes

/// What is asked of the process that reads an HDF5 file. The numbers are little-endian.
enum HDF5Request: Equatable {
  /// Before any other: the path of the file, as the system has it.
  case open(path: [UInt8])
  /// - Parameters:
  ///   - rank: how many dimensions the array must have.
  ///   - limit: how many elements it may have; at least one is expected.
  case array(HDF5Type, HDF5Location, rank: Int, limit: Int)

  /// More than a path may have.
  private static let limit = 1 << 16

  /// With its size in front.
  var bytes: [UInt8] {
    var content: [UInt8]
    switch self {
    case .open(let path): content = [0] + path
    case .array(let type, let location, let rank, let limit):
      content = [1, type.rawValue, UInt8(rank)] + UInt64(limit).messageBytes
      switch location {
      case .path(let name): content += [0] + Array(name.utf8)
      case .reference(let reference): content += [1] + reference.address.messageBytes
      }
    }
    return UInt64(content.count).messageBytes + content
  }

  /// The next request of this process; nil where there is none any more, or none that makes sense.
  static func receive() -> HDF5Request? {
    guard let size = AskingProcess.receive(8).map({ UInt64(messageBytes: $0) }), size <= limit,
      let content = AskingProcess.receive(Int(size))
    else { return nil }
    return HDF5Request(content)
  }

  init?(_ content: [UInt8]) {
    guard let kind = content.first else { return nil }
    if kind == 0 {
      self = .open(path: Array(content.dropFirst()))
      return
    }
    guard kind == 1, content.count >= 12, let type = HDF5Type(rawValue: content[1]) else { return nil }
    let rest = content[12...]
    let location: HDF5Location
    switch content[11] {
    case 0: location = .path(String(decoding: rest, as: UTF8.self))
    case 1:
      guard rest.count == 8 else { return nil }
      location = .reference(HDF5Reference(address: UInt64(messageBytes: rest)))
    default: return nil
    }
    let limit = Int(clamping: UInt64(messageBytes: content[3..<11]))
    self = .array(type, location, rank: Int(content[2]), limit: limit)
  }
}

/// The start of what that process answers; after a shape come the elements as they are in memory.
enum HDF5Answer: Equatable {
  case opened
  case shape([Int])
  case fault(HDF5Fault)
  /// The machine has no library that could read the file.
  case noLibrary(HDF5Fault)

  /// More than an error has.
  static let limit = 1 << 16

  /// With its size in front.
  var bytes: [UInt8] {
    let content: [UInt8] =
      switch self {
      case .opened: [0]
      case .shape(let shape): [1] + shape.flatMap { UInt64($0).messageBytes }
      case .fault(let fault): [2] + Self.bytes(of: fault)
      case .noLibrary(let fault): [3] + Self.bytes(of: fault)
      }
    return UInt64(content.count).messageBytes + content
  }

  private static func bytes(of fault: HDF5Fault) -> [UInt8] {
    Array([fault.expected, fault.found, fault.remedy].map { Array($0.utf8.prefix(4_096)) }.joined(separator: [0]))
  }

  init?(_ content: [UInt8]) {
    let rest = content.dropFirst()
    switch content.first {
    case 0 where rest.isEmpty: self = .opened
    case 1 where rest.count.isMultiple(of: 8):
      self = .shape(
        stride(from: rest.startIndex, to: rest.endIndex, by: 8).map {
          Int(clamping: UInt64(messageBytes: rest[$0..<($0 + 8)]))
        })
    case 2, 3:
      let texts = rest.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
      guard texts.count == 3 else { return nil }
      let fault = HDF5Fault(expected: texts[0], found: texts[1], remedy: texts[2])
      self = content[0] == 2 ? .fault(fault) : .noLibrary(fault)
    default: return nil
    }
  }
}
