import SafeTensors
import Texts

/// Reads the pickle of an archive into values, by a fixed list of opcodes and globals.
///
/// Nothing is called, imported or built: a tensor becomes a view of a storage's bytes, and of what else is in the file
/// remains its kind. Work and memory are bounded by the number of opcodes; there is no recursion. Opcodes: CPython's
/// `Lib/pickletools.py`, of which those are known that `torch.save` writes in protocols 2 to 5.
struct PickleMachine {
  private let bytes: [UInt8]
  private let members: TextTable<Range<Int>>
  private let faults: TorchFaults
  private var position = 0
  /// Where the opcode at work starts.
  private var start = 0
  private var stack: [PickleValue] = []
  /// Heights of the stack at which a container was begun.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  /// Elements of tuples and lists.
  private var sequences: [[PickleValue]] = []
  private var storages: [Storage] = []

  /// Keys and values in the order of the file.
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private(set) var tensors: [TensorView] = []

  private struct Storage {
    /// The type of its elements; nil where the tensor says it.
    let elementType: ElementType?
    let bytes: Range<Int>
  }

  static let maximumBytes = 32 << 20
  static let maximumOperations = 1 << 22
  static let maximumDepth = 1_024
  static let maximumStack = 1 << 20
  static let maximumMemo = 1 << 20
  static let maximumContainers = 1 << 20
  static let maximumTensors = 1 << 17
  static let maximumStringBytes = 1 << 20
  static let maximumDimensions = 32
  /// Of the key of a storage, which PyTorch numbers: a pickle may name one a million times.
  static let maximumKeyBytes = 64

  /// - Parameters:
  ///   - bytes: the archive's `data.pkl`.
  ///   - members: the archive's members; storages are those under `data/`.
  init(_ bytes: [UInt8], members: TextTable<Range<Int>>, faults: TorchFaults) {
    self.bytes = bytes
    self.members = members
    self.faults = faults
  }

  /// The object that was saved.
  mutating func run() throws(TorchFileError) -> PickleValue {
    for _ in 0..<Self.maximumOperations {
      Work.add(1)
      start = position
      let opcode = try byte()
      guard start > 0 || opcode == 0x80 else {
        throw fault(.pickle, expected: "a pickle of protocol 2 to 5", found: hexadecimal(opcode))
      }
      if opcode == UInt8(ascii: ".") { return try result() }
      try execute(opcode)
      guard stack.count <= Self.maximumStack, marks.count <= Self.maximumDepth, memo.count <= Self.maximumMemo,
        sequences.count + dictionaries.count + storages.count <= Self.maximumContainers,
        tensors.count <= Self.maximumTensors
      else {
        throw limit(
          "at most \(Self.maximumStack) values at once, \(Self.maximumDepth) levels, \(Self.maximumContainers) "
            + "containers and \(Self.maximumTensors) tensors", "more")
      }
    }
    throw limit("at most \(Self.maximumOperations) opcodes", "more")
  }

  private mutating func result() throws(TorchFileError) -> PickleValue {
    let value = try pop()
    guard stack.isEmpty, marks.isEmpty, position == bytes.count else {
      throw fault(.pickle, expected: "one object and the end", found: "something left over")
    }
    return value
  }

  private mutating func execute(_ opcode: UInt8) throws(TorchFileError) {
    switch opcode {
    case 0x80:  // PROTO
      let version = try byte()
      guard start == 0, 2...5 ~= version else {
        throw fault(.pickle, expected: "a pickle of protocol 2 to 5, said once", found: "\(version)")
      }
    case 0x95:  // FRAME: a hint about how much to read ahead.
      let length = try unsigned(8)
      guard length <= UInt64(bytes.count - position) else {
        throw fault(.pickle, expected: "a frame inside the pickle", found: "\(length) bytes")
      }
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "N"), 0x88, 0x89, 0x8F: stack.append(.plain)  // NONE, NEWTRUE, NEWFALSE, EMPTY_SET
    case UInt8(ascii: "G"):  // BINFLOAT
      _ = try take(8)
      stack.append(.plain)
    case UInt8(ascii: "K"): stack.append(.integer(Int(try unsigned(1))))
    case UInt8(ascii: "M"): stack.append(.integer(Int(try unsigned(2))))
    case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try unsigned(4)))))
    case 0x8A: try pushLong()
    case UInt8(ascii: "X"): try pushString(lengthBytes: 4)
    case 0x8C: try pushString(lengthBytes: 1)
    case UInt8(ascii: "C"): try skipBytes(lengthBytes: 1)  // SHORT_BINBYTES
    case UInt8(ascii: "B"): try skipBytes(lengthBytes: 4)  // BINBYTES
    case 0x96: try skipBytes(lengthBytes: 8)  // BYTEARRAY8
    case UInt8(ascii: "}"): pushDictionary()
    case UInt8(ascii: "]"): pushSequence([], PickleValue.list)
    case UInt8(ascii: ")"): pushSequence([], PickleValue.tuple)
    case 0x85, 0x86, 0x87: pushSequence(try pop(Int(opcode - 0x84)), PickleValue.tuple)  // TUPLE1, TUPLE2, TUPLE3
    case UInt8(ascii: "t"): pushSequence(try popToMark(), PickleValue.tuple)
    case 0x91:  // FROZENSET
      _ = try popToMark()
      stack.append(.plain)
    case UInt8(ascii: "a"): try append(try pop(1))
    case UInt8(ascii: "e"): try append(try popToMark())
    case 0x90:  // ADDITEMS
      _ = try popToMark()
      guard case .plain? = top else { throw misfit("a set") }
    case UInt8(ascii: "s"): try setItems(try pop(2))
    case UInt8(ascii: "u"): try setItems(try popToMark())
    case UInt8(ascii: "q"): try put(Int(try unsigned(1)))
    case UInt8(ascii: "r"): try put(Int(try unsigned(4)))
    case 0x94: try put(memo.count)
    case UInt8(ascii: "h"): try get(Int(try unsigned(1)))
    case UInt8(ascii: "j"): try get(Int(try unsigned(4)))
    case UInt8(ascii: "c"): try pushGlobal(module: try line(), name: try line())
    case 0x93:  // STACK_GLOBAL
      let names = try pop(2)
      guard case .string(let module) = names[0], case .string(let name) = names[1] else {
        throw misfit("a module's and a member's name")
      }
      try pushGlobal(module: module, name: name)
    case UInt8(ascii: "Q"): try pushStorage()
    case UInt8(ascii: "R"), 0x81:  // REDUCE, NEWOBJ
      let parts = try pop(2)
      try call(parts[0], arguments: parts[1], isNew: opcode == 0x81)
    case 0x92:  // NEWOBJ_EX
      let parts = try pop(3)
      try call(parts[0], arguments: parts[1], isNew: true)
    case UInt8(ascii: "b"): try build()
    default:
      throw faults.unread(
        .opcode, place, expected: "an opcode that torch.save writes", found: hexadecimal(opcode))
    }
  }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(TorchFileError) -> ArraySlice<UInt8> {
    Work.add(count)
    guard count <= bytes.count - position else {
      throw fault(.pickle, expected: "\(count) more bytes", found: "the end, \(bytes.count - position) further")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func byte() throws(TorchFileError) -> UInt8 { UInt8(try unsigned(1)) }

  private mutating func unsigned(_ count: Int) throws(TorchFileError) -> UInt64 {
    let slice = try take(count)
    return slice.little(at: slice.startIndex, bytes: count)
  }

  /// A length, which must fit what is left.
  private mutating func length(_ count: Int) throws(TorchFileError) -> Int {
    let length = try unsigned(count)
    guard length <= UInt64(bytes.count - position) else {
      throw fault(.pickle, expected: "at most \(bytes.count - position) bytes, which are left", found: "\(length)")
    }
    return Int(length)
  }

  private mutating func pushLong() throws(TorchFileError) {
    let digits = try take(try length(1))
    guard digits.count <= 8, let last = digits.last else {
      stack.append(digits.isEmpty ? .integer(0) : .plain)
      return
    }
    let sign: UInt64 = last & 0x80 == 0 || digits.count == 8 ? 0 : ~0 << (8 * digits.count)
    let magnitude = digits.little(at: digits.startIndex, bytes: digits.count)
    stack.append(.integer(Int(truncatingIfNeeded: magnitude | sign)))
  }

  private mutating func pushString(lengthBytes: Int) throws(TorchFileError) {
    let length = try length(lengthBytes)
    guard length <= Self.maximumStringBytes else {
      throw limit("a string of at most \(Self.maximumStringBytes) bytes", "\(length)")
    }
    let text = try take(length)
    guard let string = String(validating: text, as: UTF8.self) else {
      throw fault(.pickle, expected: "a string in UTF-8", found: "other bytes")
    }
    stack.append(.string(string))
  }

  private mutating func skipBytes(lengthBytes: Int) throws(TorchFileError) {
    _ = try take(try length(lengthBytes))
    stack.append(.plain)
  }

  /// Text up to the next line feed.
  private mutating func line() throws(TorchFileError) -> String {
    let rest = bytes[position...].prefix(256)
    guard let end = rest.firstIndex(of: 0x0A), let text = String(validating: rest[..<end], as: UTF8.self) else {
      throw fault(.pickle, expected: "a name of at most 255 bytes and a line feed", found: "other bytes")
    }
    position = end + 1
    return text
  }

  // MARK: Stack and memo

  private var top: PickleValue? { stack.count > (marks.last ?? 0) ? stack.last : nil }

  private mutating func pop() throws(TorchFileError) -> PickleValue { try pop(1)[0] }

  private mutating func pop(_ count: Int) throws(TorchFileError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw fault(.pickle, expected: "\(count) values on the stack", found: "\(stack.count - (marks.last ?? 0))")
    }
    Work.add(count)
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(TorchFileError) -> [PickleValue] {
    guard let mark = marks.popLast() else {
      throw fault(.pickle, expected: "a mark on the stack", found: "none")
    }
    Work.add(stack.count - mark)
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func put(_ index: Int) throws(TorchFileError) {
    guard let top else { throw misfit("a value") }
    memo[index] = top
  }

  private mutating func get(_ index: Int) throws(TorchFileError) {
    guard let value = memo[index] else {
      throw fault(.pickle, expected: "a value kept under \(index)", found: "none")
    }
    stack.append(value)
  }

  // MARK: Containers

  private mutating func pushSequence(_ elements: [PickleValue], _ kind: (Int) -> PickleValue) {
    stack.append(kind(sequences.count))
    sequences.append(elements)
  }

  private mutating func pushDictionary() {
    stack.append(.dictionary(dictionaries.count))
    dictionaries.append([])
  }

  private mutating func append(_ elements: [PickleValue]) throws(TorchFileError) {
    switch top {
    case .list(let list): sequences[list] += elements
    case .inert: break
    default: throw misfit("a list")
    }
  }

  private mutating func setItems(_ items: [PickleValue]) throws(TorchFileError) {
    guard items.count.isMultiple(of: 2) else {
      throw fault(.pickle, expected: "a value for each key", found: "\(items.count) keys and values")
    }
    switch top {
    case .dictionary(let dictionary):
      for index in stride(from: 0, to: items.count, by: 2) {
        dictionaries[dictionary].append((items[index], items[index + 1]))
      }
    case .inert: break
    default: throw misfit("a dictionary")
    }
  }

  /// Attributes of a dictionary, such as the `_metadata` of `Module.state_dict`, are of no interest.
  private mutating func build() throws(TorchFileError) {
    _ = try pop()
    switch top {
    case .dictionary, .inert: break
    default: throw misfit("a dictionary, or an object that is not read")
    }
  }

  // MARK: Globals

  private mutating func pushGlobal(module: String, name: String) throws(TorchFileError) {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw faults.unread(
        .global, place, expected: "what tensors and their names are made of", found: "\"\(module).\(name)\"")
    }
    stack.append(.global(global))
  }

  private mutating func call(
    _ callee: PickleValue, arguments: PickleValue, isNew: Bool
  ) throws(TorchFileError) {
    guard case .global(let global) = callee, case .tuple(let tuple) = arguments else {
      throw fault(
        .pickle, expected: "a class or function and its arguments", found: "\(callee.summary) and \(arguments.summary)")
    }
    let arguments = sequences[tuple]
    switch global {
    case .inert(let name): stack.append(.inert(name))
    case .orderedDictionary where arguments.isEmpty: pushDictionary()
    case .size where arguments.count == 1:
      guard case .tuple = arguments[0] else { throw misfit("a tuple of lengths") }
      stack.append(arguments[0])
    case .rebuildParameter where !isNew && arguments.count == 3,
      .rebuildParameterWithState where !isNew && arguments.count == 4:
      guard case .tensor = arguments[0] else { throw misfit("a parameter's tensor") }
      stack.append(arguments[0])
    case .rebuildTensor where !isNew && 6...7 ~= arguments.count:
      try pushTensor(arguments, elementType: nil)
    case .rebuildTensorOfType where !isNew && 7...8 ~= arguments.count:
      guard case .global(.elementType(let type)) = arguments[6] else { throw misfit("a tensor's type") }
      try pushTensor(arguments, elementType: type)
    default:
      throw fault(
        .pickle, expected: "arguments as PyTorch writes them",
        found: "\(arguments.count) for \"\(global.name)\"")
    }
  }

  // MARK: Tensors

  /// `("storage", class, key, location, count of elements)`, as `persistent_id` of `torch/serialization.py` makes it.
  private mutating func pushStorage() throws(TorchFileError) {
    let identifier = try pop()
    guard case .tuple(let tuple) = identifier, sequences[tuple].count == 5,
      case .string(let mark) = sequences[tuple][0], mark.isSame(as: "storage"),
      case .global(let kind) = sequences[tuple][1],
      case .string(let key) = sequences[tuple][2], case .integer(let count) = sequences[tuple][4], count >= 0
    else {
      throw fault(
        .storage, expected: "(\"storage\", class, key, location, elements)", found: "something else")
    }
    let elementType: ElementType?
    switch kind {
    case .storage(let type): elementType = type
    case .untypedStorage: elementType = nil
    default: throw fault(.storage, expected: "a class of storages", found: "\"\(kind.name)\"")
    }
    guard key.utf8.count <= Self.maximumKeyBytes else {
      throw limit("a storage's key of at most \(Self.maximumKeyBytes) bytes", "\(key.utf8.count)")
    }
    Work.add(key.utf8.count)
    guard let member = members["data/" + key] else {
      throw faults.damaged(.missingMember, place, expected: "the member \"data/\(key)\"", found: "none of this name")
    }
    let size = (elementType ?? .u8).byteCount(of: count)
    guard size == member.count else {
      throw fault(
        .storage, expected: "\(count) elements of \((elementType ?? .u8).rawValue) in \"data/\(key)\"",
        found: "\(member.count) bytes")
    }
    stack.append(.storage(storages.count))
    storages.append(Storage(elementType: elementType, bytes: member))
  }

  /// `(storage, offset, lengths, strides, …)`, as `Tensor.__reduce_ex__` of `torch/_tensor.py` makes it; offset and
  /// strides are counted in elements.
  private mutating func pushTensor(_ arguments: [PickleValue], elementType: ElementType?) throws(TorchFileError) {
    guard case .storage(let number) = arguments[0], case .integer(let offset) = arguments[1], offset >= 0,
      let shape = try integers(arguments[2]), let strides = try integers(arguments[3]), shape.count == strides.count,
      let type = elementType ?? storages[number].elementType
    else {
      throw fault(
        .tensor, expected: "a storage, an offset, and as many strides as lengths, none negative",
        found: "something else")
    }
    let storage = storages[number].bytes
    let width = type.bitWidth / 8
    let capacity = storage.count / width
    let description = TensorDescription(name: "", shape: shape, elementType: type)
    guard let count = description.elementCount, description.byteCount != nil else {
      throw fault(.overflow, expected: "a size below 2^63 bytes", found: "\(shape) of \(type.rawValue)")
    }
    guard count > 0 else {
      tensors.append(
        TensorView(
          elementType: type, shape: shape, elementCount: 0, bytes: storage.lowerBound..<storage.lowerBound,
          strides: nil))
      stack.append(.tensor(tensors.count - 1))
      return
    }
    guard let last = farthest(from: offset, shape: shape, strides: strides), last < capacity else {
      throw fault(
        .outOfStorage, expected: "elements below \(capacity), which the storage has",
        found: "shape \(shape), strides \(strides), from element \(offset)")
    }
    guard count <= capacity else {
      throw faults.unread(
        .outOfStorage, place, expected: "at most \(capacity) elements, which the storage has",
        found: "shape \(shape), which repeats them")
    }
    let first = storage.lowerBound + offset * width
    tensors.append(
      TensorView(
        elementType: type, shape: shape, elementCount: count,
        bytes: first..<storage.lowerBound + (last + 1) * width,
        strides: isRowMajor(shape: shape, strides: strides) ? nil : strides))
    stack.append(.tensor(tensors.count - 1))
  }

  /// A tuple of integers, none negative; nil for anything else.
  private func integers(_ value: PickleValue) throws(TorchFileError) -> [Int]? {
    guard case .tuple(let tuple) = value else { return nil }
    guard sequences[tuple].count <= Self.maximumDimensions else {
      throw limit("at most \(Self.maximumDimensions) dimensions", "\(sequences[tuple].count)")
    }
    var integers: [Int] = []
    Work.add(sequences[tuple].count)
    for element in sequences[tuple] {
      guard case .integer(let integer) = element, integer >= 0 else { return nil }
      integers.append(integer)
    }
    return integers
  }

  /// The index of the last element in the storage; nil when that overflows. No length is zero.
  private func farthest(from offset: Int, shape: [Int], strides: [Int]) -> Int? {
    var last = offset
    for (length, stride) in zip(shape, strides) {
      let (reach, overflow) = (length - 1).multipliedReportingOverflow(by: stride)
      let (sum, sumOverflow) = last.addingReportingOverflow(reach)
      guard !overflow, !sumOverflow else { return nil }
      last = sum
    }
    return last
  }

  /// Whether elements follow one another without gaps; the stride of a dimension of length 1 says nothing.
  private func isRowMajor(shape: [Int], strides: [Int]) -> Bool {
    var expected = 1
    for (length, stride) in zip(shape, strides).reversed() where length != 1 {
      if stride != expected { return false }
      expected *= length
    }
    return true
  }

  // MARK: Errors

  private var place: String { "data.pkl byte \(start)" }

  private func fault(_ rule: TorchFileRule, expected: String, found: String) -> TorchFileError {
    faults.damaged(rule, place, expected: expected, found: found)
  }

  private func misfit(_ expected: String) -> TorchFileError {
    fault(.pickle, expected: expected, found: top?.summary ?? "nothing")
  }

  private func limit(_ expected: String, _ found: String) -> TorchFileError {
    faults.unread(.limit, place, expected: expected, found: found)
  }

  private func hexadecimal(_ opcode: UInt8) -> String {
    let code = "0x" + String(opcode, radix: 16)
    return 0x21..<0x7F ~= opcode ? "\(code) ('\(Character(Unicode.Scalar(opcode)))')" : code
  }
}
