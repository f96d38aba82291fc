import Compute
import TestSupport
import Testing

@testable import ComputeOpenCL

@Suite(.enabled(if: TestDevice.first != nil))
struct WeightStreamingTests {
  /// A tower of products: group `g` has a square weight and another of its own size, each used from both sides.
  struct Tower {
    static let width = 33
    let backend: OpenCLBackend
    let groups: [(square: OpenCLWeight, wide: OpenCLWeight)]

    init(_ backend: OpenCLBackend, groups count: Int, wide: Int = 70) throws {
      self.backend = backend
      let sequence = WeightSequence(groupCount: count)
      groups = try (0..<count).map { index in
        let square = HostMatrix.random(Self.width, Self.width, seed: UInt64(100 + index))
        // Groups differ in size, so that a slot has to grow.
        let other = HostMatrix.random(wide + index, Self.width, seed: UInt64(200 + index))
        return (
          try backend.prepare(
            square.values.span, rows: square.rows, columns: square.columns, group: sequence.group(index)),
          try backend.prepare(other.values.span, rows: other.rows, columns: other.columns, group: sequence.group(index))
        )
      }
    }

    /// The results of the last of `passes` passes.
    func run(passes: Int = 1, order: [Int]? = nil) throws -> [HostMatrix] {
      let input = try HostMatrix.random(7, Self.width, seed: 300).upload(to: backend)
      let results = try groups.map { group in
        (
          try backend.makeMatrix(rows: 7, columns: Self.width),
          try backend.makeMatrix(rows: 7, columns: group.wide.outputs),
          try backend.makeMatrix(rows: 7, columns: Self.width)
        )
      }
      for _ in 0..<passes {
        for index in order ?? Array(groups.indices) {
          let (group, result) = (groups[index], results[index])
          try backend.matmul(Matmul(input: input, weight: group.square, output: result.0))
          try backend.matmul(Matmul(input: result.0, weight: group.wide, output: result.1))
          try backend.matmul(Matmul(input: result.1, weight: group.wide, side: .inputs, output: result.2))
        }
      }
      return try results.flatMap { try [$0.0, $0.1, $0.2].map { try HostMatrix.download($0, from: backend) } }
    }
  }

  @Test(arguments: KernelVariant.allCases, [1, 2, 3, 5])
  func streamedWeightsGiveTheSameBits(_ variant: KernelVariant, _ groups: Int) throws {
    let resident = try Tower(TestDevice.shared(variant), groups: groups).run()
    let tower = try Tower(TestDevice.backend(variant) { $0.streamsWeights = true }, groups: groups)
    for (index, pair) in try zip(tower.run(passes: 3), resident).enumerated() {
      expectSameBits(pair.0, pair.1, "\(groups) groups: result \(index)")
    }
  }

  @Test func anyOrderOfUseIsServed() throws {
    let order = [3, 0, 0, 2, 4, 1, 3, 2]
    let resident = try Tower(TestDevice.shared(.cpu), groups: 5).run(order: order)
    let tower = try Tower(TestDevice.backend(.cpu) { $0.streamsWeights = true }, groups: 5)
    for pair in try zip(tower.run(order: order), resident) { expectSameBits(pair.0, pair.1) }
  }

  @Test func eachGroupGoesUpOnceAPass() throws {
    let backend = try TestDevice.backend(.cpu) { $0.streamsWeights = true }
    let tower = try Tower(backend, groups: 4, wide: 64)
    let bytes = tower.groups.map { $0.square.bytes + $0.wide.bytes }
    let before = backend.traffic
    _ = try tower.run(passes: 2)
    let traffic = backend.traffic - before
    // The groups of two passes, and the first group of a third, which is on its way when the second ends.
    #expect(traffic.streamedBytes == 2 * bytes.reduce(0, +) + bytes[0])
    // Nothing but the twelve downloads waits.
    #expect(traffic.waits == 12)
  }

  @Test func aWalkBackIsServedInItsDirection() throws {
    let backend = try TestDevice.backend(.cpu) { $0.streamsWeights = true }
    let tower = try Tower(backend, groups: 5, wide: 64)
    let bytes = tower.groups.map { $0.square.bytes + $0.wide.bytes }
    let before = backend.traffic
    let order = [0, 1, 2, 3, 4, 3, 2, 1, 0]
    let results = try tower.run(passes: 2, order: order)
    let once = bytes.reduce(0, +)
    // A walk there, the first group in vain where it turns, and a walk back; groups 0 and 1 are still there when the
    // second pass begins.
    let pass = once + bytes[0] + once - bytes[4]
    #expect((backend.traffic - before).streamedBytes == 2 * pass - bytes[0] - bytes[1])
    let resident = try Tower(TestDevice.shared(.cpu), groups: 5, wide: 64).run(passes: 2, order: order)
    for pair in zip(results, resident) { expectSameBits(pair.0, pair.1) }
  }

  @Test func twoOfFourGroupsAreOnTheDevice() throws {
    let resident = try TestDevice.backend(.cpu)
    _ = try Tower(resident, groups: 12, wide: 512).run()
    let streaming = try TestDevice.backend(.cpu) { $0.streamsWeights = true }
    _ = try Tower(streaming, groups: 12, wide: 512).run()
    #expect(try #require(streaming.peakBytes) < #require(resident.peakBytes) * 2 / 3)
  }

  @Test func weightsWithoutAGroupStay() throws {
    let backend = try TestDevice.backend(.cpu) { $0.streamsWeights = true }
    let weight = try HostMatrix.random(40, 33, seed: 1).prepare(on: backend)
    let output = try backend.makeMatrix(rows: 2, columns: 40)
    try backend.matmul(
      Matmul(input: HostMatrix.random(2, 33, seed: 2).upload(to: backend), weight: weight, output: output))
    try backend.synchronize()
    #expect(backend.traffic.streamedBytes == 0)
  }

  @Test func aTowerThatIsGoneLeavesNothingBehind() throws {
    let backend = try TestDevice.backend(.cpu) { $0.streamsWeights = true }
    _ = try Tower(backend, groups: 3).run()
    // The first tower's weights are freed now, while its last upload may be on its way.
    let expected = try Tower(TestDevice.shared(.cpu), groups: 4).run()
    for pair in try zip(Tower(backend, groups: 4).run(), expected) { expectSameBits(pair.0, pair.1) }
  }
}
