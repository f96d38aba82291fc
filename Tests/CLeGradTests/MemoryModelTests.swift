import CLeGrad
import CLeGradHeader
import Foundation
import ImageFiles
import LeGrad
import SafeTensors
import Synchronization
import TestSupport
import Testing

/// Tensors of a file, in memory that tests own, as C describes them.
private final class LentFile {
  private var buffers: [UnsafeMutableRawBufferPointer] = []
  private var shapes: [UnsafeMutablePointer<UInt64>] = []
  private var names: [UnsafeMutablePointer<CChar>] = []
  private(set) var tensors: [legrad_tensor] = []

  /// - Parameter spread: leaves a gap of this many elements after each row, of matrices.
  init(_ path: String, spread: Int = 0) throws {
    let file = try SafeTensorsFile(path: path)
    for tensor in file.tensors {
      let isFloat = tensor.elementType == .f32
      let values = isFloat ? try file.floats(tensor.name, shape: tensor.shape) : []
      let gap = tensor.shape.count == 2 ? spread : 0
      let row = tensor.shape.last ?? 1
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(4, (values.count + gap * (values.count / max(row, 1))) * 4), alignment: 4)
      for index in values.indices {
        bytes.storeBytes(of: values[index], toByteOffset: (index / row * (row + gap) + index % row) * 4, as: Float.self)
      }
      buffers.append(bytes)
      let shape = UnsafeMutablePointer<UInt64>.allocate(capacity: 2 * tensor.shape.count + 1)
      for (index, length) in tensor.shape.enumerated() { shape[index] = UInt64(length) }
      if gap > 0 { (shape[2], shape[3]) = (UInt64(row + gap), 1) }
      shapes.append(shape)
      let utf8 = Array(tensor.name.utf8CString)
      let name = UnsafeMutablePointer<CChar>.allocate(capacity: utf8.count)
      name.initialize(from: utf8, count: utf8.count)
      names.append(name)
      tensors.append(
        legrad_tensor(
          name: legrad_text(bytes: name, length: utf8.count - 1), data: bytes.baseAddress, byte_count: bytes.count,
          shape: shape, strides: gap > 0 ? UnsafePointer(shape + 2) : nil, rank: UInt32(tensor.shape.count),
          type: UInt32(isFloat ? LEGRAD_F32 : LEGRAD_OTHER)))
    }
  }

  deinit {
    for buffer in buffers { buffer.deallocate() }
    for shape in shapes { shape.deallocate() }
    for name in names { name.deallocate() }
  }
}

private let releases = Atomic<Int>(0)

/// A call with texts that live as long as it.
private func withText<Result>(_ string: String, _ body: (legrad_text) -> Result) -> Result {
  var copy = Array(string.utf8).map { CChar(bitPattern: $0) }
  return copy.withUnsafeMutableBufferPointer { bytes in
    body(legrad_text(bytes: UnsafePointer(bytes.baseAddress), length: bytes.count))
  }
}

private func message(_ error: OpaquePointer?) -> String {
  defer { legrad_error_free(error) }
  return string(legrad_error_message(error))
}

@Suite(.serialized) struct MemoryModelTests {
  private func open(
    _ tensors: [legrad_tensor], configuration: String, tokenizer: String = "",
    change: (inout legrad_memory_model) -> Void = { _ in }
  ) -> (model: OpaquePointer?, error: OpaquePointer?) {
    var tensors = tensors
    return tensors.withUnsafeMutableBufferPointer { list in
      withText(configuration) { configuration in
        withText(tokenizer) { folder in
          var request = legrad_memory_model()
          request.size = MemoryLayout<legrad_memory_model>.size
          request.version = UInt32(LEGRAD_ABI_VERSION)
          request.tensor_size = UInt32(MemoryLayout<legrad_tensor>.size)
          request.tensors = UnsafePointer(list.baseAddress)
          request.tensor_count = list.count
          request.configuration = configuration
          request.tokenizer_folder = folder
          request.release = { _ in releases.wrappingAdd(1, ordering: .sequentiallyConsistent) }
          change(&request)
          var model: OpaquePointer?
          var error: OpaquePointer?
          _ = legrad_model_from_memory(&request, &model, &error)
          return (model, error)
        }
      }
    }
  }

  private func explained(_ model: OpaquePointer?, prompts: [String], pixels: [Float], side: Int) throws -> [Float] {
    var explainer: OpaquePointer?
    var error: OpaquePointer?
    var queries: OpaquePointer?
    var result: OpaquePointer?
    let isLoaded = withText("cpu") { device in
      var options = legrad_options()
      options.size = MemoryLayout<legrad_options>.size
      options.version = 1
      options.device = device
      return legrad_explainer_new(model, &options, &explainer, &error) == 0
    }
    try #require(isLoaded, "\(message(error))")
    // Weights are packed by now, but the text tower is yet to be read.
    legrad_model_free(model)
    let isEncoded = withText(prompts[0]) { text in
      var texts = [text]
      return legrad_encode_prompts(explainer, &texts, 1, &queries, &error) == 0
    }
    try #require(isEncoded, "\(message(error))")
    var values: [Float] = []
    try pixels.withUnsafeBytes { bytes in
      var picture = legrad_picture()
      picture.pixels = bytes.baseAddress
      picture.type = UInt32(LEGRAD_PREPARED)
      (picture.height, picture.width) = (UInt64(side), UInt64(side))
      try withUnsafePointer(to: &picture) { picture in
        var request = legrad_request()
        request.size = MemoryLayout<legrad_request>.size
        request.version = 1
        request.picture_size = UInt32(MemoryLayout<legrad_picture>.size)
        request.pictures = picture
        request.picture_count = 1
        request.queries = queries
        let isExplained = legrad_explain(explainer, &request, &result, &error) == 0
        try #require(isExplained, "\(message(error))")
      }
    }
    var info = legrad_map_info()
    info.size = MemoryLayout<legrad_map_info>.size
    info.version = 1
    #expect(legrad_result_describe(result, 0, 0, &info, nil) == 0)
    values = [Float](repeating: .nan, count: Int(info.prompts * info.map_height * info.map_width))
    #expect(legrad_result_relevance(result, 0, 0, &values, values.count, nil) == 0)
    legrad_result_free(result)
    legrad_queries_free(queries)
    legrad_explainer_free(explainer)
    return values
  }

  @Test(arguments: ["clip", "clip-hf"], [0, 3]) func memoryHasTheBitsOfTheFolder(layout: String, spread: Int) throws {
    let folder = Fixtures.path("\(layout)/model")
    let isOpenCLIP = layout == "clip"
    let file = folder + (isOpenCLIP ? "/open_clip_model.safetensors" : "/model.safetensors")
    let configuration = folder + (isOpenCLIP ? "/open_clip_config.json" : "/config.json")
    let lent = try LentFile(file, spread: spread)
    let before = releases.load(ordering: .sequentiallyConsistent)
    let text = try String(contentsOf: URL(filePath: configuration), encoding: .utf8)
    let opened = open(lent.tensors, configuration: text, tokenizer: folder)
    try #require(opened.model != nil, "\(message(opened.error))")
    let pixels = (0..<3 * 32 * 32).map { (index: Int) -> Float in Float(index % 97) / 48 - 1 }
    let found = try explained(opened.model, prompts: ["a photo of a cat"], pixels: pixels, side: 32)
    #expect(releases.load(ordering: .sequentiallyConsistent) == before + 1)

    var options = Explainer.Options()
    options.device = .cpu
    let explainer = try Explainer(Model(folder: folder), options: options)
    let picture = PreparedImage(pixels: pixels, height: 32, width: 32, region: .init(x: 0, y: 0, width: 32, height: 32))
    let expected = try explainer.explain([picture], text: explainer.encode(["a photo of a cat"]))[0].relevance
    #expect(found == expected)
    #expect(found.contains { $0 != 0 })
    withExtendedLifetime(lent) {}
  }

  @Test func whatIsWrongIsSaid() throws {
    let folder = Fixtures.path("clip/model")
    let configuration = try String(contentsOf: URL(filePath: folder + "/open_clip_config.json"), encoding: .utf8)
    let lent = try LentFile(folder + "/open_clip_model.safetensors")
    func complaint(
      _ configuration: String, change: (inout legrad_memory_model) -> Void = { _ in },
      tensors: ((inout [legrad_tensor]) -> Void)? = nil
    ) -> String {
      var list = lent.tensors
      tensors?(&list)
      let before = releases.load(ordering: .sequentiallyConsistent)
      let opened = open(list, configuration: configuration, change: change)
      #expect(opened.model == nil)
      // A failure lets go of the tensors too.
      #expect(releases.load(ordering: .sequentiallyConsistent) == before + 1)
      return message(opened.error)
    }
    #expect(complaint("{").contains("configuration byte 1"))
    #expect(complaint("").contains("configuration"))
    #expect(complaint("{\"model_type\": \"bert\"}").contains("model_type"))
    #expect(complaint(configuration, tensors: { $0.removeLast() }).contains("no such tensor"))
    #expect(complaint(configuration, tensors: { $0.append($0[0]) }).contains("two of this one"))
    #expect(complaint(configuration, tensors: { $0[0].byte_count -= 1 }).contains("bytes"))
    #expect(complaint(configuration, tensors: { $0[0].data = $0[0].data.map { $0 + 1 } }).contains("address"))
    #expect(complaint(configuration, tensors: { $0[0].type = 99 }).contains("LEGRAD_F32"))
    #expect(complaint(configuration, tensors: { $0[0].data = nil }).contains("NULL"))
    #expect(complaint(configuration, change: { $0.tensor_size = 8 }).contains("LEGRAD_MEMORY_MODEL_INIT"))
    #expect(complaint(configuration, change: { $0.tensors = nil }).contains("as many as are counted"))
  }

  @Test func newerStructsAreRefusedWhereTheySaySomething() throws {
    for (tail, isRefused) in [(UInt8(0), false), (1, true)] {
      var model: OpaquePointer?
      var error: OpaquePointer?
      #expect(withText("demo") { legrad_model_open($0, legrad_text(), &model, nil) } == 0)
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: MemoryLayout<legrad_model_info>.size + 8, alignment: 16)
      defer { bytes.deallocate() }
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      bytes.storeBytes(of: bytes.count, as: Int.self)
      bytes.storeBytes(of: 2, toByteOffset: 8, as: UInt32.self)
      bytes[bytes.count - 1] = tail
      let info = bytes.baseAddress?.assumingMemoryBound(to: legrad_model_info.self)
      let status = legrad_model_describe(model, info, &error)
      #expect(status == (isRefused ? LEGRAD_USAGE : LEGRAD_OK))
      if isRefused { #expect(message(error).contains("newer liblegrad")) }
      // An older caller's struct gets what it has room for.
      bytes.initializeMemory(as: UInt8.self, repeating: 0xAA)
      bytes.storeBytes(of: 24, as: Int.self)
      bytes.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
      #expect(legrad_model_describe(model, info, nil) == 0)
      #expect(bytes[24..<bytes.count].allSatisfy { $0 == 0xAA })
      legrad_model_free(model)
    }
  }
}
