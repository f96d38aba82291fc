import Compute
import OpenCLRuntime
import Synchronization

/// Brings groups of weights to the device in turn: while the kernels of one group run, the next group goes up.
///
/// Two slots, each large enough for any group. A group that is asked for and is in neither goes to the slot that was
/// not used last; then the group that is expected after it, in the direction of the walk, goes to the other one. The
/// host never waits: the upload queue waits for the kernels that still read a slot, and the compute queue for the
/// upload of what it reads next.
///
///     compute   | group 0 | group 1 | group 2 | …
///     upload    0 | 1     | 2       | 3       | …
///     slot      A | B     | A       | B       | …
final class WeightStreaming {
  private let compute: OpenCLQueue
  private let uploads: OpenCLQueue
  private let memory: DeviceMemory
  private let registry: WeightRegistry
  private var slots = [Slot(), Slot()]
  /// The slot whose group was asked for last.
  private var current = 1
  private(set) var streamedBytes = 0
  /// Uploads begun so far; they are done in this order.
  private var uploadCount = 0
  /// The last upload that the compute queue was told to wait for.
  private var awaitedUpload = 0
  /// Weights whose upload may still read their host memory, with its number.
  private var retired: [(upload: Int, weights: [OpenCLWeight])] = []

  private struct Slot {
    var group: WeightGroup?
    /// Where the group's weights are, in the order in which they were prepared.
    var buffers: [OpenCLBuffer] = []
    /// The number of the upload that brings the group.
    var upload = 0
    /// Reached when the group is on the device; nil once the compute queue waits for it.
    var uploaded: OpenCLEvent?
    /// What is in the slot or on its way.
    var weights: [OpenCLWeight] = []
  }

  init(compute: OpenCLQueue, memory: DeviceMemory, registry: WeightRegistry) throws(OpenCLError) {
    self.compute = compute
    uploads = try OpenCLQueue(memory.context)
    self.memory = memory
    self.registry = registry
  }

  /// Where `weight` is on the device for the kernel that is launched next.
  func memory(of weight: OpenCLWeight, in group: WeightGroup) throws(OpenCLError) -> OpenCLMemory {
    let slot = try bring(group)
    guard let index = slots[slot].weights.firstIndex(where: { $0 === weight }) else {
      preconditionFailure("a weight that its group does not know")
    }
    return slots[slot].buffers[index].memory
  }

  private func bring(_ group: WeightGroup) throws(OpenCLError) -> Int {
    let known = slots.firstIndex { $0.group == group }
    let last = slots[current].group
    let slot = known ?? 1 - current
    if known == nil { try upload(group, to: slot) }
    if let uploaded = slots[slot].uploaded {
      try compute.wait(for: uploaded)
      slots[slot].uploaded = nil
      awaitedUpload = max(awaitedUpload, slots[slot].upload)
    }
    if slot != current || known == nil {
      current = slot
      let next = group.next(after: last)
      if next != group, slots[1 - slot].group != next { try upload(next, to: 1 - slot) }
    }
    return slot
  }

  private func upload(_ group: WeightGroup, to index: Int) throws(OpenCLError) {
    // A failure half-way leaves the slot without a group.
    slots[index].group = nil
    slots[index].uploaded = nil
    retired.append((slots[index].upload, slots[index].weights))
    let weights = registry.weights(of: group)
    slots[index].weights = weights
    try makeRoom(for: weights, in: index)
    // Everything that reads the slot has been enqueued by now.
    let free = try compute.marker()
    try compute.flush()
    try uploads.wait(for: free)
    uploadCount += 1
    slots[index].upload = uploadCount
    for (weight, buffer) in zip(weights, slots[index].buffers) {
      guard case .streamed(let host, _) = weight.place, let start = unsafe host.start else { continue }
      guard !memory.isCountedAlone else { continue }
      let region = OpenCLRegion(buffer.memory, rowBytes: weight.bytes)
      unsafe try uploads.write(start, to: region, waiting: false)
      streamedBytes += weight.bytes
    }
    slots[index].uploaded = try uploads.marker()
    try uploads.flush()
    slots[index].group = group
  }

  private func makeRoom(for weights: [OpenCLWeight], in index: Int) throws(OpenCLError) {
    for (position, weight) in weights.enumerated() {
      if position == slots[index].buffers.count {
        slots[index].buffers.append(try OpenCLBuffer(bytes: weight.bytes, in: memory))
      } else if slots[index].buffers[position].memory.bytes < weight.bytes {
        slots[index].buffers[position] = try OpenCLBuffer(bytes: weight.bytes, in: memory)
      }
    }
  }

  /// The compute queue is done with everything enqueued, and so with the uploads that it was told to wait for.
  func computeIsDone() {
    retired.removeAll { $0.upload <= awaitedUpload }
  }

  /// Nothing may read host memory that goes with this; where that cannot be awaited, the memory is left behind.
  deinit {
    guard (try? uploads.finish()) == nil else { return }
    for weight in slots.flatMap(\.weights) + retired.flatMap(\.weights) {
      if case .streamed(let host, _) = weight.place { host.abandon() }
    }
  }
}

/// The streamed weights of a backend by their group, for as long as somebody else holds them.
final class WeightRegistry: Sendable {
  private struct Member {
    weak var weight: OpenCLWeight?
  }

  private let groups = Mutex<[WeightGroup: [Member]]>([:])

  func add(_ weight: OpenCLWeight, to group: WeightGroup) {
    groups.withLock { groups in
      // Towers that are gone leave nothing behind.
      groups = groups.filter { _, members in members.contains { $0.weight != nil } }
      groups[group, default: []].append(Member(weight: weight))
    }
  }

  /// In the order in which they were prepared.
  func weights(of group: WeightGroup) -> [OpenCLWeight] {
    groups.withLock { $0[group]?.compactMap(\.weight) ?? [] }
  }
}
