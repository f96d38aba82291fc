import ArgumentParser
import Evaluation
import Failures
import FoundationEssentials
import LeGrad
import Synchronization

/// Runs one shard of an evaluation and, when that is all of it, reports.
struct EvaluationDriver {
  let options: EvaluateOptions
  let benchmark: any Benchmark
  let dataset: any EvaluationDataset
  /// Whether `--method all` shows every usual choice that legrad has.
  var showsAllChoices = false

  private var environment: [String: String] { ProcessInfo.processInfo.environment }

  /// - Throws: the failure, or `someFailed` or `numericalFault` once everything has been told.
  func run() throws {
    let shard = try Shard.resolve(option: options.shard, environment: environment)
    try options.decoding.begin()
    if let place = Shard.placeWithoutCount(option: options.shard, environment: environment) {
      Terminal.note(
        "\(place.name)=\(place.value) does not say of how many: this computes the whole run; set LEGRAD_SHARD_COUNT to the "
          + "number of tasks for a part of it")
    }
    if !dataset.leftOut.isEmpty { Terminal.note(dataset.leftOut.remark) }
    let model = try options.opening.open()
    let templates = try options.promptTemplates(for: model)
    if templates != nil { try model.checkText(else: "--text-embeddings with a row for each class, or a classifier") }
    // A folder that cannot be written is told before any work.
    let made = try options.output.map { output throws(LeGradError) in try RunFolder(output).create() } ?? []
    let run: EvaluationRun
    let recorder: ShardRecorder
    do {
      guard let hash = try model.fileHash(cacheFolder: Environment.cacheFolder) else {
        throw LeGradError.badFile("\(model.name): a model without files cannot be evaluated")
      }
      run = try makeRun(model, hash: hash, templates)
      let identity = run.identity(modelHash: hash, version: Version.number)
      recorder = try ShardRecorder(
        folder: options.output ?? "legrad-evaluation/\(type(of: benchmark).name)-\(identity.id)", identity: identity,
        manifest: dataset.manifest, leftOut: dataset.leftOut, shard: shard, resume: options.resume,
        sync: options.sync.records)
      try checkDevice(of: run, recorder)
    } catch {
      FileSystem.removeEmpty(made)
      throw error
    }
    let folder = recorder.folderPath
    if let fault = recorder.lockFault {
      Terminal.note("\(folder): the file system cannot lock files (\(fault)); start shard \(shard) once at a time")
    }
    let status = try compute(run, recorder, folder: folder)
    if shard != .whole {
      // Schedulers start again, or give up, what ends otherwise; failed images are the merge's to report.
      tellShard(shard, recorder.run, folder: folder)
      return
    }
    try EvaluationPresentation(json: options.json).present(
      Merge.read([folder], allowMixedDevices: options.allowMixedDevices), folder: folder, worst: status)
  }

  /// Rows that are there already and those to come are of one device, as a report asks. Whoever merges shards may take
  /// several, which is told alone.
  private func checkDevice(of run: EvaluationRun, _ recorder: ShardRecorder) throws(LeGradError) {
    let device = run.explainer.device.arithmetic
    let others = recorder.devices.subtracting([device]).sorted().joined(separator: "; ")
    guard !recorder.isComplete, !others.isEmpty, !options.allowMixedDevices else { return }
    let found =
      "\(recorder.folderPath): expected rows of one device, found some by \(others) beside this one, \(device)"
    guard recorder.shard == .whole else {
      return Terminal.note("\(found); the merge refuses them without --allow-mixed-devices")
    }
    throw LeGradError(
      .inconsistent,
      "\(found); go on with that device, all with --fold or all without, or allow both by --allow-mixed-devices")
  }

  private func makeRun(_ model: Model, hash: String, _ templates: PromptTemplates?) throws -> EvaluationRun {
    let methods = try options.methods(for: model, gridForAll: showsAllChoices)
    var settings = EvaluationSettings(benchmark, methods: methods)
    settings.names = \.option
    let note = OrientationNote()
    settings.orientationNoted = { note.tell($0, isTurned: $1) }
    settings.size = options.size
    settings.batchSize = options.batchSize
    settings.memoryLimit = options.memory?.bytes
    let choice = try options.computing.choice(localRank: Shard.localRank(environment: environment))
    let explaining = try options.computing.explainerOptions(device: choice, pixels: options.pixels)
    try model.check(size: settings.size, resize: .squash, methods: methods, prompts: 1, options: explaining)
    let correction = try options.correcting.source(for: model)
    let given = try options.textEmbeddings.map { try PromptSource.embeddings($0, for: model) }
    let explainer = try Explainer(model, options: explaining)
    explainer.noteDevice(choice)
    if let correction {
      settings.correction = try EmptyTextCorrection(
        embedding: correction.text.encoded(by: explainer), threshold: correction.threshold)
    }
    let classifier: ImageClassifier
    if let given {
      classifier = try ImageClassifier(dataset.classNames, rows: given.encoded(by: explainer))
    } else if let templates {
      classifier = try encode(templates, explainer, hash: hash, cacheFolder: explaining.cacheFolder)
    } else {
      classifier = try ImageClassifier.head(of: explainer, for: dataset)
    }
    return try EvaluationRun(explainer: explainer, dataset: dataset, classifier: classifier, settings: settings)
  }

  private func encode(
    _ templates: PromptTemplates, _ explainer: Explainer, hash: String, cacheFolder: String?
  ) throws -> ImageClassifier {
    var bar: ProgressBar?
    var done = 0
    let classifier = try {
      defer { bar?.finish() }
      return try ImageClassifier.encode(
        dataset.classNames, templates: templates, explainer: explainer, modelHash: hash, cacheFolder: cacheFolder
      ) { encoded, total in
        if bar == nil { bar = ProgressBar(total: total) }
        bar?.advance(by: encoded - done)
        done = encoded
      }
    }()
    if let first = classifier.cut.first { Question.noteCut(first.prompt, first.length, of: classifier.cut.count) }
    return classifier
  }

  /// Computes what the shard lacks.
  /// - Returns: whether images failed in this process.
  private func compute(_ run: EvaluationRun, _ recorder: ShardRecorder, folder: String) throws -> ExitStatus {
    let remaining = recorder.remaining
    guard !recorder.isComplete else {
      Terminal.note("\(folder): shard \(recorder.shard) is finished already; nothing is computed")
      return .success
    }
    let before = dataset.manifest.entries.count - remaining.count
    if options.resume, before > 0, recorder.shard == .whole {
      Terminal.note("\(folder): going on after \(before) images")
    }
    var status = ExitStatus.success
    let start = ContinuousClock.now
    let again = recorder.shard == .whole ? "the same command with --resume goes" : "the same command goes"
    try Interruption.asRequest(lateWords: "\(folder): stopped amid images, which are left out; \(again) on") {
      isRequested in
      var bar = ProgressBar(total: remaining.count)
      defer { bar.finish() }
      try run.run(remaining, note: recorder.inFlight, isStopped: isRequested) { row, kind throws(LeGradError) in
        if let failure = row.failure {
          Terminal.error(failure)
          if status != .numericalFault { status = kind == .numerical ? .numericalFault : .someFailed }
        }
        try recorder.append(row)
        bar.advance()
      }
      if recorder.remaining.isEmpty {
        try recorder.publish()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let each = remaining.isEmpty ? 0 : seconds / Double(remaining.count)
        Terminal.note(
          "\(remaining.count) images in \(seconds.decimal(places: 1)) s, \(each.decimal(places: 4)) s per image")
      } else {
        Terminal.note("\(folder): stopped with \(recorder.remaining.count) images left; \(again) on")
      }
    }
    return status
  }

  private func tellShard(_ shard: Shard, _ run: String, folder: String) {
    struct Finished: Encodable {
      let run: String
      let shard: String
      let images: Int
      let folder: String
    }
    let images = shard.items(of: dataset.manifest.entries.count).count
    if options.json {
      Terminal.out(
        JSONText.encode(Finished(run: run, shard: shard.description, images: images, folder: folder)))
    } else {
      Terminal.out(
        "\(folder.printable): shard \(shard) is finished, \(images) images; 'legrad merge \(folder.printable)' reports "
          + "when all are")
    }
  }
}

/// Says once of a run that pictures note an orientation.
private final class OrientationNote: Sendable {
  private let isTold = Mutex(false)

  func tell(_ id: String, isTurned: Bool) {
    let isFirst = isTold.withLock { told in
      defer { told = true }
      return !told
    }
    guard isFirst else { return }
    Terminal.note(
      isTurned
        ? "\(id): turned upright as its EXIF orientation asks, and so are others"
        : "\(id): its EXIF orientation is not followed, nor that of others: published data sets are read as stored"
    )
  }
}

/// Tells and writes the report of a whole run.
struct EvaluationPresentation {
  let json: Bool

  /// - Parameter worst: what this process met.
  /// - Throws: `someFailed`, or what this process met, where images failed.
  func present(_ merge: Merge, folder: String, worst: ExitStatus = .success) throws {
    let report = try EvaluationReport(merge)
    try report.write(to: folder)
    Terminal.out(json ? report.json : report.table)
    if !json { Terminal.note("rows, report.md, report.csv and report.json are in \(folder)") }
    if !report.failures.isEmpty {
      Terminal.note("\(report.failures.count) of \(report.images) images failed; report.json names them")
      throw worst == .success ? ExitStatus.someFailed : worst
    }
  }
}
