import Texts

/// Tensors without what wrappers put before all of their names.
package struct UnwrappedTensors: MappedTensorStore {
  private let stored: any TensorStore
  /// The stored name of each tensor.
  private let storedNames: TextTable<String>
  package let tensors: [TensorDescription]

  package var files: [String] { stored.files }
  package var totalBytes: Int { stored.totalBytes }

  /// What `torch.nn.DataParallel` and `DistributedDataParallel`, `torch.compile` (`OptimizedModule` of
  /// `torch/_dynamo/eval_frame.py`), and models that hold a CLIP among others put there.
  private static let prefixes = ["module.", "_orig_mod.", "clip."]
  private static let maximumLevels = 4

  /// `stored` under the names without prefixes, as far as all of them have them; itself where there are none.
  package static func of(_ stored: any TensorStore) -> any TensorStore {
    let names = stored.names
    let unwrapped = Self.unwrapped(names)
    guard !names.elementsEqual(unwrapped, by: { $0.isSame(as: $1) }) else { return stored }
    var storedNames: TextTable<String> = [:]
    for (name, storedName) in zip(unwrapped, names) { storedNames[name] = storedName }
    return Self(stored, storedNames)
  }

  private init(_ stored: any TensorStore, _ storedNames: TextTable<String>) {
    self.stored = stored
    self.storedNames = storedNames
    tensors = storedNames.compactMap { name, storedName in
      stored.description(of: storedName).map {
        TensorDescription(name: name, shape: $0.shape, elementType: $0.elementType)
      }
    }.sorted { $0.name.precedes($1.name) }
  }

  private static func unwrapped(_ names: [String]) -> [String] {
    var names = names.map { $0.utf8[...] }
    for _ in 0..<maximumLevels {
      guard
        let prefix = prefixes.first(where: { prefix in
          names.allSatisfy { $0.starts(with: prefix.utf8) && $0.count > prefix.utf8.count }
        })
      else { break }
      names = names.map { $0.dropFirst(prefix.utf8.count) }
    }
    return names.map { String(Substring($0)) }
  }

  package func description(of name: String) -> TensorDescription? {
    guard let stored = storedNames[name].flatMap({ stored.description(of: $0) }) else { return nil }
    return TensorDescription(name: name, shape: stored.shape, elementType: stored.elementType)
  }

  package func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    try stored.floats(storedNames[name] ?? name, shape: shape)
  }

  package func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    try stored.doubles(storedNames[name] ?? name, shape: shape)
  }

  package func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    try stored.rows(storedNames[name] ?? name, indices: indices, columns: columns)
  }

  package func mapped(_ name: String) -> MappedTensor? { stored.mappedTensor(storedNames[name] ?? name) }
}
