import Compute

extension Method {
  /// The last block's attention times its gradient (methods §2.4).
  public static let cheferCAM = Method(CheferCAMDescription())
}

struct CheferCAMDescription: LastBlockDescription {
  let name = "chefercam"

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    run.head.query.map { LastBlockMethod($0, .positiveProduct, explainsLogit: true, &run) }
  }
}
