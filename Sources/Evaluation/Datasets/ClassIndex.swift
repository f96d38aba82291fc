import Failures
package import LeGrad
import StrictJSON
import Texts

/// The classes of ImageNet, as `imagenet_class_index.json` lists them: `{"0": ["n01440764", "tench"], …}`.
package struct ClassIndex: Equatable, Sendable {
  /// WordNet ids by class.
  package let ids: [String]
  /// Names by class, with spaces for underscores; two classes may share one.
  package let names: [String]
  private let places: TextTable<Int>

  private static let maximumBytes = 16 << 20

  /// Reads the file, whose numbers must be 0, 1, … without a gap.
  package init(path: String) throws(LeGradError) {
    let members = try DatasetFile.members(path, limit: Self.maximumBytes)
    var ids: [String] = []
    var names: [String] = []
    var places: TextTable<Int> = [:]
    for index in 0..<members.count {
      guard case .array(let parts)? = members["\(index)"], parts.count == 2, case .string(let id) = parts[0],
        case .string(let name) = parts[1], !id.isEmpty, !name.isEmpty
      else {
        throw fault(
          path, "\"\(index)\"", expected: "[wnid, name]", found: members["\(index)"]?.summary ?? "nothing",
          remedy: "give imagenet_class_index.json")
      }
      guard places.updateValue(index, forKey: id) == nil else {
        throw fault(path, "\"\(index)\"", expected: "every id once", found: "\(id) twice", remedy: "correct the file")
      }
      ids.append(id)
      names.append(name.replacing(scalar: "_", with: " "))
    }
    guard !ids.isEmpty else {
      throw fault(path, "classes", expected: "at least one", found: "none", remedy: "give imagenet_class_index.json")
    }
    self.ids = ids
    self.names = names
    self.places = places
  }

  package func index(of id: String) -> Int? { places[id] }
}
