import Compute

extension Method {
  /// The last block's attention times its gradient (methods §2.4).
  public static let cheferCAM = Method(CheferCAMDescription())
}

struct CheferCAMDescription: MethodDescription {
  let name = "chefercam"

  func blocks(of layers: Int) -> Range<Int> { layers - 1..<layers }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * tower.rowBackward
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { LastBlockMethod($0, .positiveProduct, explainsLogit: true, &run) }
  }
}
