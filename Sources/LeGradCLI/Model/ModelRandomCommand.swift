import ArgumentParser
import Compute
import Files
import LeGrad
import VisionTransformer

struct ModelRandomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random", abstract: "Write a model of a named architecture with seeded random weights.",
    discussion: """
      For measurements. The folder is as the architecture's library writes it: OpenCLIP, timm or transformers. It has \
      no tokenizer: explain reads prompts for CLIP's text towers with OpenAI's vocabulary, and needs --text-embeddings \
      for others.
      """)

  @Option(help: "One of \(Architecture.names).")
  var arch: String

  @Option(help: "The same seed gives the same weights.")
  var seed: UInt64 = 0

  @Option(help: "How weights are stored.")
  var type: WeightType = .f32

  @Option(name: [.customShort("o"), .long], help: "The folder to write.")
  var output: String

  @Flag(help: "Replace a model that is there.")
  var overwrite = false

  @Flag(help: "Print a JSON object about the model.")
  var json = false

  func validate() throws {
    try requireOutputName(output)
  }

  func run() throws {
    let model = try Model(randomArchitecture: arch, seed: seed)
    let files = try model.writtenFiles.map { FileTree.join(output, $0) }
    try FileSystem.requireAbsent(files, overwrite: overwrite)
    try FileSystem.makeWritableFolder(output)
    try Interruption.asRequest { isRequested in
      try model.write(to: output, as: type.precision, overwrite: overwrite, isCancelled: isRequested)
    }
    if json {
      Terminal.out(JSONText.encode(try ModelReport(Model(folder: output))))
    } else {
      Terminal.out("\(output.printable): \(model.name), seed \(seed), \(type.rawValue)")
    }
  }
}

/// What weights are in a file.
enum WeightType: String, CaseIterable, ExpressibleByArgument, Sendable {
  case f32, f16, bf16

  fileprivate var precision: Precision {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
