import ArgumentParser
import LeGrad

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "List what can be computed on.")

  @Flag(help: "Print a JSON array with an element per device.")
  var json = false

  struct Row: Codable {
    let index: Int
    let kind: String
    let name: String
    /// From the slowest to the one that is used.
    let instructionSets: [String]
    let threads: Int
  }

  func run() throws {
    let rows = try DeviceSummary.all().map { device in
      Row(
        index: device.index, kind: device.kind, name: device.name, instructionSets: device.variants,
        threads: device.computeUnits)
    }
    if let problem = DeviceSummary.loaderProblem { Terminal.note(problem) }
    if json {
      Terminal.out(JSONText.encode(rows))
      return
    }
    var table = TextTable(["index", "kind", "name", "instruction sets", "threads"])
    for row in rows {
      table.append([
        "\(row.index)", row.kind, row.name.printable, row.instructionSets.joined(separator: " "), "\(row.threads)",
      ])
    }
    Terminal.out(table.lines().joined(separator: "\n"))
  }
}
