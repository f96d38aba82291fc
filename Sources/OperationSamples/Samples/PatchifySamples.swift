import Compute
import Failures

struct PatchifySample: OperationSample {
  let images: Int
  let gridHeight: Int
  let gridWidth: Int
  let patch: Int
  let scalar: Scalar

  let operation = OperationName.patchify
  var detail: String { "\(images)·\(gridWidth * patch)×\(gridHeight * patch) patch \(patch)\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (values, patchCount) = (3 * patch * patch, gridHeight * gridWidth)
    let operation = Patchify(
      pixels: try bench.input(rows: images, columns: patchCount * values), height: gridHeight * patch,
      width: gridWidth * patch, patch: patch, leadingRows: 1,
      patches: try bench.output(rows: images * (1 + patchCount), columns: values))
    return { () throws(BackendError) in try bench.backend.patchify(operation) }
  }
}
