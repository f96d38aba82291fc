public import Compute

/// The sizes and options of a CLIP-like model (CLIP, SigLIP, CoCa), checked: every value lies in a sane range and they fit each other.
public struct ModelConfiguration: Equatable, Sendable {
  /// How the files of a model name and orient its tensors.
  public enum Layout: String, Sendable, CaseIterable {
    case openCLIP
    case huggingFace
  }

  /// Width of the space that images and texts share, the rows of `visual.proj` and `text_projection`.
  public var embeddingWidth: Int
  public var vision: VisionConfiguration
  /// Nil for a model without a text tower.
  public var text: TextConfiguration?
  public var preprocessing: Preprocessing
  /// The layout of the folder that this was read from.
  public var layout: Layout
  /// Whether OpenCLIP's names of the text tower's tensors start with `text.` (its `custom_text`).
  public var nestsText: Bool
  /// Whether there is a `logit_bias` beside `logit_scale`.
  public var hasLogitBias: Bool

  public init(
    embeddingWidth: Int, vision: VisionConfiguration, text: TextConfiguration?, preprocessing: Preprocessing,
    layout: Layout = .openCLIP, nestsText: Bool = false, hasLogitBias: Bool = false
  ) {
    self.embeddingWidth = embeddingWidth
    self.vision = vision
    self.text = text
    self.preprocessing = preprocessing
    self.layout = layout
    self.nestsText = nestsText
    self.hasLogitBias = hasLogitBias
  }
}

/// A vision tower: patches, and mostly a class token, through pre-norm blocks.
public struct VisionConfiguration: Equatable, Sendable {
  /// How the image's embedding comes from the last block's tokens.
  public enum Pooling: Equatable, Sendable {
    /// The class token, normalised and projected.
    case classToken
    /// The mean of the patches, normalised and projected.
    case average
    /// Nothing: OpenCLIP gives one row per token. Their mean token, normalised and projected, stands in for the image.
    case unpooled
    /// SigLIP's attention of one learned query on the normalised tokens, with an MLP and without a projection.
    case map
    /// CoCa's attention of learned queries on all tokens; the first of its rows is normalised and projected.
    case queries(count: Int, heads: Int)
  }

  public var layers: Int
  /// Width of a token.
  public var width: Int
  public var heads: Int
  public var mlpWidth: Int
  /// Side of a square patch in pixels.
  public var patchSize: Int
  /// Input height in pixels, a multiple of the patch.
  public var imageHeight: Int
  /// Input width in pixels, a multiple of the patch.
  public var imageWidth: Int
  public var activation: Activation
  /// Added to the variance in every layer norm.
  public var epsilon: Float
  public var pooling: Pooling
  /// Whether the final layer norm follows the pooling instead of preceding it; the same for a class token.
  public var normsAfterPooling: Bool
  public var hasClassToken: Bool
  /// Whether tokens are normalised before the first block.
  public var hasInputNorm: Bool
  public var hasPatchBias: Bool

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
  }

  public var headWidth: Int { width / heads }
  /// Patches from top to bottom at the model's own input size.
  public var gridHeight: Int { imageHeight / patchSize }
  /// Patches from left to right at the model's own input size.
  public var gridWidth: Int { imageWidth / patchSize }
  /// Tokens before the patches: the class token, if there is one.
  public var leadingTokens: Int { hasClassToken ? 1 : 0 }
  /// The class token and the patches, at the model's own input size.
  public var tokens: Int { leadingTokens + gridHeight * gridWidth }
  /// Whether the embedding is made by attention on the tokens, instead of by a layer norm and a projection.
  public var hasAttentionPooler: Bool {
    switch pooling {
    case .map, .queries: true
    case .classToken, .average, .unpooled: false
    }
  }
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
