import Failures
import Files
package import LeGrad
import Texts

/// How a classifier's classes were found to be those of a data set.
package enum ClassOrder: String, Codable, Sendable {
  /// By their names.
  case names
  /// By their numbers: the model has no names for them, the data set's classes are those of a class index.
  case numbers
}

extension ImageClassifier {
  /// A classifier's own head.
  ///
  /// A class of the data set is the one of the model's that bears its id or one of its names. Where model and data set
  /// have as many classes in the same order, names that several bear are no question.
  /// - Throws: `input` that names the class of the data set which the model has not, or has twice; `usage` for a model
  ///   without classes.
  package static func head(
    of explainer: Explainer, for dataset: some EvaluationDataset
  ) throws(LeGradError) -> ImageClassifier {
    let head = try explainer.classHead()
    let names = head.prompts
    let (places, order) = try ClassMatch(model: explainer.model.name, names).places(of: dataset)
    let taken = Set(places)
    let all = places + names.indices.filter { !taken.contains($0) }
    return ImageClassifier(
      classNames: dataset.classNames, others: all.dropFirst(places.count).map { names[$0] }, rows: head.rows(all),
      hash: SHA256.hash(of: ["head"] + dataset.classIDs + all.map { "\($0) \(names[$0])" }), source: .head(order))
  }
}

/// The classes of a model as they are called.
private struct ClassMatch {
  private let model: String
  private let labels: [String]
  /// The model's classes by each of their names, the best first: the whole label, then each of its parts between commas.
  private let byName: [[TextKey: [Int]]]

  init(model: String, _ labels: [String]) {
    self.model = model
    self.labels = labels
    let names = labels.map(Self.names)
    byName = (0..<2).map { rank in
      var places: [TextKey: [Int]] = [:]
      for (place, names) in names.enumerated() {
        let keys = (rank == 0 ? [names[0]] : names).map { TextKey($0) }
        for key in Set(keys) { places[key, default: []].append(place) }
      }
      return places
    }
  }

  /// What a label calls its class: all of it, then each part between commas. Case, and underscores for spaces, do not
  /// count.
  private static func names(_ label: String) -> [String] {
    let label = label.lowercased().replacing(scalar: "_", with: " ")
    let parts = [Substring(label)] + label.utf8.split(separator: UInt8(ascii: ",")).map { Substring($0) }
    return parts.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }.filter { !$0.isEmpty }
  }

  /// Whether the labels are the numbers that transformers and this program give to classes without names.
  private var hasNoNames: Bool {
    labels.enumerated().allSatisfy { $1 == "LABEL_\($0)" || $1 == "class \($0)" }
  }

  /// Where the data set's classes are among the model's.
  func places(of dataset: some EvaluationDataset) throws(LeGradError) -> ([Int], ClassOrder) {
    let (ids, names) = (dataset.classIDs, dataset.classNames)
    if hasNoNames {
      guard dataset.numbersClasses, labels.count == ids.count else {
        let expected =
          dataset.numbersClasses ? "the \(ids.count) classes of the class index" : "names of classes, as \(names[0])"
        throw fault(
          model, "classes", expected: expected, found: "\(labels.count) without names",
          remedy: "name them in id2label (timm: label_names) of the model's config.json")
      }
      return (Array(ids.indices), .numbers)
    }
    let wanted = zip(ids, names).map { Self.names($0) + Self.names($1) }
    if labels.count == ids.count, wanted.indices.allSatisfy({ place in bears(place, any: wanted[place]) }) {
      return (Array(ids.indices), .names)
    }
    var owner: [Int: Int] = [:]
    let places = try ids.indices.map { number throws(LeGradError) in
      let found = candidates(wanted[number])
      let called = ids[number] == names[number] ? ids[number] : "\(ids[number]) (\(names[number]))"
      guard let place = found.first else {
        throw fault(
          model, "classes", expected: "one for \(called) of the data set",
          found: "none of that id or name among \(labels.count)",
          remedy:
            "name it in id2label (timm: label_names) of the model's config.json, or give a data set of the model's classes"
        )
      }
      guard found.count == 1 else {
        throw fault(
          model, "classes", expected: "one for \(called) of the data set",
          found: found.map { "\($0) (\(labels[$0]))" }.joined(separator: ", "),
          remedy: "give each class a name of its own in id2label (timm: label_names) of the model's config.json")
      }
      if let other = owner.updateValue(number, forKey: place) {
        throw fault(
          model, "classes", expected: "one for each of \(ids[other]) and \(called) of the data set",
          found: "\(place) (\(labels[place])) for both",
          remedy: "give each class a name of its own in id2label (timm: label_names) of the model's config.json")
      }
      return place
    }
    return (places, .names)
  }

  private func bears(_ place: Int, any names: [String]) -> Bool {
    !Set(Self.names(labels[place])).isDisjoint(with: names)
  }

  /// The model's classes of these names: those whose whole label is one of them, else those that have it in a part.
  private func candidates(_ names: [String]) -> [Int] {
    for places in byName {
      let found = Set(names.flatMap { places[TextKey($0)] ?? [] }).sorted()
      if !found.isEmpty { return found }
    }
    return []
  }
}
