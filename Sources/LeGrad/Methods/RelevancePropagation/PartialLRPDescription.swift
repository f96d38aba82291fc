import Compute
import VisionTransformer

extension Method {
  /// Relevance propagated back to the last block's attention (methods §3), in float64.
  public static let partialLRP = Method(PartialLRPDescription())
}

struct PartialLRPDescription: LastBlockDescription {
  let name = "partial-lrp"
  let isFloat64 = true

  func obstacles(in vision: VisionConfiguration) -> [String] { vision.withoutRelevanceRule }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    guard run.head is ClassTokenHead<B> else { return nil }
    return LRPMethod(.patches, &run)
  }
}
