/// How a test's matrix lies in the larger buffer around it.
public struct Layout: Sendable, Hashable, CustomStringConvertible {
  public let name: String
  /// Rows of the buffer before, after, and from one row of the matrix to the next.
  public let above: Int
  public let below: Int
  public let rowStep: Int
  /// Columns of the buffer before and after those of the matrix.
  public let left: Int
  public let right: Int

  /// Nothing around it.
  public static let tight = Layout(name: "tight", above: 0, below: 0, rowStep: 1, left: 0, right: 0)
  /// Poison on all sides, and an offset and a stride that no vector width divides.
  public static let padded = Layout(name: "padded", above: 1, below: 1, rowStep: 1, left: 3, right: 6)
  /// Every third row of a buffer, as the class tokens of a batch are every `tokens`-th.
  public static let everyThirdRow = Layout(name: "every third row", above: 1, below: 2, rowStep: 3, left: 0, right: 0)

  public static let all: [Layout] = [.tight, .padded, .everyThirdRow]

  public var description: String { name }
}
