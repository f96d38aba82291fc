import Compute
import ComputeOpenCL
import Failures
import ImageFiles
import OperationSamples
import Testing
import VisionTransformer

@testable import LeGrad

/// What devices are expected to take.
@Suite struct PredictionTests {
  /// Milliseconds of an H200 by a model that was written apart from this one, on the same static figures: device time of
  /// a forward and LeGrad of all blocks.
  @Test(arguments: [
    ("ViT-B-16", 1, 2.9), ("ViT-B-16", 32, 34.6), ("ViT-L-14", 1, 9.8), ("ViT-L-14", 32, 154),
    ("ViT-bigG-14", 1, 39.5), ("ViT-bigG-14", 32, 957),
  ])
  func agreesWithAnotherModelOfAnH200(_ architecture: String, images: Int, milliseconds: Double) throws {
    let model = try Model(randomArchitecture: architecture)
    let trace = try RunTrace(
      of: model, methods: [.legrad(layers: .all)], images: images, prompts: 1, width: 224, height: 224, precision: .f32)
    // That model has no transfers: pixels of a batch, and maps.
    let steps = trace.steps.filter { $0.stage != .transfers }
    let prediction = Prediction(steps, on: try PredictedDevice(named: "h200"))
    // It takes steps of 32 in the 64 × 64 tile, whose kernel takes them of 16.
    #expect(abs(prediction.deviceSeconds * 1e3 / milliseconds - 1) < 0.3)
  }

  @Test(arguments: PredictedDevice.known)
  func everyTileOfTheProductsIsDescribed(_ device: PredictedDevice) throws {
    guard case .groups(let machine) = device.machine else { return }
    for tile in PortableTile.all { #expect(machine.products[.init(tile.rows, tile.columns)] != nil) }
    // What the makers say: float32 without matrix units.
    let teraflops = ["h200": 59.3, "mi300x": 163.4, "arc-a770": 17.2][device.name]
    #expect(abs(machine.peak / 1e12 - (try #require(teraflops))) < 0.1)
  }

  /// The same of its tensor cores, products alone: that model is of a prototype whose tiles are 128 × 128 and 64 × 64,
  /// with operands in one part. Large batches, since steps of its small tile are half as deep.
  @Test(arguments: [("ViT-B-16", 32, 5.95), ("ViT-L-14", 32, 27.5), ("ViT-bigG-14", 32, 168.9)])
  func agreesWithAnotherModelOfTensorCores(_ architecture: String, images: Int, milliseconds: Double) throws {
    let model = try Model(randomArchitecture: architecture)
    let trace = try RunTrace(
      of: model, methods: [.legrad(layers: .all)], images: images, prompts: 1, width: 224, height: 224, precision: .bf16
    )
    let products = trace.steps.filter { $0.work.operation == .matmul && $0.stage != .rowProducts }
    let prediction = Prediction(products, on: try PredictedDevice(named: "h200").computing(in: .bf16))
    #expect(abs(prediction.deviceSeconds * 1e3 / milliseconds - 1) < 0.35, "\(prediction.deviceSeconds * 1e3)")
  }

  /// What the makers say of their matrix units, and that every tile of every precision is described.
  @Test(arguments: PredictedDevice.known)
  func matrixUnitsAreDescribed(_ device: PredictedDevice) throws {
    guard case .groups(let machine) = device.machine else { return }
    for loops in [machine.matrixUnits.inOnePart, machine.matrixUnits.inTwoParts] {
      for tile in MatrixTile.all { #expect(loops.products[.init(tile.rows, tile.columns)] != nil) }
    }
    // At the clock that its data sheet's figure of vectors is at, where there is a higher one.
    let teraflops = ["h200": 948.8, "mi300x": 1307.4, "arc-a770": 137.6][device.name]
    #expect(abs(machine.matrixPeak / 1e12 - (try #require(teraflops))) < 0.5)
    #expect(device.kernels == .portable && device.computing(in: .f32).kernels == .portable)
    for precision in Precision.allCases where precision != .f32 {
      #expect(device.computing(in: precision).kernels == .matrix)
      #expect(device.computing(in: precision, by: .portable).kernels == .portable)
    }
  }

  /// Products on tensor cores by hand: of one part, of two, whose product is three, and of float16, whose rows are read
  /// once more.
  @Test func tensorCoresAreCountedByHand() throws {
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Int> { Matrix(buffer: 0, rows: rows, columns: columns) }
    func product(_ rows: Int, _ columns: Int, _ depth: Int, _ precision: Precision) throws -> ExpectedTime {
      try PredictedDevice(named: "h200").computing(in: precision).expected(
        OperationWork(
          Matmul(input: matrix(rows, depth), weight: 0, output: matrix(rows, columns)), role: nil,
          precision: precision))
    }
    // 4096 tiles of 128 × 128 read 128 rows of 4-byte numbers and as many of a weight's 2-byte ones, from the cache that all
    // share: more than the products take.
    let one = try product(8192, 8192, 4096, .bf16)
    #expect(one.bottleneck == .memory)
    #expect(abs(one.seconds - 4096 * 4096 * 128 * (4 + 2) / 6e12) < 1e-9)
    // On 132 multiprocessors there are 32 on the busiest, two at a time: 16 rounds of 256 steps of 16, of 3 · 128 cycles at 62 %: 1239 for two groups, of issue and multiply-adds.
    let two = try product(8192, 8192, 4096, .bf16Split)
    #expect(two.bottleneck == .arithmetic)
    #expect(abs(two.seconds - 16 * 256 * 2 * 384 / 0.62 / 1.755e9) < 1e-9)
    // Rows of a tile once more, 4 bytes an element, at a multiprocessor's part of 6 TB/s.
    let half = try product(8192, 8192, 4096, .f16)
    #expect(abs(half.seconds - 4096 * 4096 * 128 * (8 + 2) / 6e12 - 4 * 128 * 4096 / (6e12 / 132)) < 1e-9)
    // A row is a flat tile: 64 groups alone on their multiprocessors walk 32 steps of 128, of 900 cycles each.
    let row = try product(1, 4096, 4096, .bf16)
    #expect(row.bottleneck == .latency && abs(row.seconds - 32 * 900 / 1.755e9) < 1e-9)
  }

  @Test func anUnknownDeviceIsToldTheKnownOnes() {
    let error = #expect(throws: LeGradError.self) { try PredictedDevice(named: "h2000") }
    #expect(error?.kind == .usage)
    for name in ["h200", "mi300x", "arc-a770", "this"] { #expect(error?.description.contains(name) == true) }
  }

  /// Each bound where it must be the longest, by hand.
  @Test func bottlenecksHaveNames() throws {
    let device = try PredictedDevice(named: "h200")
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Int> { Matrix(buffer: 0, rows: rows, columns: columns) }
    func product(_ rows: Int, _ columns: Int, _ depth: Int) -> ExpectedTime {
      device.expected(
        OperationWork(
          Matmul(input: matrix(rows, depth), weight: 0, output: matrix(rows, columns)), role: nil, precision: .f32))
    }
    // 132 multiprocessors share 64 · 64 tiles in 16 rounds of two groups each: 256 steps of twice 2048 cycles at 87.5 %.
    let large = product(8192, 8192, 4096)
    #expect(large.bottleneck == .arithmetic)
    #expect(abs(large.seconds - 16 * 256 * 2 * 2048 / 0.875 / 1.755e9) < 1e-6)
    // Few rows take the time of their weight, and not less than a launch of such a product.
    #expect(product(1, 512, 512) == ExpectedTime(4e-6, .latency) && product(8, 4096, 4096).bottleneck == .memory)
    #expect(product(16, 64, 4096).bottleneck == .latency)
    let copy = device.expected(OperationWork(Copy(matrix(1 << 14, 1 << 14), to: matrix(1 << 14, 1 << 14))))
    #expect(copy.bottleneck == .memory && abs(copy.seconds - Double(1 << 31) / 3.84e12) < 1e-9)
    let upload = device.expected(OperationWork(transfer: .upload, matrix(1 << 10, 1 << 14)))
    #expect(upload.bottleneck == .link)
  }

  /// A machine whose probes are exact multiples is expected to take exactly what they took, and what lies between.
  @Test func measuredRatesAreStraightLines() {
    func probe(_ seconds: Double, rows: Int, elements: Int) -> RateProbe.Measurement {
      RateProbe.Measurement(
        seconds: seconds, rows: rows, elements: elements, arithmetic: 2 * Double(rows * elements), bytes: 4 * elements)
    }
    var probes: [RateProbe: RateProbe.Measurement] = [
      .rowProduct: probe(2e-3, rows: 1, elements: 1000), .queriesKeysValues: probe(22e-3, rows: 101, elements: 1000),
      // 4,000 bytes of weights in a second.
      .streamedProduct: probe(1, rows: 1, elements: 1000),
    ]
    func expected(_ rows: Int) -> ExpectedTime {
      let device = PredictedDevice(
        name: "this", title: "", source: "",
        machine: .measured(MeasuredMachine(peak: 1, launchSeconds: 1e-9, probes: probes)))
      let product = Matmul(
        input: Matrix(buffer: 0, rows: rows, columns: 50), weight: 0,
        output: Matrix(buffer: 0, rows: rows, columns: 20))
      return device.expected(OperationWork(product, role: .queriesKeysValues, precision: .f32))
    }
    #expect(expected(1) == ExpectedTime(1, .memory))
    probes[.streamedProduct] = probe(1e-9, rows: 1, elements: 1000)
    // Nine tenths of one row's time are not multiply-adds'.
    #expect(abs(expected(1).seconds - 2e-3) < 1e-12 && expected(1).bottleneck == .memory)
    #expect(abs(expected(101).seconds - 22e-3) < 1e-12 && expected(101).bottleneck == .arithmetic)
    #expect(abs(expected(201).seconds - 42e-3) < 1e-12)
  }

  /// Where the host is slower than the device, a run takes as long as its launches.
  @Test func launchesBoundSmallRuns() throws {
    let trace = try RunTrace(
      of: try Model.demo(), methods: [.legrad(layers: .all)], images: 1, prompts: 1, width: 96, height: 96,
      precision: .f32)
    let prediction = Prediction(trace.steps, on: try PredictedDevice(named: "arc-a770"))
    #expect(prediction.launches == trace.steps.count)
    #expect(prediction.seconds == max(prediction.deviceSeconds, Double(trace.steps.count) * 10e-6))
    #expect(prediction.parts.contains { $0.bottleneck == .launches })
    #expect(prediction.parts.map(\.operations).reduce(0, +) == trace.steps.count)
    #expect(prediction.parts.map(\.stage) == prediction.parts.map(\.stage).sorted())
  }

  /// The operations of a run are those that its shapes give, each with a time; nothing is kept while nobody asks.
  @Test func aRunIsTracedOperationByOperation() throws {
    var options = Explainer.Options()
    options.device = .cpu
    options.tracesOperations = true
    options.pixelStatistics = .halves
    let explainer = try Explainer(Model.demo(), options: options)
    let picture = try explainer.prepare(
      RGBImage(width: 96, height: 96, pixels: (0..<96 * 96 * 3).map { UInt8(truncatingIfNeeded: $0) }))
    let text = try TextEmbeddings(
      rows: [Float](repeating: 1, count: explainer.model.configuration.embeddingWidth),
      width: explainer.model.configuration.embeddingWidth)
    let before = try explainer.explain([picture], text: text, methods: [.legrad(layers: .all)])
    var after: [[Explanation]] = []
    let trace = try explainer.trace(images: 1, width: 96, height: 96) { () throws(LeGradError) in
      after = try explainer.explain([picture], text: text, methods: [.legrad(layers: .all)])
    }
    let shapes = try RunTrace(
      of: explainer.model, methods: [.legrad(layers: .all)], images: 1, prompts: 1, width: 96, height: 96,
      precision: .f32)
    #expect(trace.steps.map(\.work) == shapes.steps.map(\.work))
    #expect(trace.steps.allSatisfy { $0.seconds > 0 })
    #expect(before[0][0].relevance == after[0][0].relevance)
  }
}
