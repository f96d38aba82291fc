import CDemo
import FoundationEssentials
import Testing

@Suite struct DemoFilesTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources/CDemo")

  private static func embedded() -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for index in 0..<legrad_demo_file_count() {
      let file = unsafe legrad_demo_file_at(index)
      guard let name = unsafe file.name, let bytes = unsafe file.bytes else { continue }
      files[unsafe String(cString: name)] = unsafe Array(UnsafeBufferPointer(start: bytes, count: file.count))
    }
    return files
  }

  @Test("every file of the model and of the samples is embedded, byte for byte")
  func equalToDisk() throws {
    var onDisk: [String: [UInt8]] = [:]
    for part in ["model", "samples"] {
      for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder.appending(path: part).path) {
        let url = Self.folder.appending(path: part + "/" + name)
        onDisk[part + "/" + name] = try Array(Data(contentsOf: url))
      }
    }
    #expect(onDisk.count == 8)
    #expect(Self.embedded() == onDisk)
    #expect(legrad_demo_file_count() == onDisk.count)
  }

  @Test("past the end there is an empty file")
  func pastTheEnd() {
    for index in [legrad_demo_file_count(), Int.max] {
      let file = unsafe legrad_demo_file_at(index)
      #expect(unsafe file.name == nil && file.bytes == nil && file.count == 0)
    }
  }

  @Test("the table of samples names embedded pictures and has two or three prompts for each")
  func samples() throws {
    struct Sample: Decodable {
      let picture: String
      let prompts: [String]
    }
    let files = Self.embedded()
    let table = try #require(files["samples/samples.json"])
    let samples = try JSONDecoder().decode([Sample].self, from: Data(table))
    #expect(samples.count == 3)
    for sample in samples {
      #expect(files["samples/" + sample.picture]?.starts(with: [0x89, 0x50, 0x4E, 0x47]) == true)
      #expect((2...3).contains(sample.prompts.count))
    }
  }
}
