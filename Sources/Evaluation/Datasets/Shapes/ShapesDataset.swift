import Files
import ImageFiles
package import LeGrad
import Randomness

/// The benchmark that needs no files: scenes of shapes with exact masks, drawn as they are asked for.
///
/// Scenes of several objects are for masks and points: the target is one object of a class that no other has. Scenes of
/// one object are for perturbation: there classification has one right answer.
package struct ShapesDataset: EvaluationDataset {
  /// What a scene is for.
  package enum Part: String, Sendable {
    case several, single

    /// Apart from each other and, being another generator's, from all that the model was trained on.
    fileprivate var firstSeed: UInt64 { self == .several ? 1 << 32 : 1 << 33 }

    fileprivate func scene(_ number: Int) -> ShapeScene {
      ShapeScene(seed: seed(number), objects: objects(number))
    }

    fileprivate func targetClass(_ number: Int) -> Int {
      ShapeScene.target(seed: seed(number), objects: objects(number)).classIndex
    }

    private func seed(_ number: Int) -> UInt64 { firstSeed + UInt64(number) }

    private func objects(_ number: Int) -> Int { self == .single ? 1 : 2 + number % 3 }
  }

  package let manifest: Manifest
  package let classIDs = SceneObject.classNames
  package let classNames = SceneObject.classNames
  /// In the manifest's order.
  private let scenes: [(part: Part, number: Int)]

  /// Points of each answer in a scene.
  private static let pointsPerAnswer = 8

  /// - Parameters:
  ///   - several: scenes of two to four objects, in turn.
  ///   - single: scenes of one object.
  package init(several: Int, single: Int) {
    var entries: [(entry: Manifest.Entry, scene: (Part, Int))] = []
    for (part, count) in [(Part.several, several), (.single, single)] {
      for number in 0..<count { entries.append((Self.entry(part, number), (part, number))) }
    }
    manifest = Manifest(entries.map(\.entry))
    let places = Dictionary(uniqueKeysWithValues: entries.map { ($0.entry.id, $0.scene) })
    scenes = manifest.entries.compactMap { places[$0.id] }
  }

  package func part(at index: Int) -> Part { scenes[index].part }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let (part, number) = scenes[index]
    let scene = part.scene(number)
    return EvaluationImage(
      id: manifest.entries[index].id, image: scene.image, classIndex: scene.target.classIndex,
      mask: part == .several ? LabelMask(height: ShapeScene.side, width: ShapeScene.side, values: scene.mask) : nil,
      points: part == .several ? [scene.target.classIndex: Self.points(scene, seed: UInt64(number))] : [:])
  }

  /// Pixels of the mask and pixels outside, as many of each, at their centres.
  private static func points(_ scene: ShapeScene, seed: UInt64) -> [LabelledPoint] {
    var random = SeededGenerator(seed: ~seed)
    return [true, false].flatMap { isPositive in
      let pixels = scene.mask.indices.filter { (scene.mask[$0] == 1) == isPositive }
      return (0..<pointsPerAnswer).map { _ in
        let pixel = pixels[random.below(pixels.count)]
        return LabelledPoint(
          x: (Double(pixel % ShapeScene.side) + 0.5) / Double(ShapeScene.side),
          y: (Double(pixel / ShapeScene.side) + 0.5) / Double(ShapeScene.side), isPositive: isPositive)
      }
    }
  }

  /// Named so that the manifest has scenes of one class together: a batch asks all its images the same. What a scene is
  /// follows from its seed and the drawing, so that nothing is drawn for the hash: each shard draws its own scenes alone.
  private static func entry(_ part: Part, _ number: Int) -> Manifest.Entry {
    let digits = String(number)
    let padded = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    return Manifest.Entry(
      id: "\(part.rawValue)/\(SceneObject.classNames[part.targetClass(number)])/\(padded)",
      byteCount: ShapeScene.side * ShapeScene.side * 4,
      hash: SHA256.hash(of: ["drawing", String(ShapeScene.drawing), part.rawValue, digits]))
  }
}
