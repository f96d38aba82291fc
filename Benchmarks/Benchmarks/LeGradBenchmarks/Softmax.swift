import Compute
import ComputeCPU

/// The softmax of the maps of all heads of one image, as methods that keep maps need it.
func softmaxBenchmarks() {
  for tower in Tower.all {
    let (rows, columns) = (tower.heads * tower.tokens, tower.tokens)
    measure("Softmax \(tower.name) \(rows)x\(columns)", .elements(2 * rows * columns)) { backend in
      let operation = Softmax(
        input: try backend.random(rows: rows, columns: columns),
        output: try backend.makeMatrix(rows: rows, columns: columns))
      return { try backend.softmax(operation) }
    }
    measure("SoftmaxBackward \(tower.name) \(rows)x\(columns)", .elements(3 * rows * columns)) { backend in
      let output = try backend.makeMatrix(rows: rows, columns: columns)
      try backend.softmax(Softmax(input: try backend.random(rows: rows, columns: columns), output: output))
      let operation = SoftmaxBackward(
        upstream: try backend.random(rows: rows, columns: columns, seed: 2), output: output,
        gradient: try backend.makeMatrix(rows: rows, columns: columns))
      return { try backend.softmaxBackward(operation) }
    }
  }
}
