package import Compute

/// What a float64 forward keeps on the device. Layouts are those of the operations that read them.
extension Float64Forward {
  package typealias Place = Matrix<B.Buffer>

  /// A layer norm's scale and shift.
  package struct Norm: Sendable {
    @Planned var scale: Place
    @Planned var shift: Place

    init(_ width: Int, in plan: inout WorkspacePlan<B>) {
      _scale = plan.doubles(1, width)
      _shift = plan.doubles(1, width)
    }
  }

  package struct Linear: Sendable {
    /// `[outputs, inputs]`.
    @Planned package private(set) var weight: Place
    @Planned var bias: Place

    init(outputs: Int, inputs: Int, in plan: inout WorkspacePlan<B>) {
      _weight = plan.doubles(outputs, inputs)
      _bias = plan.doubles(1, outputs)
    }
  }

  /// A block's weights.
  package struct Weights: Sendable {
    let attentionNorm, mlpNorm: Norm
    /// Of every head.
    let queryNorm, keyNorm: Norm?
    /// Of what the two second products read.
    let attendedNorm, hiddenNorm: Norm?
    package let attentionInput, attentionOutput, mlpInput, mlpOutput: Linear

    init(_ vision: VisionConfiguration, in plan: inout WorkspacePlan<B>) {
      let width = vision.width
      attentionNorm = Norm(width, in: &plan)
      mlpNorm = Norm(width, in: &plan)
      queryNorm = vision.hasQueryKeyNorm ? Norm(vision.headWidth, in: &plan) : nil
      keyNorm = vision.hasQueryKeyNorm ? Norm(vision.headWidth, in: &plan) : nil
      attendedNorm = vision.hasAttendedNorm ? Norm(width, in: &plan) : nil
      hiddenNorm = vision.hasHiddenNorm ? Norm(vision.mlpWidth, in: &plan) : nil
      attentionInput = Linear(outputs: 3 * width, inputs: width, in: &plan)
      attentionOutput = Linear(outputs: width, inputs: width, in: &plan)
      mlpInput = Linear(outputs: vision.mlpWidth, inputs: width, in: &plan)
      mlpOutput = Linear(outputs: width, inputs: vision.mlpWidth, in: &plan)
    }
  }

  /// Everything that a block's forward computes, but for the maps.
  package struct Block: Sendable {
    @Planned package fileprivate(set) var input: Place
    @Planned package fileprivate(set) var output: Place
    @Planned package private(set) var normalizedInput: Place
    /// Queries and keys behind their norms.
    @Planned package private(set) var queriesKeysValues: Place
    /// The attention's output.
    @Planned package private(set) var attended: Place
    /// The attention's output where a norm precedes its projection.
    @Planned private var attendedNormed: Place?
    /// The attention's output after its projection.
    @Planned package private(set) var projected: Place
    @Planned package private(set) var middle: Place
    @Planned package private(set) var normalizedMiddle: Place
    /// What the MLP's second product reads.
    @Planned package private(set) var hidden: Place
    @Planned package private(set) var mlp: Place

    /// - Parameters:
    ///   - input: in the place of a checkpoint, until a block runs.
    ///   - output: likewise.
    init(
      tokens: Int, _ vision: VisionConfiguration, input: Planned<Place>, output: Planned<Place>,
      in plan: inout WorkspacePlan<B>
    ) {
      let width = vision.width
      _input = input
      _output = output
      _normalizedInput = plan.doubles(tokens, width)
      _queriesKeysValues = plan.doubles(tokens, 3 * width)
      _attended = plan.doubles(tokens, width)
      _attendedNormed = plan.doubles(tokens, columnsIfAny: vision.hasAttendedNorm ? width : nil)
      _projected = plan.doubles(tokens, width)
      _middle = plan.doubles(tokens, width)
      _normalizedMiddle = plan.doubles(tokens, width)
      _hidden = plan.doubles(tokens, vision.mlpWidth)
      _mlp = plan.doubles(tokens, width)
    }

    /// What the attention's projection reads.
    package var normalizedAttended: Place { attendedNormed ?? attended }

    /// The same memory between two checkpoints.
    func between(_ input: Place, _ output: Place) -> Block {
      var block = self
      (block.input, block.output) = (input, output)
      return block
    }

    /// The block's rows of some tokens.
    package func rows(_ range: Range<Int>) -> Block {
      var block = between(input.rows(range), output.rows(range))
      block.normalizedInput = normalizedInput.rows(range)
      block.queriesKeysValues = queriesKeysValues.rows(range)
      block.attended = attended.rows(range)
      block.attendedNormed = attendedNormed?.rows(range)
      block.projected = projected.rows(range)
      block.middle = middle.rows(range)
      block.normalizedMiddle = normalizedMiddle.rows(range)
      block.hidden = hidden.rows(range)
      block.mlp = mlp.rows(range)
      return block
    }
  }

  /// What enters the first block, and where it comes from.
  package struct Embedding: Sendable {
    /// The image, then its distances from its smallest and from its largest value, each `[3 · height · width]`.
    @Planned var pixels: Place
    /// Patches of all three, `[tokens, 3 · patch · patch]` each, with rows of zeros for leading tokens.
    @Planned package private(set) var patches: Place
    /// `[width, 3 · patch · patch]`.
    @Planned package private(set) var convolution: Place
    @Planned var patchBias: Place
    /// Before positions are added. The leading rows are the model's own.
    @Planned package private(set) var tokens: Place
    @Planned var positions: Place
    /// Tokens with their positions.
    @Planned package private(set) var sum: Place
    let norm: Norm?

    /// - Parameter output: the first checkpoint, which the sum itself is where no norm follows it.
    init(_ grid: Grid, _ vision: VisionConfiguration, output: Planned<Place>, in plan: inout WorkspacePlan<B>) {
      let tokens = vision.leadingTokens + grid.count
      let (width, values) = (vision.width, 3 * vision.patchSize * vision.patchSize)
      _pixels = plan.doubles(3, grid.count * values)
      _patches = plan.doubles(3 * tokens, values)
      _convolution = plan.doubles(width, values)
      _patchBias = plan.doubles(1, width)
      _tokens = plan.doubles(tokens, width)
      _positions = plan.doubles(tokens, width)
      _sum = vision.hasInputNorm ? plan.doubles(tokens, width) : output
      norm = vision.hasInputNorm ? Norm(width, in: &plan) : nil
    }
  }

  /// From the class token to the image's embedding, which is not scaled to unit length.
  package struct ReadOut: Sendable {
    /// Nil for a tower without one.
    let norm: Norm?
    /// `[embedding, width]`; nil where the norm's output is the embedding.
    @Planned package private(set) var projection: Place?
    @Planned private(set) var projectionBias: Place?
    @Planned var normalized: Place
    @Planned package private(set) var embedding: Place?

    init(_ configuration: ModelConfiguration, in plan: inout WorkspacePlan<B>) {
      let width = configuration.vision.width
      norm = configuration.vision.hasOutputNorm ? Norm(width, in: &plan) : nil
      let isProjected = configuration.vision.hasProjection
      _projection = plan.doubles(configuration.embeddingWidth, columnsIfAny: isProjected ? width : nil)
      _projectionBias = plan.doubles(
        1, columnsIfAny: configuration.vision.hasProjectionBias ? configuration.embeddingWidth : nil)
      _normalized = plan.doubles(1, width)
      _embedding = plan.doubles(1, columnsIfAny: isProjected ? configuration.embeddingWidth : nil)
    }
  }
}

extension WorkspacePlan {
  /// Promises a matrix of float64.
  package mutating func doubles(_ rows: Int, _ columns: Int) -> Planned<Matrix<B.Buffer>> {
    reserve(rows: rows, columns: columns, of: .float64)
  }

  /// Promises a matrix of float64 if there is to be one.
  mutating func doubles(_ rows: Int, columnsIfAny columns: Int?) -> Planned<Matrix<B.Buffer>?> {
    reserve(rows: rows, columnsIfAny: columns, of: .float64)
  }
}
