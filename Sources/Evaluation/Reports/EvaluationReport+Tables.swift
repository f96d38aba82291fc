import Files
import LeGrad

extension EvaluationReport {
  /// The table, that of correctly classified images, and how both came about.
  public var markdown: String {
    let name = identity.configuration["protocol"] ?? ""
    var text = "# legrad evaluate \(name)\n\n" + table
    if let correct = correctTable { text += "\nImages whose class zero-shot classification finds:\n\n" + correct }
    text += "\n" + remarks.map { "- " + $0 + "\n" }.joined()
    if !failures.isEmpty {
      text += "\nFailed:\n\n"
      text += failures.prefix(20).map { "- " + printable($0.reason, limit: 1_000) + "\n" }.joined()
      if failures.count > 20 { text += "- and \(failures.count - 20) more, in report.json\n" }
    }
    return text
  }

  /// A row per method, in Markdown.
  public var table: String { Self.table(lines.map { ($0.configuration.label, $0.all) }) }

  /// The same of correctly classified images; nil where there are none.
  var correctTable: String? {
    guard lines.contains(where: { $0.correct != nil }) else { return nil }
    return Self.table(lines.map { ($0.configuration.label, $0.correct) })
  }

  private static func table(_ rows: [(label: String, figures: EvaluationFigures?)]) -> String {
    let columns = columns(rows.map(\.figures))
    let headings = ["method"] + columns.map(EvaluationFigures.heading) + ["images"]
    var text = "| " + headings.joined(separator: " | ") + " |\n"
    text += String(repeating: "|---", count: headings.count) + "|\n"
    for (label, figures) in rows {
      let cells = columns.map { figures?[$0].map(decimal) ?? "" } + ["\(figures?.images ?? 0)"]
      text += "| " + ([label] + cells).joined(separator: " | ") + " |\n"
    }
    return text
  }

  /// A fraction with four decimal places.
  private static func decimal(_ value: Double) -> String {
    let digits = String(Int((value * 10_000).rounded()))
    let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    return padded.dropLast(4) + "." + padded.suffix(4)
  }

  /// A line per method, figures in full.
  public var csv: String {
    let correctColumns = Self.columns(lines.map(\.correct))
    let headings =
      ["label", "method", "layers", "readout"] + columns + ["images", "failed"]
      + (correctColumns.isEmpty ? [] : correctColumns.map { "correct_" + $0 } + ["correct_images"])
    var text = headings.joined(separator: ",") + "\n"
    for line in lines {
      let method = line.configuration.method
      var cells = [
        method.label, method.name, method.setting(LayerSelection.self)?.description ?? "",
        method.setting(Readout.self)?.rawValue ?? "",
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
    func value(_ key: String) -> String { printable(configuration[key] ?? "?", limit: 200) }
    var remarks = [
      "\(value("model")) (weights \(identity.modelHash.prefix(12))), \(value("precision")), images squashed to "
        + "\(value("size")) (\(value("filter"))), classes asked for by \"\(value("templates"))\"",
      "computed by: " + devices.map { printable($0, limit: 300) }.joined(separator: "; "),
      "\(images) images, \(failures.count) failed; run \(identity.id) of legrad \(printable(identity.version, limit: 40))",
    ]
    if let correction = configuration["correction"] {
      remarks.append("SigLIP's correction by a text without content, threshold \(correction.prefix { $0 != " " })")
    }
    switch evaluation {
    case .segmentation: remarks += [explainedRemark] + segmentationRemarks
    case .points: remarks += pointRemarks
    case .perturbation: remarks += [explainedRemark] + perturbationRemarks
    case .shapes:
      remarks.append(
        "scenes are drawn; masks and points are those of one object among two to four, the class explained is its own; "
          + "perturbation is of scenes with one object, the class explained is the \(value("explained")) one")
      remarks += segmentationRemarks + pointRemarks + perturbationRemarks
    case nil: break
    }
    return remarks
  }

  private var explainedRemark: String {
    let explained = identity.configuration["explained"] ?? "?"
    return "the class explained is the image's \(explained) one; the public code of the protocols explains the "
      + "classifier's prediction, LeGrad's paper does not say"
  }

  private var segmentationRemarks: [String] {
    let threshold = identity.configuration["segmentationThreshold"] ?? "?"
    return [
      "masks: foreground where the heatmap exceeds \(threshold == "mean" ? "its mean, as in the protocol's code" : "0.5, as in LeGrad's paper"); "
        + "accuracy and mIoU of the pixels of all images, mAP a mean over images"
    ]
  }

  private var pointRemarks: [String] {
    [
      "points: IoU of points of the class, found where the heatmap exceeds "
        + "\(identity.configuration["pointThreshold"] ?? "?"); summed over the data set per class, or per image and "
        + "class; the paper's code is not public, both ways of counting are given"
    ]
  }

  private var perturbationRemarks: [String] {
    [
      "perturbation: accuracy of the true class while the most (positive) or least (negative) relevant pixels turn "
        + "black, area over 0…0.9, at most 0.9; ties in the order of the pixels, which the protocol's code leaves open"
    ]
  }
}
