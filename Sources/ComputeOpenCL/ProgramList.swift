import Compute

/// Every program of the variants for GPUs that the launchers ask a driver for. `make gpu-lint` compiles them for GPUs
/// that are not at hand; `KernelLibrary` builds no other.
package enum ProgramList {
  /// A program as a driver gets it.
  package struct Program: Sendable, Hashable {
    /// The files that it is made of, in their order, without `.cl`.
    package let files: [String]
    /// The compiler's options.
    package let options: String

    fileprivate init(_ identifier: KernelIdentifier) {
      files = identifier.files
      options = identifier.options
    }
  }

  /// A program and the work-items of the groups that it is launched in.
  package struct Listed: Sendable {
    package let program: Program
    package let group: Int
    package let vendorOptions: VendorOptions
    /// Whose matrix instructions it has; nil where it has none.
    package let instructions: String?

    /// The file of the release that has the program as PTX; nil where none has.
    package var ptxName: String? {
      guard instructions == MatrixInstructions.nvidia.rawValue,
        let sources = try? KernelLibrary.sources(of: program.files)
      else { return nil }
      return PTXFolder.name(sources: sources, options: program.options)
    }

    fileprivate init(_ identifier: KernelIdentifier, group: Int, _ instructions: MatrixInstructions? = nil) {
      self.instructions = instructions?.rawValue
      program = Program(identifier)
      vendorOptions = VendorOptions(identifier)
      self.group = group
    }
  }

  package static let all: [Listed] =
    products + matrixProducts(isPlain: false) + attention + matrixAttention(isPlain: false) + rows + elements + others

  /// What stands in for matrix instructions, of which no compiler for GPUs has to know.
  private static let plain = Set(matrixProducts(isPlain: true).map(\.program))

  private static let programs = Set(all.map(\.program))

  /// Whether the list has the kernel's program, or one for heads of another width, which come in any.
  static func contains(_ identifier: KernelIdentifier) -> Bool {
    guard identifier.variant != .cpu else { return true }
    let program = Program(identifier)
    if programs.contains(program) || plain.contains(program) { return true }
    guard let width = identifier.value(of: AttentionProgram.widthDefine) else { return false }
    let ofWidth =
      attention(headWidths: [width])
      + [false, true].flatMap { matrixAttention(headWidths: [width], isPlain: $0) }
    return ofWidth.contains { $0.program == program }
  }

  private static var products: [Listed] {
    ProductKind.all.flatMap { kind in
      [Listed(FewRows.kernel(kind), group: FewRows.items)]
        + PortableTile.all.flatMap { tile in
          PortableTile.Unrolling.allCases.flatMap { unrolling in
            [false, true].map { Listed(tile.kernel(kind, isWhole: $0, unrolling), group: tile.items) }
          }
        }
    }
  }

  private static func matrixProducts(isPlain: Bool) -> [Listed] {
    MatrixInstructions.allCases.flatMap { instructions in
      let set = MatrixSet(instructions: instructions, isPlain: isPlain)
      return ProductKind.ofMatrices.flatMap { kind in
        MatrixTile.all.flatMap { tile in
          [false, true].map {
            Listed(tile.kernel(kind, isWhole: $0, set), group: tile.items(set), instructions)
          }
        }
      }
    }
  }

  /// Widths of heads, rounded up, of the models that are known: 64 of most; 72, 80, 88, 96, 104, 112 and 128 of large
  /// ones.
  private static let headWidths = [64, 80, 96, 112, 128]

  private static var attention: [Listed] { attention(headWidths: headWidths) }

  private static func attention(headWidths: [Int]) -> [Listed] {
    AttentionProgram.all.flatMap { program in
      headWidths.flatMap { width in
        [false, true].map {
          Listed(program.portableKernel(headWidth: width, isAligned: $0), group: AttentionProgram.items)
        }
      }
    }
  }

  private static func matrixAttention(headWidths: [Int] = headWidths, isPlain: Bool) -> [Listed] {
    MatrixInstructions.allCases.flatMap { instructions in
      let set = MatrixSet(instructions: instructions, isPlain: isPlain)
      return AttentionProgram.OnMatrixUnits.allCases.flatMap { program in
        // In one part, and in two.
        [Precision.bf16, .bf16Split].flatMap { precision in
          headWidths.flatMap { width in
            let tile = HeadTile.best(width: width, precision: precision)
            return [false, true].compactMap { isWhole in
              tile.map {
                Listed(
                  $0.kernel(program, width: width, precision: precision, isWhole: isWhole, set), group: $0.items(set),
                  instructions)
              }
            }
          }
        }
      }
    }
  }

  private static var rows: [Listed] {
    let float32 = [
      "folded_norm_backward", "layer_norm", "layer_norm_backward", "normalize_rows", "normalize_rows_backward",
      "softmax", "softmax_backward",
    ]
    let float64 = ["layer_norm", "softmax", "softmax_backward"]
    let kernels =
      float32.map { KernelIdentifier.portableRow($0, .float32) }
      + float64.map { KernelIdentifier.portableRow($0, .float64) }
    return kernels.map { Listed($0, group: KernelIdentifier.rowGroup) }
  }

  private static var elements: [Listed] {
    let float32 = [
      "activate", "activation_backward", "add_rows", "attention_relevance_mean", "copy", "fill", "gate", "gather_rows",
      "key_relevance", "key_scores", "mean_rows", "patchify", "relevance_share", "rotate", "row_through_map_mean",
      "token_sums", "token_sums_backward",
    ]
    let float64 = ["activate", "add_rows", "copy", "fill", "gather_rows", "patchify", "relevance_share"]
    let kernels = float32.map { KernelIdentifier($0) } + float64.map { KernelIdentifier($0, scalar: .float64) }
    return kernels.map { Listed($0, group: KernelIdentifier.elementGroup) }
  }

  private static var others: [Listed] {
    Precision.allStored.map { Listed(.packWeight(.portable, $0), group: 128) } + [
      Listed(.packWeight(.matrix, .bf16Split), group: 128),
      Listed(.peak(.portable), group: 128), Listed(.partProduct(.portable), group: KernelIdentifier.partProductGroup),
    ]
  }
}
