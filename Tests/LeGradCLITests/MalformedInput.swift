import Foundation
import TestSupport
import Testing

/// One way in which an input can be wrong, and what the command must say about it.
struct MalformedInput: Sendable, CustomTestStringConvertible {
  let name: String
  let exitCode: Int32
  /// Part of the one line on standard error.
  let complaint: String
  /// Makes the files and returns the arguments.
  let arguments: @Sendable (ScratchFolder) throws -> [String]

  var testDescription: String { name }

  init(
    _ name: String, _ exitCode: Int32, _ complaint: String,
    arguments: @escaping @Sendable (ScratchFolder) throws -> [String]
  ) {
    self.name = name
    self.exitCode = exitCode
    self.complaint = complaint
    self.arguments = arguments
  }

  /// A damaged copy of a golden model.
  static func model(
    _ name: String, _ complaint: String, layout: String = "clip", exitCode: Int32 = 3,
    damage: @escaping @Sendable (MalformedModel) throws -> Void
  ) -> MalformedInput {
    MalformedInput(name, exitCode, complaint) { scratch in
      let model = try MalformedModel(in: scratch, layout: layout)
      try damage(model)
      return ["explain", GoldenCommand.image, "-p", "the sky", "-m", model.path]
    }
  }

  /// An image file of the given bytes.
  static func image(
    _ name: String, _ complaint: String, bytes: @escaping @Sendable () throws -> [UInt8]
  ) -> MalformedInput {
    MalformedInput(name, 1, complaint) { scratch in
      ["explain", try scratch.write(try bytes(), to: "image.png"), "-p", "the sky", "-m", GoldenCommand.model]
    }
  }

  /// A file of text embeddings of the given bytes.
  static func embeddings(
    _ name: String, _ complaint: String, bytes: @escaping @Sendable () throws -> [UInt8]
  ) -> MalformedInput {
    MalformedInput(name, 3, complaint) { scratch in
      let file = try scratch.write(try bytes(), to: "rows.npy")
      return ["explain", GoldenCommand.image, "--text-embeddings", file, "-m", GoldenCommand.model]
    }
  }

  /// Arguments of `explain` behind a good image and model.
  static func flags(_ arguments: [String], _ complaint: String, exitCode: Int32 = 2) -> MalformedInput {
    MalformedInput(arguments.joined(separator: " "), exitCode, complaint) { _ in
      ["explain", GoldenCommand.image, "-p", "the sky", "-m", GoldenCommand.model] + arguments
    }
  }
}
