import Compute
import OpenCLRuntime

extension OpenCLBackend {
  /// Packs row-major floats into the variant's layout and the backend's precision, from an element of `target` on.
  /// - Returns: how many finite values became infinite.
  func packWeight(
    _ values: Matrix<OpenCLBuffer>, _ layout: WeightLayout, into target: OpenCLMemory, offset: Int = 0,
    on stream: CommandStream
  ) throws(OpenCLError) -> Int {
    let overflows = try stream.scratch("overflows", floats: 1)
    try stream.run("fill", variant, [.matrix(overflows), .factor(0), .size(1), .size(1)], elementsOf: overflows)
    let rest: [KernelArgument] = [
      .memory(overflows.buffer.memory), .size(layout.outputs), .size(layout.inputs), .size(layout.paddedInputs),
    ]
    let kernel = KernelIdentifier.packWeight(variant, precision)
    switch variant {
    case .portable, .matrix:
      try stream.run(
        kernel, [.matrix(values), .memory(target), .offset(offset)] + rest,
        global: [layout.paddedInputs, layout.paddedOutputs], local: [layout.tile, 1])
    case .cpu:
      precondition(offset == 0, "weights of the cpu variant have buffers of their own")
      try stream.run(
        kernel, [.matrix(values), .memory(target)] + rest, global: [layout.paddedOutputs / layout.tile], local: [1])
    }
    guard kernel.value(of: "STORAGE") != 0 else { return 0 }
    var count: UInt32 = 0
    unsafe try withUnsafeMutablePointer(to: &count) { count throws(OpenCLError) in
      unsafe try stream.download(overflows.region, into: count)
    }
    return Int(count)
  }
}

extension KernelIdentifier {
  static func packWeight(_ variant: KernelVariant, _ precision: Precision) -> KernelIdentifier {
    KernelIdentifier(
      "pack_weight", variant, ["STORAGE": variant == .matrix ? precision.matrixStorage : precision.storage])
  }
}

extension Precision {
  /// `STORAGE` of the kernels.
  var storage: Int {
    switch self {
    case .f32, .bf16Split: 0
    case .f16: 1
    case .bf16: 2
    }
  }

  /// `STORAGE` of the kernels on matrix units.
  var matrixStorage: Int { self == .bf16Split ? 3 : storage }
}
