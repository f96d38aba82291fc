import Compute
import VisionTransformer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A CLIP tower's forward in float64, a block at a time, with what relevance propagation reads.
struct Float64Forward<B: Backend>: Sendable {
  let source: any WeightSource
  let backend: B

  var vision: VisionConfiguration { source.configuration.vision }

  func weight(_ name: String, rows: Int, columns: Int) throws(ModelError) -> Float64Matrix {
    Float64Matrix(rows: rows, columns: columns, values: try values(name))
  }

  func values(_ name: String) throws(ModelError) -> [Double] {
    do { return try source.doubles(name) } catch { throw .checkpoint(error) }
  }

  /// `left · right`, or `left · rightᵀ` as a Linear layer has it.
  func multiply(
    _ left: Float64Matrix, _ right: Float64Matrix, transposed: Bool
  ) throws(ModelError) -> Float64Matrix {
    do {
      return try backend.multiply(Float64Product(left, right, rightIsTransposed: transposed))
    } catch { throw .backend(error) }
  }

  /// Tokens before positions are added, the positions, and what enters the first block.
  struct Embedding {
    /// `[patches, 3 · patch · patch]`.
    let patches: Float64Matrix
    let convolution: Float64Matrix
    let tokens: Float64Matrix
    let positions: [Double]
    let output: Float64Matrix
  }

  /// - Parameter pixels: normalised and planar, `[3, height, width]`.
  func embed(_ pixels: [Double], grid: Grid) throws(ModelError) -> Embedding {
    let (width, patch) = (vision.width, vision.patchSize)
    let patches = Self.patches(pixels, grid: grid, patch: patch)
    let convolution = try weight("visual.conv1.weight", rows: width, columns: patches.columns)
    let products = try multiply(patches, convolution, transposed: true)
    let tokens = Float64Matrix(
      rows: 1 + grid.count, columns: width, values: try values("visual.class_embedding") + products.values)
    let table = try values("visual.positional_embedding")
    let positions =
      table[..<width]
      + PositionalTable.resample(
        Array(table[width...]), gridHeight: vision.gridHeight, gridWidth: vision.gridWidth, width: width,
        newHeight: grid.height, newWidth: grid.width)
    let sum = Float64Matrix(
      rows: tokens.rows, columns: width, values: zip(tokens.values, positions).map { $0 + $1 })
    return Embedding(
      patches: patches, convolution: convolution, tokens: tokens, positions: Array(positions),
      output: vision.hasInputNorm ? try layerNorm(sum, "visual.ln_pre") : sum)
  }

  static func patches(_ pixels: [Double], grid: Grid, patch: Int) -> Float64Matrix {
    var values: [Double] = []
    values.reserveCapacity(pixels.count)
    let width = grid.width * patch
    for y in 0..<grid.height {
      for x in 0..<grid.width {
        for channel in 0..<3 {
          for row in 0..<patch {
            let first = (channel * grid.height * patch + y * patch + row) * width + x * patch
            values += pixels[first..<first + patch]
          }
        }
      }
    }
    return Float64Matrix(rows: grid.count, columns: 3 * patch * patch, values: values)
  }

  func layerNorm(_ input: Float64Matrix, _ name: String) throws(ModelError) -> Float64Matrix {
    let (gain, shift) = (try values(name + ".weight"), try values(name + ".bias"))
    var output = input
    let columns = input.columns
    for row in 0..<input.rows {
      let range = row * columns..<(row + 1) * columns
      let mean = input.values[range].reduce(0, +) / Double(columns)
      let variance = input.values[range].reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      let inverse = 1 / (variance + Double(vision.epsilon)).squareRoot()
      for column in 0..<columns {
        output.values[range.lowerBound + column] =
          (input.values[range.lowerBound + column] - mean) * inverse * gain[column] + shift[column]
      }
    }
    return output
  }

  func linear(_ input: Float64Matrix, _ weight: Float64Matrix, bias: String) throws(ModelError) -> Float64Matrix {
    let bias = try values(bias)
    var output = try multiply(input, weight, transposed: true)
    for row in 0..<output.rows {
      for column in 0..<output.columns { output.values[row * output.columns + column] += bias[column] }
    }
    return output
  }

  func activated(_ input: Float64Matrix) -> Float64Matrix {
    var output = input
    for index in output.values.indices {
      let x = output.values[index]
      switch vision.activation {
      case .gelu: output.values[index] = x / 2 * (1 + erf(x / 2.0.squareRoot()))
      case .quickGELU: output.values[index] = x / (1 + exp(-1.702 * x))
      case .geluTanh:
        output.values[index] = x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      }
    }
    return output
  }

  /// A block's weights and everything that its forward computed, but for the maps.
  struct Block {
    let attentionInput, attentionOutput, mlpInput, mlpOutput: Float64Matrix
    let input: Float64Matrix
    let normalizedInput: Float64Matrix
    let queriesKeysValues: Float64Matrix
    /// The attention's output before and after its projection.
    let attended, projected: Float64Matrix
    let middle: Float64Matrix
    let normalizedMiddle: Float64Matrix
    let hidden: Float64Matrix
    let mlp: Float64Matrix
    let output: Float64Matrix
  }

  func block(_ number: Int, from input: Float64Matrix) throws(ModelError) -> Block {
    let (width, mlpWidth) = (vision.width, vision.mlpWidth)
    let prefix = "visual.transformer.resblocks.\(number)."
    let attentionInput = try weight(prefix + "attn.in_proj_weight", rows: 3 * width, columns: width)
    let attentionOutput = try weight(prefix + "attn.out_proj.weight", rows: width, columns: width)
    let mlpInput = try weight(prefix + "mlp.c_fc.weight", rows: mlpWidth, columns: width)
    let mlpOutput = try weight(prefix + "mlp.c_proj.weight", rows: width, columns: mlpWidth)
    let normalizedInput = try layerNorm(input, prefix + "ln_1")
    let queriesKeysValues = try linear(normalizedInput, attentionInput, bias: prefix + "attn.in_proj_bias")
    var attended = Float64Matrix(
      rows: input.rows, columns: width, values: [Double](repeating: 0, count: input.rows * width))
    for head in 0..<vision.heads {
      let part = HeadPart(queriesKeysValues, head: head, heads: vision.heads)
      let result = try multiply(attention(part).map, part.values, transposed: false)
      attended.setHead(head, of: vision.heads, to: result)
    }
    let projected = try linear(attended, attentionOutput, bias: prefix + "attn.out_proj.bias")
    let middle = input.adding(projected)
    let normalizedMiddle = try layerNorm(middle, prefix + "ln_2")
    let hidden = activated(try linear(normalizedMiddle, mlpInput, bias: prefix + "mlp.c_fc.bias"))
    let mlp = try linear(hidden, mlpOutput, bias: prefix + "mlp.c_proj.bias")
    return Block(
      attentionInput: attentionInput, attentionOutput: attentionOutput, mlpInput: mlpInput, mlpOutput: mlpOutput,
      input: input, normalizedInput: normalizedInput, queriesKeysValues: queriesKeysValues, attended: attended,
      projected: projected, middle: middle, normalizedMiddle: normalizedMiddle, hidden: hidden, mlp: mlp,
      output: middle.adding(mlp))
  }

  /// A head's columns of the fused projection.
  struct HeadPart {
    let queries, keys, values: Float64Matrix

    init(_ fused: Float64Matrix, head: Int, heads: Int) {
      queries = fused.head(head, of: 3 * heads)
      keys = fused.head(heads + head, of: 3 * heads)
      values = fused.head(2 * heads + head, of: 3 * heads)
    }
  }

  /// `Q Kᵀ` without its factor, and the softmax of it with the factor.
  func attention(_ part: HeadPart) throws(ModelError) -> (products: Float64Matrix, map: Float64Matrix) {
    let products = try multiply(part.queries, part.keys, transposed: true)
    let factor = 1 / Double(part.queries.columns).squareRoot()
    var map = products
    for row in 0..<map.rows {
      let range = row * map.columns..<(row + 1) * map.columns
      let top = products.values[range].max() ?? 0
      for index in range { map.values[index] = exp((products.values[index] - top) * factor) }
      let sum = map.values[range].reduce(0, +)
      for index in range { map.values[index] /= sum }
    }
    return (products, map)
  }
}

extension Float64Matrix {
  /// Element by element.
  func adding(_ other: Float64Matrix) -> Float64Matrix {
    Float64Matrix(rows: rows, columns: columns, values: zip(values, other.values).map { $0 + $1 })
  }

  /// Columns `number · width ..< (number + 1) · width`, `width = columns / count`.
  func head(_ number: Int, of count: Int) -> Float64Matrix {
    let width = columns / count
    var part: [Double] = []
    part.reserveCapacity(rows * width)
    for row in 0..<rows {
      let first = row * columns + number * width
      part += values[first..<first + width]
    }
    return Float64Matrix(rows: rows, columns: width, values: part)
  }

  /// Writes what `head` reads, from row `firstRow` on.
  mutating func setHead(_ number: Int, of count: Int, firstRow: Int = 0, to part: Float64Matrix) {
    let width = columns / count
    for row in 0..<part.rows {
      for column in 0..<width {
        values[(firstRow + row) * columns + number * width + column] = part.values[row * width + column]
      }
    }
  }

  func rows(_ range: Range<Int>) -> Float64Matrix {
    Float64Matrix(
      rows: range.count, columns: columns,
      values: Array(values[range.lowerBound * columns..<range.upperBound * columns]))
  }

  var transposed: Float64Matrix {
    var result = Float64Matrix(rows: columns, columns: rows, values: values)
    for row in 0..<rows {
      for column in 0..<columns { result.values[column * rows + row] = values[row * columns + column] }
    }
    return result
  }
}
