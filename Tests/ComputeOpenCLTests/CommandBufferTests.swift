import Compute
import Dispatch
import Failures
import ImageFiles
import OpenCLRuntime
import TestSupport
import Testing
import VisionTransformer

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// Batches whose kernels were recorded and are enqueued at once: the bits of the plain queue.
  @Suite(OwnProgramCache()) struct CommandBufferTests {
    static let folders = ["clip", "siglip", "coca", "families/dinov2-registers", "families/timm-vit-avg"]

    /// A batch's pictures and what they are asked for, others for every number.
    private struct Batch {
      let pictures: [PreparedImage]
      let text: TextEmbeddings

      init(_ number: Int, for explainer: Explainer) throws {
        let vision = explainer.model.configuration.vision
        let (width, height) = (3 * vision.patchSize, 2 * vision.patchSize)
        pictures = (0..<2).map { image in
          PreparedImage(
            pixels: HostMatrix.random(1, 3 * width * height, seed: UInt64(10 * number + image)).values, height: height,
            width: width, region: PixelRegion(x: 0, y: 0, width: width, height: height))
        }
        // The same twice, then another.
        if explainer.classes != nil {
          text = try explainer.encode(classes: (0..<3).map { $0 + number / 2 })
        } else {
          let columns = explainer.model.configuration.embeddingWidth
          text = try TextEmbeddings(
            rows: HostMatrix.random(3, columns, seed: 100 + UInt64(number / 2)).values, width: columns)
        }
      }
    }

    private func explanations(
      _ model: Model, _ methods: [Method], _ variant: KernelVariant, records: Bool
    ) throws -> (bits: [[UInt32]], traffic: [Traffic]) {
      var options = OpenCLBackend.Options()
      options.variant = variant
      options.commandBuffers = records
      options.triesCommandBuffers = false
      options.notify = { Issue.record("\($0)") }
      let backend = try OpenCLBackend(
        WatchedOpenCL.device(), precision: variant.finestPrecision, options: options)
      let explainer = try Explainer(model, backend: backend, variant: .kernels(variant), reason: "test")
      var (bits, traffic): ([[UInt32]], [Traffic]) = ([], [])
      for number in 0..<5 {
        let batch = try Batch(number, for: explainer)
        let before = backend.traffic
        for explanation in try explainer.explain(batch.pictures, text: batch.text, methods: methods).joined() {
          bits.append(explanation.layerRelevance.map(\.bitPattern) + explanation.imageEmbedding.map(\.bitPattern))
        }
        traffic.append(backend.traffic - before)
      }
      return (bits, traffic)
    }

    @Test(arguments: folders, KernelVariant.allCases)
    func theBitsAreThoseOfThePlainQueue(_ folder: String, _ variant: KernelVariant) throws {
      guard try #require(TestDevice.first).hasCommandBuffers, TestDevice.variants.contains(variant) else { return }
      let model = try Model(folder: Fixtures.path("\(folder)/model"))
      let methods = Method.all.filter { $0.isDefined(for: model.configuration.vision) && !$0.isFloat64 }
      let plain = try explanations(model, methods, variant, records: false)
      let recorded = try explanations(model, methods, variant, records: true)
      #expect(plain.bits == recorded.bits && plain.bits.allSatisfy { $0.contains { $0 != 0 } })
      // What an explanation waits for is the same; what is asked anew is given one by one.
      for (number, traffic) in recorded.traffic.enumerated() where number > 1 {
        #expect(traffic.launches == plain.traffic[number].launches, "batch \(number)")
        #expect(traffic.waits == plain.traffic[number].waits, "batch \(number)")
        #expect(plain.traffic[number].enqueues == plain.traffic[number].launches, "batch \(number)")
      }
      // The last but one has another text than the one before, the last the same: one enqueue is all of it.
      #expect(recorded.traffic[3].enqueues == 1)
    }

    /// Memory that a recording uses and that has to grow for another size is taken anew, and so is the recording.
    @Test(arguments: KernelVariant.allCases)
    func aRecordingGoesWithItsMemory(_ variant: KernelVariant) throws {
      guard try WatchedOpenCL.device().hasCommandBuffers else { return }
      let (small, large) = (try TinyWork(images: 1, prompts: 1), try TinyWork(images: 9, prompts: 5))
      let plain = try small.explainer(variant).explainer
      let (first, second) = try (small.explain(plain), large.explain(plain))
      let (explainer, backend) = try small.explainer(variant) {
        $0.commandBuffers = true
        $0.triesCommandBuffers = false
      }
      // Runs of both sizes at the same time, of which one keeps its memory.
      let other = try Explainer(small.model, backend: backend, variant: .kernels(variant), reason: "test")
      for _ in 0..<3 { #expect(try small.explain(explainer).hasBits(of: first)) }
      for _ in 0..<3 { #expect(try large.explain(other).hasBits(of: second)) }
      for _ in 0..<3 { #expect(try small.explain(explainer).hasBits(of: first)) }
      #expect(backend.usesCommandBuffers)
    }

    @Test func whatDoesNotRepeatIsNotRecorded() throws {
      guard try WatchedOpenCL.device().hasCommandBuffers else { return }
      let changes: [(inout OpenCLBackend.Options) -> Void] = [
        { $0.streamsWeights = true }, { $0.profiles = true }, { $0.waitsAfterEveryOperation = true },
        { $0.commandBuffers = false },
      ]
      for change in changes {
        let (_, backend) = try TinyWork().explainer(.cpu) {
          $0.commandBuffers = true
          $0.triesCommandBuffers = false
          change(&$0)
        }
        #expect(!backend.usesCommandBuffers && backend.record {} == nil)
      }
    }

    /// Other threads' operations are done while one records.
    @Test func onlyTheThreadThatRecordsIsRecorded() throws {
      guard try WatchedOpenCL.device().hasCommandBuffers else { return }
      let (_, backend) = try TinyWork().explainer(.cpu) {
        $0.commandBuffers = true
        $0.triesCommandBuffers = false
      }
      func read(_ matrix: Matrix<OpenCLBuffer>) throws -> Float {
        try HostMatrix.download(matrix, from: backend).values[0]
      }
      let (here, there) = try (backend.makeMatrix(rows: 1, columns: 1), backend.makeMatrix(rows: 1, columns: 1))
      for matrix in [here, there] { try backend.fill(Fill(matrix, with: 1)) }
      let recorded = backend.record { () throws(BackendError) in
        try backend.fill(Fill(here, with: 2))
        runOnAnotherThread { try? backend.fill(Fill(there, with: 2)) }
        // Nothing records twice at once.
        #expect(backend.record {} == nil)
      }
      let operations = try #require(recorded)
      #expect(try read(here) == 1 && read(there) == 2)
      #expect(operations.run())
      #expect(try read(here) == 2)
      // What cannot be recorded leaves the backend as it was, without recording.
      #expect(backend.record { () throws(BackendError) in try backend.synchronize() } == nil)
      #expect(try read(here) == 2)
      #expect(!backend.usesCommandBuffers)
    }
  }
}

/// Runs `body` on a thread of its own and waits for it.
private func runOnAnotherThread(_ body: @escaping @Sendable () -> Void) {
  let done = DispatchSemaphore(value: 0)
  DispatchQueue.global().async {
    body()
    done.signal()
  }
  done.wait()
}
