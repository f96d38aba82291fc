import Compute
import Failures
import ImageFiles
import LeGrad

extension EvaluationReport {
  /// The table, that of correctly classified images, and how both came about.
  package var markdown: String {
    var text = "# legrad evaluate \(type(of: identity.configuration.benchmark).name)\n\n" + table
    if let correct = correctTable {
      let finder = identity.configuration.source.order == nil ? "zero-shot classification" : "the model"
      text += "\nImages whose class \(finder) finds:\n\n" + correct
    }
    text += "\n" + remarks.map { "- " + $0 + "\n" }.joined()
    if !failures.isEmpty {
      text += "\nFailed:\n\n"
      text += failures.prefix(20).map { "- " + printable($0.reason, limit: 1_000) + "\n" }.joined()
      if failures.count > 20 { text += "- and \(failures.count - 20) more, in report.json\n" }
    }
    return text
  }

  /// A row per method, in Markdown.
  package var table: String { Self.table(lines.map { ($0.method.label, $0.all) }) }

  /// The table of correctly classified images; nil where there are none.
  var correctTable: String? {
    guard lines.contains(where: { $0.correct != nil }) else { return nil }
    return Self.table(lines.map { ($0.method.label, $0.correct) })
  }

  private static func table(_ rows: [(label: String, figures: EvaluationFigures?)]) -> String {
    let columns = columns(rows.map(\.figures))
    let headings = ["method"] + columns.map(\.heading) + ["images"]
    var text = "| " + headings.joined(separator: " | ") + " |\n"
    text += String(repeating: "|---", count: headings.count) + "|\n"
    for (label, figures) in rows {
      let cells = columns.map { figures?[$0].map(decimal) ?? "" } + ["\(figures?.images ?? 0)"]
      text += "| " + ([label] + cells).joined(separator: " | ") + " |\n"
    }
    return text
  }

  private static func decimal(_ value: Double) -> String {
    let digits = String(Int((value * 10_000).rounded()))
    let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    return padded.dropLast(4) + "." + padded.suffix(4)
  }

  /// A line per method, figures in full.
  package var csv: String {
    let correctColumns = Self.columns(lines.map(\.correct))
    let headings =
      ["label", "method", "layers", "readout"] + columns.map(\.name) + ["images", "failed"]
      + (correctColumns.isEmpty ? [] : correctColumns.map { "correct_" + $0.name } + ["correct_images"])
    var text = headings.joined(separator: ",") + "\n"
    for line in lines {
      var cells = [
        line.method.label, line.method.name, line.method.setting(LayerSelection.self)?.description ?? "",
        line.method.setting(Readout.self)?.rawValue ?? "",
      ]
      cells += columns.map { line.all?[$0].map { "\($0)" } ?? "" } + ["\(images)", "\(failures.count)"]
      if !correctColumns.isEmpty {
        cells += correctColumns.map { line.correct?[$0].map { "\($0)" } ?? "" } + ["\(line.correct?.images ?? 0)"]
      }
      text += cells.joined(separator: ",") + "\n"
    }
    return text
  }

  /// How the figures came about, and where that is not what others do.
  var remarks: [String] {
    let configuration = identity.configuration
    var remarks = [
      "\(printable(configuration.model, limit: 200)) (weights \(identity.modelHash.prefix(12))), "
        + "\(configuration.precision.rawValue), images squashed to \(configuration.size) "
        + "(\(configuration.filter.rawValue)), \(configuration.source.remark)",
      "computed by: " + devices.map { printable($0, limit: 300) }.joined(separator: "; "),
      "\(images) images, \(failures.count) failed; run \(identity.id) of legrad "
        + printable(identity.version, limit: 40),
    ]
    if !leftOut.isEmpty { remarks.append(printable(leftOut.remark, limit: 1_000)) }
    if let correction = configuration.correction {
      remarks.append("SigLIP's correction by a text without content, threshold \(correction.threshold)")
    }
    return remarks + configuration.benchmark.remarks
  }
}
