import Compute
import Failures
import Synchronization
import VisionTransformer

extension Method {
  /// What each patch adds to the class token through the attention of all blocks (methods §4).
  /// - Parameter baseline: what is subtracted from a prompt's embedding.
  public static func textSpan(baseline: TextBaseline = .none) -> Method {
    Method(TextSpanDescription(baseline: baseline))
  }
}

/// What TextSpan subtracts from a prompt's embedding before it asks where the difference comes from.
public enum TextBaseline: Sendable, Hashable, CustomStringConvertible {
  case none
  /// The mean of all prompts.
  case mean
  /// One of the prompts, by number from 0.
  case prompt(Int)

  /// Reads `none`, `mean` or a prompt's number; nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "none": self = .none
    case "mean": self = .mean
    default:
      guard let number = Int(text), number >= 0 else { return nil }
      self = .prompt(number)
    }
  }

  public var description: String {
    switch self {
    case .none: "none"
    case .mean: "mean"
    case .prompt(let number): "\(number)"
    }
  }
}

extension TextBaseline: MethodSetting {}

struct TextSpanDescription: MethodDescription {
  var baseline: TextBaseline

  let name = "textspan"
  let dropsNegative = true
  var settings: [any MethodSetting] { [baseline] }
  var labelWords: [String] { baseline == .none ? [] : [Self.less, baseline.description] }
  private static var less: String { "less" }

  func told(_ words: ArraySlice<String>) -> Self? {
    guard !words.isEmpty else { return self }
    guard words.count == 2, words.first == Self.less, let baseline = words.last.flatMap({ TextBaseline($0) })
    else { return nil }
    return Self(baseline: baseline)
  }

  mutating func take(_ setting: some MethodSetting) {
    if let baseline = setting as? TextBaseline { self.baseline = baseline }
  }

  func report(of vision: VisionConfiguration) -> [String: String] { ["baseline": baseline.description] }

  /// A norm between the values and their projection makes a patch's part depend on all others.
  func obstacles(in vision: VisionConfiguration) -> [String] {
    vision.otherThanClassToken
      + (vision.hasAttendedNorm ? ["norms between the attention and its projection"] : [])
  }

  func blocks(of layers: Int) -> Range<Int> { 0..<layers }

  func check(prompts: Int) throws(LeGradError) {
    guard case .prompt(let number) = baseline, prompts > 0, !(0..<prompts).contains(number) else { return }
    throw LeGradError(.usage, "textspan baseline \(number): there are prompts 0..\(prompts - 1)")
  }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * 2 * Double(tower.width * tower.width + tower.tokens * tower.width)
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    (run.head as? ClassTokenHead<B>).map { TextSpanMethod($0, baseline, &run) }
  }
}

/// TextSpan's heat map (methods §4.3): what every patch adds, through the attention of every block, to the similarity
/// of the class token's final state and a text direction, the final norm linearised at its actual statistics. Without a
/// final norm its scale is 1, its shift and mean 0 and `σ` 1.
///
/// With `w` the text direction, `ŵ = γ ⊙ (proj w)` and `u_l = W_oᵀ ŵ`, the heat of key `j` is
/// `(Σ_l Σ_h A_h0j (v_hj · u_lh)) / (n σ) + K`. `n` and `σ` are known after the forward and are factors, so that blocks
/// are added up as the forward passes them. `K` is the same for every key.
struct TextSpanMethod<B: Backend>: ForwardMethod {
  private let sizes: RunSizes<B>
  private let head: ClassTokenHead<B>
  private let baseline: TextBaseline
  private let constants = KeptConstants()
  @Planned private var embedding: Matrix<B.Buffer>
  /// `proj w`, `[prompts, width]`.
  @Planned private var projected: Matrix<B.Buffer>
  /// `u_l` of the block at hand.
  @Planned private var headDirections: Matrix<B.Buffer>
  @Planned private var map: Matrix<B.Buffer>
  @Planned private var products: Matrix<B.Buffer>
  @Planned private var term: Matrix<B.Buffer>
  /// `[prompts · images, tokens]`.
  @Planned private var relevance: Matrix<B.Buffer>

  /// Those of the prompts that were asked for last.
  private final class KeptConstants: Sendable {
    let value = Mutex(Constants())
  }

  init(_ head: ClassTokenHead<B>, _ baseline: TextBaseline, _ run: inout RunPlan<B>) {
    let sizes = run.sizes
    let (width, tokens) = (sizes.tower.blockShape.width, sizes.shape.tokens)
    self.sizes = sizes
    self.head = head
    self.baseline = baseline
    _embedding = run.memory.reserve(rows: sizes.prompts, columns: sizes.tower.embeddingWidth)
    _projected = run.memory.reserve(rows: sizes.prompts, columns: width)
    _headDirections = run.memory.reserve(rows: sizes.prompts, columns: width)
    _map = head.planMap(sizes, in: &run.memory)
    _products = run.memory.reserve(rows: sizes.groupsPerPass * sizes.heads, columns: tokens)
    _term = run.memory.reserve(rows: sizes.groupsPerPass, columns: tokens)
    _relevance = run.memory.reserve(rows: sizes.prompts * sizes.shape.images, columns: tokens)
  }

  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, tower) = (forward.backend, forward.tower)
    let directions = baseline.subtracted(from: Array(text), prompts: sizes.prompts)
    try backend.upload(directions.span, to: embedding)
    try tower.projectionBackward(embedding, to: projected)
    let made = try Constants(sizes, directions: directions, projected: sizes.values(of: projected))
    constants.value.withLock { $0 = made }
  }

  func visit(_ block: Int, _ forward: SharedForward<B>) throws(BackendError) {
    let (backend, tower, activations) = (forward.backend, forward.tower, forward.activations(of: block))
    try head.read(activations, into: map, forward)
    // W_oᵀ (γ ⊙ proj w), with the scale as the shared left operand.
    let weight = tower.blocks[block].attentionOutput.weight
    if let norm = tower.readOutNorm {
      try backend.matmul(
        Matmul(
          input: norm.scale, inputScale: .init(scales: projected, stack: RowStack(copies: sizes.prompts, rows: 1)),
          weight: weight, side: .inputs, output: headDirections))
    } else {
      try backend.matmul(Matmul(input: projected, weight: weight, side: .inputs, output: headDirections))
    }
    for pass in sizes.passes {
      let groups = forward.shape.images * pass.count
      let products = self.products.rows(0..<groups * sizes.heads)
      let sum = relevance.rows(sizes.rows(pass: pass))
      let term = block == 0 ? sum : self.term.rows(0..<groups)
      try backend.keyScores(
        KeyScores(
          rows: headDirections.rows(pass), tokens: activations.values, heads: sizes.heads,
          stack: RowStack(copies: pass.count, rows: forward.shape.tokens), scores: products))
      try backend.keyRelevance(
        KeyRelevance(.product, map: map, gradient: products, heads: sizes.heads, factor: 1, relevance: term))
      if block > 0 { try backend.addRows(AddRows(input: sum, addend: term, output: sum)) }
    }
  }

  func collect(_ forward: SharedForward<B>) throws(BackendError) -> [[Float]] {
    let hasNorm = forward.tower.readOutNorm != nil
    let statistics = hasNorm ? try sizes.values(of: head.reader.readOut().statistics) : []
    let norms = try sizes.values(of: head.reader.readOut().norms)
    let constants = constants.value.withLock { $0 }
    var images = try sizes.collect(relevance)
    let cells = forward.shape.grid.count
    for image in images.indices {
      let (mean, inverse) = hasNorm ? (Double(statistics[2 * image]), Double(statistics[2 * image + 1])) : (0, 1)
      let scale = inverse / Double(norms[image])
      for prompt in 0..<sizes.prompts {
        let constant = constants.constant(
          prompt, mean: mean, scale: scale, norm: Double(norms[image]), tokens: forward.shape.tokens)
        for cell in prompt * cells..<(prompt + 1) * cells {
          images[image][cell] = Float(Double(images[image][cell]) * scale + constant)
        }
      }
    }
    return images
  }
}

extension TextSpanMethod {
  /// What `K` is made of, per prompt.
  private struct Constants {
    private var biases: [Double] = []
    private var sums: [Double] = []
    private var shifts: [Double] = []
    private var layers = 0

    /// Of no prompts.
    init() {}

    init(_ sizes: RunSizes<B>, directions: [Float], projected: [Float]) throws(BackendError) {
      let tower = sizes.tower
      layers = tower.blocks.count
      let width = tower.blockShape.width
      let gains = try tower.readOutNorm.map { norm throws(BackendError) in try sizes.values(of: norm.scale) }
      let offsets = try tower.readOutNorm.map { norm throws(BackendError) in try sizes.values(of: norm.shift) }
      var bias = [Double](repeating: 0, count: width)
      for block in tower.blocks {
        guard let row = block.attentionOutput.bias else { continue }
        for (index, value) in try sizes.values(of: row).enumerated() { bias[index] += Double(value) }
      }
      let last = try tower.projection?.bias.map { bias throws(BackendError) in try sizes.values(of: bias) } ?? []
      for prompt in 0..<sizes.prompts {
        var (biasSum, sum, shift) = (0.0, 0.0, 0.0)
        for (column, value) in last.enumerated() {
          shift += Double(value) * Double(directions[prompt * last.count + column])
        }
        for column in 0..<width {
          let value = Double(projected[prompt * width + column])
          let gained = Double(gains?[column] ?? 1) * value
          biasSum += bias[column] * gained
          sum += gained
          shift += Double(offsets?[column] ?? 0) * value
        }
        biases.append(biasSum)
        sums.append(sum)
        shifts.append(shift)
      }
    }

    /// - Parameter scale: `1 / (n σ)`.
    func constant(_ prompt: Int, mean: Double, scale: Double, norm: Double, tokens: Int) -> Double {
      // The share of attention among the parts that the final state is a sum of, for one key.
      let share = Double(layers) / Double((2 * layers + 1) * tokens)
      return biases[prompt] * scale / Double(tokens) - mean * sums[prompt] * scale * share
        + shifts[prompt] / norm * share
    }
  }
}

extension TextBaseline {
  /// Text rows `[prompts, embedding]` less the baseline.
  fileprivate func subtracted(from text: [Float], prompts: Int) -> [Float] {
    let width = text.count / prompts
    let baseline: [Double]
    switch self {
    case .none: return text
    case .prompt(let number): baseline = text[number * width..<(number + 1) * width].map(Double.init)
    case .mean:
      baseline = (0..<width).map { column in
        (0..<prompts).reduce(0.0) { $0 + Double(text[$1 * width + column]) } / Double(prompts)
      }
    }
    return text.indices.map { Float(Double(text[$0]) - baseline[$0 % width]) }
  }
}
