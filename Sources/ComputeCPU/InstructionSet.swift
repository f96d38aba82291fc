import CSimd
public import Compute

extension InstructionSet: Comparable {
  public static func < (left: InstructionSet, right: InstructionSet) -> Bool {
    left.identifier.rawValue < right.identifier.rawValue
  }

  private var identifier: legrad_instruction_set {
    switch self {
    case .portable: LEGRAD_PORTABLE
    case .avx2: LEGRAD_AVX2
    case .avx512: LEGRAD_AVX512
    case .avx512bf16: LEGRAD_AVX512BF16
    }
  }

  /// The inner loops, or nil where this machine (processor or operating system) lacks the instructions.
  var kernels: Kernels? {
    guard let table = unsafe legrad_simd_table_for(identifier) else { return nil }
    return unsafe Kernels(table: table.pointee)
  }
}

/// The inner loops of one instruction set.
///
/// Unchecked because the imported table holds C function pointers, which the importer does not mark; they are
/// constants of the program and keep no state.
@safe struct Kernels: @unchecked Sendable {
  let table: legrad_simd_table

  var tileRows: Int { table.tile_rows }
  var tileColumns: Int { table.tile_columns }
}
