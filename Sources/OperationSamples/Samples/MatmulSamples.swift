import Compute
import Failures

/// A product and what is done to its result.
struct MatmulSample: OperationSample {
  let label: String
  let rows: Int
  let outputs: Int
  let inputs: Int
  /// By the weight's other side.
  var isBackward = false
  var hasBias = false
  /// With its derivative.
  var activation: Activation?
  var residualRows: Int?
  /// The left operand is shared by the prompts and scaled by a row of each.
  var scaledBy: RowStack?
  /// Layers of blocks that follow each other, each with a part of the rows.
  var weights = 1

  let operation = OperationName.matmul
  var arithmetic: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }

  var detail: String {
    var words = "\(label) \(rows)×\(columns)×\(depth)"
    if hasBias { words += " bias" }
    if let activation { words += " \(activation.rawValue)" }
    if residualRows != nil { words += " residual" }
    if scaledBy != nil { words += " scaled" }
    if weights > 1 { words += " \(weights) weights" }
    return words
  }

  private var columns: Int { isBackward ? inputs : outputs }
  private var depth: Int { isBackward ? outputs : inputs }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let input = try bench.input(rows: rows / (scaledBy?.copies ?? 1), columns: depth)
    var scale: Matmul<B.Buffer, B.Weight>.InputScale?
    if let stack = scaledBy {
      scale = .init(scales: try bench.input(rows: rows / stack.rows, columns: depth), stack: stack)
    }
    if weights > 1 {
      let blocks = WeightSequence(groupCount: weights)
      var layers: [B.Weight] = []
      for block in 0..<weights {
        layers.append(try bench.weight(outputs: outputs, inputs: inputs, group: blocks.group(block)))
      }
      let operation = Matmul(
        input: input, inputScale: scale, weights: layers, side: isBackward ? .inputs : .outputs,
        output: try bench.output(rows: rows, columns: columns))
      return { () throws(BackendError) in try bench.backend.matmul(operation) }
    }
    let weight = try bench.weight(outputs: outputs, inputs: inputs)
    var epilogue = Matmul<B.Buffer, B.Weight>.Epilogue(activation: activation)
    if hasBias { epilogue.bias = try bench.input(rows: 1, columns: columns) }
    if activation != nil { epilogue.derivative = try bench.output(rows: rows, columns: columns) }
    if let residualRows { epilogue.residual = try bench.input(rows: residualRows, columns: columns) }
    let operation = Matmul(
      input: input, inputScale: scale, weight: weight, side: isBackward ? .inputs : .outputs,
      output: try bench.output(rows: rows, columns: columns), epilogue: epilogue)
    return { () throws(BackendError) in try bench.backend.matmul(operation) }
  }
}
