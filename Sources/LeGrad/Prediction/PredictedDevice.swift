package import Compute
import ComputeOpenCL

/// What an operation, or most of a stage's time, waits for.
package enum Bottleneck: String, Sendable, CaseIterable {
  /// The arithmetic units, and instructions beside multiply-adds that keep them from it.
  case arithmetic
  case memory
  /// What work-items of a group share.
  case localMemory = "local memory"
  /// One step after the other where too little runs beside it.
  case latency
  /// The host, which starts kernels more slowly than the device runs them.
  case launches
  /// Between host and device.
  case link
}

/// A device as far as the time of an operation depends on it: what its units do in a second, and how far below that the
/// kernels stay.
package struct PredictedDevice: Sendable {
  /// As one asks for it.
  package let name: String
  /// For people.
  package let title: String
  /// Where the figures come from.
  package let source: String
  package let machine: Machine
  /// The kernels that it is expected to run; nil where that is the device's own affair.
  package private(set) var kernels: KernelVariant?

  package init(name: String, title: String, source: String, machine: Machine) {
    self.name = name
    self.title = title
    self.source = source
    self.machine = machine
    if case .groups = machine { kernels = .portable }
  }

  /// The same device where it computes in a precision.
  /// - Parameter kernels: `portable` or `matrix`; where nil, those on matrix units if they take the precision.
  package func computing(in precision: Precision, by kernels: KernelVariant? = nil) -> PredictedDevice {
    guard case .groups(var machine) = machine else { return self }
    let usesMatrixUnits = kernels != .portable && KernelVariant.matrix.takes(precision)
    machine.matrix = usesMatrixUnits ? MatrixUse(units: machine.matrixUnits, precision: precision) : nil
    var device = PredictedDevice(name: name, title: title, source: source, machine: .groups(machine))
    device.kernels = usesMatrixUnits ? .matrix : .portable
    return device
  }

  package enum Machine: Sendable {
    case groups(GroupMachine)
    /// Rates that were measured on the machine itself.
    case measured(MeasuredMachine)
  }

  /// Seconds of the device, and what they are spent with.
  package func expected(_ work: OperationWork) -> ExpectedTime {
    switch machine {
    case .groups(let machine): machine.expected(work)
    case .measured(let machine): machine.expected(work)
    }
  }

  /// What its backend says; see `Backend.rowsToJoin`.
  package var rowsToJoin: Int {
    switch machine {
    case .groups: OpenCLBackend.rowsToJoinOnGPUs
    case .measured: 0
    }
  }

  /// Seconds of the host for a launch that the device does not wait for.
  package var launchSeconds: Double {
    if case .groups(let machine) = machine { machine.launchSeconds } else { 0 }
  }
}

package struct ExpectedTime: Sendable, Equatable {
  package let seconds: Double
  package let bottleneck: Bottleneck

  init(_ seconds: Double, _ bottleneck: Bottleneck) {
    self.seconds = seconds
    self.bottleneck = bottleneck
  }

  /// The longest of bounds that overlap.
  static func longest(_ bounds: ExpectedTime...) -> ExpectedTime {
    bounds.dropFirst().reduce(bounds[0]) { $1.seconds > $0.seconds ? $1 : $0 }
  }
}

/// A GPU: work-groups of the portable kernels, or of those on matrix units, on compute units, in rounds.
package struct GroupMachine: Sendable {
  /// What a kernel's inner loop makes of a unit.
  package struct Loop: Sendable {
    /// Multiply-adds among all that is issued.
    let arithmeticShare: Double
    /// Cycles of multiply-adds by cycles of local memory; above 1 local memory does not hold them up.
    let localShare: Double
    /// Groups that a unit has room for.
    let residentGroups: Int
    /// Elements of the inner dimension that a product takes in one step.
    let stepDepth: Int
    /// Cycles that such a step takes at least; the machine's where nil.
    let stepCycles: Double?

    package init(
      arithmeticShare: Double, localShare: Double, residentGroups: Int, stepDepth: Int = 16, stepCycles: Double? = nil
    ) {
      self.arithmeticShare = arithmeticShare
      self.localShare = localShare
      self.residentGroups = residentGroups
      self.stepDepth = stepDepth
      self.stepCycles = stepCycles
    }
  }

  /// A tile of a product by its rows and columns.
  package struct Tile: Hashable, Sendable {
    package let rows, columns: Int

    package init(_ rows: Int, _ columns: Int) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// Streaming multiprocessors, compute units, Xe cores.
  let units: Int
  /// Cycles per second.
  let clock: Double
  /// Float32 multiply-adds of a unit in a cycle.
  let multiplyAdds: Double
  /// Bytes per second that a kernel gets of main memory.
  let memoryBandwidth: Double
  /// Bytes per second between host and device.
  let linkBandwidth: Double
  /// Seconds in which the host can start a kernel.
  package let launchSeconds: Double
  /// Seconds that the shortest kernel takes.
  let shortestKernel: Double
  /// Cycles that a step of a product's inner loop takes at least: it waits for what it fetches, and for barriers.
  let stepCycles: Double
  /// Cycles of each step in which a group that is alone on its unit computes nothing.
  let aloneCycles: Double
  package let products: [Tile: Loop]
  let attention: Loop
  let relevance: Loop
  let matrixUnits: MatrixUnits
  /// The matrix units in use; nil for the portable kernels.
  var matrix: MatrixUse?

  package init(
    units: Int, clock: Double, multiplyAdds: Double, memoryBandwidth: Double, linkBandwidth: Double,
    launchSeconds: Double, shortestKernel: Double, stepCycles: Double, aloneCycles: Double, products: [Tile: Loop],
    attention: Loop, relevance: Loop, matrixUnits: MatrixUnits
  ) {
    self.units = units
    self.clock = clock
    self.multiplyAdds = multiplyAdds
    self.memoryBandwidth = memoryBandwidth
    self.linkBandwidth = linkBandwidth
    self.launchSeconds = launchSeconds
    self.shortestKernel = shortestKernel
    self.stepCycles = stepCycles
    self.aloneCycles = aloneCycles
    self.products = products
    self.attention = attention
    self.relevance = relevance
    self.matrixUnits = matrixUnits
  }

  /// Operations per second on matrix units, of 16-bit operands.
  package var matrixPeak: Double { 2 * Double(units) * matrixUnits.multiplyAdds * clock }

  /// Float32 operations per second.
  package var peak: Double { 2 * Double(units) * multiplyAdds * clock }

  /// Rows that a group of the attention kernels, and keys that one of the relevance's, holds at once, and the other
  /// side's rows of one step.
  private static var attentionTile: (rows: Int, others: Int) { (64, 32) }
  private static var relevanceTile: (rows: Int, others: Int) { (32, 64) }
  /// How much longer a step takes whose group is alone on its unit: nothing hides its latencies.
  private static var aloneFactor: Double { 1.6 }
  /// What the product of few rows takes however little it reads; more than that is the time of reading its weight.
  private static var shortestProduct: Double { 4e-6 }
  /// A row mean adds its rows in order, so many loads under way at once, each batch waiting for memory.
  private static var meanBatch: (rows: Int, seconds: Double) { (32, 0.7e-6) }

  func expected(_ work: OperationWork) -> ExpectedTime {
    let memory = ExpectedTime(Double(work.bytes) / memoryBandwidth, .memory)
    let shortest = ExpectedTime(shortestKernel, .latency)
    switch work.kind {
    case .transfer: return .longest(ExpectedTime(Double(work.bytes) / linkBandwidth, .link), shortest)
    case .product(let rows, let columns, let depth):
      if let matrix, work.operation == .matmul {
        return .longest(
          memory, shortest, product(rows: rows, columns: columns, depth: depth, parts: work.parts, on: matrix))
      }
      return .longest(memory, shortest, product(rows: rows, columns: columns, depth: depth, parts: work.parts))
    case .attention(let sequences, let heads, let tokens, let headWidth):
      let maps = Maps(sequences: sequences, heads: heads, tokens: tokens, headWidth: headWidth)
      // So many products as the operation has between rows and tokens.
      let products = work.arithmetic / maps.product
      let isRelevance = work.operation == .attentionRelevance
      let portable = mapTime(
        maps, products: products, tile: isRelevance ? Self.relevanceTile : Self.attentionTile,
        isRelevance ? relevance : attention, multiplyAdds: multiplyAdds)
      // A trial takes the faster kernels.
      let onMatrixUnits = work.operation == .attentionBackward ? nil : mapTimeOnMatrixUnits(maps, products, isRelevance)
      let faster = onMatrixUnits.flatMap { $0.seconds < portable.seconds ? $0 : nil }
      return .longest(memory, shortest, faster ?? portable)
    case .rows:
      guard work.operation == .meanRows else { return .longest(memory, shortest) }
      let rows = work.inputRows / max(1, work.rows)
      let seconds = Double(rows.dividedUp(by: Self.meanBatch.rows)) * Self.meanBatch.seconds
      return .longest(memory, shortest, ExpectedTime(seconds, .latency))
    }
  }

  private func product(rows: Int, columns: Int, depth: Int, parts: Int) -> ExpectedTime {
    guard rows / parts > FewRows.limit else { return ExpectedTime(Self.shortestProduct, .latency) }
    let best = PortableTile.best(rows: rows / parts, columns: columns, parts: parts, computeUnits: units)
    guard let loop = products[Tile(best.rows, best.columns)] else {
      preconditionFailure("a device describes every tile of the products")
    }
    let groups = parts * (rows / parts).dividedUp(by: best.rows) * columns.dividedUp(by: best.columns)
    let step = Double(best.rows * best.columns * loop.stepDepth) / multiplyAdds
    return steps(depth.dividedUp(by: loop.stepDepth), of: step, groups: groups, loop)
  }

  /// A product by the matrix kernels. Bytes of the cache that all units share are a bound of their own: a tile reads its
  /// rows and columns there, whoever has read them before.
  private func product(
    rows: Int, columns: Int, depth: Int, parts: Int, on matrix: MatrixUse
  ) -> ExpectedTime {
    let rows = rows / parts
    let tile = matrix.tile(rows: rows, columns: columns, parts: parts, computeUnits: units)
    let (count, loops) = matrix.forProducts
    guard let loop = loops.products[Tile(tile.rows, tile.columns)] else {
      preconditionFailure("a device describes every tile of the products")
    }
    let stepDepth = matrix.depth(of: tile)
    let groups = parts * rows.dividedUp(by: tile.rows) * columns.dividedUp(by: tile.columns)
    let step = count * Double(tile.rows * tile.columns * stepDepth) / matrix.units.multiplyAdds
    let computing = steps(depth.dividedUp(by: stepDepth), of: step, groups: groups, loop)
    let rowBytes = (4 + matrix.factorBytes) * Double(min(rows, tile.rows))
    let bytes = Double(groups) * Double(depth) * (rowBytes + matrix.weightBytes * Double(tile.columns))
    let reading = ExpectedTime(bytes / matrix.units.cacheBandwidth, .memory)
    // Factors are found before the first step, by a group whose unit computes nothing meanwhile.
    let factors =
      matrix.factorBytes * Double(depth * min(rows, tile.rows)) / (matrix.units.cacheBandwidth / Double(units))
    let longest = ExpectedTime.longest(computing, reading)
    return ExpectedTime(longest.seconds + factors, longest.bottleneck)
  }

  /// Steps of a product in all groups; `step` are a group's cycles of multiply-adds in one.
  private func steps(_ count: Int, of step: Double, groups: Int, _ loop: Loop) -> ExpectedTime {
    let steps = Double(count)
    return rounds(groups.dividedUp(by: units), loop) { together in
      let groups = Double(together)
      let alone = together == 1 ? ExpectedTime(aloneCycles, .latency) : ExpectedTime(0, .latency)
      let busy = ExpectedTime.longest(
        ExpectedTime(groups * step / loop.arithmeticShare, .arithmetic),
        ExpectedTime(groups * step / loop.localShare, .localMemory))
      let longest = ExpectedTime.longest(
        ExpectedTime(busy.seconds + alone.seconds, busy.bottleneck),
        ExpectedTime(loop.stepCycles ?? stepCycles, .latency))
      return ExpectedTime(longest.seconds * steps / clock, longest.bottleneck)
    }
  }

  private struct Maps {
    let sequences, heads, tokens, headWidth: Int

    var product: Double { 2 * Double(sequences * heads * headWidth) * Double(tokens) * Double(tokens) }
  }

  /// Attention or its relevance by the matrix kernels; nil where they are not used, or heads are too wide for them.
  private func mapTimeOnMatrixUnits(_ maps: Maps, _ products: Double, _ isRelevance: Bool) -> ExpectedTime? {
    guard let matrix, let tile = HeadTile.best(width: maps.headWidth, precision: matrix.precision) else { return nil }
    let (count, loops) = matrix.forHeads
    return mapTime(
      maps, products: products * count, tile: (tile.rows, tile.others),
      isRelevance ? loops.relevance : loops.attention, multiplyAdds: matrix.units.multiplyAdds)
  }

  private func mapTime(
    _ maps: Maps, products: Double, tile: (rows: Int, others: Int), _ loop: Loop, multiplyAdds: Double
  ) -> ExpectedTime {
    let groups = maps.tokens.dividedUp(by: tile.rows) * maps.heads * maps.sequences
    let width = maps.headWidth.dividedUp(by: 16) * 16
    let steps = Double(maps.tokens.dividedUp(by: tile.others))
    let step = products * Double(tile.rows * tile.others * width) / multiplyAdds
    return rounds(groups.dividedUp(by: units), loop) { together in
      let groups = Double(together)
      let longest = ExpectedTime.longest(
        ExpectedTime(groups * step / loop.arithmeticShare, .arithmetic),
        ExpectedTime(groups * step / loop.localShare, .localMemory),
        ExpectedTime(Self.aloneFactor * step / loop.arithmeticShare, .latency))
      return ExpectedTime(longest.seconds * steps / clock, longest.bottleneck)
    }
  }

  /// The groups of the busiest unit, as many at once as there is room for.
  private func rounds(_ groups: Int, _ loop: Loop, _ round: (Int) -> ExpectedTime) -> ExpectedTime {
    let full = groups / loop.residentGroups
    let rest = groups % loop.residentGroups
    let whole = full > 0 ? round(loop.residentGroups) : ExpectedTime(0, .arithmetic)
    guard rest > 0 else { return ExpectedTime(Double(full) * whole.seconds, whole.bottleneck) }
    let last = round(rest)
    return ExpectedTime(
      Double(full) * whole.seconds + last.seconds,
      Double(full) * whole.seconds > last.seconds ? whole.bottleneck : last.bottleneck)
  }
}

extension Int {
  fileprivate func dividedUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
