import Compute
import TestSupport
import Testing

struct PatchifyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let images: Int
    let channels: Int
    let height: Int
    let width: Int
    let patch: Int
    let leadingRows: Int
    var testDescription: String {
      "\(images) images of \(channels)×\(height)×\(width), patch \(patch), \(leadingRows) leading rows"
    }
  }

  static let cases = [
    (1, 1, 1, 1, 1, 0), (1, 3, 6, 4, 2, 1), (2, 3, 9, 15, 3, 1), (3, 1, 7, 21, 7, 0), (2, 3, 28, 42, 14, 1),
    (1, 3, 32, 48, 16, 5), (2, 4, 10, 5, 5, 2), (1, 3, 13, 11, 1, 1), (1, 2, 17, 34, 17, 1),
  ].map { Case(images: $0.0, channels: $0.1, height: $0.2, width: $0.3, patch: $0.4, leadingRows: $0.5) }

  @Test(arguments: TestBackend.available, cases)
  func patchify(_ backend: TestBackend, _ test: Case) throws {
    let pixels = HostMatrix.random(test.images, test.channels * test.height * test.width, seed: 90)
    let (height, width, patch, leadingRows) = (test.height, test.width, test.patch, test.leadingRows)
    // Pixels are moved, not computed: the oracle's values are these floats exactly.
    let expected = Oracle.patchify(
      pixels.doubles, height: height, width: width, patch: patch, leadingRows: leadingRows
    ).floats
    func run<B: Backend>(_ backend: B, _ layout: Layout) throws -> HostMatrix {
      try perform(on: backend, layout: layout) { stage in
        let patches = try stage.output(rows: expected.rows, columns: expected.columns)
        try backend.patchify(
          Patchify(
            pixels: stage.input(pixels), height: height, width: width, patch: patch, leadingRows: leadingRows,
            patches: patches))
        return [try stage.read(patches)]
      }[0]
    }
    for layout in Layout.all { expectSameBits(try run(backend.open(), layout), expected, "\(layout)") }
  }
}
