import OpenCLRuntime

/// Options of the compiler that only drivers of one vendor know, for the programs that hold the arithmetic.
package struct VendorOptions: Sendable {
  /// NVIDIA's: registers of a work-item, so that two groups of the largest tiles are on a multiprocessor together.
  package let nvidia: String?
  /// Intel's, for GPUs: work-items in vectors of 16 and twice the registers for each.
  package let intel: String?

  init(_ identifier: KernelIdentifier) {
    let isProduct = identifier.shared.contains("matmul_tiles")
    nvidia = isProduct && identifier.value(of: "TILE_M") == 128 ? "-cl-nv-maxrregcount=128" : nil
    // Matrix units of Intel's want the lanes that their kernel is written for.
    let lanes = identifier.value(of: "WARP") ?? 16
    intel =
      isProduct || identifier.shared.contains("attention_tiles")
      ? "-DSUB_GROUP=\(lanes) -cl-intel-256-GRF-per-thread" : nil
  }

  /// What a device's compiler takes of them, as far as its extensions tell.
  func options(for device: OpenCLDevice) -> String? {
    if device.extensions.contains("cl_nv_compiler_options") { return nvidia }
    // Intel's driver for processors has the extension too, and chooses its vectors better itself.
    if device.kind == .gpu, device.extensions.contains("cl_intel_required_subgroup_size") { return intel }
    return nil
  }
}
