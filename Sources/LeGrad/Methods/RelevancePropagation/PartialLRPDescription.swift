import Compute
import VisionTransformer

extension Method {
  /// Relevance propagated back to the last block's attention (methods §3), in float64.
  public static let partialLRP = Method(PartialLRPDescription())
}

struct PartialLRPDescription: MethodDescription {
  let name = "partial-lrp"
  let isFloat64 = true

  func blocks(of layers: Int) -> Range<Int> { layers - 1..<layers }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * tower.rowBackward
  }

  func isDefined(for vision: VisionConfiguration) -> Bool { vision.hasRelevanceRules }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    guard run.head is ClassTokenHead<B> else { return nil }
    return LRPMethod(.patches, &run)
  }
}
