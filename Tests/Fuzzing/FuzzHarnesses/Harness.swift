import Failures

/// One reader, or several that share their files, as something that takes any bytes.
///
/// An error in a room's own shape is a right answer. A trap, a hang, or a `Finding` is a fault.
package struct Harness: Sendable, CustomStringConvertible {
  package let name: String
  /// Bytes beyond which an input says nothing that a shorter one does not.
  package let maximumLength: Int
  /// What the format's own words are, for mutations.
  package let words: [String]
  /// How many mutations `make test` runs, a second of them or two; none where a library outside of this package is known
  /// to read past its memory.
  package let testRuns: Int
  private let makeSeeds: @Sendable () throws -> [[UInt8]]
  private let makeReader: @Sendable (Workbench) throws -> (([UInt8]) throws(Finding) -> Void)

  init(
    _ name: String, maximumLength: Int, testRuns: Int, words: [String],
    seeds: @escaping @Sendable () throws -> [[UInt8]],
    reader: @escaping @Sendable (Workbench) throws -> (([UInt8]) throws(Finding) -> Void)
  ) {
    self.name = name
    self.maximumLength = maximumLength
    self.testRuns = testRuns
    self.words = words
    makeSeeds = seeds
    makeReader = reader
  }

  package var description: String { name }

  /// Inputs that the reader takes, or nearly.
  package func seeds() throws -> [[UInt8]] { try makeSeeds().map { Array($0.prefix(maximumLength)) } }

  /// What reads an input, with the files that it needs in `bench`.
  package func reader(_ bench: Workbench) throws -> (([UInt8]) throws(Finding) -> Void) { try makeReader(bench) }
}

/// An answer that is wrong though nothing crashed.
package struct Finding: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// Reads once; an error must be one line that says something.
/// - Returns: nil where the reader refused.
func taken<Value, Refusal: LegibleError>(_ read: () throws(Refusal) -> Value) throws(Finding) -> Value? {
  do throws(Refusal) { return try read() } catch {
    let text = error.description
    let isLine = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    guard !text.isEmpty, isLine else { throw Finding("an error that is no line of text: \(text.debugDescription)") }
    return nil
  }
}

func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(Finding) {
  guard holds else { throw Finding(what()) }
}
