/// Cuts images into flattened patches: the patch convolution becomes a `Matmul`.
///
/// `pixels` is `[images, channels · height · width]`, planar and already normalised. Image `b` owns
/// `leadingRows + gridHeight · gridWidth` rows of `patches`: first `leadingRows` rows of zeros (the places of
/// tokens that come from no patch, such as the class token), then its patches in row-major grid order. Column
/// `(channel · patch + y) · patch + x` of a patch's row is that pixel of the patch, the order of a convolution
/// kernel `[outputs, channels, patch, patch]`. Float32 or float64.
public struct Patchify<Buffer: Sendable>: Sendable {
  public let pixels: Matrix<Buffer>
  public let height: Int
  public let width: Int
  public let patch: Int
  public let leadingRows: Int
  public let patches: Matrix<Buffer>

  public init(
    pixels: Matrix<Buffer>, height: Int, width: Int, patch: Int, leadingRows: Int, patches: Matrix<Buffer>
  ) {
    precondition(
      patch > 0 && height % patch == 0 && width % patch == 0 && leadingRows >= 0,
      "patchify: \(height)×\(width) pixels in patches of \(patch)")
    precondition(
      pixels.columns % (height * width) == 0
        && patches.columns == pixels.columns / (height * width) * patch * patch
        && patches.rows == pixels.rows * (leadingRows + height / patch * (width / patch)),
      "patchify: \(pixels.shape) pixels into \(patches.shape) patches")
    self.pixels = pixels
    self.height = height
    self.width = width
    self.patch = patch
    self.leadingRows = leadingRows
    self.patches = patches
  }

  public var channels: Int { pixels.columns / (height * width) }
}
