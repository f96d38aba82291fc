import ArgumentParser

struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Look into a model, or make a random one.",
    subcommands: [ModelInfoCommand.self, ModelRandomCommand.self])
}
