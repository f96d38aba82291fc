// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import Compute
import Failures
import Glibc
import ImageFiles
import LeGrad
import Synchronization

/// An explainer, with what it keeps between calls.
final class ExplainerObject: Sendable {
  let explainer: Explainer
  /// SigLIP's text without content, once it is encoded.
  private let empty = Mutex<TextEmbeddings?>(nil)

  init(_ explainer: Explainer) { self.explainer = explainer }

  /// The embedding of the text without content, for which the text tower is read once.
  func emptyText() throws(LeGradError) -> TextEmbeddings {
    try empty.withLock { empty throws(LeGradError) in
      if let empty { return empty }
      let encoded = try explainer.encode([EmptyTextCorrection.text])
      empty = encoded
      return encoded
    }
  }
}

extension Held where Value == ExplainerObject {
  /// What a pointer to an explainer holds, where its threads are.
  static func usable(_ handle: OpaquePointer?) throws(Failure) -> ExplainerObject {
    let held = try unsafe required(handle, "explainer")
    guard held.isOfThisProcess else {
      throw Failure(
        LEGRAD_USAGE,
        "explainer: expected one of this process, found one that its parent made before it forked, whose threads are "
          + "not here; load the model again in this process, or start processes by spawning")
    }
    return held.value
  }
}

/// What C asks of an explainer.
private func options(_ pointer: UnsafePointer<legrad_options>?) throws(Failure) -> Explainer.Options {
  var options = Explainer.Options()
  guard unsafe pointer != nil else { return options }
  let asked = try unsafe read(pointer, "options")
  if let device = try unsafe asked.device.read("device") { options.device = DeviceChoice(device) }
  if let precision = try unsafe asked.precision.read("precision") {
    options.precision = precision == "auto" ? nil : try value(precision, "precision", also: ["auto"])
  }
  if unsafe asked.threads > 0 {
    guard unsafe asked.threads <= 65_536 else {
      throw Failure(LEGRAD_USAGE, "threads: expected at most 65536, found \(unsafe asked.threads)")
    }
    options.threads = Int(unsafe asked.threads)
  }
  options.cacheFolder = try unsafe asked.cache_folder.path("cache_folder")
  if let set = try unsafe asked.instruction_set.read("instruction_set") {
    options.instructionSet = try value(set, "instruction_set")
  }
  if let variant = try unsafe asked.kernel_variant.read("kernel_variant") {
    options.kernelVariant = try value(variant, "kernel_variant")
  }
  if let command = try unsafe asked.command.path("command") { options.deviceTrial = DeviceTrial(executable: command) }
  if unsafe asked.memory_limit > 0 { options.memoryLimit = try exact(unsafe asked.memory_limit, "memory_limit") }
  options.foldsProjections = unsafe asked.fold != 0
  options.pixelStatistics = try unsafe statistics(asked)
  if let notify = unsafe asked.notify {
    let context = unsafe UInt(bitPattern: asked.context)
    options.notify = { message in
      let text = LastingText(message.text(\.field))
      unsafe notify(UnsafeMutableRawPointer(bitPattern: context), text.text)
      extendLifetime(text)
    }
  }
  return options
}

private func statistics(_ asked: legrad_options) throws(Failure) -> PixelStatistics? {
  guard unsafe asked.mean != nil || asked.std != nil else { return nil }
  guard let mean = unsafe asked.mean, let std = unsafe asked.std,
    let statistics = PixelStatistics(
      mean: (0..<3).map { unsafe mean[$0] }, std: (0..<3).map { unsafe std[$0] })
  else {
    throw Failure(
      LEGRAD_USAGE, "mean, std: expected three finite numbers each, those of std above zero; give both or neither")
  }
  return statistics
}

/// One of the values that have names.
func value<Value: RawRepresentable<String> & CaseIterable>(
  _ name: String, _ field: String, also others: [String] = []
) throws(Failure) -> Value {
  guard let value = Value(rawValue: name) else {
    let names = (Value.allCases.map(\.rawValue) + others).joined(separator: ", ")
    throw Failure(LEGRAD_USAGE, "\(field): expected one of \(names), found '\(name)'")
  }
  return value
}

/// The devices of a machine, with what C reads of them in place.
final class DeviceList: Sendable {
  struct Entry: Sendable {
    let summary: DeviceSummary
    let kind: LastingText
    let name: LastingText
    let platform: LastingText
    let problem: LastingText?
  }

  let entries: [Entry]

  init(_ summaries: [DeviceSummary]) {
    entries = summaries.map {
      Entry(
        summary: $0, kind: LastingText($0.kind.rawValue), name: LastingText($0.name),
        platform: LastingText($0.openCL?.platform ?? BackendKind.native.rawValue),
        problem: $0.problem.map { LastingText($0) })
    }
  }
}

@c @implementation
public func legrad_devices_list(
  _ options: UnsafePointer<legrad_options>?, _ devices: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(devices, "devices")
    let options = try unsafe CLeGrad.options(options)
    let all: [DeviceSummary]
    do throws(LeGradError) { all = try DeviceSummary.all(options) } catch { throw Failure(error) }
    unsafe result.pointee = Held(DeviceList(all)).handle
  }
}

@c @implementation
public func legrad_devices_count(_ devices: OpaquePointer?) -> Int {
  guard let devices = unsafe devices else { return 0 }
  return unsafe Held<DeviceList>.of(devices).value.entries.count
}

@c @implementation
public func legrad_devices_describe(
  _ devices: OpaquePointer?, _ number: Int, _ info: UnsafeMutablePointer<legrad_device_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let entries = try unsafe Held<DeviceList>.required(devices, "devices").value.entries
    guard entries.indices.contains(number) else {
      throw Failure(LEGRAD_USAGE, "number: there are devices 0..\(entries.count - 1), found \(number)")
    }
    let entry = entries[number]
    try unsafe fill(info, "info") { info in
      unsafe info.index = UInt32(entry.summary.index)
      unsafe info.kind = entry.kind.text
      unsafe info.name = entry.name.text
      unsafe info.platform = entry.platform.text
      unsafe info.problem = entry.problem?.text ?? LastingText.absent
      unsafe info.compute_units = UInt64(entry.summary.computeUnits)
    }
  }
}

@c @implementation
public func legrad_devices_free(_ devices: OpaquePointer?) { unsafe Held<DeviceList>.free(devices) }

@c @implementation
public func legrad_explainer_new(
  _ model: OpaquePointer?, _ options: UnsafePointer<legrad_options>?,
  _ explainer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(explainer, "explainer")
    let model = try unsafe Held<ModelObject>.required(model, "model").value.model
    let options = try unsafe CLeGrad.options(options)
    let made: Explainer
    do throws(LeGradError) {
      try options.checkDevice()
      made = try Explainer(model, options: options)
    } catch { throw Failure(error) }
    unsafe result.pointee = Held(ExplainerObject(made)).handle
  }
}

@c @implementation
public func legrad_explainer_device(
  _ explainer: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> Int {
  guard let explainer = unsafe explainer else { return 0 }
  let device = unsafe Held<ExplainerObject>.of(explainer).value.explainer.device
  return unsafe write("\(device.name) (\(device.reason.text(\.field)))", to: buffer, capacity: capacity)
}

@c @implementation
public func legrad_explainer_precision(
  _ explainer: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> Int {
  guard let explainer = unsafe explainer else { return 0 }
  let precision = unsafe Held<ExplainerObject>.of(explainer).value.explainer.precision
  return unsafe write(precision.rawValue, to: buffer, capacity: capacity)
}

@c @implementation
public func legrad_explainer_free(_ explainer: OpaquePointer?) { unsafe Held<ExplainerObject>.free(explainer) }
