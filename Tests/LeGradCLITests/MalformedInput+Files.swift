import Foundation
import TestSupport
import Testing

/// Files that are given beside the model.
extension MalformedInput {
  // MARK: Images

  private static func fixture(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path(name))))
  }

  static let images: [MalformedInput] = [
    .image("empty image", "an empty file") { [] },
    .image("text as an image", "expected PNG, JPEG, WebP") { Array("not an image".utf8) },
    .image("a GIF cut behind its size", "the GIF cannot be decoded") { Array("GIF89a\u{1}\u{0}\u{1}\u{0}".utf8) },
    .image("PNG cut in half", "the PNG cannot be decoded") {
      let bytes = try fixture("preprocess/photo.png")
      return Array(bytes.prefix(bytes.count / 2))
    },
    .image("PNG of its signature alone", "the PNG cannot be decoded") {
      Array(try fixture("preprocess/photo.png").prefix(8))
    },
    .image("PNG with a damaged checksum", "the PNG cannot be decoded") {
      var bytes = try fixture("preprocess/photo.png")
      bytes[29] ^= 0xFF
      return bytes
    },
    .image("PNG that says it is huge", "image.png") {
      var bytes = try fixture("preprocess/photo.png")
      bytes.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
      return withHeaderChecksum(bytes)
    },
    .image("PNG that says it is larger than it is", "the PNG cannot be decoded") {
      var bytes = try fixture("preprocess/photo.png")
      bytes.replaceSubrange(16..<24, with: [0, 0, 0x20, 0, 0, 0, 0x20, 0])
      return withHeaderChecksum(bytes)
    },
    .image("PNG of no width", "image.png") {
      var bytes = try fixture("preprocess/photo.png")
      bytes.replaceSubrange(16..<20, with: [0, 0, 0, 0])
      return withHeaderChecksum(bytes)
    },
    .image("JPEG cut in half", "the JPEG cannot be decoded") {
      let bytes = try fixture("preprocess/photo.jpg")
      return Array(bytes.prefix(bytes.count / 2))
    },
    .image("JPEG of its first bytes alone", "the JPEG cannot be decoded") {
      Array(try fixture("preprocess/photo.jpg").prefix(20))
    },
    .image("JPEG of noise", "the JPEG cannot be decoded") {
      [0xFF, 0xD8, 0xFF] + (0..<2000).map { UInt8($0 * 37 % 251) }
    },
    MalformedInput("missing image", 1, "No such file") { _ in
      ["explain", "nowhere.png", "-p", "x", "-m", GoldenCommand.model]
    },
    MalformedInput("folder as an image", 1, "it is a folder") { scratch in
      ["explain", scratch.path, "-p", "x", "-m", GoldenCommand.model]
    },
    MalformedInput("link that leads nowhere as an image", 1, "No such file") { scratch in
      try FileManager.default.createSymbolicLink(atPath: scratch.path("a.png"), withDestinationPath: "nowhere")
      return ["explain", "a.png", "-p", "x", "-m", GoldenCommand.model]
    },
    MalformedInput("image of more pixels than allowed", 1, "too many pixels") { _ in
      ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.model, "--max-pixels", "1023"]
    },
  ]

  /// The PNG with the checksum of its header put right, so that what is wrong is what it says.
  private static func withHeaderChecksum(_ bytes: [UInt8]) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes[12..<29] {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    crc = ~crc
    var changed = bytes
    for index in 0..<4 { changed[29 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * index)) }
    return changed
  }

  // MARK: Text embeddings

  private static func npy(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let text = Array((header + "\n").utf8)
    return [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, version, 0, UInt8(text.count & 0xFF), UInt8(text.count >> 8)] + text
      + data
  }

  private static func rows(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) } }
  }

  private static func header(
    _ shape: String = "(1, 32)", type: String = "<f4", fortran: String = "False"
  ) -> String {
    "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }"
  }

  private static let oneRow = rows([Float](repeating: 0.5, count: 32))

  static let arrays: [MalformedInput] = [
    .embeddings("empty .npy", "expected a .npy file") { [] },
    .embeddings("text as .npy", "expected a .npy file") { Array("0.5, 0.5, 0.5".utf8) },
    .embeddings(".npy of version 9", "version") { npy(header(), oneRow, version: 9) },
    .embeddings(".npy with columns first", "fortran_order") { npy(header(fortran: "True"), oneRow) },
    .embeddings(".npy of integers", "descr") { npy(header(type: "<i4"), oneRow) },
    .embeddings(".npy of big-endian floats", "descr") { npy(header(type: ">f4"), oneRow) },
    .embeddings(".npy of Python objects", "descr") { npy(header(type: "|O"), oneRow) },
    .embeddings("cut .npy", "expected 128 bytes") { npy(header(), oneRow.dropLast()) },
    .embeddings(".npy with bytes after it", "expected 128 bytes") { npy(header(), oneRow + [0]) },
    .embeddings(".npy of a shape beyond 64 bits", "shape") {
      npy(header("(4611686018427387904, 4611686018427387904)"), oneRow)
    },
    .embeddings(".npy header that never ends", "header") { Array(npy(header(), oneRow).prefix(20)) },
    .embeddings(".npy header with code", "header") { npy("{'descr': __import__('os')}", oneRow) },
    .embeddings(".npy of one dimension", "[prompts, embedding]") { npy(header("(32,)"), oneRow) },
    .embeddings(".npy of no rows", "[prompts, embedding]") { npy(header("(0, 32)"), []) },
    .embeddings(".npy of another width", "expected 32 columns") { npy(header("(2, 16)"), oneRow) },
    .embeddings(".npy with a row of zeros", "row 0") { npy(header(), rows([Float](repeating: 0, count: 32))) },
    .embeddings(".npy with a NaN", "row 0") { npy(header(), rows([.nan] + [Float](repeating: 1, count: 31))) },
    .embeddings(".npy with an infinity", "row 0") {
      npy(header(), rows([.infinity] + [Float](repeating: 1, count: 31)))
    },
    MalformedInput("missing .npy", 3, "rows.npy") { _ in
      ["explain", GoldenCommand.image, "--text-embeddings", "rows.npy", "-m", GoldenCommand.model]
    },
    MalformedInput("folder as .npy", 3, "a regular file") { scratch in
      ["explain", GoldenCommand.image, "--text-embeddings", scratch.path, "-m", GoldenCommand.model]
    },
  ]

  // MARK: Other files

  static let otherFiles: [MalformedInput] = [
    MalformedInput("missing model folder", 3, "nowhere") { _ in
      ["explain", GoldenCommand.image, "-p", "x", "-m", "nowhere"]
    },
    MalformedInput("file as a model folder", 3, "image_32x32.png") { _ in
      ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.image]
    },
    MalformedInput("info about an empty folder", 3, "open_clip_config.json or config.json") { scratch in
      ["model", "info", "-m", scratch.path]
    },
    MalformedInput("missing prompts file", 3, "cannot be opened") { _ in
      ["explain", GoldenCommand.image, "--prompts-file", "nowhere.txt", "-m", GoldenCommand.model]
    },
    MalformedInput("folder as a prompts file", 3, "cannot be read") { scratch in
      ["explain", GoldenCommand.image, "--prompts-file", scratch.path, "-m", GoldenCommand.model]
    },
    MalformedInput("empty prompts file", 3, "an empty file") { scratch in
      [
        "explain", GoldenCommand.image, "--prompts-file", try scratch.write("", to: "p.txt"), "-m", GoldenCommand.model,
      ]
    },
    MalformedInput("prompts file that is not UTF-8", 3, "UTF-8") { scratch in
      let file = try scratch.write([0x61, 0xFF, 0x0A], to: "p.txt")
      return ["explain", GoldenCommand.image, "--prompts-file", file, "-m", GoldenCommand.model]
    },
    MalformedInput("prompts file with an empty line", 3, "line 2") { scratch in
      let file = try scratch.write("a cat\n\na dog\n", to: "p.txt")
      return ["explain", GoldenCommand.image, "--prompts-file", file, "-m", GoldenCommand.model]
    },
    MalformedInput("file in place of the output folder", 3, "in the way") { scratch in
      try scratch.write("here", to: "out")
      return ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.model, "-o", "out"]
    },
    MalformedInput("file above the output folder", 3, "cannot be made") { scratch in
      try scratch.write("here", to: "out")
      return ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.model, "-o", "out/in"]
    },
    MalformedInput("output folder where nobody can write", 3, "cannot be made") { _ in
      ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.model, "-o", "/proc/legrad-out"]
    },
    MalformedInput("output that exists", 2, "legrad-out/image_32x32.json exists") { scratch in
      try FileManager.default.createDirectory(
        atPath: scratch.path("legrad-out"), withIntermediateDirectories: false)
      try scratch.write("{}", to: "legrad-out/image_32x32.json")
      return ["explain", GoldenCommand.image, "-p", "x", "-m", GoldenCommand.model]
    },
    MalformedInput("output that would replace the input", 2, "is an input") { scratch in
      try scratch.copy("clip/inputs/image_32x32.png", to: "a.overlay.0.png")
      try scratch.copy("clip/inputs/image_32x32.png", to: "a.png")
      return [
        "explain", "a.png", "a.overlay.0.png", "-p", "x", "-m", GoldenCommand.model, "-o", ".", "--overwrite",
      ]
    },
    MalformedInput("image whose name is too long for outputs", 2, "too long") { scratch in
      let name = String(repeating: "n", count: 240) + ".png"
      try scratch.copy("clip/inputs/image_32x32.png", to: name)
      return ["explain", name, "-p", "x", "-m", GoldenCommand.model]
    },
  ]
}
