import Failures
import SafeTensors
import StrictJSON
import Texts

extension ConfigurationObject {
  /// The rows of a classifier's or a projection's matrix; nil where there is none.
  func rows(of tensor: String, in store: any TensorStore) throws(CheckpointError) -> Int? {
    guard let shape = store.shape(of: tensor) else { return nil }
    guard shape.count == 2 else {
      throw CheckpointError(
        .tensorShape, file: store.place,
        place: "tensor \"\(tensor)\"", expected: "a matrix, [classes, width]", found: "\(shape)",
        remedy: "the weights do not belong to this configuration")
    }
    return shape[0] > 0 ? shape[0] : nil
  }

  /// The names of classes in a list, or in an object of their numbers; nil where `key` is not set. A number is a name, and
  /// a class whose name is null or blank keeps what `unnamed` calls it.
  func labels(_ key: String, unnamed: [String]) throws(CheckpointError) -> [String]? {
    var labels = unnamed
    switch value(key) {
    case nil: return nil
    case .array(let list)?:
      guard list.count == labels.count else {
        throw failure(key, expected: "\(labels.count) names, one for each class", found: "\(list.count)")
      }
      for (number, entry) in list.enumerated() {
        labels[number] = try label(entry, "\(key)[\(number)]") ?? labels[number]
      }
    case .object(let members)?:
      for (name, entry) in members.sorted(by: { $0.key.precedes($1.key) }) {
        guard let number = Int(name), labels.indices.contains(number) else {
          throw failure(
            "\(key).\(name)", expected: "a class from 0 to \(labels.count - 1), the rows of the classifier",
            found: quoted(name))
        }
        labels[number] = try label(entry, "\(key).\(name)") ?? labels[number]
      }
    case let other?: throw failure(key, expected: "a list of names, or an object of them", found: other.summary)
    }
    return labels
  }

  private func label(_ value: JSONValue, _ place: String) throws(CheckpointError) -> String? {
    switch value {
    case .null: return nil
    case .string(let name): return name.allSatisfy(\.isWhitespace) ? nil : name
    case .integer(let number): return "\(number)"
    default: throw failure(place, expected: "a name", found: value.summary)
    }
  }
}
