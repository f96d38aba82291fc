import Files
import FoundationEssentials
import ImageFiles
import TestSupport
import Testing

@testable import Evaluation

@Suite("Scenes of shapes")
struct ShapeSceneTests {
  /// What `Tests/Fixtures/shapes/draw.py` draws from the same seeds.
  struct Drawn: Decodable {
    let seed: UInt64
    let objects: Int
    let target: String
    let targetPixels: Int
    let sum: Int
    let image: String
    let mask: String
  }

  private func hash(_ bytes: [UInt8]) -> String {
    var hash = SHA256()
    unsafe bytes.withUnsafeBytes { unsafe hash.update($0) }
    return hash.finish()
  }

  @Test("pixels and masks are those of the independent drawing, bit for bit")
  func pixels() throws {
    let file = try WholeFile.read(Fixtures.path("shapes/scenes.json"), limit: 1 << 20)
    let scenes = try JSONDecoder().decode([Drawn].self, from: Data(file))
    #expect(scenes.count == 5)
    for drawn in scenes {
      let scene = ShapeScene(seed: drawn.seed, objects: drawn.objects)
      #expect(scene.objects.count == drawn.objects)
      #expect(SceneObject.classNames[scene.target.classIndex] == drawn.target)
      #expect(scene.mask.reduce(0) { $0 + Int($1) } == drawn.targetPixels)
      #expect(scene.image.pixels.reduce(0) { $0 + Int($1) } == drawn.sum)
      #expect(hash(scene.image.pixels) == drawn.image)
      #expect(hash(scene.mask) == drawn.mask)
    }
  }

  @Test("the mask is where the target's colour is, and nothing covers it", arguments: UInt64(0)..<20)
  func mask(seed: UInt64) {
    let scene = ShapeScene(seed: seed, objects: 1 + Int(seed % 4))
    let side = ShapeScene.side
    #expect(scene.mask.contains(1) && scene.mask.contains(0))
    for row in 0..<side {
      for column in 0..<side {
        let coverage = scene.target.coverage(column: column, row: row)
        let pixel = row * side + column
        #expect((scene.mask[pixel] == 1) == (coverage > 0.5))
        guard coverage == 1 else { continue }
        for channel in 0..<3 {
          let tint = min(max(scene.target.tint[channel], 0), 1) * 255
          #expect(scene.image.pixels[pixel * 3 + channel] == UInt8(tint.rounded()))
        }
      }
    }
  }

  @Test("no other object is of the target's class, and every class comes up")
  func classes() {
    var seen: Set<Int> = []
    for seed in UInt64(0)..<600 {
      let scene = ShapeScene(seed: seed, objects: 4)
      seen.insert(scene.target.classIndex)
      #expect(!scene.objects.dropLast().contains { $0.classIndex == scene.target.classIndex })
    }
    #expect(seen == Set(0..<64))
    #expect(SceneObject.classNames.count == 64)
    #expect(SceneObject.classNames[0] == "red circle" && SceneObject.classNames[63] == "black crescent")
  }

  @Test("the target is known without drawing", arguments: 1...4)
  func target(objects: Int) {
    for seed in UInt64(0)..<40 {
      #expect(
        ShapeScene.target(seed: seed, objects: objects).classIndex
          == ShapeScene(seed: seed, objects: objects).target.classIndex)
    }
  }

  /// Seeds' pixels are held by `pixels`; who changes them or the points raises `ShapeScene.drawing` and these.
  @Test("a scene's identity is that of its drawing, and points are those of that drawing")
  func identity() throws {
    #expect(ShapeScene.drawing == 1)
    let dataset = ShapesDataset(several: 40, single: 30)
    #expect(Set(dataset.manifest.entries.map(\.hash)).count == 70)
    var points: [String] = []
    for (index, entry) in dataset.manifest.entries.enumerated() {
      let image = try dataset.image(at: index)
      #expect(entry.id.split(separator: "/")[1] == dataset.classNames[try #require(image.classIndex)])
      #expect(entry.byteCount == image.image.pixels.count + 96 * 96)
      for point in image.points.values.joined() { points.append("\(point.x) \(point.y) \(point.isPositive)") }
    }
    #expect(SHA256.hash(of: points) == "6ad381e60f0503b95c7f6296e5fab3f45db85ab90127b02c34acc195c45adfa9")
  }

  @Test("objects stay in the picture's quarters")
  func quarters() {
    for seed in UInt64(0)..<100 {
      let objects = ShapeScene(seed: seed, objects: 4).objects
      let quarters = objects.map { ($0.x < 48 ? 0 : 1) + ($0.y < 48 ? 0 : 2) }
      #expect(Set(quarters) == [0, 1, 2, 3])
      #expect(objects.allSatisfy { (9..<21).contains($0.radius) })
    }
  }
}
