import Failures
import Files
import StrictJSON
import Texts

/// One object of a JSON configuration; its errors name the file and the path of the field. A null counts as absent.
struct ConfigurationObject {
  let file: String
  /// Keys from the top of the file, joined by dots.
  let path: String
  let members: TextTable<JSONValue>

  static let maximumBytes = 64 << 20

  /// The object that the file at `file` holds.
  init(file: String) throws(CheckpointError) {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try WholeFile.read(file, limit: Self.maximumBytes)
    } catch {
      let isOpened = ![.missing, .unopenable, .exhausted].contains(error.rule)
      throw CheckpointError(isOpened ? .configuration : .missingFile, error)
    }
    try self.init(file: file, bytes: bytes)
  }

  /// The object that `bytes` hold; `file` is named in errors.
  init(file: String, bytes: [UInt8]) throws(CheckpointError) {
    let value: JSONValue
    do throws(JSONError) {
      // What writes these files, and reads them elsewhere, is Python.
      value = try JSONParser.parse(bytes, dialect: .python)
    } catch {
      if let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: true, isJSON: true) {
        throw CheckpointError(
          .configuration, file: file, place: "start of file", expected: "JSON", found: leftover.found,
          remedy: leftover.remedy)
      }
      throw CheckpointError(
        .configuration, file: file, place: "configuration byte \(error.offset)", expected: error.expected,
        found: error.found, remedy: "the file is damaged or not what its name says; fetch it again")
    }
    guard case .object(let members) = value else {
      throw CheckpointError(
        .configuration, file: file, place: "configuration", expected: "an object", found: value.summary,
        remedy: "fetch the file again")
    }
    self.init(file: file, path: "", members: members)
  }

  init(file: String, path: String, members: TextTable<JSONValue> = [:]) {
    self.file = file
    self.path = path
    self.members = members
  }

  func failure(_ key: String, expected: String, found: String) -> CheckpointError {
    CheckpointError(
      .configuration, file: file, place: path + key, expected: expected, found: found,
      remedy: "correct the file or fetch it again")
  }

  func unsupported(_ key: String, expected: String, found: String) -> CheckpointError {
    CheckpointError(
      .unsupported, file: file, place: path + key, expected: expected, found: found,
      remedy: "this kind of model is not supported yet")
  }

  /// The value of `key`; nil when absent or null.
  func value(_ key: String) -> JSONValue? {
    let value = members[key]
    return value == .null ? nil : value
  }

  func object(_ key: String) throws(CheckpointError) -> ConfigurationObject? {
    guard let value = value(key) else { return nil }
    guard case .object(let members) = value else { throw failure(key, expected: "an object", found: value.summary) }
    return ConfigurationObject(file: file, path: path + key + ".", members: members)
  }

  func integer(_ key: String, default standard: Int, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
    try integer(value(key), key, default: standard, in: range)
  }

  private func integer(
    _ value: JSONValue?, _ key: String, default standard: Int, in range: ClosedRange<Int>
  ) throws(CheckpointError) -> Int {
    guard let value else { return standard }
    guard case .integer(let integer) = value, range.contains(integer) else {
      throw failure(
        key, expected: "an integer from \(range.lowerBound) to \(range.upperBound)", found: value.summary)
    }
    return integer
  }

  func double(_ key: String, default standard: Double, in range: ClosedRange<Double>) throws(CheckpointError) -> Double
  {
    guard let value = value(key) else { return standard }
    guard let double = value.double, range.contains(double) else {
      throw failure(key, expected: "a number from \(range.lowerBound) to \(range.upperBound)", found: value.summary)
    }
    return double
  }

  func bool(_ key: String, default standard: Bool) throws(CheckpointError) -> Bool {
    guard let value = value(key) else { return standard }
    guard case .bool(let bool) = value else { throw failure(key, expected: "true or false", found: value.summary) }
    return bool
  }

  /// A short string: it is held against names of this program, which Swift does in the square of a run of marks.
  func string(_ key: String) throws(CheckpointError) -> String? {
    guard let value = value(key) else { return nil }
    guard case .string(let text) = value else { throw failure(key, expected: "a string", found: value.summary) }
    guard text.utf8.count <= Self.longestString else {
      throw failure(key, expected: "at most \(Self.longestString) bytes", found: "\(text.utf8.count)")
    }
    return text
  }

  private static let longestString = 4_096

  /// A size: one integer for both directions, or `[height, width]`.
  func size(
    _ key: String, default standard: Int, in range: ClosedRange<Int>
  ) throws(CheckpointError) -> (height: Int, width: Int) {
    try size(key, default: (standard, standard), in: range)
  }

  func size(
    _ key: String, default standard: (height: Int, width: Int), in range: ClosedRange<Int>
  ) throws(CheckpointError) -> (height: Int, width: Int) {
    guard let found = value(key) else { return standard }
    guard case .array(let pair) = found else {
      let side = try integer(key, default: standard.height, in: range)
      return (side, side)
    }
    guard pair.count == 2 else {
      throw failure(key, expected: "a size or [height, width]", found: "\(pair.count) items")
    }
    return (
      try integer(pair[0], key, default: standard.height, in: range),
      try integer(pair[1], key, default: standard.width, in: range)
    )
  }

  /// A size of transformers' processors: an object of sides, or a number for the shorter one.
  func sizeObject(_ key: String) throws(CheckpointError) -> ConfigurationObject? {
    if case .integer? = value(key) {
      return ConfigurationObject(file: file, path: path, members: ["shortest_edge": members[key] ?? .null])
    }
    return try object(key)
  }

  /// Both sides of such a size.
  func sides() throws(CheckpointError) -> Preprocessing.Sides? {
    let range = ConfigurationRange.imageSize
    if value("shortest_edge") != nil {
      let side = try integer("shortest_edge", default: 1, in: range)
      return .init(height: side, width: side)
    }
    guard value("height") != nil, value("width") != nil else { return nil }
    return .init(
      height: try integer("height", default: 1, in: range), width: try integer("width", default: 1, in: range))
  }

  /// Three finite numbers, one for each colour channel.
  func channels(_ key: String, positive: Bool) throws(CheckpointError) -> [Double]? {
    guard let value = value(key) else { return nil }
    let expected = "three \(positive ? "positive " : "")numbers, or one for all channels"
    let elements: [JSONValue]
    switch value {
    case .array(let list) where list.count == 3: elements = list
    case .integer, .number: elements = [value, value, value]
    default: throw failure(key, expected: expected, found: value.summary)
    }
    var channels: [Double] = []
    for element in elements {
      guard let double = element.double, abs(double) <= 1e6, !positive || double >= 1e-6 else {
        throw failure(key, expected: expected, found: element.summary)
      }
      channels.append(double)
    }
    return channels
  }

  /// Refuses every field that is set and not among `known`: an option that is not understood would be computed wrongly.
  /// A field that is false counts as not set.
  func refuseOptions(except known: [String]) throws(CheckpointError) {
    for key in members.keys where !known.contains(where: key.isSame) {
      guard let value = value(key), value != .bool(false) else { continue }
      throw unsupported(key, expected: "a model without this option", found: value.summary)
    }
  }

  /// Refuses a field that is set to anything but `neutral`.
  func require(_ key: String, _ neutral: JSONValue) throws(CheckpointError) {
    guard let value = value(key), value != neutral else { return }
    throw unsupported(key, expected: neutral.summary, found: value.summary)
  }
}
