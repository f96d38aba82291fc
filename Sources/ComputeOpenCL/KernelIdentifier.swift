import Compute

/// A kernel function, the file it is in, and the macros that it is built with.
struct KernelIdentifier: Hashable, Sendable {
  /// The file in `Kernels/`, without `.cl`.
  let file: String
  /// What stands before it in its program, after `common.cl`.
  let shared: [String]
  let function: String
  let variant: KernelVariant
  /// What its `real` is.
  let scalar: Scalar
  /// In the order of their names, so that equal sets are equal text.
  private let defines: [Define]

  private struct Define: Hashable {
    let name: String
    let value: Int
  }

  /// An operation's kernel in a file of one variant: `layer_norm.cl` or `layer_norm_cpu.cl`.
  /// - Parameters:
  ///   - shared: files of the same variant that it builds on, in their order.
  ///   - function: the operation's name where nil.
  ///   - scalar: what is built in float64 has no vectors of `LANES`.
  init(
    _ operation: String, on shared: [String] = [], function: String? = nil, _ variant: KernelVariant,
    scalar: Scalar = .float32, _ defines: [String: Int] = [:]
  ) {
    var defines = defines
    if variant == .cpu, scalar == .float32 { defines["LANES"] = 16 }
    let suffix = variant == .cpu ? "_cpu" : ""
    self.init(
      file: operation + suffix, shared: shared.map { $0 + suffix }, function: function ?? operation, variant,
      scalar: scalar, defines: defines)
  }

  /// An operation's kernel in the one file of all variants.
  init(
    _ operation: String, function: String? = nil, lanes: Int = 1, scalar: Scalar = .float32,
    _ defines: [String: Int] = [:]
  ) {
    var defines = defines
    if lanes != 1 { defines["LANES"] = lanes }
    self.init(
      file: operation, shared: [], function: function ?? operation, lanes == 1 ? .portable : .cpu, scalar: scalar,
      defines: defines)
  }

  private init(
    file: String, shared: [String], function: String, _ variant: KernelVariant, scalar: Scalar, defines: [String: Int]
  ) {
    var defines = defines
    if scalar == .float64 { defines["FLOAT64"] = 1 }
    self.file = file
    self.shared = shared
    self.function = function
    self.variant = variant
    self.scalar = scalar
    self.defines = defines.sorted { $0.key < $1.key }.map { Define(name: $0.key, value: $0.value) }
  }

  /// The files of its program, in their order, without `.cl`.
  var files: [String] { ["common"] + shared + [file] }

  /// What a macro is defined as, nil where it is not.
  func value(of define: String) -> Int? { defines.first { $0.name == define }?.value }

  /// The compiler's options.
  var options: String {
    (["-cl-std=CL1.2"] + defines.map { "-D\($0.name)=\($0.value)" }).joined(separator: " ")
  }
}
