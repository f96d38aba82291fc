import CSimd
public import Compute
import Failures

extension CPUBackend {
  /// The fastest storage of weights that this machine multiplies natively.
  public static var fastestPrecision: Precision {
    availableInstructionSets.contains(.avx512bf16) ? .bf16 : .f32
  }

  /// Multiply-adds in registers, with the backend's instruction set on all of its threads; takes about 100 ms.
  ///
  /// The best of many short bursts counts: whatever else runs on the machine can only slow one down. Products of
  /// bfloat16 pairs have a roof of their own, about twice as high where the machine has an instruction for them.
  public func measurePeak() throws(BackendError) -> Double {
    var best = 0.0
    perform { crew in
      let piece = burstPiece()
      // Many pieces per thread, so that one that started late takes fewer.
      let pieces = crew.threadCount * PeakBurst.piecesPerThread
      for _ in 0..<PeakBurst.repetitions {
        let time = ContinuousClock().measure {
          crew.run(pieces) { begin, end in
            for _ in begin..<end { _ = burst(rounds: piece.rounds) }
          }
        }
        best = max(best, Double(pieces * piece.operations) / max(time / .seconds(1), 1e-9))
      }
    }
    return best
  }

  /// Rounds that keep one thread busy for a piece's duration, and their arithmetic operations.
  private func burstPiece() -> (rounds: Int, operations: Int) {
    var rounds = 1024
    while true {
      var operations = 0
      // The least of several: a thread that was interrupted would end the search too early.
      let time = (0..<3).map { _ in
        ContinuousClock().measure { operations = burst(rounds: rounds) }
      }.min()
      if rounds >= 1 << 30 || time.map({ $0 >= PeakBurst.piece }) ?? true { return (rounds, operations) }
      rounds *= 2
    }
  }

  private func burst(rounds: Int) -> Int {
    var value: Float = 0.5
    let operations = unsafe kernels.table.multiply_add_burst(rounds, &value)
    precondition(value.isFinite, "the burst's sums converge")
    return operations
  }
}

/// Bursts of about 2 ms, so that some fit between the turns of other processes.
private enum PeakBurst {
  static let piece = Duration.microseconds(125)
  static let piecesPerThread = 16
  static let repetitions = 50
}
