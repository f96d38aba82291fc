import ArgumentParser
import Evaluation
import Failures
import Files
import LeGrad

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure methods on the benchmarks of the LeGrad paper.",
    discussion: """
      A row per image is kept as it is computed: a run that was interrupted goes on with --resume, and one that is split \
      by --shard is put together by 'legrad merge', to the same bits. All figures are fractions.
      """,
    subcommands: [
      EvaluateShapesCommand.self, EvaluateSegmentationCommand.self, EvaluatePointsCommand.self,
      EvaluatePerturbationCommand.self,
    ])
}

struct EvaluateShapesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Shapes.name, abstract: Shapes.abstract,
    discussion: """
      Scenes of two to four coloured shapes with exact masks and points, and scenes of one for perturbation. \
      --method all has a row for each usual choice of layers and read-out of legrad.
      """)

  @Option(help: "Scenes with masks; perturbation has as many, at most 100.")
  var scenes = 500

  @Option(help: "The class explained in perturbation: predicted or target.")
  var explain = Shapes().explained

  @Option(help: "Foreground is what exceeds the heatmap's mean, or 0.5.")
  var threshold = Shapes().segmentationThreshold

  @OptionGroup var options: EvaluateOptions

  func validate() throws { try requirePositive(scenes, "--scenes", atMost: 1_000_000) }

  func run() throws {
    // Scenes are so quick that legrad's choices are all shown.
    try EvaluationDriver(
      options: options, benchmark: Shapes(explained: explain, segmentationThreshold: threshold),
      dataset: ShapesDataset(several: scenes, single: min(100, scenes)), showsAllChoices: true
    ).run()
  }
}

struct EvaluateSegmentationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Segmentation.name, abstract: Segmentation.abstract,
    discussion: """
      The data set is ImageNet-Segmentation (gtsegs_ijcv.mat, with --class-index), or a folder with images/, masks/ of \
      the same names in PNG, and classes.json, an object that says by name what is in each image.
      """)

  @Option(help: "A .mat file, or a folder.", transform: requireName)
  var dataset: String

  @Option(help: "imagenet_class_index.json, for a .mat file.", transform: requireName)
  var classIndex: String?

  @Option(help: "The class explained: the image's own (target), or the one that is predicted.")
  var explain = Segmentation().explained

  @Option(help: "Foreground is what exceeds the heatmap's mean, or 0.5.")
  var threshold = Segmentation().threshold

  @OptionGroup var options: EvaluateOptions

  func run() throws {
    try EvaluationDriver(
      options: options, benchmark: Segmentation(explained: explain, threshold: threshold), dataset: openDataset()
    ).run()
  }

  private func openDataset() throws -> any EvaluationDataset {
    if FileTree.isFolder(dataset) {
      if classIndex != nil { Terminal.note("--class-index is for a .mat file and changes nothing here") }
      return try options.hashing { hashing throws(LeGradError) in try MaskFolder(path: dataset, hashing: hashing) }
    }
    guard let classIndex else {
      throw LeGradError.usage("\(dataset): a .mat file needs --class-index imagenet_class_index.json")
    }
    let classes = try ClassIndex(path: classIndex)
    return try options.hashing { hashing throws(LeGradError) in
      try ImageNetSegmentation(
        path: dataset, classIndex: classes, reader: Environment.process(ReadHDF5Command.self), hashing: hashing)
    }
  }
}

struct EvaluatePointsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Points.name, abstract: Points.abstract,
    discussion: "Files of OpenImages V7; images without a point that says yes or no are left out.")

  @Option(help: "A folder of <ImageId>.jpg.", transform: requireName)
  var images: String

  @Option(help: "oidv7-val-annotations-point-labels.csv or the like.", transform: requireName)
  var points: String

  @Option(help: "oidv7-class-descriptions.csv.", transform: requireName)
  var classDescriptions: String

  @Option(help: "A point is predicted where the heatmap exceeds this, 0 to 1.")
  var threshold = Points().threshold

  @OptionGroup var options: EvaluateOptions

  func validate() throws {
    guard (0...1).contains(threshold) else {
      throw ValidationError("--threshold \(threshold): expected a number from 0 to 1")
    }
  }

  func run() throws {
    try EvaluationDriver(
      options: options, benchmark: Points(threshold: threshold),
      dataset: options.hashing { hashing throws(LeGradError) in
        try OpenImagesPoints(images: images, points: points, classDescriptions: classDescriptions, hashing: hashing)
      }
    ).run()
  }
}

struct EvaluatePerturbationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Perturbation.name, abstract: Perturbation.abstract,
    discussion: """
      Images of ImageNet's validation set in a folder per class, named by its WordNet id, or, with --ground-truth and \
      --synsets, in one folder.
      """)

  @Option(help: "The folder of images.", transform: requireName)
  var images: String

  @Option(help: "imagenet_class_index.json.", transform: requireName)
  var classIndex: String

  @Option(help: "ILSVRC2012_validation_ground_truth.txt, for a flat folder.", transform: requireName)
  var groundTruth: String?

  @Option(
    help: "A text file with an ILSVRC2012 id and its WordNet id on each line, for a flat folder.",
    transform: requireName)
  var synsets: String?

  @Option(help: "The class explained: the one that is predicted, or the image's own (target).")
  var explain = Perturbation().explained

  @OptionGroup var options: EvaluateOptions

  func validate() throws {
    guard (groundTruth == nil) == (synsets == nil) else {
      throw ValidationError("--ground-truth and --synsets belong together; give both")
    }
  }

  func run() throws {
    try EvaluationDriver(options: options, benchmark: Perturbation(explained: explain), dataset: openDataset()).run()
  }

  private func openDataset() throws -> ImageNetFolder {
    let classes = try ClassIndex(path: classIndex)
    return try options.hashing { hashing throws(LeGradError) in
      guard let groundTruth, let synsets else {
        return try ImageNetFolder(images: images, classIndex: classes, hashing: hashing)
      }
      return try ImageNetFolder(
        images: images, classIndex: classes, groundTruth: groundTruth, synsets: synsets, hashing: hashing)
    }
  }
}
