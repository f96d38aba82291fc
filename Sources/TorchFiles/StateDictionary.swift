import Texts

/// The dictionary of a saved object that holds its tensors.
struct StateDictionary {
  /// The keys that lead to it; none where it is the object itself.
  let keys: [String]
  /// Its tensors by name, in the order of the file.
  let tensors: [(name: String, view: TensorView)]

  static let maximumNameBytes = 4_096

  /// Keys under which training programs keep the weights beside other things, in the order in which they are looked for.
  static let knownKeys = ["state_dict", "model_state_dict", "model", "module"]
  private static let maximumLevels = 4

  /// Finds the dictionary in what `machine` has read, and checks what is in it.
  ///
  /// One of the known keys goes before tensors beside it, since a state dictionary has no dictionaries in it, and a
  /// checkpoint may have tensors of its own, such as the state of a random generator.
  init(in object: PickleValue, of machine: PickleMachine, faults: TorchFaults) throws(TorchFileError) {
    var keys: [String] = []
    guard case .dictionary(var dictionary) = object else {
      throw faults.unsuited(
        .noTensors, "saved object", expected: "a dictionary of tensors", found: object.summary)
    }
    while keys.count < Self.maximumLevels, let next = Self.nested(in: dictionary, of: machine) {
      keys.append(next.key)
      dictionary = next.dictionary
    }
    self.keys = keys
    let place = keys.isEmpty ? "saved dictionary" : keys.map { "[\"\($0)\"]" }.joined()
    var tensors: [(name: String, view: TensorView)] = []
    var names: Set<TextKey> = []
    for (key, value) in machine.dictionaries[dictionary] {
      switch value {
      case .tensor(let number):
        guard case .string(let name) = key else {
          throw faults.unsuited(.tensorName, place, expected: "names as keys of tensors", found: key.summary)
        }
        try Self.check(name, place, faults)
        guard names.insert(TextKey(name)).inserted else {
          throw faults.damaged(
            .duplicateTensor, "\(place) tensor \"\(name)\"", expected: "every name once", found: "it twice")
        }
        tensors.append((name, machine.tensors[number]))
      case .inert(let path):
        var name = key.summary
        if case .string(let text) = key { name = "\"\(text)\"" }
        throw faults.unread(
          .value, "\(place) \(name)", expected: "tensors and plain values", found: "an object of \"\(path)\"")
      default: break
      }
    }
    guard !tensors.isEmpty else {
      let found = machine.dictionaries[dictionary].compactMap { item in
        if case .string(let text) = item.key { "\"\(text)\"" } else { nil }
      }
      throw faults.unsuited(
        .noTensors, place,
        expected: "tensors, or a dictionary of them as \(Self.knownKeys.map { "\"\($0)\"" }.joined(separator: ", "))",
        found: found.isEmpty ? "none" : "none but \(found.prefix(8).joined(separator: ", "))")
    }
    self.tensors = tensors
  }

  /// The first of the known keys under which there is a dictionary of tensors, or one that has such a key itself.
  private static func nested(in dictionary: Int, of machine: PickleMachine) -> (key: String, dictionary: Int)? {
    for (key, candidate) in knownDictionaries(in: dictionary, of: machine) {
      let holdsTensors = machine.dictionaries[candidate].contains { if case .tensor = $0.value { true } else { false } }
      if holdsTensors || !knownDictionaries(in: candidate, of: machine).isEmpty { return (key, candidate) }
    }
    return nil
  }

  /// Dictionaries under known keys, in the order of the keys.
  private static func knownDictionaries(
    in dictionary: Int, of machine: PickleMachine
  ) -> [(key: String, dictionary: Int)] {
    var found: TextTable<Int> = [:]
    for (key, value) in machine.dictionaries[dictionary] {
      if case (.string(let name), .dictionary(let number)) = (key, value), knownKeys.contains(where: name.isSame) {
        found[name] = number
      }
    }
    return knownKeys.compactMap { key in found[key].map { (key, $0) } }
  }

  private static func check(_ name: String, _ place: String, _ faults: TorchFaults) throws(TorchFileError) {
    guard !name.isEmpty, name.utf8.count <= maximumNameBytes,
      !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else {
      throw faults.damaged(
        .tensorName, "\(place) tensor \"\(name)\"",
        expected: "a name of 1 to \(maximumNameBytes) bytes without control characters", found: "another")
    }
  }
}
