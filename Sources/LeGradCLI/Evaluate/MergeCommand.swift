import ArgumentParser
import Evaluation

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Report on a run of 'legrad evaluate' that was split by --shard.",
    discussion: """
      Reduces once, in the order of the data set: the report has the same bytes however the run was split. Shards that \
      are missing, unfinished or of another run are named, with exit code 7.
      """)

  @Argument(help: "Output folders of the run; the report is written into the first.", transform: requireName)
  var folders: [String]

  @Flag(help: "Take rows of different devices, which may differ in their last bits.")
  var allowMixedDevices = false

  @Flag(help: "Print the report as JSON: an object for one method, an array for several.")
  var json = false

  func run() throws {
    try EvaluationPresentation(json: json).present(
      Merge.read(folders, allowMixedDevices: allowMixedDevices), folder: folders[0])
  }
}
