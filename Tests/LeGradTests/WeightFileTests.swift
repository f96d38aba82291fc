import Compute
import Failures
import FoundationEssentials
import Glibc
import ImageFiles
import LeGrad
import TestSupport
import Testing

/// Weights that are read from their file while pictures are explained.
@Suite struct WeightFileTests {
  private let folder: ScratchFolder
  private var weights: String { folder.path + "/open_clip_model.safetensors" }

  init() throws {
    folder = try ScratchFolder()
    let source = Fixtures.path("clip/model")
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try FileManager.default.copyItem(atPath: source + "/" + name, toPath: folder.path + "/" + name)
    }
  }

  private func explainer() throws -> Explainer {
    var options = Explainer.Options()
    options.device = .cpu
    options.precision = .f32
    return try Explainer(Model(folder: folder.path), options: options)
  }

  private func relevance(_ explainer: Explainer) throws -> [Float] {
    let picture = try RGBImage.decode(path: Fixtures.path("preprocess/photo.png")).image
    let text = try TextEmbeddings(rows: (0..<32).map { Float($0) - 9 }, width: 32)
    return try explainer.explain([explainer.prepare(picture)], text: text, layers: .last(1))[0].layerRelevance
  }

  /// The first explanation reads the file, the second takes memory for the weights.
  @Test func explanationsAreTheSameBitsFromFileAndMemory() throws {
    let explainer = try explainer()
    let first = try relevance(explainer)
    #expect(first.contains { $0 != 0 })
    for _ in 0..<2 { #expect(try relevance(explainer) == first) }
  }

  /// As downloads replace files.
  @Test func anotherFileOfTheNameChangesNothing() throws {
    let explainer = try explainer()
    let expected = try relevance(try self.explainer())
    let other = try folder.write([UInt8](repeating: 0, count: 100), "other")
    #expect(unsafe rename(other, weights) == 0)
    for _ in 0..<3 { #expect(try relevance(explainer) == expected) }
  }

  @Test func aFileThatIsWrittenToEndsTheExplanation() throws {
    for uses in 0...2 {
      let explainer = try explainer()
      var expected: [Float] = []
      for _ in 0..<uses { expected = try relevance(explainer) }
      // Longer than the step of a clock of the kernel.
      usleep(50_000)
      let bytes = try Data(contentsOf: URL(filePath: weights))
      try bytes.write(to: URL(filePath: weights))
      if uses == 2 {
        #expect(try relevance(explainer) == expected)
      } else {
        let error = try #require(throws: LeGradError.self) { _ = try relevance(explainer) }
        #expect(error.kind == .input && error.description.contains("load the model again"))
      }
      _ = try relevance(try self.explainer())
    }
  }

  /// Values that are not finite are found before anything is explained, with their place.
  @Test func aDamagedWeightIsNamedWhenTheModelLoads() throws {
    var bytes = try [UInt8](Data(contentsOf: URL(filePath: weights)))
    let name = "visual.transformer.resblocks.2.mlp.c_fc.weight"
    let length = Int(bytes[0]) + Int(bytes[1]) << 8
    let header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
    // "name":{…"data_offsets":[first,end]}
    let entry = try #require(header.components(separatedBy: "\"\(name)\"").last)
    let offsets = try #require(entry.components(separatedBy: "\"data_offsets\":[").dropFirst().first)
    let first = try #require(offsets.split(separator: ",").first.flatMap { Int($0) })
    let element = 8 + length + first + 4 * 77
    bytes.replaceSubrange(element..<element + 4, with: [0, 0, 0xc0, 0x7f])
    try Data(bytes).write(to: URL(filePath: weights))
    let error = try #require(throws: LeGradError.self) { _ = try explainer() }
    #expect(error.kind == .input)
    #expect(error.description.contains(name) && error.description.contains("element 77"))
  }
}
