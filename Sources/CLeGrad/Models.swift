// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import Failures
import Files
import ImageFiles
import LeGrad
import SafeTensors
import VisionTransformer

/// A model, with what C reads of it in place.
final class ModelObject: Sendable {
  let model: Model
  let name: LastingText
  let classes: [LastingText]

  init(_ model: Model) {
    self.model = model
    name = LastingText(model.name)
    classes = (model.configuration.classes ?? []).map { LastingText($0) }
  }
}

extension legrad_text {
  /// A path, which may be in any encoding.
  func path(_ name: String) throws(Failure) -> String? {
    guard let bytes = try unsafe bytes(name) else { return nil }
    guard !bytes.contains(0) else {
      throw Failure(
        LEGRAD_USAGE, "\(name): expected a path, found one with a zero in it; give its length without the zero")
    }
    return FilePath(bytes: bytes).text
  }
}

@c @implementation
public func legrad_version() -> legrad_text { unsafe versionText.text }
private let versionText = LastingText(LEGRAD_VERSION)

@c @implementation
public func legrad_abi_version() -> UInt32 { UInt32(LEGRAD_ABI_VERSION) }

@c @implementation
public func legrad_model_open(
  _ place: legrad_text, _ hub_cache: legrad_text, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe CLeGrad.place(model, "model")
    guard let name = try unsafe place.path("place") else {
      throw Failure(
        LEGRAD_USAGE, "place: expected a model's folder, found nothing; name one, or \"demo\" for the bundled model")
    }
    let cache = try unsafe hub_cache.path("hub_cache")
    let opened: Model
    do throws(LeGradError) {
      opened = name == "demo" ? try .demo() : try Model(folder: name, hubCache: cache)
    } catch { throw Failure(error) }
    unsafe result.pointee = Held(ModelObject(opened)).handle
  }
}

/// Tells the lender of tensors when nobody will read them any more.
@safe private final class Lender: @unchecked Sendable {
  // Pointers that nobody reads through here.
  private let release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
  private let context: UnsafeMutableRawPointer?

  init(_ memory: legrad_memory_model) {
    unsafe release = unsafe memory.release
    unsafe context = unsafe memory.context
  }

  deinit { unsafe release?(context) }
}

@c @implementation
public func legrad_model_from_memory(
  _ memory: UnsafePointer<legrad_memory_model>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let request = try unsafe read(memory, "memory")
    let lender = unsafe Lender(request)
    let result = try unsafe place(model, "model")
    let name = try unsafe request.name.read("name") ?? "memory"
    let tensors = try unsafe lent(request)
    guard let configuration = try unsafe request.configuration.bytes("configuration") else {
      throw Failure(LEGRAD_USAGE, "configuration: expected the model's config.json, found nothing; give its text")
    }
    let preprocessor = try unsafe request.preprocessor.bytes("preprocessor")
    let folder = try unsafe request.tokenizer_folder.path("tokenizer_folder")
    let opened: Model
    do throws(LeGradError) {
      let store: MemoryTensors
      do throws(SafeTensorsError) { store = try MemoryTensors(tensors, by: lender, name: name) } catch {
        throw LeGradError(error.kind, error.message)
      }
      opened = try Model(
        tensors: store, configuration: configuration, preprocessor: preprocessor, tokenizerFolder: folder, name: name)
    } catch { throw Failure(error) }
    unsafe result.pointee = Held(ModelObject(opened)).handle
  }
}

private func lent(_ request: legrad_memory_model) throws(Failure) -> [MemoryTensors.Lent] {
  let (step, known) = unsafe (Int(request.tensor_size), MemoryLayout<legrad_tensor>.size)
  let count = unsafe request.tensor_count
  try refuseNegative(count, "tensors")
  let isThere = unsafe request.tensor_count == 0 || request.tensors != nil
  guard isThere, step == known else {
    throw Failure(
      LEGRAD_USAGE,
      "tensors: expected \(count) of \(known) bytes each; start from "
        + "LEGRAD_MEMORY_MODEL_INIT and give as many as are counted")
  }
  var tensors: [MemoryTensors.Lent] = []
  for index in 0..<count {
    let tensor = unsafe request.tensors[index]
    let place = "tensors[\(index)]"
    guard let name = try unsafe tensor.name.read(place + ".name") else {
      throw Failure(LEGRAD_USAGE, "\(place).name: expected a name, found nothing; give the one of the model's library")
    }
    let isDescribed = unsafe tensor.rank <= 64 && (tensor.rank == 0 || tensor.shape != nil)
    guard isDescribed, unsafe tensor.data != nil || tensor.byte_count == 0 else {
      throw Failure(
        LEGRAD_USAGE, "\(place) \"\(name)\": expected a shape of \(unsafe tensor.rank) lengths and data, found NULL")
    }
    let type: ElementType
    switch unsafe Int(tensor.type) {
    case LEGRAD_F64: type = .f64
    case LEGRAD_F32: type = .f32
    case LEGRAD_F16: type = .f16
    case LEGRAD_BF16: type = .bf16
    case LEGRAD_OTHER: type = .u8
    default:
      throw Failure(
        LEGRAD_USAGE, "\(place) \"\(name)\": expected a type such as LEGRAD_F32, found \(unsafe tensor.type)")
    }
    var shape: [Int] = []
    var strides: [Int] = []
    for dimension in 0..<Int(unsafe tensor.rank) {
      shape.append(try exact(unsafe tensor.shape[dimension], "\(place).shape"))
      if unsafe tensor.strides != nil {
        strides.append(try exact(unsafe tensor.strides[dimension], "\(place).strides"))
      }
    }
    unsafe tensors.append(
      MemoryTensors.Lent(
        name: name, elementType: type, shape: shape, strides: tensor.strides == nil ? nil : strides,
        bytes: UnsafeRawBufferPointer(start: tensor.data, count: tensor.byte_count)))
  }
  return tensors
}

@c @implementation
public func legrad_model_describe(
  _ model: OpaquePointer?, _ info: UnsafeMutablePointer<legrad_model_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let model = try unsafe Held<ModelObject>.required(model, "model").value.model
    let (configuration, vision) = (model.configuration, model.configuration.vision)
    try unsafe fill(info, "info") { info in
      info.has_text = configuration.text == nil ? 0 : 1
      info.class_count = UInt64(configuration.classes?.count ?? 0)
      info.embedding_width = UInt64(configuration.embeddingWidth)
      info.layers = UInt64(vision.layers)
      info.patch_size = UInt64(vision.patchSize)
      info.input_height = UInt64(vision.imageHeight / vision.patchSize * vision.patchSize)
      info.input_width = UInt64(vision.imageWidth / vision.patchSize * vision.patchSize)
      info.parameter_count = UInt64(model.summary.parameterCount)
      info.takes_correction = model.takesCorrection ? 1 : 0
      guard let statistics = model.pixelStatistics else { return }
      info.has_statistics = 1
      info.mean = (statistics.mean[0], statistics.mean[1], statistics.mean[2])
      info.std = (statistics.std[0], statistics.std[1], statistics.std[2])
    }
  }
}

@c @implementation
public func legrad_model_name(_ model: OpaquePointer?) -> legrad_text {
  guard let model = unsafe model else { return unsafe LastingText.absent }
  return unsafe Held<ModelObject>.of(model).value.name.text
}

@c @implementation
public func legrad_model_class_name(_ model: OpaquePointer?, _ number: UInt64) -> legrad_text {
  guard let model = unsafe model else { return unsafe LastingText.absent }
  let classes = unsafe Held<ModelObject>.of(model).value.classes
  guard number < UInt64(classes.count) else { return unsafe LastingText.absent }
  return unsafe classes[Int(number)].text
}

@c @implementation
public func legrad_model_class_number(
  _ model: OpaquePointer?, _ name: legrad_text, _ number: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let model = try unsafe Held<ModelObject>.required(model, "model").value.model
    let text = try unsafe name.readPresent("name")
    let found: Int
    do throws(LeGradError) { found = try model.classNumber(text) } catch { throw Failure(error) }
    unsafe number?.pointee = UInt64(found)
  }
}

@c @implementation
public func legrad_model_check_method(
  _ model: OpaquePointer?, _ method: legrad_text, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let model = try unsafe Held<ModelObject>.required(model, "model").value.model
    let method = try LeGrad.Method(text: try unsafe method.readPresent("method"), "method")
    do throws(LeGradError) { try model.check(method) } catch { throw Failure(error) }
  }
}

@c @implementation
public func legrad_model_free(_ model: OpaquePointer?) { unsafe Held<ModelObject>.free(model) }
