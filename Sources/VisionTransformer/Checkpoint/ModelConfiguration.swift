public import Compute

/// The sizes and options of a CLIP-like model, checked: every value lies in a sane range and they fit each other.
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

  public init(
    embeddingWidth: Int, vision: VisionConfiguration, text: TextConfiguration?, preprocessing: Preprocessing,
    layout: Layout = .openCLIP
  ) {
    self.embeddingWidth = embeddingWidth
    self.vision = vision
    self.text = text
    self.preprocessing = preprocessing
    self.layout = layout
  }
}

/// A vision tower: patches and a class token through pre-norm blocks.
public struct VisionConfiguration: Equatable, Sendable {
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

  public init(
    layers: Int, width: Int, heads: Int, mlpWidth: Int, patchSize: Int, imageHeight: Int, imageWidth: Int,
    activation: Activation = .gelu, epsilon: Float = 1e-5
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
  }

  public var headWidth: Int { width / heads }
  /// Patches from top to bottom at the model's own input size.
  public var gridHeight: Int { imageHeight / patchSize }
  /// Patches from left to right at the model's own input size.
  public var gridWidth: Int { imageWidth / patchSize }
  /// The class token and the patches, at the model's own input size.
  public var tokens: Int { 1 + gridHeight * gridWidth }
}

/// A text tower: token ids through pre-norm blocks with a causal mask.
public struct TextConfiguration: Equatable, Sendable {
  /// The token whose final state is the text's.
  public enum Pooling: Equatable, Sendable {
    /// The position of the largest id, which is the end of text in CLIP's vocabulary.
    case argmax
    /// The first position that holds this id.
    case firstEOT(Int)
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

  public init(
    contextLength: Int = 77, vocabularySize: Int = 49_408, width: Int, heads: Int, layers: Int, mlpWidth: Int,
    activation: Activation = .gelu, epsilon: Float = 1e-5, pooling: Pooling = .argmax
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
  }

  public var headWidth: Int { width / heads }
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

  /// The statistics of OpenAI's CLIP, which most models were trained with.
  public static let openAI = Preprocessing(
    mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])
}
