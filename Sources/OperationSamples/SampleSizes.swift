public import Compute

/// The sizes that an explanation gives its operations.
public struct SampleSizes: Sendable {
  public struct Text: Sendable {
    public let tokens: Int
    public let width: Int
    public let heads: Int

    public init(tokens: Int, width: Int, heads: Int) {
      self.tokens = tokens
      self.width = width
      self.heads = heads
    }
  }

  public var images = 1
  public var prompts = 1
  /// Patches of an image.
  public let gridHeight: Int
  public let gridWidth: Int
  /// Pixels of a patch's side.
  public let patch: Int
  public let width: Int
  public let heads: Int
  public let mlpWidth: Int
  public let embeddingWidth: Int
  public var activation = Activation.gelu
  public var epsilon: Float = 1e-5
  /// The text tower, where there is one.
  public var text: Text?

  public init(
    gridHeight: Int, gridWidth: Int, patch: Int, width: Int, heads: Int, mlpWidth: Int, embeddingWidth: Int
  ) {
    self.gridHeight = gridHeight
    self.gridWidth = gridWidth
    self.patch = patch
    self.width = width
    self.heads = heads
    self.mlpWidth = mlpWidth
    self.embeddingWidth = embeddingWidth
  }

  /// Tokens of one image: the class token and the patches.
  var tokens: Int { 1 + gridHeight * gridWidth }
  /// Rows of all images.
  var rows: Int { images * tokens }
  var stack: RowStack { RowStack(copies: prompts, rows: tokens) }
  /// Rows of all images and prompts.
  var stackedRows: Int { rows * prompts }
}
