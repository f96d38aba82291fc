import Compute
import ComputeCPU

/// The small operations on rows: means, unit length, sums, gathering, copies. Sixteen images at a time, since for one
/// image most of them are a few rows.
func rowsBenchmarks() {
  let (tower, images) = (Tower.large, 16)
  let (rows, width) = (images * tower.tokens, tower.width)
  let shape = "\(tower.name) \(rows)x\(width)"
  measure("MeanRows \(shape)", .elements((rows + images) * width)) { backend in
    let operation = MeanRows(
      input: try backend.random(rows: rows, columns: width), rowsPerGroup: tower.tokens,
      output: try backend.makeMatrix(rows: images, columns: width))
    return { try backend.meanRows(operation) }
  }
  measure("NormalizeRows \(shape)", .elements(2 * rows * width)) { backend in
    let operation = NormalizeRows(
      input: try backend.random(rows: rows, columns: width),
      output: try backend.makeMatrix(rows: rows, columns: width),
      norms: try backend.makeMatrix(rows: rows, columns: 1))
    return { try backend.normalizeRows(operation) }
  }
  normalizeRowsBackward(tower, images: images)
  measure("AddRows \(shape)", .elements((2 * rows + tower.tokens) * width)) { backend in
    let operation = AddRows(
      input: try backend.random(rows: rows, columns: width),
      addend: try backend.random(rows: tower.tokens, columns: width, seed: 2),
      output: try backend.makeMatrix(rows: rows, columns: width))
    return { try backend.addRows(operation) }
  }
  measure("GatherRows \(shape)", .elements(2 * rows * width)) { backend in
    var generator = SeededGenerator(seed: 1)
    let operation = GatherRows(
      source: try backend.random(rows: rows, columns: width),
      rowNumbers: (0..<rows).map { _ in Int.random(in: 0..<rows, using: &generator) },
      output: try backend.makeMatrix(rows: rows, columns: width))
    return { try backend.gatherRows(operation) }
  }
  measure("Copy \(shape)", .elements(2 * rows * width)) { backend in
    let operation = Copy(
      try backend.random(rows: rows, columns: width), to: try backend.makeMatrix(rows: rows, columns: width))
    return { try backend.copy(operation) }
  }
}

private func normalizeRowsBackward(_ tower: Tower, images: Int) {
  let (prompts, width) = (64, tower.embeddingWidth)
  let name = "NormalizeRowsBackward \(tower.name) \(images)x\(width) prompts \(prompts)"
  measure(name, .elements((images * prompts + images + prompts) * width)) { backend in
    let normalized = try backend.random(rows: images, columns: width)
    let norms = try backend.makeMatrix(rows: images, columns: 1)
    try backend.normalizeRows(NormalizeRows(input: normalized, output: normalized, norms: norms))
    let operation = NormalizeRowsBackward(
      directions: try backend.random(rows: prompts, columns: width, seed: 2), normalized: normalized, norms: norms,
      gradient: try backend.makeMatrix(rows: images * prompts, columns: width))
    return { try backend.normalizeRowsBackward(operation) }
  }
}
