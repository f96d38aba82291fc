import Evaluation
import LeGrad
import Processes

extension Harnesses {
  private static let evaluation = "evaluation/"

  static let evaluations = [
    Harness(
      "csv", maximumLength: 4_096, testRuns: 1_000,
      words: [
        Sections.mark, "\"", "\"\"", ",", "\r\n", "ImageId", "X", "Y", "Label", "EstimatedYesNo", "LabelName",
        "DisplayName",
        "yes", "no", "unsure", "0.5", "1e-400", "nan", "/m/0jbk", "a", "\u{FEFF}",
      ],
      seeds: {
        let points = "ImageId,X,Y,Label,EstimatedYesNo\na,0.5,0.25,/m/0jbk,yes\na,1,0,\"/m/1\",no\n"
        let classes = "LabelName,DisplayName\n/m/0jbk,\"Animal, \"\"wild\"\"\"\n/m/1,Flower\n"
        return [
          Sections.joined([(0, Array(points.utf8)), (1, Array(classes.utf8))]),
          Sections.joined([
            (1, try FixtureFiles.bytes(evaluation + "openimages/class-descriptions.csv")),
            (0, Array(try FixtureFiles.bytes(evaluation + "openimages/points.csv").prefix(3_000))),
          ]),
        ]
      },
      reader: { bench in
        let images = try bench.folder("images")
        try bench.write(try FixtureFiles.bytes("images/1x17.jpg"), "images/a.jpg")
        try bench.write(try FixtureFiles.bytes("images/1x17.jpg"), "images/0001eeaf4aed83f9.jpg")
        return { bytes throws(Finding) in
          let (points, classes) = (try bench.write([], "points.csv"), try bench.write([], "classes.csv"))
          for part in Sections.split(bytes, count: 2) {
            try bench.write(part.bytes, part.file == 0 ? "points.csv" : "classes.csv")
          }
          try readImages { () throws(LeGradError) in
            try OpenImagesPoints(images: images, points: points, classDescriptions: classes)
          }
        }
      }),
    Harness(
      "image-lists", maximumLength: 2_048, testRuns: 1_200,
      words: jsonWords + [Sections.mark, "n01440764", "tench", "\"0\"", "\"1\"", "1 n02119789\n", "4\n", "\r\n"],
      seeds: {
        let classes = try FixtureFiles.bytes(evaluation + "imagenet_class_index.json")
        let truth = try FixtureFiles.bytes(evaluation + "imagenet-val/ILSVRC2012_validation_ground_truth.txt")
        return try ["synsets.txt", "map_clsloc.txt"].map { name in
          let synsets = try FixtureFiles.bytes(evaluation + "imagenet-val/" + name)
          return Sections.joined([(0, classes), (1, truth), (2, synsets)])
        }
      },
      reader: { bench in
        let names = ["classes.json", "truth.txt", "synsets.txt"]
        let flat = FixtureFiles.path(evaluation + "imagenet-val/flat")
        let folders = FixtureFiles.path(evaluation + "imagenet-val/folders")
        return { bytes throws(Finding) in
          for name in names { try bench.write([], name) }
          for part in Sections.split(bytes, count: 3) { try bench.write(part.bytes, names[part.file]) }
          let paths = names.map { bench.path + "/" + $0 }
          guard let classes = try taken({ () throws(LeGradError) in try ClassIndex(path: paths[0]) }) else { return }
          for (index, id) in classes.ids.enumerated() {
            try require(classes.index(of: id) == index, "class \(index) is not found by its id")
          }
          _ = try taken { () throws(LeGradError) in
            try ImageNetFolder(images: flat, classIndex: classes, groundTruth: paths[1], synsets: paths[2])
          }
          _ = try taken { () throws(LeGradError) in try ImageNetFolder(images: folders, classIndex: classes) }
        }
      }),
    Harness(
      "templates", maximumLength: 1_024, testRuns: 10_000, words: ["{}", "{", "}", "\r\n", "\u{2028}", "\u{301}"],
      seeds: { ["a photo of a {}\n\na {} in the wild\r\n", "{}"].map { Array($0.utf8) } },
      reader: { bench in
        { bytes throws(Finding) in
          let path = try bench.write(bytes, "templates.txt")
          guard let read = try taken({ () throws(LeGradError) in try PromptTemplates(file: path) }) else { return }
          let prompts = read.prompts("red fox")
          try require(prompts.count == read.texts.count && !prompts.isEmpty, "\(prompts.count) prompts")
          // A mark behind the class makes another character of its last letter, not another text.
          let name = Array("red fox".utf8)
          for prompt in prompts { try require(Array(prompt.utf8).contains(name), "a prompt without its class") }
        }
      }),
    Harness(
      "shard", maximumLength: 8_192, testRuns: 200,
      words: jsonWords + [
        "\n", "\"index\":", "\"id\":", "\"shard\":\"0/2\"", "\"run\":", "\"failure\":", "\"statistics\":", "e-5",
      ],
      seeds: { try FixtureFiles.all(run + "shards", ".jsonl") },
      reader: { bench in
        try bench.folder("shards")
        for name in ["run.json", "manifest.jsonl", "shards/0-of-2.jsonl", "shards/1-of-2.jsonl"] {
          try bench.write(try FixtureFiles.bytes(run + name), name)
        }
        return { bytes throws(Finding) in
          try bench.write(bytes, "shards/0-of-2.jsonl")
          try readRun(bench)
        }
      }),
    Harness(
      "run", maximumLength: 4_096, testRuns: 400,
      words: jsonWords + [
        Sections.mark, "\"configuration\"", "\"methods\"", "\"protocol\"", "legrad", "segmentation", "shapes",
      ],
      seeds: {
        let identity = try FixtureFiles.bytes(run + "run.json")
        let manifest = try FixtureFiles.bytes(run + "manifest.jsonl")
        return [Sections.joined([(0, identity)]), Sections.joined([(0, identity), (1, manifest)])]
      },
      reader: { bench in
        try bench.folder("shards")
        let files = ["run.json", "manifest.jsonl"]
        let whole = try files.map { try FixtureFiles.bytes(run + $0) }
        for name in ["shards/0-of-2.jsonl", "shards/1-of-2.jsonl"] {
          try bench.write(try FixtureFiles.bytes(run + name), name)
        }
        return { bytes throws(Finding) in
          for (name, bytes) in zip(files, whole) { try bench.write(bytes, name) }
          for part in Sections.split(bytes, count: 2) { try bench.write(part.bytes, files[part.file]) }
          try readRun(bench)
        }
      }),
    // Each input that the library does not survive costs a process, so that there are few.
    Harness(
      "hdf5", maximumLength: 40_000, testRuns: 40,
      words: ["OHDR", "TREE", "SNOD", "HEAP", "GCOL", "FSSE", "\u{89}HDF"],
      seeds: {
        [try FixtureFiles.bytes(evaluation + "imagenet-seg/gtsegs.mat")]
          + (try FixtureFiles.all(evaluation + "imagenet-seg-hostile", ".mat"))
      },
      reader: { bench in
        let classes = try ClassIndex(path: FixtureFiles.path(evaluation + "imagenet_class_index.json"))
        let reader = try AnsweringProcess.Start(executable: FixtureFiles.command(), arguments: ["read-hdf5"])
        return { bytes throws(Finding) in
          let path = try bench.write(bytes, "gtsegs.mat")
          try readImages { () throws(LeGradError) in
            try ImageNetSegmentation(path: path, classIndex: classes, reader: reader)
          }
        }
      }),
  ]

  private static let run = evaluation + "run-0.1.0/"

  private static func readRun(_ bench: Workbench) throws(Finding) {
    guard let merge = try taken({ () throws(LeGradError) in try Merge.read([bench.path], allowMixedDevices: true) })
    else { return }
    try require(merge.rows.count == merge.manifest.entries.count, "\(merge.rows.count) rows")
    _ = try taken { () throws(LeGradError) in try EvaluationReport(merge) }
  }
}
