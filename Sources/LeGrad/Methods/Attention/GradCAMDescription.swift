import Compute

extension Method {
  /// The last block's attention, each head weighted by its mean gradient (methods §2.3a).
  public static let gradCAM = Method(GradCAMDescription())
}

struct GradCAMDescription: LastBlockDescription {
  let name = "gradcam"

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { LastBlockMethod($0, .weightedMap, explainsLogit: false, &run) }
  }
}
