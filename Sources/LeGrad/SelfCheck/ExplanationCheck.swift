import Compute
import Failures
import ImageFiles
public import OperationSamples

/// A bundled picture explained from text and pixels to relevance, on two backends.
public struct ExplanationCheck: Sendable {
  public let picture: String
  public let prompts: Int
  /// Nil where there is no result.
  public let disagreement: Disagreement?
  /// The largest error that it may have.
  public let bound: Double
  public let referenceSeconds: Double
  /// Nil where there is no result.
  public let seconds: Double?
  public let verdict: CheckVerdict

  /// - Throws: what the reference refuses.
  init(_ model: Model, _ picture: DemoPicture, reference: some Backend, tested: some Backend) throws(LeGradError) {
    self.picture = picture.name
    prompts = picture.prompts.count
    let expected = try Self.run(model, picture, on: reference)
    referenceSeconds = expected.seconds
    bound = Disagreement.bound(tested.precision)
    do throws(LeGradError) {
      let actual = try Self.run(model, picture, on: tested)
      let disagreement = actual.explanation.disagreement(with: expected.explanation, precision: tested.precision)
      self.disagreement = disagreement
      seconds = actual.seconds
      verdict = disagreement.isTolerable ? .good : .wrong("wrong \(disagreement.measure.rawValue)")
    } catch {
      disagreement = nil
      seconds = nil
      verdict = error.kind == .numerical ? .wrong(error.message) : .failed(error.message)
    }
  }

  private static func run(
    _ model: Model, _ picture: DemoPicture, on backend: some Backend
  ) throws(LeGradError) -> (explanation: Explanation, seconds: Double) {
    let explainer = try Explainer(model, backend: backend, variant: nil, reason: "self-check")
    let decoded: RGBImage
    do { decoded = try RGBImage.decode(bytes: picture.bytes).image } catch {
      throw LeGradError(.input, "\(picture.name): \(error)")
    }
    let image = try explainer.prepare(decoded)
    let text = try explainer.encode(picture.prompts)
    // The first run is not timed: it plans its memory and builds kernels.
    var explanation = try explainer.explain([image], text: text, layers: .all)[0]
    var seconds = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      explanation = try explainer.explain([image], text: text, layers: .all)[0]
      seconds = min(seconds, (ContinuousClock.now - start) / .seconds(1))
    }
    return (explanation, seconds)
  }
}
