public import Compute

/// The sizes and options of a model whose pictures a plain vision transformer reads: an encoder (CLIP, SigLIP, CoCa, DINO)
/// or a classifier. Checked: every value lies in a sane range and they fit each other.
public struct ModelConfiguration: Equatable, Sendable {
  /// How the files of a model name and orient its tensors.
  public enum Layout: String, Sendable, CaseIterable {
    case openCLIP
    case huggingFace
    case timm
  }

  /// Width of what is made of an image: of the space that images and texts share, or of the features that a classifier
  /// reads.
  public var embeddingWidth: Int
  public var vision: VisionConfiguration
  /// The classes of a classifier, in the order of its logits; nil for an encoder, whose embeddings have unit length.
  public var classes: [String]?
  /// Nil for a model without a text tower.
  public var text: TextConfiguration?
  public var preprocessing: Preprocessing
  /// The layout of the folder that this was read from.
  public var layout: Layout
  /// Whether OpenCLIP's names of the text tower's tensors start with `text.` (its `custom_text`).
  public var nestsText: Bool
  /// Whether there is a `logit_scale`, which similarities are multiplied by the exponential of.
  public var hasLogitScale: Bool
  /// Whether there is a `logit_bias` beside it.
  public var hasLogitBias: Bool

  public init(
    embeddingWidth: Int, vision: VisionConfiguration, text: TextConfiguration?, preprocessing: Preprocessing,
    layout: Layout = .openCLIP, nestsText: Bool = false, hasLogitBias: Bool = false, classes: [String]? = nil
  ) {
    self.embeddingWidth = embeddingWidth
    self.vision = vision
    self.classes = classes
    self.text = text
    self.preprocessing = preprocessing
    self.layout = layout
    self.nestsText = nestsText
    self.hasLogitBias = hasLogitBias
    hasLogitScale = text != nil
  }
}

/// A vision tower: patches, and mostly tokens before them, through pre-norm blocks.
public struct VisionConfiguration: Equatable, Sendable {
  /// How the image's embedding comes from the last block's tokens.
  public enum Pooling: Equatable, Sendable {
    /// The class token, normalised and projected.
    case classToken
    /// The mean of the patches, or of all tokens, normalised and projected.
    case average
    /// Nothing: OpenCLIP gives one row per token. Their mean token, normalised and projected, stands in for the image.
    case unpooled
    /// The attention of one learned query to the normalised tokens, with an MLP: SigLIP's, PE's and timm's.
    case map
    /// CoCa's attention of learned queries on all tokens; the first of its rows is normalised and projected.
    case queries(count: Int, heads: Int)
    /// DINOv2's classifier: the normalised class token, and beside it the mean of the normalised patches.
    case classAndPatches
    /// DeiT's classifier with a teacher: the normalised class token, and beside it the normalised distillation token.
    case classAndDistillation
  }

  /// The score of a block's output that LeGrad differentiates.
  public enum BlockScore: Equatable, Sendable {
    /// What the model's norm and head make of the mean of all tokens, or of the class token (methods §1.2).
    case token
    /// What the model's own norm, pooling and head make of the tokens, in their own order.
    case ownPooling
  }

  /// The two products of a block's MLP.
  public enum MLP: Equatable, Sendable {
    /// `W₂ φ(W₁ x)`.
    case plain
    /// `W₂ (φ(W_gate x) ⊙ W_value x)`, the rows of the gate before those of the value in one matrix.
    case gated
  }

  public var layers: Int
  /// Width of a token.
  public var width: Int
  public var heads: Int
  public var mlpWidth: Int
  /// Side of a square patch in pixels.
  public var patchSize: Int
  /// Input height in pixels. What is left of whole patches at the bottom is not read.
  public var imageHeight: Int
  /// Input width in pixels. What is left of whole patches at the right is not read.
  public var imageWidth: Int
  public var activation: Activation
  /// Added to the variance in every layer norm.
  public var epsilon: Float
  public var pooling: Pooling
  /// Whether the final layer norm follows the pooling instead of preceding it; either, for a class token.
  public var normsAfterPooling: Bool
  public var hasClassToken: Bool
  /// Tokens between the class token and the patches, which no map shows: registers, or DeiT's distillation token.
  public var registers = 0
  /// The learned positions; nil for a tower that has only rotary ones.
  public var positions: LearnedPositions?
  public var rotary: RotaryPositions?
  public var mlp = MLP.plain
  /// Whether an MLP's activation is normalised before its second product.
  public var hasHiddenNorm = false
  /// Whether the attention's output is normalised before its projection.
  public var hasAttendedNorm = false
  /// Whether queries and keys are normalised in every head.
  public var hasQueryKeyNorm = false
  /// Whether what is pooled, or is about to be, is normalised before the projection or the head.
  public var hasOutputNorm = true
  /// Whether tokens are normalised before the first block.
  public var hasInputNorm: Bool
  public var hasPatchBias: Bool
  /// Whether a picture is read as patches of any grid near the model's own number of them, as SigLIP 2's NaFlex does.
  public var readsPatchRows = false
  /// Which of the blocks' products have a bias.
  public var biases = BlockBiases()
  public var blockScore = BlockScore.token
  /// Whether the mean of `average` takes the leading tokens in.
  public var averagesLeadingTokens = false
  /// Heads of the `map` pooler's attention.
  public var poolerHeads: Int
  /// Width of the `map` pooler's MLP.
  public var poolerMLPWidth: Int
  /// Whether the `map` pooler attends to the patches alone, and not to the leading tokens.
  public var poolsPatchesOnly = false
  /// Whether a projection follows the pooling and its norm.
  public var hasProjection: Bool
  public var hasProjectionBias = false

  public init(
    layers: Int, width: Int, heads: Int, mlpWidth: Int, patchSize: Int, imageHeight: Int, imageWidth: Int,
    activation: Activation = .gelu, epsilon: Float = 1e-5, pooling: Pooling = .classToken,
    normsAfterPooling: Bool = false, hasClassToken: Bool = true, hasInputNorm: Bool = true, hasPatchBias: Bool = false
  ) {
    self.layers = layers
    self.width = width
    self.heads = heads
    self.mlpWidth = mlpWidth
    self.patchSize = patchSize
    self.imageHeight = imageHeight
    self.imageWidth = imageWidth
    self.activation = activation
    self.epsilon = epsilon
    self.pooling = pooling
    self.normsAfterPooling = normsAfterPooling
    self.hasClassToken = hasClassToken
    self.hasInputNorm = hasInputNorm
    self.hasPatchBias = hasPatchBias
    positions = LearnedPositions(
      leadingRows: hasClassToken ? 1 : 0, height: imageHeight / max(patchSize, 1), width: imageWidth / max(patchSize, 1)
    )
    poolerHeads = heads
    poolerMLPWidth = mlpWidth
    hasProjection = pooling != .map
  }

  public var headWidth: Int { width / heads }
  /// Patches from top to bottom at the model's own input size.
  public var gridHeight: Int { imageHeight / patchSize }
  /// Patches from left to right at the model's own input size.
  public var gridWidth: Int { imageWidth / patchSize }
  /// Tokens before the patches: the class token, if there is one, and the registers.
  public var leadingTokens: Int { (hasClassToken ? 1 : 0) + registers }
  /// Leading tokens and patches, at the model's own input size.
  public var tokens: Int { leadingTokens + gridHeight * gridWidth }
  /// Columns of an MLP's first product.
  public var mlpInputWidth: Int { mlp == .gated ? 2 * mlpWidth : mlpWidth }
  /// Whether the embedding is made by attention on the tokens, instead of by a layer norm and a projection.
  public var hasAttentionPooler: Bool {
    switch pooling {
    case .map, .queries: true
    case .classToken, .average, .unpooled, .classAndPatches, .classAndDistillation: false
    }
  }
}

/// A table of learned positions, which are added to the tokens that enter the first block.
public struct LearnedPositions: Equatable, Sendable {
  /// How the table is brought to another grid than its own.
  public enum Resampling: Equatable, Sendable {
    /// As PyTorch's `interpolate` in mode `bicubic`, with a = −0.5 and antialias, or with a = −0.75 and without.
    case bicubic(antialias: Bool)
    /// In mode `bilinear`, with antialias.
    case bilinear
  }

  /// Of the leading tokens, from the first on, how many have a row, before those of the patches.
  public var leadingRows: Int
  /// Rows of the table's own grid.
  public var height: Int
  /// Columns of the table's own grid.
  public var width: Int
  public var resampling = Resampling.bicubic(antialias: true)

  public init(
    leadingRows: Int, height: Int, width: Int, resampling: Resampling = .bicubic(antialias: true)
  ) {
    self.leadingRows = leadingRows
    self.height = height
    self.width = width
    self.resampling = resampling
  }

  public var rows: Int { leadingRows + height * width }
}

/// Positions that turn queries and keys of the patches, in pairs of columns, by angles of their row and column.
public struct RotaryPositions: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// DINOv3's: patch centres from −1 to 1 of either side, half a head's pairs for the row and then half for the
    /// column, angles `2π · centre · θ^(−4k/d)`.
    case centres
    /// timm's `cat`: patch numbers scaled to a grid of reference, half a head's pairs for either direction, angles
    /// `(number + offset) / side · reference · θ^(−4k/d)`.
    case numbers(offset: Int, referenceHeight: Int, referenceWidth: Int, columnFirst: Bool)
  }

  public var kind: Kind
  /// θ, the base of the angles' geometric series.
  public var theta: Double
  public var pairing: RotaryPairing

  public init(_ kind: Kind, theta: Double, pairing: RotaryPairing) {
    self.kind = kind
    self.theta = theta
    self.pairing = pairing
  }
}

/// Which of a block's products have a bias.
public struct BlockBiases: Equatable, Sendable {
  public var queries = true
  public var keys = true
  public var values = true
  public var output = true
  public var mlp = true

  public init() {}
}

/// A text tower: token ids through pre-norm blocks.
public struct TextConfiguration: Equatable, Sendable {
  /// What makes ids of text.
  public enum Tokenization: Equatable, Sendable {
    /// CLIP's byte pairs, framed by start and end tokens.
    case clip
    /// SigLIP's: unigrams of SentencePiece, or Gemma's byte pairs; OpenCLIP's folders canonicalise the text.
    case siglip
    /// Gemma's byte pairs of text in lower case, whatever the folder says: transformers' Siglip2Model.
    case siglip2
    /// OpenCLIP's `hf_tokenizer_name`: what the folder's files are, such as CLIPA's word pieces of BERT, whose separator
    /// may be made 0.
    case named(cleaning: String, stripsSeparator: Bool)
  }

  /// The token whose final state is the text's.
  public enum Pooling: Equatable, Sendable {
    /// The last position of the context, whatever stands there.
    case last
    /// A class token behind the context, which sees what OpenCLIP's CoCa lets it see (methods §9.1).
    case classToken
    /// The position of the largest id, which is the end of text in CLIP's vocabulary.
    case argmax
    /// The first position that holds this id.
    case firstEOT(Int)
    /// The first position that holds one of these ids.
    case firstOf([Int])
  }

  /// Number of token positions.
  public var contextLength: Int
  public var vocabularySize: Int
  /// Width of a token.
  public var width: Int
  public var heads: Int
  public var layers: Int
  public var mlpWidth: Int
  public var activation: Activation
  /// Added to the variance in every layer norm.
  public var epsilon: Float
  public var pooling: Pooling
  /// Whether a token sees only itself and those before it.
  public var isCausal: Bool
  public var hasProjectionBias: Bool
  public var tokenization: Tokenization

  public init(
    contextLength: Int = 77, vocabularySize: Int = 49_408, width: Int, heads: Int, layers: Int, mlpWidth: Int,
    activation: Activation = .gelu, epsilon: Float = 1e-5, pooling: Pooling = .argmax, isCausal: Bool = true,
    hasProjectionBias: Bool = false, tokenization: Tokenization = .clip
  ) {
    self.contextLength = contextLength
    self.vocabularySize = vocabularySize
    self.width = width
    self.heads = heads
    self.layers = layers
    self.mlpWidth = mlpWidth
    self.activation = activation
    self.epsilon = epsilon
    self.pooling = pooling
    self.isCausal = isCausal
    self.hasProjectionBias = hasProjectionBias
    self.tokenization = tokenization
  }

  public var headWidth: Int { width / heads }
  /// Rows of the positional table.
  public var positions: Int { contextLength + (pooling == .classToken ? 1 : 0) }
}

/// How a picture becomes the model's input.
public struct Preprocessing: Equatable, Sendable {
  /// Pillow's filters.
  public enum Interpolation: String, Sendable, CaseIterable {
    case bilinear
    case bicubic
  }

  public enum ResizeMode: String, Sendable, CaseIterable {
    /// The shorter side to the input size, then a centre crop.
    case shortest
    /// The longer side to the input size, then padding.
    case longest
    /// Both sides to the input size.
    case squash
  }

  /// Mean of each colour channel, red, green, blue, of pixels in 0…1. Nil when the folder does not say: a guess would
  /// be silently wrong, so whoever needs it must be given one.
  public var mean: [Double]?
  /// Standard deviation of each colour channel; nil when the folder does not say.
  public var std: [Double]?
  public var interpolation: Interpolation
  public var resizeMode: ResizeMode
  /// Height and width in pixels that a picture is resized to before its middle is kept, on the way to `output`;
  /// nil where the input's own are.
  public var resized: Sides?
  /// The size that the folder's own way ends in, where it says one; else the model's input size.
  public var output: Sides?
  /// Whether the middle starts at half of what is left over rounded down, as in transformers, instead of to the even
  /// number.
  public var cropsAtFloor = false
  /// Red, green and blue of padding, each 0…255.
  public var padding: [UInt8] = [0, 0, 0]
  /// Whether pixels are resized as numbers in 0…1, without rounding to 8 bits.
  public var resizesNumbers = false
  /// The most patches of a picture, where the tower takes any grid and the folder's processor says how many; nil for
  /// the model's own number.
  public var patchLimit: Int?

  /// Height and width in pixels.
  public struct Sides: Equatable, Sendable {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  public init(
    mean: [Double]?, std: [Double]?, interpolation: Interpolation = .bicubic, resizeMode: ResizeMode = .shortest
  ) {
    self.mean = mean
    self.std = std
    self.interpolation = interpolation
    self.resizeMode = resizeMode
  }

  /// What SigLIP was trained with.
  public static let siglip = Preprocessing(
    mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], resizeMode: .squash)

  /// The statistics of OpenAI's CLIP, which most models were trained with.
  public static let openAI = Preprocessing(
    mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])
}
