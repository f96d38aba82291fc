import Compute
import VisionTransformer

extension SampleSizes {
  var matmulSamples: [any OperationSample] { [patchProduct] + forwardProducts + backwardProducts + readOutProducts }

  /// The four products of a block with what is done to their results.
  var forwardProducts: [any OperationSample] {
    [
      MatmulSample("queries-keys-values", rows: rows, outputs: 3 * width, inputs: width, hasBias: true),
      MatmulSample(
        "attention-output", rows: rows, outputs: width, inputs: width, hasBias: true, residualRows: rows),
      MatmulSample(
        "mlp-input", rows: rows, outputs: mlpWidth, inputs: width, hasBias: true, activation: vision.activation),
      MatmulSample("mlp-output", rows: rows, outputs: width, inputs: mlpWidth, hasBias: true, residualRows: rows),
    ]
  }

  /// The same four from the other side, for all prompts.
  var backwardProducts: [any OperationSample] {
    [
      MatmulSample(
        "queries-keys-values backward", rows: stackedRows, outputs: 3 * width, inputs: width, side: .inputs),
      MatmulSample("attention-output backward", rows: stackedRows, outputs: width, inputs: width, side: .inputs),
      MatmulSample(
        "mlp-input backward", rows: stackedRows, outputs: mlpWidth, inputs: width, side: .inputs, scaledBy: stack),
      MatmulSample("mlp-output backward", rows: stackedRows, outputs: width, inputs: mlpWidth, side: .inputs),
    ]
  }

  private var patchProduct: any OperationSample {
    MatmulSample(
      "patches", rows: rows, outputs: width, inputs: 3 * vision.patchSize * vision.patchSize, residualRows: tokens)
  }

  /// A row per image or per image and prompt.
  private var readOutProducts: [any OperationSample] {
    [
      MatmulSample("projection", rows: images, outputs: embeddingWidth, inputs: width),
      MatmulSample(
        "projection backward", rows: images * prompts, outputs: embeddingWidth, inputs: width, side: .inputs),
    ]
  }
}

/// A product and what is done to its result.
private struct MatmulSample: OperationSample {
  enum Side { case outputs, inputs }

  let label: String
  let rows: Int
  let outputs: Int
  let inputs: Int
  let side: Side
  let hasBias: Bool
  /// With its derivative.
  let activation: Activation?
  let residualRows: Int?
  /// The left operand is shared by the prompts and scaled by a row of each.
  let stack: PromptStack?

  init(
    _ label: String, rows: Int, outputs: Int, inputs: Int, side: Side = .outputs, hasBias: Bool = false,
    activation: Activation? = nil, residualRows: Int? = nil, scaledBy stack: PromptStack? = nil
  ) {
    self.label = label
    self.rows = rows
    self.outputs = outputs
    self.inputs = inputs
    self.side = side
    self.hasBias = hasBias
    self.activation = activation
    self.residualRows = residualRows
    self.stack = stack
  }

  let operation = "matmul"
  let isProduct = true
  var arithmetic: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }

  var detail: String {
    var words = "\(label) \(rows)×\(columns)×\(depth)"
    if hasBias { words += " bias" }
    if let activation { words += " \(activation.rawValue)" }
    if residualRows != nil { words += " residual" }
    if stack != nil { words += " scaled" }
    return words
  }

  private var columns: Int { side == .outputs ? outputs : inputs }
  private var depth: Int { side == .outputs ? inputs : outputs }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let input = try bench.input(rows: rows / (stack?.prompts ?? 1), columns: depth)
    var scale: Matmul<B.Buffer, B.Weight>.InputScale?
    if let stack {
      scale = .init(scales: try bench.input(rows: rows / stack.tokens, columns: depth), stack: stack)
    }
    let weight = try bench.weight(outputs: outputs, inputs: inputs)
    var epilogue = Matmul<B.Buffer, B.Weight>.Epilogue(activation: activation)
    if hasBias { epilogue.bias = try bench.input(rows: 1, columns: columns) }
    if activation != nil { epilogue.derivative = try bench.output(rows: rows, columns: columns) }
    if let residualRows { epilogue.residual = try bench.input(rows: residualRows, columns: columns) }
    let operation = Matmul(
      input: input, inputScale: scale, weight: weight, side: side == .outputs ? .outputs : .inputs,
      output: try bench.output(rows: rows, columns: columns), epilogue: epilogue)
    return { () throws(BackendError) in try bench.backend.matmul(operation) }
  }
}
