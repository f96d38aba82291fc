import Compute

/// Every operation of `Backend` with its samples: what a self-check compares and a benchmark times.
extension SampleSizes {
  /// Every operation, as the towers use it.
  public var everySample: [any OperationSample] {
    memory + [patchProduct] + forwardProducts + backwardProducts + joinedBlocks + readOutProducts + attention
      + attentionRows
      + layerNorms + pointwise + rowOperations + relevancePropagation
  }

  /// The operations that an explanation spends its time in: products from both sides, attention, relevance.
  public var heavySamples: [any OperationSample] {
    forwardProducts + backwardProducts
      + [AttentionSample(sizes: forwardAttention), AttentionRelevanceSample(sizes: stackedAttention)]
  }

  private var forwardAttention: AttentionSizes {
    AttentionSizes(images: images, tokens: tokens, heads: heads, width: width)
  }

  private var stackedAttention: AttentionSizes {
    AttentionSizes(images: images, prompts: prompts, tokens: tokens, heads: heads, width: width)
  }

  private var memory: [any OperationSample] {
    [UploadSample(rows: rows, columns: width), CopySample(rows: rows, columns: width)]
      + Scalar.allCases.map { FillSample(rows: rows, columns: width, scalar: $0) }
  }

  private var patchProduct: any OperationSample {
    MatmulSample(label: "patches", rows: rows, outputs: width, inputs: 3 * patch * patch, residualRows: tokens)
  }

  /// The four products of a block with what is done to their results.
  private var forwardProducts: [any OperationSample] {
    [
      MatmulSample(label: "queries-keys-values", rows: rows, outputs: 3 * width, inputs: width, hasBias: true),
      MatmulSample(
        label: "attention-output", rows: rows, outputs: width, inputs: width, hasBias: true, residualRows: rows),
      MatmulSample(
        label: "mlp-input", rows: rows, outputs: mlpWidth, inputs: width, hasBias: true, activation: activation),
      MatmulSample(
        label: "mlp-output", rows: rows, outputs: width, inputs: mlpWidth, hasBias: true, residualRows: rows),
    ]
  }

  /// The block's four products from the other side, for all prompts.
  private var backwardProducts: [any OperationSample] {
    func product(_ label: String, outputs: Int, inputs: Int, scaledBy: RowStack? = nil) -> MatmulSample {
      MatmulSample(
        label: label + " backward", rows: stackedRows, outputs: outputs, inputs: inputs, isBackward: true,
        scaledBy: scaledBy)
    }
    return [
      product("queries-keys-values", outputs: 3 * width, inputs: width),
      product("attention-output", outputs: width, inputs: width),
      product("mlp-input", outputs: mlpWidth, inputs: width, scaledBy: stack),
      product("mlp-output", outputs: width, inputs: mlpWidth),
    ]
  }

  /// The way back through two blocks at once.
  private var joinedBlocks: [any OperationSample] {
    [
      MatmulSample(
        label: "mlp-output backward", rows: 2 * images * prompts, outputs: width, inputs: mlpWidth, isBackward: true,
        weights: 2),
      MatmulSample(
        label: "mlp-input backward", rows: 2 * stackedRows, outputs: mlpWidth, inputs: width, isBackward: true,
        scaledBy: stack, weights: 2),
      LayerNormBackwardSample(images: 2 * images, stack: stack, width: width, isBroadcast: false, norms: 2),
    ]
  }

  /// A row per image or per image and prompt.
  private var readOutProducts: [any OperationSample] {
    [
      MatmulSample(label: "projection", rows: images, outputs: embeddingWidth, inputs: width),
      MatmulSample(
        label: "projection backward", rows: images * prompts, outputs: embeddingWidth, inputs: width,
        isBackward: true),
    ]
  }

  /// A block's attention from both sides, and that of the text tower.
  private var attention: [any OperationSample] {
    var samples: [any OperationSample] = [
      AttentionSample(sizes: forwardAttention), AttentionRelevanceSample(sizes: stackedAttention),
      AttentionBackwardSample(sizes: forwardAttention),
    ]
    if let text {
      let sizes = AttentionSizes(images: prompts, tokens: text.tokens, heads: text.heads, width: text.width)
      samples.append(AttentionSample(sizes: sizes, mask: .causal))
      samples.append(AttentionBackwardSample(sizes: sizes, mask: .causal))
    }
    return samples
  }

  /// What the methods beside LeGrad read of attention maps.
  private var attentionRows: [any OperationSample] {
    let sizes = stackedAttention
    return [KeyScoresSample(sizes: sizes)]
      + HeadReading.allCases.map { KeyRelevanceSample(sizes: sizes, reading: $0) }
      + [TokenSumsSample(sizes: sizes), TokenSumsBackwardSample(sizes: sizes)]
      + [false, true].map { RowThroughMapSample(sizes: sizes, hasGradient: $0) }
  }

  private var layerNorms: [any OperationSample] {
    Scalar.allCases.map { LayerNormSample(rows: rows, width: width, epsilon: epsilon, scalar: $0) }
      + [false, true].map {
        LayerNormBackwardSample(images: images, stack: stack, width: width, isBroadcast: $0)
      }
      + [FoldedNormBackwardSample(images: images, stack: stack, width: width, hidden: mlpWidth)]
  }

  private var pointwise: [any OperationSample] {
    Scalar.allCases.flatMap { scalar in
      Activation.allCases.map { ActivateSample(activation: $0, rows: rows, columns: mlpWidth, scalar: scalar) }
    }
      + [GateSample(activation: .silu, rows: rows, columns: mlpWidth)]
      + RotaryPairing.allCases.map { RotateSample(sizes: forwardAttention, pairing: $0) }
      + [true, false].map {
        ActivationBackwardSample(images: images, stack: stack, columns: mlpWidth, isBroadcast: $0)
      }
      + Scalar.allCases.map { SoftmaxSample(rows: rows, columns: tokens, scalar: $0) }
      + [SoftmaxBackwardSample(rows: rows, columns: tokens)]
  }

  private var rowOperations: [any OperationSample] {
    Scalar.allCases.flatMap { scalar -> [any OperationSample] in
      [
        PatchifySample(images: images, gridHeight: gridHeight, gridWidth: gridWidth, patch: patch, scalar: scalar),
        AddRowsSample(rows: rows, addends: tokens, columns: width, scalar: scalar),
      ]
    } + [
      GatherRowsSample(rows: rows, columns: width, picked: prompts * images),
      MeanRowsSample(groups: images, rowsPerGroup: tokens, columns: width),
      NormalizeRowsSample(rows: images, columns: embeddingWidth),
      NormalizeRowsBackwardSample(images: images, prompts: prompts, columns: embeddingWidth),
    ]
  }

  /// Relevance propagation's own, in float64.
  private var relevancePropagation: [any OperationSample] {
    [
      ForwardProductSample(rows: rows, inner: width, columns: mlpWidth),
      RelevanceProductSample(rows: rows, prompts: prompts, inner: mlpWidth, columns: width),
      TransposedProductSample(tokens: tokens, columns: width / heads),
    ] + [false, true].map { RelevanceShareSample(rows: rows, prompts: prompts, columns: mlpWidth, isQuotient: $0) }
  }
}
