import CKernels
import Foundation
import Testing

/// The program carries the text of `Kernels/`: what is embedded must be what is there.
struct EmbeddedKernelsTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Kernels").standardized

  static var embedded: [String: String] {
    var files: [String: String] = [:]
    for index in 0..<legrad_kernel_file_count() {
      let file = unsafe legrad_kernel_file_at(index)
      unsafe files[String(cString: file.name)] = unsafe String(cString: file.text)
    }
    return files
  }

  /// A file that `kernels.c` does not list would be missing only when its operation is first used.
  @Test func everyFileIsEmbedded() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".cl") }
    #expect(names.sorted() == Self.embedded.keys.sorted())
    #expect(legrad_kernel_file_count() == Self.embedded.count, "a name is listed twice")
  }

  @Test func theEmbeddedTextIsTheFiles() throws {
    for (name, text) in Self.embedded {
      let file = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
      #expect(text == file, "\(name) was embedded before its last change")
    }
  }

  @Test func aFileBeyondTheLastHasNoName() {
    let file = unsafe legrad_kernel_file_at(legrad_kernel_file_count())
    #expect(unsafe file.name == nil && file.text == nil && file.length == 0)
  }
}
