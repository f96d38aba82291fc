import Compute

extension Method {
  /// The last block's attention, each head weighted by its mean gradient (methods §2.3a).
  public static let gradCAM = Method(GradCAMDescription())
}

struct GradCAMDescription: MethodDescription {
  let name = "gradcam"

  func blocks(of layers: Int) -> Range<Int> { layers - 1..<layers }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * tower.rowBackward
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { LastBlockMethod($0, .weightedMap, explainsLogit: false, &run) }
  }
}
