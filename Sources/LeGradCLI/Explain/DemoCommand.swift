import ArgumentParser
import Files
import ImageFiles
import LeGrad

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Explain the pictures inside this program with the model inside this program.",
    discussion: "Needs no files, no network and no GPU. Writes the pictures, their overlays, heatmaps and reports.")

  @Option(name: [.customShort("o"), .long], help: "The folder for the pictures and results.")
  var output = "demo-output"

  @OptionGroup var computing: DeviceOptions

  @Flag(help: Verification.help)
  var verify = false

  @Flag(help: "Replace files of an earlier run.")
  var overwrite = false

  @Flag(help: "Print a JSON array with an element per picture.")
  var json = false

  func validate() throws {
    try requireOutputName(output)
  }

  func run() throws {
    let options = try computing.explainerOptions()
    let pictures = try DemoPicture.all()
    let plans = try pictures.map { picture in
      try OutputPlan(
        images: [FileTree.join(output, picture.name)], folder: output, formats: [.png, .json], perLayer: false,
        prompts: picture.prompts.count, overwrite: overwrite)
    }
    try FileSystem.requireAbsent(pictures.map { FileTree.join(output, $0.name) }, overwrite: overwrite)
    try FileSystem.makeWritableFolder(output)
    let model = try Model.demo()
    let explainer = try Explainer(model, options: options)
    explainer.noteDevice(options.device)
    for picture in pictures {
      try Interruption.whileWriting { try AtomicFile.write(picture.bytes, to: FileTree.join(output, picture.name)) }
    }
    var reports: [ExplanationReport] = []
    for (picture, plan) in zip(pictures, plans) {
      let prompts = PromptSource.texts(picture.prompts)
      let run = ExplainRun(
        explainer: explainer, question: try prompts.question(to: explainer), identity: try model.identity(),
        writer: ExplanationWriter(plan: plan, overlay: Overlay()), settings: .init(methods: [.legrad(layers: .all)]),
        verification: try verify
          ? Verification(of: explainer) { reference throws(LeGradError) in try prompts.question(to: reference) } : nil)
      try run.run { _, result, _ throws(LeGradError) in reports += try result.get() }
    }
    present(reports, pictures: pictures)
  }

  private func present(_ reports: [ExplanationReport], pictures: [DemoPicture]) {
    if json {
      Terminal.out(JSONText.encode(reports))
      return
    }
    var table = ColumnTable(["picture", "prompt", "similarity", "maximum at (x, y)", "overlay"])
    for report in reports {
      for (prompt, overlay) in zip(report.prompts, report.files.overlays) {
        table.append([
          FileSystem.name(of: report.image), prompt.prompt, ExplainPresentation.score(prompt, places: 3),
          ExplainPresentation.position(prompt.maximum), overlay,
        ])
      }
    }
    Terminal.out(table.lines().joined(separator: "\n"))
    Terminal.out("\nThe pictures, overlays and heatmaps are in \(output.printable)/")
    guard let picture = pictures.first, let prompt = picture.prompts.last else { return }
    let words = FileTree.join(output, picture.name).printable
    Terminal.out("Try next:  legrad explain \(words) -p \"\(prompt)\" --layers all\n")
  }
}
