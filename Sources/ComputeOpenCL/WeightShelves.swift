import Compute
import OpenCLRuntime
import Synchronization

/// Buffers that hold one weight of every group of a sequence, in the order of the groups, so that one launch reads those
/// of several.
final class WeightShelves: Sendable {
  /// The place of a weight: `number` tells the weights of one group and layout apart.
  struct Shelf: Hashable {
    fileprivate let first: WeightGroup
    fileprivate let layout: WeightLayout
    fileprivate let number: Int
    fileprivate let index: Int

    fileprivate var key: Key { Key(first: first, layout: layout, number: number) }
  }

  fileprivate struct Key: Hashable {
    let first: WeightGroup
    let layout: WeightLayout
    let number: Int
  }

  private struct Held {
    weak var buffer: OpenCLBuffer?
  }

  private struct State {
    var buffers: [Key: Held] = [:]
    /// Weights of each group so far, by layout.
    var counts: [WeightGroup: [WeightLayout: Int]] = [:]
  }

  private let state = Mutex(State())

  /// The place of the next weight of `group`; nil for a sequence of one.
  func shelf(for group: WeightGroup, _ layout: WeightLayout) -> Shelf? {
    guard group.sequence.groupCount > 1 else { return nil }
    return state.withLock { state in
      let number = state.counts[group]?[layout] ?? 0
      state.counts[group, default: [:]][layout] = number + 1
      return Shelf(first: group.sequence.group(0), layout: layout, number: number, index: group.index)
    }
  }

  /// Memory for a weight of so many bytes, and where in it: on its shelf, which the first group's weight makes, or of
  /// its own where there is none or the device has no buffer of that size.
  func room(
    on shelf: Shelf?, for bytes: Int, in memory: DeviceMemory
  ) throws(OpenCLError) -> (buffer: OpenCLBuffer, offset: Int) {
    if let shelf {
      let known = state.withLock { $0.buffers[shelf.key]?.buffer }
      let (all, overflow) = bytes.multipliedReportingOverflow(by: shelf.first.sequence.groupCount)
      if let known { return (known, shelf.index * bytes) }
      if shelf.index == 0, !overflow, all <= memory.context.device.largestBuffer {
        let buffer = try OpenCLBuffer(bytes: all, in: memory)
        state.withLock { state in
          // Towers that are gone leave nothing behind.
          state.buffers = state.buffers.filter { $0.value.buffer != nil }
          let sequences = Set(state.buffers.keys.map(\.first) + [shelf.first])
          state.counts = state.counts.filter { sequences.contains($0.key.sequence.group(0)) }
          state.buffers[shelf.key] = Held(buffer: buffer)
        }
        return (buffer, 0)
      }
    }
    return (try OpenCLBuffer(bytes: bytes, in: memory), 0)
  }
}
