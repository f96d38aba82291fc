import CFaultyOpenCL
import Compute
import ComputeCPU
import Failures
import OperationSamples
import TestSupport
import Testing
import VisionTransformer

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// Relevance propagation on a device: what crosses between it and the host, and devices that have no float64.
  @Suite(OwnProgramCache()) struct Float64DeviceTests {
    private static let (float, double) = (MemoryLayout<Float>.size, MemoryLayout<Double>.size)
    private static let pixels = 3 * TinyWork.imageSize * TinyWork.imageSize

    /// Elements of a model's vision tensors whose names begin so.
    private static func elements(_ work: TinyWork, _ prefix: String) -> Int {
      work.model.configuration.canonicalTensors.reduce(0) { $1.name.hasPrefix(prefix) ? $0 + $1.elementCount : $0 }
    }

    /// The image, every block's weights once on the way forth and once on the way back, whatever the number of prompts,
    /// and maps: nothing else moves.
    @Test(arguments: KernelVariant.allCases, [1, 11])
    func onlyImagesWeightsAndMapsMove(_ variant: KernelVariant, prompts: Int) throws {
      let work = try TinyWork(images: 1, prompts: prompts)
      let (explainer, backend) = try work.explainer(variant)
      func explain() throws { _ = try explainer.explain(work.images, text: work.text, methods: [.lrp, .partialLRP]) }
      try explain()
      let before = backend.traffic
      let (_, driver) = try WatchedOpenCL.watch { try explain() }
      let traffic = backend.traffic - before

      let prefix = "visual.transformer.resblocks."
      let block = Self.elements(work, prefix) / TinyWork.layers
      // The forward that the image's embedding comes from takes the image alone. Text, and what comes before and after
      // the blocks, are there since the first image.
      let uploaded = Self.float * Self.pixels + Self.double * (3 * Self.pixels + (2 * TinyWork.layers - 1) * block)
      #expect(traffic.uploadedBytes == uploaded && driver.uploadedBytes == uploaded)
      let patch = TinyWork.imageSize * TinyWork.imageSize / (TinyWork.tokens - 1)
      let maps = prompts * (TinyWork.tokens * patch + TinyWork.tokens - 1)
      let downloaded = Self.float * TinyWork.embedding + Self.double * maps
      #expect(traffic.downloadedBytes == downloaded && driver.downloadedBytes == downloaded)
    }

    @Test func aDeviceWithoutFloat64RefusesAndSaysWhatToDo() throws {
      legrad_faulty_hide_doubles(true)
      defer { legrad_faulty_hide_doubles(false) }
      let work = try TinyWork(images: 1, prompts: 1)
      let (explainer, backend) = try work.explainer(.cpu)
      #expect(!backend.hasFloat64)
      let error = #expect(throws: LeGradError.self) {
        try explainer.explain(work.images, text: work.text, methods: [.lrp])
      }
      #expect(error?.description.contains("has no float64 (cl_khr_fp64); use device cpu") == true)
      // Everything else is as good as on any device, and that is what its self-check looks at.
      _ = try work.explain(explainer)
      let checks = try DeviceCheck.operations(
        of: work.model, reference: CPUBackend(threads: 1), tested: backend,
        timer: OperationTimer(repetitions: 1, burst: .zero))
      #expect(!checks.isEmpty && checks.allSatisfy { $0.verdict == .good })
      #expect(!checks.contains { $0.operation == .partProduct || $0.detail.contains("float64") })
    }
  }
}
