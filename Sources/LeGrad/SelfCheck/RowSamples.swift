import Compute
import VisionTransformer

extension SampleSizes {
  var rowSamples: [any OperationSample] {
    Scalar.allCases.flatMap { scalar -> [any OperationSample] in
      [
        PatchifySample(images: images, grid: grid, patch: vision.patchSize, scalar: scalar),
        AddRowsSample(rows: rows, addends: tokens, columns: width, scalar: scalar),
      ]
    } + [
      GatherRowsSample(rows: rows, columns: width, picked: prompts * images),
      MeanRowsSample(groups: images, rowsPerGroup: tokens, columns: width),
      NormalizeRowsSample(rows: images, columns: embeddingWidth),
      NormalizeRowsBackwardSample(images: images, prompts: prompts, columns: embeddingWidth),
    ]
  }
}

private struct PatchifySample: OperationSample {
  let images: Int
  let grid: Grid
  let patch: Int
  let scalar: Scalar

  let operation = "patchify"
  var detail: String { "\(images)·\(grid.width * patch)×\(grid.height * patch) patch \(patch)\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let values = 3 * patch * patch
    let operation = Patchify(
      pixels: try bench.input(rows: images, columns: grid.count * values), height: grid.height * patch,
      width: grid.width * patch, patch: patch, leadingRows: 1,
      patches: try bench.output(rows: images * (1 + grid.count), columns: values))
    return { () throws(BackendError) in try bench.backend.patchify(operation) }
  }
}

private struct GatherRowsSample: OperationSample {
  let rows: Int
  let columns: Int
  let picked: Int

  let operation = "gatherRows"
  var detail: String { "\(picked) of \(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = GatherRows(
      source: try bench.input(rows: rows, columns: columns), rowNumbers: (0..<picked).map { ($0 * 37 + 5) % rows },
      output: try bench.output(rows: picked, columns: columns))
    return { () throws(BackendError) in try bench.backend.gatherRows(operation) }
  }
}

private struct AddRowsSample: OperationSample {
  let rows: Int
  let addends: Int
  let columns: Int
  let scalar: Scalar

  let operation = "addRows"
  var detail: String { "\(rows)×\(columns) plus \(addends) rows\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = AddRows(
      input: try bench.input(rows: rows, columns: columns), addend: try bench.input(rows: addends, columns: columns),
      output: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.addRows(operation) }
  }
}

private struct MeanRowsSample: OperationSample {
  let groups: Int
  let rowsPerGroup: Int
  let columns: Int

  let operation = "meanRows"
  var detail: String { "\(groups)·\(rowsPerGroup)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = MeanRows(
      input: try bench.input(rows: groups * rowsPerGroup, columns: columns), rowsPerGroup: rowsPerGroup,
      output: try bench.output(rows: groups, columns: columns))
    return { () throws(BackendError) in try bench.backend.meanRows(operation) }
  }
}

private struct NormalizeRowsSample: OperationSample {
  let rows: Int
  let columns: Int

  let operation = "normalizeRows"
  var detail: String { "\(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = NormalizeRows(
      input: try bench.input(rows: rows, columns: columns), output: try bench.output(rows: rows, columns: columns),
      norms: try bench.output(rows: rows, columns: 1))
    return { () throws(BackendError) in try bench.backend.normalizeRows(operation) }
  }
}

private struct NormalizeRowsBackwardSample: OperationSample {
  let images: Int
  let prompts: Int
  let columns: Int

  let operation = "normalizeRowsBackward"
  var detail: String { "\(images)×\(columns) prompts \(prompts)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    // Rows of about unit length.
    let deviation = 1 / Float(columns).squareRoot()
    let operation = NormalizeRowsBackward(
      directions: try bench.input(rows: prompts, columns: columns, deviation: deviation),
      normalized: try bench.input(rows: images, columns: columns, deviation: deviation),
      norms: try bench.input(rows: images, columns: 1, mean: 2, deviation: 0.2),
      gradient: try bench.output(rows: images * prompts, columns: columns))
    return { () throws(BackendError) in try bench.backend.normalizeRowsBackward(operation) }
  }
}
