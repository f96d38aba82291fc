import Compute
import VisionTransformer

extension Method {
  /// Relevance propagated back to the pixels (methods §3), in float64.
  public static let lrp = Method(LRPDescription())
}

struct LRPDescription: MethodDescription {
  let name = "lrp"
  let isFloat64 = true
  let mapKind = MapKind.pixels

  func blocks(of layers: Int) -> Range<Int> { 0..<layers }

  /// Positive and negative parts of every product, forward once and backward for each prompt.
  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward * Double(3 + 2 * prompts)
  }

  func obstacles(in vision: VisionConfiguration) -> [String] { vision.withoutRelevanceRule }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    guard run.head is ClassTokenHead<B> else { return nil }
    return LRPMethod(.pixels, &run)
  }
}
