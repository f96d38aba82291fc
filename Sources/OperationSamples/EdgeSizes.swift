/// Sizes around what kernels are cut into, below, at and above the widths of vectors, tiles and blocks: where tests of
/// every operation look for what goes wrong at an edge.
package enum EdgeSizes {
  /// Sizes of operations on rows.
  package static let rows: [(rows: Int, columns: Int)] = [
    (1, 1), (2, 2), (2, 3), (3, 5), (3, 7), (5, 7), (1, 8), (7, 8), (2, 12), (4, 12), (97, 13), (197, 13), (3, 15),
    (2, 16), (3, 16), (3, 17), (4, 17), (5, 17), (2, 31), (5, 31), (7, 31), (6, 32), (4, 33), (5, 33), (6, 33), (7, 33),
    (2, 63), (3, 65), (13, 97), (13, 197), (2, 257), (5, 257), (3, 512), (2, 768), (2, 769),
  ]

  /// Sizes of attention and of what reads its maps.
  package struct Attention: Sendable {
    package let images: Int
    package let prompts: Int
    package let tokens: Int
    package let heads: Int
    package let headWidth: Int
  }

  package static let attention = [
    (1, 1, 1, 1, 1), (1, 1, 5, 1, 7), (1, 2, 6, 16, 4), (2, 3, 7, 3, 20), (1, 1, 11, 3, 8), (1, 1, 12, 3, 8),
    (1, 1, 12, 1, 16), (1, 1, 13, 1, 15), (2, 1, 15, 2, 17), (1, 3, 16, 1, 16), (1, 1, 16, 3, 20), (1, 2, 16, 16, 4),
    (1, 1, 17, 1, 64), (2, 1, 17, 2, 64), (2, 1, 29, 1, 104), (1, 1, 31, 1, 72), (1, 1, 32, 1, 96), (1, 2, 33, 2, 80),
  ].map { Attention(images: $0.0, prompts: $0.1, tokens: $0.2, heads: $0.3, headWidth: $0.4) }

  /// Sizes of products: each dimension's edges against sizes of the others.
  package static let products: [(rows: Int, inner: Int, columns: Int)] =
    [1, 2, 3, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 31, 33].map { ($0, 19, 17) }
    + [1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 31, 32, 33, 47, 48, 49, 63, 64, 65, 97].map { (7, 13, $0) }
    + [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65, 127].map { (13, $0, 21) }

  /// Beyond one block of a blocked product, one dimension at a time.
  package static let largeProducts: [(rows: Int, inner: Int, columns: Int)] = [
    (257, 33, 17), (197, 64, 48), (3, 257, 19), (5, 513, 31), (2, 1031, 17), (1, 768, 97), (3, 11, 521), (2, 7, 1031),
    (97, 97, 97),
  ]

  /// Sizes of sums over the tokens of an image.
  package static let sumsOverTokens: [(images: Int, rowsPerImage: Int, tokens: Int, width: Int)] = [
    (1, 1, 1, 1), (1, 1, 5, 7), (2, 3, 7, 16), (1, 12, 25, 49), (3, 2, 17, 33), (2, 4, 197, 65), (4, 4, 197, 65),
    (1, 8, 196, 769),
  ]
}
