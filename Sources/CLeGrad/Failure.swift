// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import Failures

/// Why a call failed, as C is told.
struct Failure: Error {
  let status: legrad_status
  let message: String

  init(_ status: Int, _ message: String) {
    self.status = legrad_status(truncatingIfNeeded: status)
    self.message = Self.line(message)
  }

  init(_ error: some LegibleError) {
    status =
      switch error.kind {
      case .usage: legrad_status(LEGRAD_USAGE)
      case .input: legrad_status(LEGRAD_INPUT)
      case .device: legrad_status(LEGRAD_DEVICE)
      case .memory: legrad_status(LEGRAD_MEMORY)
      case .numerical: legrad_status(LEGRAD_NUMERICAL)
      case .inconsistent: legrad_status(LEGRAD_INCONSISTENT)
      case .cancelled: legrad_status(LEGRAD_CANCELLED)
      }
    message = Self.line(error.message.text(\.field))
  }

  /// A message may quote what the caller gave.
  private static func line(_ message: String) -> String { printable(message, limit: 16_384) }
}

extension Subject {
  /// What the header's structs call it, and Python's parameters.
  var field: String {
    switch self {
    case .device: "device"
    case .devices: "the list of devices"
    case .triesDevicesAgain: "another trial of the devices"
    case .fold: "fold"
    case .kernelVariant: "kernel_variant"
    case .memoryLimit: "memory_limit"
    case .precision: "precision"
    case .waitsAfterEveryOperation: "LEGRAD_SYNC=1 of the command"
    case .layers: "layers"
    case .readout: "readout"
    case .size: "size"
    case .mean: "mean"
    case .std: "std"
    case .textEmbeddings: "embeddings"
    case .pixelLimit: "a smaller picture"
    case .hubCache: "hub_cache"
    case .sandbox: "the command's sandbox"
    case .prompt: "prompts"
    case .explainedClass, .explainedClasses: "classes"
    case .referenceImages: "references"
    case .shard: "the command's shards"
    case .resume: "the command's resumption"
    case .allowsMixedDevices: "the command's mixed devices"
    }
  }
}

/// What an error object has.
struct ErrorObject: Sendable {
  let status: legrad_status
  let message: LastingText
}

/// Runs what a function of C's does, and tells C what came of it.
func attempt(
  _ error: UnsafeMutablePointer<OpaquePointer?>?, _ body: () throws(Failure) -> Void
) -> legrad_status {
  unsafe error?.pointee = nil
  do throws(Failure) {
    try body()
    return legrad_status(LEGRAD_OK)
  } catch let failure {
    if let error = unsafe error {
      let object = Held(ErrorObject(status: failure.status, message: LastingText(failure.message)))
      unsafe error.pointee = object.handle
    }
    return failure.status
  }
}

/// Where a function leaves what it makes; nothing is there until it has.
func place(
  _ result: UnsafeMutablePointer<OpaquePointer?>?, _ name: String
) throws(Failure) -> UnsafeMutablePointer<OpaquePointer?> {
  guard let result = unsafe result else {
    throw Failure(LEGRAD_USAGE, "\(name): expected a place for the result, found NULL; give one")
  }
  unsafe result.pointee = nil
  return unsafe result
}

@c @implementation
public func legrad_error_kind(_ error: OpaquePointer?) -> legrad_status {
  guard let error = unsafe error else { return legrad_status(LEGRAD_OK) }
  return unsafe Held<ErrorObject>.of(error).value.status
}

@c @implementation
public func legrad_error_message(_ error: OpaquePointer?) -> legrad_text {
  guard let error = unsafe error else { return unsafe LastingText.absent }
  return unsafe Held<ErrorObject>.of(error).value.message.text
}

@c @implementation
public func legrad_error_free(_ error: OpaquePointer?) { unsafe Held<ErrorObject>.free(error) }
