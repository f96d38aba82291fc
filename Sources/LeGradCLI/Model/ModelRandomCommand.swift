import ArgumentParser
import Compute
import Files
import LeGrad
import VisionTransformer

struct ModelRandomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random", abstract: "Write a model of a named architecture with seeded random weights.",
    discussion: """
      For measurements. It has no tokenizer: explain reads prompts for CLIP's text towers with OpenAI's vocabulary, and \
      needs --text-embeddings for others.
      """)

  enum StorageType: String, CaseIterable, ExpressibleByArgument {
    case f32, f16, bf16
  }

  @Option(help: "One of \(Architecture.names).")
  var arch: String

  @Option(help: "The same seed gives the same weights.")
  var seed: UInt64 = 0

  @Option(help: "How weights are stored.")
  var type: StorageType = .f32

  @Option(name: [.customShort("o"), .long], help: "The folder to write.")
  var output: String

  @Flag(help: "Replace a model that is there.")
  var overwrite = false

  @Flag(help: "Print a JSON object about the model.")
  var json = false

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: expected a folder, found an empty name") }
  }

  func run() throws {
    let model = try Model(randomArchitecture: arch, seed: seed)
    try checkOutput()
    try FileSystem.makeWritableFolder(output)
    let precision = Precision(rawValue: type.rawValue) ?? .f32
    try Interruption.asRequest { isRequested in
      try model.write(to: output, as: precision, overwrite: overwrite, isCancelled: isRequested)
    }
    if json {
      Terminal.out(JSONText.encode(try ModelReport(Model(folder: output))))
    } else {
      Terminal.out("\(output.printable): \(model.name), seed \(seed), \(type.rawValue)")
    }
  }

  private func checkOutput() throws(Failure) {
    guard !overwrite else { return }
    for name in [ModelWriter.weightFile, ModelWriter.configurationFile]
    where FileSystem.entryExists(FileTree.join(output, name)) {
      throw .usage(
        "\(FileTree.join(output, name)) exists; give --overwrite to replace it, or another folder with -o")
    }
  }
}

extension Architecture {
  /// For help texts.
  static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
