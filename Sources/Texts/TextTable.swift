/// Values under texts from outside, which are told apart by their bytes.
package struct TextTable<Value> {
  private var members: [TextKey: Value] = [:]

  package init() {}

  package var count: Int { members.count }
  package var isEmpty: Bool { members.isEmpty }
  package var values: some Collection<Value> { members.values }
  /// In the order of their bytes.
  package var keys: [String] { members.keys.sorted().map(\.text) }

  package subscript(key: String) -> Value? {
    get { members[TextKey(key)] }
    set { members[TextKey(key)] = newValue }
  }

  /// - Returns: the value that was there.
  @discardableResult
  package mutating func updateValue(_ value: Value, forKey key: String) -> Value? {
    members.updateValue(value, forKey: TextKey(key))
  }

  package mutating func removeValue(forKey key: String) -> Value? { members.removeValue(forKey: TextKey(key)) }

  package mutating func reserveCapacity(_ count: Int) { members.reserveCapacity(count) }
}

extension TextTable: Sequence {
  /// In no order.
  package func makeIterator() -> some IteratorProtocol<(key: String, value: Value)> {
    members.lazy.map { (key: $0.key.text, value: $0.value) }.makeIterator()
  }
}

extension TextTable: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, Value)...) {
    for (key, value) in elements { self[key] = value }
  }
}

extension TextTable: Equatable where Value: Equatable {}

extension TextTable: Sendable where Value: Sendable {}
