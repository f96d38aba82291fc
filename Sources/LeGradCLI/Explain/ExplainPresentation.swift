import Failures
import Files
import LeGrad

/// Tells the outcomes of a run: tables or JSON on standard output, failures and remarks on standard error.
struct ExplainPresentation {
  let json: Bool
  let total: Int

  /// - Throws: the run's failure, or `someFailed` or `numericalFault` once all images have been told.
  func present(_ run: ExplainRun) throws {
    var bar = ProgressBar(total: total)
    var stream = JSONArrayStream()
    var status = ExitStatus.success
    var failures = 0
    defer { bar.finish() }
    do {
      defer { if json { stream.finish() } }
      try run.run { image, result, limit throws(LeGradError) in
        switch result {
        case .success(let reports):
          for report in reports {
            Self.remarks(report, namesMethod: reports.count > 1).forEach(Terminal.note)
            if json { stream.append(report) } else { Terminal.out(Self.table(report)) }
          }
        case .failure(let error):
          failures += 1
          Terminal.error(error.line)
          if json { stream.append(FailureReport(image: image, error: error.line)) }
          if status != .numericalFault { status = error.kind == .numerical ? .numericalFault : .someFailed }
        }
        bar.advance(limit: limit)
      }
    }
    if failures > 0, total > 1 { Terminal.note("\(failures) of \(total) images failed") }
    guard status == .success else { throw status }
  }

  /// What a reader should know about an image's result.
  /// - Parameter namesMethod: where there are several.
  static func remarks(_ report: ExplanationReport, namesMethod: Bool = false) -> [String] {
    var remarks: [String] = []
    if report.orientation.applied {
      remarks.append("\(report.image): turned upright as its EXIF orientation \(report.orientation.stored) asks")
    }
    if let remark = report.decodingRemark {
      remarks.append("\(report.image): every pixel was read, though the file breaks its format's rules: \(remark)")
    }
    for prompt in report.prompts where prompt.flat {
      let method = namesMethod ? " by \(report.method)" : ""
      remarks.append("\(report.image): the map of \"\(prompt.prompt)\"\(method) is flat; its heatmap is all zero")
    }
    return remarks
  }

  static func table(_ report: ExplanationReport) -> String {
    let isClassifier = report.prompts.contains { $0.class != nil }
    var table = ColumnTable(
      isClassifier
        ? ["k", "class", "name", "probability", "logit", "maximum at (x, y)"]
        : ["k", "prompt", "similarity", "maximum at (x, y)"])
    for (index, prompt) in report.prompts.enumerated() {
      var row = ["\(index)"]
      if let found = prompt.class {
        row += [
          "\(found.index)", found.name.printable, Double(found.probability).decimal(places: 4),
          Double(found.logit).decimal(places: 4),
        ]
      } else {
        row += [prompt.prompt.printable, score(prompt, places: 4)]
      }
      table.append(row + [position(prompt.maximum)])
    }
    let size = report.imageSize
    let input = report.inputSize
    let blocks = report.layers.count == 1 ? "block" : "blocks"
    let summary =
      "\(report.image.printable): \(size.width)×\(size.height), seen as \(input.width)×\(input.height) "
      + "(\(report.resize)), \(report.method), \(blocks) \(list(report.layers))"
    let files = files(report)
    let written = files.isEmpty ? [] : ["  files: \(files.joined(separator: " "))"]
    return ([summary] + table.lines(indent: 2) + written + [""]).joined(
      separator: "\n")
  }

  /// A prompt's similarity.
  static func score(_ prompt: ExplanationReport.Prompt, places: Int) -> String {
    prompt.similarity.map { Double($0).decimal(places: places) } ?? ""
  }

  static func position(_ point: ExplanationReport.Point?) -> String {
    point.map { "(\($0.x), \($0.y))" } ?? "flat"
  }

  private static func list(_ layers: [Int]) -> String {
    guard let first = layers.first, let last = layers.last, first != last else {
      return layers.map(String.init).joined()
    }
    return "\(first)–\(last)"
  }

  /// As a shell would take them: `{0..2}` stands for each number.
  private static func files(_ report: ExplanationReport) -> [String] {
    let files = report.files
    var names: [String] = []
    for numbered in [files.overlays, files.jpegOverlays, files.heatmaps] where !numbered.isEmpty {
      let (stem, ending) = (numbered[0].dropLast("0.png".count), numbered[0].suffix("png".count))
      names.append(numbered.count == 1 ? numbered[0] : "\(stem){0..\(numbered.count - 1)}.\(ending)")
    }
    names += [files.heatmapArray, files.relevance, files.layers, files.report].compactMap { $0 }
    return names.map { FileTree.join(report.outputFolder, $0).printable }
  }
}
