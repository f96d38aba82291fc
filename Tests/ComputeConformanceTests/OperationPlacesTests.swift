import Compute
import Foundation
import Testing

/// README's "Add an operation" names the places that an operation has in the sources: no more, no less.
@Suite struct OperationPlacesTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

  /// Rooms that operations are used in.
  private static let users = ["Sources/LeGrad/", "Sources/VisionTransformer/"]

  /// The files below `Sources` and `Kernels` by their path.
  private static let sources: [String: String] = {
    var sources: [String: String] = [:]
    for folder in ["Sources", "Kernels"] {
      let files = FileManager.default.enumerator(at: root.appending(path: folder), includingPropertiesForKeys: nil)
      for case let file as URL in files ?? .init() where ["swift", "c", "h", "cl"].contains(file.pathExtension) {
        let path = String(file.standardized.path.dropFirst(root.path.count + 1))
        if users.contains(where: path.hasPrefix), !path.hasPrefix("Sources/LeGrad/Prediction/") { continue }
        sources[path] = try? String(contentsOf: file, encoding: .utf8)
      }
    }
    return sources
  }()

  /// Where README says that an operation is: those that each has, and those that it may have.
  private static func places() throws -> (always: [String], sometimes: [String]) {
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let rest = try #require(readme.components(separatedBy: "## Add an operation").dropFirst().first)
    let section = rest.components(separatedBy: "\n## ")[0]
    var (always, sometimes): ([String], [String]) = ([], [])
    // What only some have is said in sentences of their own, which begin so.
    for sentence in section.replacing("\n", with: " ").components(separatedBy: ". ") {
      let paths = sentence.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        .filter { $0.contains("/") && !$0.hasPrefix("Tests/") }
      if sentence.contains("Where ") { sometimes += paths } else { always += paths }
    }
    return (always, sometimes)
  }

  /// `<Name>` and `<name>` stand for the operation, `<…>` for any file.
  private func pattern(_ place: String, for operation: OperationName) -> String {
    let name = operation.rawValue
    let path = place.replacing("<Name>", with: name.prefix(1).uppercased() + name.dropFirst())
      .replacing("<name>", with: snakeCase(name))
    return path.hasPrefix("Kernels/") ? path : "Sources/" + path
  }

  private func snakeCase(_ name: String) -> String {
    name.map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
  }

  private func files(naming operation: OperationName) -> Set<String> {
    let name = operation.rawValue
    let spellings = [name, name.prefix(1).uppercased() + name.dropFirst(), snakeCase(name)]
    return Set(
      Self.sources.filter { path, text in
        spellings.contains { spelling in
          path.contains("/\(spelling).") || path.contains("/\(spelling)_cpu.")
            || text.ranges(of: spelling).contains { range in
              let before = range.lowerBound == text.startIndex ? " " : text[text.index(before: range.lowerBound)]
              let after = range.upperBound == text.endIndex ? " " : text[range.upperBound]
              let following = text[range.upperBound...]
              return !before.isLetter && !after.isLowercase && !following.hasPrefix("Backward")
                && !following.hasPrefix("_backward")
            }
        }
      }.keys)
  }

  /// Operations whose name is no word that sources use for anything else, and that share no file with another.
  @Test(arguments: [
    OperationName.patchify, .gatherRows, .keyRelevance, .tokenSums, .normalizeRows, .relevanceShare,
  ])
  func readmeNamesThePlacesOfAnOperation(_ operation: OperationName) throws {
    let (always, sometimes) = try Self.places()
    #expect(always.count == 13 && sometimes.count == 5, "\(always), \(sometimes)")
    let named = files(naming: operation)
    var unexplained = named
    for place in always {
      let path = pattern(place, for: operation)
      #expect(named.contains(path), "\(path) does not name it")
      unexplained.remove(path)
    }
    for place in sometimes {
      let path = pattern(place, for: operation)
      unexplained = unexplained.filter { !(path.hasSuffix("/") ? $0.hasPrefix(path) : $0 == path) }
    }
    // The gradient of an operation is a neighbour of it, with kernels of its own.
    unexplained = unexplained.filter { !$0.hasPrefix("Kernels/\(snakeCase(operation.rawValue))_backward") }
    #expect(unexplained.isEmpty)
  }

  @Test func everyOperationHasAMethodOfBackend() throws {
    let backend = try #require(Self.sources["Sources/Compute/Backend.swift"])
    for operation in OperationName.numerical { #expect(backend.contains("func \(operation.rawValue)(")) }
    // Uploads and downloads are in both scalars, a weight is prepared from values or from a file, and there is a shorter
    // `prepare`.
    let methods = backend.components(separatedBy: "  func ").count - 1
    let others = ["makeMatrix", "synchronize", "record", "measurePeak"]
    #expect(methods == OperationName.numerical.count + 3 + others.count)
  }
}
