import Foundation
import TestSupport
import Testing

/// A copy of the golden model whose files a test damages.
struct MalformedModel {
  let scratch: ScratchFolder
  let path: String

  static let weights = "model/open_clip_model.safetensors"
  static let configuration = "model/open_clip_config.json"
  static let shardedIndex = "model/model.safetensors.index.json"

  init(in scratch: ScratchFolder, layout: String = "clip") throws {
    self.scratch = scratch
    path = try scratch.copy("\(layout)/model", to: "model")
  }

  func editConfiguration(_ edit: (String) -> String, file: String = configuration) throws {
    let text = String(decoding: try scratch.bytes(file), as: UTF8.self)
    let edited = edit(text)
    try #require(edited != text, "the edit changed nothing")
    try scratch.write(edited, to: file)
  }

  /// Edits the safetensors header as text; the data stays.
  func editHeader(_ edit: (String) -> String) throws {
    let (header, data) = try split()
    let edited = edit(header)
    try #require(edited != header, "the edit changed nothing")
    try join(Array(edited.utf8), data)
  }

  func editHeaderBytes(_ edit: ([UInt8]) -> [UInt8]) throws {
    let (header, data) = try split()
    try join(edit(Array(header.utf8)), data)
  }

  /// Replaces the numbers of one tensor by the bytes of `value`.
  func fill(_ tensor: String, first count: Int? = nil, with value: Float) throws {
    let (header, data) = try split()
    let object = try #require(JSONSerialization.jsonObject(with: Data(header.utf8)) as? [String: Any])
    let entry = try #require(object[tensor] as? [String: Any])
    let offsets = try #require(entry["data_offsets"] as? [Int])
    var changed = data
    let end = count.map { offsets[0] + 4 * $0 } ?? offsets[1]
    for start in stride(from: offsets[0], to: end, by: 4) {
      for byte in 0..<4 { changed[start + byte] = UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * byte)) }
    }
    try join(Array(header.utf8), changed)
  }

  func zero(_ tensor: String) throws { try fill(tensor, with: 0) }

  func edit(_ file: String, _ edit: ([UInt8]) -> [UInt8]) throws {
    try scratch.write(edit(scratch.bytes(file)), to: file)
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: scratch.path(file)) }

  private func split() throws -> (header: String, data: [UInt8]) {
    let bytes = try scratch.bytes(Self.weights)
    let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return (String(decoding: bytes[8..<8 + length], as: UTF8.self), Array(bytes[(8 + length)...]))
  }

  private func join(_ header: [UInt8], _ data: [UInt8]) throws {
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    try scratch.write(length + header + data, to: Self.weights)
  }
}
