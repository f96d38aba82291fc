import Failures
import FoundationEssentials
import ImageFiles
import LeGrad
import NpyFiles
import TestSupport
import Testing

@testable import Evaluation

/// Classifiers of seven classes, whose float64 answers for three of them lie beside them.
@Suite("Classifier with a head of its own")
struct HeadClassifierTests {
  private static let labels = [
    "tabby cat", "golden retriever", "red fox", "lighthouse", "espresso, cup of", "steam locomotive", "daisy",
  ]
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// A data set of one picture, asked for one class after the other.
  private struct Pictures: EvaluationDataset {
    let classIDs, classNames: [String]
    var numbersClasses = false
    let picture: RGBImage
    /// The class of each image.
    let classes: [Int]

    var manifest: Manifest {
      Manifest(classes.indices.map { .init(id: "image \($0)", byteCount: 1, hash: "h\($0)") })
    }

    func image(at index: Int) throws(LeGradError) -> EvaluationImage {
      let values = (0..<picture.width * picture.height).map { UInt8($0 % 7 < 3 || $0 > 900 ? 1 : 0) }
      return EvaluationImage(
        id: manifest.entries[index].id, image: picture, classIndex: classes[index],
        mask: LabelMask(height: picture.height, width: picture.width, values: values))
    }
  }

  /// The classes that the reference has answers for.
  private func explained(_ family: String) throws -> [Int] {
    let file = URL(filePath: self.family(family, "inputs/class_ids.json"))
    return try JSONDecoder().decode([Int].self, from: Data(contentsOf: file))
  }

  private func family(_ name: String, _ path: String) -> String { Fixtures.path("families/\(name)/\(path)") }

  private func pictures(
    _ family: String = "vit", ids: [String]? = nil, names: [String], numbersClasses: Bool = false, classes: [Int]? = nil
  ) throws -> Pictures {
    Pictures(
      classIDs: ids ?? names, classNames: names, numbersClasses: numbersClasses,
      picture: try RGBImage.decode(path: self.family(family, "inputs/image_40x40.png")).image,
      classes: classes ?? Array(names.indices))
  }

  /// The model with other names for its classes.
  private func explainer(_ family: String = "vit", labels: [String]? = nil) throws -> Explainer {
    var options = Explainer.Options()
    options.device = .cpu
    options.threads = 2
    let source = self.family(family, "model")
    guard let labels else { return try Explainer(Model(folder: source), options: options) }
    let folder = scratch.path + "/\(family)-\(labels.hashValue)"
    if !FileManager.default.fileExists(atPath: folder) {
      try FileManager.default.copyItem(atPath: source, toPath: folder)
      let config = try text(folder + "/config.json")
      var changed = config
      let quoted = labels.map { "\"\($0)\"" }
      if family.hasPrefix("timm") {
        let list = try #require(config.firstRange(of: "\"label_names\": ["))
        let end = try #require(config[list.upperBound...].firstIndex(of: "]"))
        changed.replaceSubrange(list.upperBound..<end, with: quoted.joined(separator: ", "))
      } else {
        let list = try #require(config.firstRange(of: "\"id2label\": {"))
        let end = try #require(config[list.upperBound...].firstIndex(of: "}"))
        let members = quoted.enumerated().map { "\"\($0)\": \($1)" }
        changed.replaceSubrange(list.upperBound..<end, with: members.joined(separator: ", "))
        let other = try #require(changed.firstRange(of: "\"label2id\": {"))
        let otherEnd = try #require(changed[other.upperBound...].firstIndex(of: "}"))
        changed.removeSubrange(other.upperBound..<otherEnd)
      }
      try write(changed, folder + "/config.json")
    }
    return try Explainer(Model(folder: folder), options: options)
  }

  private func rows(
    _ explainer: Explainer, _ dataset: Pictures, _ benchmark: any Benchmark, batchSize: Int = 8
  ) throws -> [EvaluationRow] {
    var settings = EvaluationSettings(benchmark, methods: [.legrad(layers: .all)])
    settings.batchSize = batchSize
    let run = try EvaluationRun(
      explainer: explainer, dataset: dataset, classifier: .head(of: explainer, for: dataset), settings: settings)
    var rows: [EvaluationRow] = []
    try run.run(Array(dataset.manifest.entries.indices)) { row, _ in rows.append(row) }
    return rows
  }

  /// What the float64 reference's heatmap of a class gives.
  private func expected(_ family: String, class number: Int, _ dataset: Pictures) throws -> SegmentationStatistics {
    let heatmaps = try NpyFile.readFloats(self.family(family, "expected/40x40/legrad_heatmap.npy")).values
    let place = try #require(explained(family).firstIndex(of: number))
    let mask = try #require(try dataset.image(at: 0).mask).values
    return SegmentationStatistics(
      heatmap: Array(heatmaps[place * 1600..<(place + 1) * 1600]), mask: mask, threshold: .mean)
  }

  private func highest(_ family: String) throws -> Int {
    let logits = try NpyFile.readFloats(self.family(family, "expected/40x40/logits.npy")).values
    return try #require(logits.indices.max { logits[$0] < logits[$1] })
  }

  /// The rows of the head stay where they are and their names move: what a class of the data set is explained by moves
  /// with its name, to the answers of the reference for the number that the name now stands at.
  @Test(
    "a class is found by its name", arguments: ["vit", "timm-vit"], [[0, 1, 2, 3, 4, 5, 6], [3, 4, 0, 5, 6, 2, 1]])
  func order(_ family: String, _ numbers: [Int]) throws {
    var labels = Self.labels
    for (name, number) in zip(Self.labels, numbers) { labels[number] = name }
    let explainer = try explainer(family, labels: labels)
    let dataset = try pictures(
      family, ids: (0..<7).map { "n\($0)" }, names: Self.labels.map { $0.replacing(" ", with: "_") })
    let rows = try rows(explainer, dataset, Segmentation())
    for (number, row) in rows.enumerated() {
      #expect(row.explained == "n\(number)" && row.failure == nil)
      #expect(row.isCorrect == (numbers[number] == (try highest(family))))
      guard try explained(family).contains(numbers[number]) else { continue }
      let found = try #require(row.statistics[0].segmentation)
      let answer = try expected(family, class: numbers[number], dataset)
      #expect(abs(found.correct - answer.correct) <= 2 && found.labelled == answer.labelled)
      #expect(abs(found.averagePrecision - answer.averagePrecision) < 1e-3)
    }
    #expect(Set(rows.compactMap { $0.statistics[0].segmentation?.correct }).count > 3)
  }

  @Test("the class that is predicted is that of the highest logit", arguments: ["vit", "timm-vit"])
  func predicted(_ family: String) throws {
    let name = Self.labels[try highest(family)]
    let names = Array(Self.labels.reversed())
    let rows = try rows(explainer(family), pictures(family, names: names), Segmentation(explained: .predicted))
    #expect(rows.allSatisfy { $0.explained == name })
    #expect(rows.map(\.isCorrect) == names.map { $0 == name })
  }

  @Test("a class that the data set has not may be the one that is found")
  func others() throws {
    let best = Self.labels[try highest("vit")]
    let names = Self.labels.filter { $0 != best }.sorted()
    let (explainer, dataset) = (try explainer(), try pictures(names: names))
    let classifier = try ImageClassifier.head(of: explainer, for: dataset)
    #expect(classifier.others == [best] && classifier.classNames == names && classifier.rows.prompts == names + [best])
    let rows = try rows(explainer, dataset, Perturbation())
    #expect(rows.allSatisfy { $0.explained == best && $0.isCorrect == false && $0.failure == nil })
    #expect(rows.allSatisfy { $0.statistics[0].perturbation?.isHit == false })
  }

  @Test("perturbed copies are classified by the highest logit")
  func perturbation() throws {
    let (explainer, dataset) = (try explainer(), try pictures(names: Self.labels.reversed(), classes: [3]))
    let row = try #require(try rows(explainer, dataset, Perturbation(explained: .target), batchSize: 5).first)
    let found = try #require(row.statistics[0].perturbation)
    let image = try explainer.prepare(dataset.picture)
    let heatmap = try explainer.explain([image], text: explainer.encode(classes: [3]), layers: .all)[0].heatmap(
      prompt: 0)
    for (isFirst, hits) in [(true, found.positiveHits), (false, found.negativeHits)] {
      let order = PerturbationSteps.order(heatmap.values, mostRelevantFirst: isFirst)
      for (count, isHit) in zip(PerturbationSteps.pixelCounts(of: heatmap.values.count), hits) {
        let copy = try explainer.prepare(dataset.picture.blackened(order[..<count]))
        let logits = try explainer.logits(of: explainer.explain([copy], text: nil)[0].imageEmbedding)
        #expect(isHit == (logits.indices.allSatisfy { logits[$0] <= logits[3] }))
      }
    }
  }

  @Test("a class is called by its id, or by any of its names")
  func names() throws {
    let labels = ["n1", "Maillot", "maillot, tank suit", "projectile, missile", "missile", "LABEL_5", "n7"]
    let explainer = try explainer(labels: labels)
    func places(_ ids: [String], _ names: [String]) throws -> [String] {
      try ImageClassifier.head(of: explainer, for: pictures(ids: ids, names: names)).rows.prompts
    }
    #expect(try places(["n7", "n1"], ["x", "y"]).prefix(2) == ["n7", "n1"])
    #expect(
      try places(["a", "b", "c"], ["missile", "tank_suit", "PROJECTILE"]).prefix(3) == [
        "missile", "maillot, tank suit", "projectile, missile",
      ])
    // As many classes, and each bears its name: two of one name are what the order says.
    let index = ["n1", "a", "b", "c", "d", "LABEL_5", "n7"]
    #expect(
      try places(index, ["tench", "maillot", "maillot", "projectile", "missile", "x", "y"]) == labels)
  }

  @Test("classes without names are those of a class index of as many, in its order")
  func withoutNames() throws {
    let explainer = try explainer(labels: (0..<7).map { "LABEL_\($0)" })
    let numbered = try pictures(ids: (0..<7).map { "n\($0)" }, names: Self.labels, numbersClasses: true)
    let classifier = try ImageClassifier.head(of: explainer, for: numbered)
    #expect(classifier.source == .head(.numbers) && classifier.others.isEmpty)
    #expect(classifier.rows.values == (try explainer.encode(classes: Array(0..<7)).values))
    for (dataset, word) in [
      (try pictures(names: Self.labels), "names of classes"),
      (try pictures(names: Array(Self.labels.dropLast()), numbersClasses: true), "the 6 classes of the class index"),
    ] {
      let error = evaluationError { () throws(LeGradError) in _ = try ImageClassifier.head(of: explainer, for: dataset)
      }
      #expect(error?.kind == .input && error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
  }

  @Test("what is missing, ambiguous or there for two is refused by name")
  func refused() throws {
    let cases: [(labels: [String]?, names: [String], word: String)] = [
      (nil, ["red fox", "grey wolf"], "one for grey wolf of the data set, found none"),
      (["a", "b", "c", "crane", "e", "crane", "g"], ["a", "crane"], "3 (crane), 5 (crane)"),
      (
        ["a", "b", "c", "d", "e", "f", "g, h"], ["g", "h"], "each of g and h of the data set, found 6 (g, h) for both"
      ),
    ]
    for (labels, names, word) in cases {
      let (explainer, dataset) = (try explainer(labels: labels), try pictures(names: names))
      let error = evaluationError { () throws(LeGradError) in _ = try ImageClassifier.head(of: explainer, for: dataset)
      }
      #expect(error?.kind == .input && error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
    let dataset = try pictures(names: ["a"])
    let demo = try Explainer.demo()
    #expect(
      evaluationError { () throws(LeGradError) in _ = try ImageClassifier.head(of: demo, for: dataset) }?.kind == .usage
    )
  }

  @Test("names and their order are part of a run's configuration")
  func identity() throws {
    func configuration(_ labels: [String], _ names: [String]) throws -> RunConfiguration {
      let (explainer, dataset) = (try explainer(labels: labels), try pictures(names: names))
      var configuration = try EvaluationRun(
        explainer: explainer, dataset: dataset, classifier: .head(of: explainer, for: dataset),
        settings: EvaluationSettings(Segmentation(), methods: [.legrad()])
      ).identity(modelHash: "m", version: "1").configuration
      configuration.model = "m"
      return configuration
    }
    let names = Self.labels.sorted()
    let first = try configuration(Self.labels, names)
    #expect(first.texts["classOrder"] == "names" && first.texts["templates"] == nil)
    let bytes = try #require(CanonicalJSON.encode(first))
    #expect(CanonicalJSON.decode(RunConfiguration.self, bytes) == first)
    #expect(try configuration(Self.labels, names) == first)
    #expect(try configuration(Self.labels.reversed(), names) != first)
    #expect(try configuration(Self.labels, Array(names.dropLast())) != first)
  }
}
