import Compute
import TestSupport
import Testing
import VisionTransformer

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// What crosses between host and device, in exact bytes: as the backend counts it and as the driver sees it.
  @Suite(OwnProgramCache()) struct ResidencyTests {
    private static let float = MemoryLayout<Float>.size

    /// 500 prompts of three images are stacked in many passes.
    @Test(arguments: KernelVariant.allCases, [(images: 1, prompts: 1), (3, 500)])
    func onlyPixelsGoUpAndOnlyAnswersComeDown(_ variant: KernelVariant, _ size: (images: Int, prompts: Int)) throws {
      let work = try TinyWork(images: size.images, prompts: size.prompts)
      let (explainer, backend) = try work.explainer(variant)
      let pixels = size.images * 3 * TinyWork.imageSize * TinyWork.imageSize * Self.float
      let relevance = 2 * size.prompts * size.images * TinyWork.tokens * Self.float
      let embeddings = size.images * TinyWork.embedding * Self.float
      // What all batches of a shape share goes up with the first.
      let shared = (TinyWork.tokens * TinyWork.width + size.prompts * TinyWork.embedding) * Self.float

      var launches: [Int] = []
      for batch in 0..<3 {
        let before = backend.traffic
        let (_, driver) = try WatchedOpenCL.watch { try work.explain(explainer) }
        let traffic = backend.traffic - before
        let uploaded = pixels + (batch == 0 ? shared : 0)
        #expect(traffic.uploadedBytes == uploaded && driver.uploadedBytes == uploaded, "batch \(batch)")
        #expect(
          traffic.downloadedBytes == relevance + embeddings && driver.downloadedBytes == relevance + embeddings,
          "batch \(batch)")
        #expect(traffic.weightBytes == 0 && traffic.streamedBytes == 0)
        // The two downloads wait, and nothing else.
        #expect(traffic.waits == 2 && driver.waits == 2, "batch \(batch)")
        #expect(traffic.launches == driver.calls(named: "clEnqueueNDRangeKernel"))
        #expect(batch == 0 || driver.calls(named: "clCreateBuffer") == 0)
        launches.append(traffic.launches)
      }
      #expect(launches.allSatisfy { $0 == launches[0] })
    }

    /// Loading brings every tensor of the tower once, the positional table and the class embedding excepted, which go
    /// up with the first batch of a shape.
    @Test(arguments: TestDevice.kernels)
    func weightsGoUpOnce(_ variant: KernelVariant, _ precision: Precision) throws {
      let work = try TinyWork()
      let elements = work.model.configuration.canonicalTensors.reduce(0) { sum, tensor in
        let isLoaded =
          tensor.name.hasPrefix("visual.")
          && !["visual.class_embedding", "visual.positional_embedding"]
            .contains(tensor.name)
        return isLoaded ? sum + tensor.elementCount : sum
      }
      let (loaded, driver) = try WatchedOpenCL.watch { try work.explainer(variant, precision) }
      #expect(driver.uploadedBytes == elements * Self.float)
      let weightBytes = loaded.backend.traffic.weightBytes
      #expect(weightBytes >= 4 * 12 * TinyWork.width * TinyWork.width * precision.bytes)
      _ = try work.explain(loaded.explainer)
      _ = try work.explain(loaded.explainer, layers: .all)
      #expect(loaded.backend.traffic.weightBytes == weightBytes)
    }

    /// Where the model exceeds the device, every block goes up once a batch, and the answer has the same bits.
    @Test(arguments: KernelVariant.allCases)
    func streamedBlocksGoUpOnceABatch(_ variant: KernelVariant) throws {
      let work = try TinyWork()
      let reference = try work.explain(work.explainer(variant).explainer)
      let (explainer, backend) = try work.explainer(variant) { $0.streamsWeights = true }
      #expect(try work.explain(explainer).hasBits(of: reference))
      let first = backend.traffic
      for _ in 0..<2 {
        let before = backend.traffic
        let (result, driver) = try WatchedOpenCL.watch { try work.explain(explainer) }
        let traffic = backend.traffic - before
        #expect(result.hasBits(of: reference))
        #expect(traffic.streamedBytes > 0 && traffic.waits == 2 && driver.waits == 2)
        #expect(driver.uploadedBytes == traffic.uploadedBytes + traffic.streamedBytes)
        // The first batch brought one block more: the one that the second starts with.
        #expect(traffic.streamedBytes == first.streamedBytes / (TinyWork.layers + 1) * TinyWork.layers)
      }
    }

    @Test(arguments: KernelVariant.allCases)
    func profilingDoesNotWait(_ variant: KernelVariant) throws {
      let work = try TinyWork()
      let (explainer, backend) = try work.explainer(variant) { $0.profiles = true }
      _ = try work.explain(explainer)
      let before = (backend.traffic, backend.profile.values.reduce(0) { $0 + $1.launches })
      let (_, driver) = try WatchedOpenCL.watch { try work.explain(explainer) }
      #expect(driver.waits == 2)
      let profiled = backend.profile.values.reduce(0) { $0 + $1.launches } - before.1
      #expect(profiled == (backend.traffic - before.0).launches)
      #expect(WatchedOpenCL.liveObjects["events"] == 0)
    }
  }
}
