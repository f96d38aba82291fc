import Compute
import OperationSamples

/// The catalogue of operations in the sizes of towers, for one image: every operation with one prompt, and with eight
/// those that an explanation spends its time in. bfloat16 plays a part in products alone. On the first OpenCL device,
/// where there is one, with ViT-L-14.
func operationBenchmarks() {
  for machine in Machine.all {
    var names: Set<String> = []
    for tower in machine.isOpenCL ? [.large] : Tower.all {
      for sample in tower.sizes(prompts: 1).everySample + tower.sizes(prompts: 8).heavySamples {
        for precision in sample.operation.isProduct ? machine.precisions : [.f32] {
          let name = name(of: sample, tower, precision, machine)
          // What has nothing to do with prompts comes twice.
          if names.insert(name).inserted { measure(name, sample, precision, machine) }
        }
      }
    }
  }
}

/// Such as `Matmul ViT-L-14 mlp-output 257x1024x4096 bias residual f32`.
private func name(
  of sample: any OperationSample, _ tower: Tower, _ precision: Precision, _ machine: Machine
) -> String {
  let operation = sample.operation.rawValue
  let detail = sample.detail.replacing("×", with: "x").replacing("·", with: "x")
  return "\(operation.prefix(1).uppercased())\(operation.dropFirst()) \(tower.name) \(detail)"
    + (sample.operation.isProduct ? " \(precision.rawValue)" : "") + (machine.isOpenCL ? " OpenCL" : "")
}

private func measure(_ name: String, _ sample: any OperationSample, _ precision: Precision, _ machine: Machine) {
  let roof: Roof = sample.arithmetic > 0 ? .arithmetic : .traffic
  measure(name, roof) { try prepare(sample, roof, on: machine.open(precision)) }
}

private func prepare<B: Backend>(_ sample: any OperationSample, _ roof: Roof, on backend: B) throws -> Prepared {
  func prepare(_ sample: some OperationSample) throws -> Prepared {
    let bench = SampleBench(backend, for: sample)
    let run = try sample.prepare(on: bench)
    return Prepared(
      work: roof == .arithmetic ? sample.arithmetic : Double(bench.bytes), roof: try roof.measure(on: backend)
    ) {
      try run()
      try backend.synchronize()
    }
  }
  return try prepare(sample)
}
