// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import Failures
import ImageFiles
import LeGrad
import VisionTransformer

extension Cancellation {
  func check(done: Int, of total: Int) throws(Failure) {
    guard isCancelled else { return }
    throw Failure(LEGRAD_CANCELLED, "cancelled after \(done) of \(total) pictures, as it was asked")
  }
}

@c @implementation
public func legrad_cancellation_new() -> OpaquePointer? { unsafe Held(Cancellation()).handle }

@c @implementation
public func legrad_cancellation_cancel(_ cancellation: OpaquePointer?) {
  guard let cancellation = unsafe cancellation else { return }
  unsafe Held<Cancellation>.of(cancellation).value.cancel()
}

@c @implementation
public func legrad_cancellation_free(_ cancellation: OpaquePointer?) { unsafe Held<Cancellation>.free(cancellation) }

extension LeGrad.Method {
  /// A method by its name or by its label.
  init(text: String, _ field: String) throws(Failure) {
    guard let method = LeGrad.Method(label: text) ?? LeGrad.Method(name: text) else {
      let names = LeGrad.Method.all.map(\.name).joined(separator: ", ")
      throw Failure(
        LEGRAD_USAGE,
        "\(field): expected one of \(names), or one with what it is told such as 'legrad all cls', found '\(text)'")
    }
    self = method
  }
}

/// What was found in a batch.
final class ResultObject: Sendable {
  struct Picture: Sendable {
    let height: Int
    let width: Int
    /// Nil for pixels that come from no picture.
    let region: PixelRegion?
    /// By method.
    let explanations: [Explanation]
  }

  let explainer: Explainer
  let pictures: [Picture]
  let methods: [LastingText]

  init(_ explainer: Explainer, _ pictures: [Picture], _ methods: [LeGrad.Method]) {
    self.explainer = explainer
    self.pictures = pictures
    self.methods = methods.map { LastingText($0.label) }
  }

  func picture(_ number: Int) throws(Failure) -> Picture {
    guard pictures.indices.contains(number) else {
      throw Failure(LEGRAD_USAGE, "picture: expected one of \(pictures.count), from 0, found \(number)")
    }
    return pictures[number]
  }

  func explanation(_ picture: Int, _ method: Int) throws(Failure) -> Explanation {
    let explanations = try self.picture(picture).explanations
    guard explanations.indices.contains(method) else {
      throw Failure(LEGRAD_USAGE, "method: expected one of \(explanations.count), from 0, found \(method)")
    }
    return explanations[method]
  }
}

/// A request, read and checked.
private struct Request {
  let methods: [LeGrad.Method]
  let resize: ResizeMode
  let size: InputSize
  let batch: Int
  let text: TextEmbeddings?
  let correction: EmptyTextCorrection?

  init(_ asked: legrad_request, _ object: ExplainerObject) throws(Failure) {
    let names = try unsafe readTexts(asked.methods, asked.method_count, "methods")
    var methods: [LeGrad.Method] = []
    for (index, name) in names.enumerated() { methods.append(try LeGrad.Method(text: name, "methods[\(index)]")) }
    self.methods = methods.isEmpty ? [.legrad()] : methods
    resize = try unsafe asked.resize.read("resize").map { name throws(Failure) in try value(name, "resize") } ?? .squash
    let height = try exact(unsafe asked.height, "height")
    let width = try exact(unsafe asked.width, "width")
    guard (height == 0) == (width == 0) else {
      throw Failure(LEGRAD_USAGE, "height, width: expected both or neither, found \(height) and \(width)")
    }
    self.size = height == 0 ? .native : .pixels(width: width, height: height)
    batch = unsafe asked.batch == 0 ? 8 : try exact(asked.batch, "batch")
    text =
      unsafe asked.queries == nil ? nil : try Held<QueriesObject>.required(asked.queries, "queries").value.embeddings
    correction = try unsafe Self.correction(asked, object, self.methods, hasText: text != nil)
  }

  private static func correction(
    _ asked: legrad_request, _ object: ExplainerObject, _ methods: [LeGrad.Method], hasText: Bool
  ) throws(Failure) -> EmptyTextCorrection? {
    let threshold: Float
    switch unsafe Int(asked.correction) {
    case LEGRAD_CORRECTION_DEFAULT:
      guard object.explainer.model.takesCorrection else { return nil }
      threshold = EmptyTextCorrection.standardThreshold
    case LEGRAD_CORRECTION_OFF: return nil
    case LEGRAD_CORRECTION_THRESHOLD: threshold = unsafe asked.correction_threshold
    default: throw Failure(LEGRAD_USAGE, "correction: expected LEGRAD_CORRECTION_…, found \(unsafe asked.correction)")
    }
    guard hasText, methods.contains(where: \.isCorrected) else { return nil }
    do throws(LeGradError) {
      let given: TextEmbeddings?
      if unsafe asked.empty == nil {
        given = nil
      } else {
        given = unsafe Held<QueriesObject>.of(asked.empty).value.embeddings
      }
      if let given { return try EmptyTextCorrection(embedding: given, threshold: threshold) }
      return try EmptyTextCorrection(embedding: object.emptyText(), threshold: threshold)
    } catch { throw Failure(error) }
  }
}

/// Explains pictures in batches of one size.
private struct Batches {
  let explainer: Explainer
  let request: Request
  let total: Int
  let cancellation: Cancellation?
  let progress: (Int, Int) -> Void
  private(set) var done: [ResultObject.Picture] = []
  private var waiting: [(image: PreparedImage, height: Int, width: Int, region: PixelRegion?)] = []

  init(
    _ explainer: Explainer, _ request: Request, total: Int, cancellation: Cancellation?,
    progress: @escaping (Int, Int) -> Void
  ) {
    self.explainer = explainer
    self.request = request
    self.total = total
    self.cancellation = cancellation
    self.progress = progress
  }

  mutating func add(_ image: PreparedImage, height: Int, width: Int, region: PixelRegion?) throws(Failure) {
    if let first = waiting.first?.image,
      waiting.count == request.batch || first.height != image.height || first.width != image.width
    {
      try flush()
    }
    waiting.append((image, height, width, region))
  }

  mutating func flush() throws(Failure) {
    guard !waiting.isEmpty else { return }
    try cancellation?.check(done: done.count, of: total)
    let explained: [[Explanation]]
    do throws(LeGradError) {
      explained = try explainer.explain(
        waiting.map(\.image), text: request.text, methods: request.methods, correction: request.correction,
        isCancelled: { [cancellation] in cancellation?.isCancelled ?? false })
    } catch {
      if error.kind == .cancelled { try cancellation?.check(done: done.count, of: total) }
      throw Failure(error)
    }
    for (picture, explanations) in zip(waiting, explained) {
      done.append(
        ResultObject.Picture(
          height: picture.height, width: picture.width, region: picture.region, explanations: explanations))
    }
    waiting = []
    progress(done.count, total)
  }
}

@c @implementation
public func legrad_explain(
  _ explainer: OpaquePointer?, _ request: UnsafePointer<legrad_request>?,
  _ result: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let place = try unsafe CLeGrad.place(result, "result")
    let object = try unsafe Held<ExplainerObject>.usable(explainer)
    let asked = try unsafe read(request, "request")
    let list = try unsafe PictureList(
      asked.pictures, size: Int(asked.picture_size), count: asked.picture_count)
    let cancellation =
      unsafe asked.cancellation == nil
      ? nil : try Held<Cancellation>.required(asked.cancellation, "cancellation").value
    try cancellation?.check(done: 0, of: list.count)
    let request = try unsafe Request(asked, object)
    let (tell, context) = unsafe (asked.progress, asked.context)
    var batches = Batches(object.explainer, request, total: list.count, cancellation: cancellation) {
      unsafe tell?(context, UInt64($0), UInt64($1))
    }
    for index in 0..<list.count {
      let picture = try list.prepared(index, by: object.explainer, size: request.size, resize: request.resize)
      let isPicture = unsafe Int(asked.pictures[index].type) == LEGRAD_RGB8
      try batches.add(
        picture.image, height: picture.height, width: picture.width, region: isPicture ? picture.image.region : nil)
    }
    try batches.flush()
    unsafe place.pointee = Held(ResultObject(object.explainer, batches.done, request.methods)).handle
  }
}

// MARK: What was found

@c @implementation
public func legrad_result_describe(
  _ result: OpaquePointer?, _ picture: Int, _ method: Int, _ info: UnsafeMutablePointer<legrad_map_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe Held<ResultObject>.required(result, "result").value
    let explanation = try result.explanation(picture, method)
    let found = try result.picture(picture)
    let region = found.region ?? PixelRegion(x: 0, y: 0, width: found.width, height: found.height)
    try unsafe fill(info, "info") { info in
      info.prompts = UInt64(explanation.prompts)
      info.first_layer = UInt64(explanation.layers.lowerBound)
      info.layers = UInt64(explanation.layers.count)
      info.relevance_layers = UInt64(explanation.method.sumsLayers ? explanation.layers.count : 1)
      info.map_height = UInt64(explanation.mapSize.height)
      info.map_width = UInt64(explanation.mapSize.width)
      info.grid_height = UInt64(explanation.grid.height)
      info.grid_width = UInt64(explanation.grid.width)
      info.input_height = UInt64(explanation.inputHeight)
      info.input_width = UInt64(explanation.inputWidth)
      info.region_x = Int64(region.x)
      info.region_y = Int64(region.y)
      info.region_height = UInt64(region.height)
      info.region_width = UInt64(region.width)
    }
  }
}

@c @implementation
public func legrad_result_method(_ result: OpaquePointer?, _ method: Int) -> legrad_text {
  guard let result = unsafe result else { return unsafe LastingText.absent }
  let methods = unsafe Held<ResultObject>.of(result).value.methods
  return unsafe methods.indices.contains(method) ? methods[method].text : LastingText.absent
}

/// Fills a buffer with numbers of one explanation.
private func fill(
  _ buffer: UnsafeMutablePointer<Float>?, _ count: Int, _ shape: String, of result: OpaquePointer?, _ picture: Int,
  _ method: Int, _ error: UnsafeMutablePointer<OpaquePointer?>?, _ values: (Explanation) -> [Float]
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let explanation = try unsafe Held<ResultObject>.required(result, "result").value.explanation(picture, method)
    try unsafe write(values(explanation), to: buffer, count: count, shape: shape)
  }
}

@c @implementation
public func legrad_result_relevance(
  _ result: OpaquePointer?, _ picture: Int, _ method: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe fill(buffer, count, "[prompts, map_height, map_width]", of: result, picture, method, error) { $0.relevance }
}

@c @implementation
public func legrad_result_layer_relevance(
  _ result: OpaquePointer?, _ picture: Int, _ method: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe fill(buffer, count, "[relevance_layers, prompts, map_height, map_width]", of: result, picture, method, error) {
    $0.layerRelevance
  }
}

@c @implementation
public func legrad_result_heatmaps(
  _ result: OpaquePointer?, _ picture: Int, _ method: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let explanation = try unsafe Held<ResultObject>.required(result, "result").value.explanation(picture, method)
    let pixels = explanation.inputHeight * explanation.inputWidth
    guard
      let buffer = try unsafe room(
        for: explanation.prompts * pixels, in: buffer, count: count, shape: "[prompts, input_height, input_width]")
    else { return }
    for prompt in 0..<explanation.prompts {
      unsafe buffer.advanced(by: prompt * pixels).update(
        from: explanation.heatmap(prompt: prompt).values, count: pixels)
    }
  }
}

@c @implementation
public func legrad_result_similarities(
  _ result: OpaquePointer?, _ picture: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe fill(buffer, count, "[prompts]", of: result, picture, 0, error) { $0.similarities }
}

@c @implementation
public func legrad_result_embedding(
  _ result: OpaquePointer?, _ picture: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe fill(buffer, count, "[embedding_width]", of: result, picture, 0, error) { $0.imageEmbedding }
}

@c @implementation
public func legrad_result_embedding_width(_ result: OpaquePointer?) -> Int {
  guard let result = unsafe result else { return 0 }
  let object = unsafe Held<ResultObject>.of(result).value
  return object.pictures.first?.explanations.first?.imageEmbedding.count
    ?? object.explainer.model.configuration.embeddingWidth
}

@c @implementation
public func legrad_result_logits(
  _ result: OpaquePointer?, _ picture: Int, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let object = try unsafe Held<ResultObject>.required(result, "result").value
    let embedding = try object.explanation(picture, 0).imageEmbedding
    let logits: [Float]
    do throws(LeGradError) { logits = try object.explainer.logits(of: embedding) } catch { throw Failure(error) }
    try unsafe write(logits, to: buffer, count: count, shape: "[class_count]")
  }
}

@c @implementation
public func legrad_result_top_classes(
  _ result: OpaquePointer?, _ picture: Int, _ numbers: UnsafeMutablePointer<UInt64>?,
  _ logits: UnsafeMutablePointer<Float>?, _ probabilities: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let object = try unsafe Held<ResultObject>.required(result, "result").value
    let embedding = try object.explanation(picture, 0).imageEmbedding
    let classes = object.explainer.classes?.count ?? 0
    guard count >= 0, classes == 0 || count <= classes else {
      throw Failure(LEGRAD_USAGE, "count: expected at most \(classes), the model's classes, found \(count)")
    }
    let top: [ClassScore]
    do throws(LeGradError) { top = try object.explainer.topClasses(count, of: embedding) } catch {
      throw Failure(error)
    }
    for (index, score) in top.enumerated() {
      if let numbers = unsafe numbers { unsafe numbers[index] = UInt64(score.number) }
      if let logits = unsafe logits { unsafe logits[index] = score.logit }
      if let probabilities = unsafe probabilities { unsafe probabilities[index] = score.probability }
    }
  }
}

@c @implementation
public func legrad_result_overlay(
  _ result: OpaquePointer?, _ picture: Int, _ method: Int, _ prompt: Int, _ over: OpaquePointer?,
  _ style: UnsafePointer<legrad_overlay_style>?, _ image: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let place = try unsafe CLeGrad.place(image, "image")
    let result = try unsafe Held<ResultObject>.required(result, "result").value
    let explanation = try result.explanation(picture, method)
    guard (0..<explanation.prompts).contains(prompt) else {
      throw Failure(LEGRAD_USAGE, "prompt: expected one of \(explanation.prompts), from 0, found \(prompt)")
    }
    let shown = try unsafe Held<ImageObject>.required(over, "over").value.image
    let found = try result.picture(picture)
    guard found.region == nil || (shown.height, shown.width) == (found.height, found.width) else {
      throw Failure(
        LEGRAD_USAGE,
        "over: expected the picture that was explained, \(found.width)x\(found.height), found one of "
          + "\(shown.width)x\(shown.height)")
    }
    var overlay = Overlay()
    if unsafe style != nil {
      let asked = try unsafe read(style, "style")
      let alpha = unsafe asked.alpha == 0 ? overlay.alpha : asked.alpha
      guard (0...1).contains(alpha) else {
        throw Failure(LEGRAD_USAGE, "alpha: expected a number from 0 to 1, found \(alpha)")
      }
      let name = try unsafe asked.colormap.read("colormap")
      let colormap = try name.map { name throws(Failure) -> Colormap in try value(name, "colormap") }
      overlay = Overlay(colormap: colormap ?? overlay.colormap, alpha: alpha)
    }
    let map = explanation.heatmap(prompt: prompt)
    let blended = overlay.blend(
      heatmap: map.values, width: map.width, height: map.height, over: shown, region: found.region)
    unsafe place.pointee = Held(ImageObject(blended)).handle
  }
}

@c @implementation
public func legrad_result_free(_ result: OpaquePointer?) { unsafe Held<ResultObject>.free(result) }
