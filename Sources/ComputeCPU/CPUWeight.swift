import CSimd
public import Compute
import Failures
import Synchronization

/// A weight matrix in column panels, as the register tiles of one instruction set read them, or still in its file.
///
/// One that a file stores is packed panel by panel into the cache of the thread that multiplies it, the first time. The
/// second product packs it into memory for good: what is used once never takes memory, what is used often is read as
/// fast as it can be.
public final class CPUWeight: Sendable {
  public let outputs: Int
  public let inputs: Int
  public let precision: Precision
  let tileColumns: Int
  /// As packed, filling included.
  public let bytes: Int
  private let state: Mutex<Place>

  /// Where the elements are.
  enum Place: Sendable {
    case packed(AlignedMemory)
    case stored(StoredWeight, wasRead: Bool)
  }

  /// - Parameter stored: where it lies; nil for memory that the caller packs it into.
  init(
    outputs: Int, inputs: Int, precision: Precision, tileColumns: Int, stored: StoredWeight? = nil
  ) throws(BackendError) {
    self.outputs = outputs
    self.inputs = inputs
    self.precision = precision
    self.tileColumns = tileColumns
    // Both sides are filled up to whole tiles: the transposed side reads whole squares.
    let (paddedOutputs, outputsOverflow) = outputs.roundedUpReportingOverflow(to: tileColumns)
    let (paddedInputs, inputsOverflow) = inputs.roundedUpReportingOverflow(to: tileColumns)
    let (count, overflow) = paddedOutputs.multipliedReportingOverflow(by: paddedInputs)
    let (bytes, bytesOverflow) = count.multipliedReportingOverflow(by: precision.bytes)
    self.bytes = outputsOverflow || inputsOverflow || overflow || bytesOverflow ? Int.max : bytes
    if let stored {
      state = Mutex(.stored(stored, wasRead: false))
    } else {
      state = Mutex(.packed(try AlignedMemory(count: self.bytes, elementSize: 1, operation: .prepare)))
    }
  }

  var place: Place {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }

  var panels: Int { (outputs + tileColumns - 1) / tileColumns }
  var paddedInputs: Int { (inputs + tileColumns - 1) / tileColumns * tileColumns }
  var panelBytes: Int { paddedInputs * tileColumns * precision.bytes }

  /// The panels `range` at `base`.
  func description(_ range: Range<Int>, at base: UnsafeMutableRawPointer) -> legrad_weight {
    unsafe legrad_weight(
      storage: precision.storage, outputs: outputs, inputs: inputs, padded_inputs: paddedInputs,
      first_panel: range.lowerBound, panel_count: range.count, panels: base)
  }

  /// All panels in `memory`.
  func description(in memory: AlignedMemory) -> legrad_weight { unsafe description(0..<panels, at: memory.base) }
}

extension StoredWeight {
  /// The elements in memory, for a weight of so many outputs.
  /// - Throws: `weightLost` where they cannot be read.
  func brought(outputs: Int, operation: OperationName) throws(BackendError) -> legrad_stored_weight {
    var stored = legrad_stored_weight()
    stored.type = type.storage
    stored.part_rows = outputs / parts.count
    var addresses: [UnsafeRawPointer] = unsafe []
    for part in parts {
      guard let address = unsafe part.bringIn() else { throw Self.lost(operation) }
      unsafe addresses.append(address)
    }
    unsafe stored.parts = (
      addresses[0], addresses.count > 1 ? addresses[1] : nil, addresses.count > 2 ? addresses[2] : nil
    )
    return stored
  }

  /// Says that a product has read the elements.
  /// - Throws: `weightLost` where they are not what they were before it.
  func letGo(operation: OperationName) throws(BackendError) {
    let areThere = parts.allSatisfy { unsafe $0.bringIn() != nil }
    for part in parts { part.letGo() }
    guard areThere else { throw Self.lost(operation) }
  }

  private static func lost(_ operation: OperationName) -> BackendError {
    BackendError(
      .weightLost, operation: operation,
      "the file of the weights was changed or cut after it was opened, or cannot be read; load the model again")
  }
}

extension Precision {
  var storage: legrad_storage {
    switch self {
    case .f32, .bf16Split: LEGRAD_F32
    case .f16: LEGRAD_F16
    case .bf16: LEGRAD_BF16
    }
  }

  /// Bits of the least float32 magnitude that becomes infinite in this precision, rounded to nearest even.
  var firstInfinite: UInt32 {
    switch self {
    case .f32, .bf16Split: 0x7f80_0000
    case .f16: 0x477f_f000
    case .bf16: 0x7f7f_8000
    }
  }
}

extension Int {
  fileprivate func roundedUpReportingOverflow(to multiple: Int) -> (Int, overflow: Bool) {
    let (sum, overflow) = addingReportingOverflow(multiple - 1)
    return (sum / multiple * multiple, overflow)
  }
}
