import Failures
import Files
import ImageFiles
package import LeGrad
import StrictJSON
import Texts

/// A folder of pictures with masks:
///
/// ```
/// images/cat-1.jpg     PNG or JPEG
/// masks/cat-1.png      the object is where the colour is not black; of the picture's size
/// classes.json         {"cat-1": "cat", …}: what is in each picture, as a prompt calls it
/// ```
package struct MaskFolder: EvaluationDataset {
  package let manifest: Manifest
  /// The names in `classes.json`, in the order of their bytes.
  package let classIDs: [String]
  package var classNames: [String] { classIDs }
  /// In the manifest's order.
  private let records: [Record]

  private struct Record {
    let image: ImageFile
    /// Nil if there is none: the image then fails.
    let mask: ImageFile?
    let classIndex: Int
  }

  private static let classFile = "classes.json"
  private static let classFileLimit = 64 << 20

  package init(path: String) throws(LeGradError) {
    let images = try ImageFile.byStem(path + "/images")
    guard !images.isEmpty else {
      throw fault(path + "/images", expected: "PNG or JPEG files", found: "none", remedy: "put the pictures there")
    }
    let masks = try ImageFile.byStem(path + "/masks")
    for (stem, mask) in masks.sorted(by: { $0.key.precedes($1.key) }) where images[stem] == nil {
      throw fault(mask.path, expected: "a picture of this name in images", found: "none", remedy: "add or remove one")
    }
    let file = path + "/" + Self.classFile
    let names = try DatasetFile.members(file, limit: Self.classFileLimit)
    let stems = images.keys
    let classes = try stems.map { stem throws(LeGradError) in
      guard case .string(let name)? = names[stem], !name.isEmpty else {
        throw fault(
          file, "\"\(stem)\"", expected: "the name of its class", found: names[stem]?.summary ?? "nothing",
          remedy: "name the class of every picture: {\"\(stem)\": \"cat\", …}")
      }
      return name
    }
    classIDs = Set(classes.map { TextKey($0) }).sorted().map(\.text)
    let places = Dictionary(uniqueKeysWithValues: classIDs.enumerated().map { (TextKey($1), $0) })
    records = zip(stems, classes).compactMap { stem, name in
      guard let image = images[stem], let place = places[TextKey(name)] else { return nil }
      return Record(image: image, mask: masks[stem], classIndex: place)
    }
    manifest = Manifest(
      zip(records, classes).map { record, name in
        let parts: [Manifest.Entry.Part?] = [.file(record.image.path), .text(name), record.mask.map { .file($0.path) }]
        return Manifest.Entry(id: record.image.stem, of: parts.compactMap(\.self))
      })
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let record = records[index]
    guard let mask = record.mask else {
      throw fault(
        record.image.path, expected: "masks/\(record.image.stem).png", found: "no mask", remedy: "add the mask")
    }
    let image = try record.image.decoded()
    return EvaluationImage(
      id: record.image.stem, image: image, classIndex: record.classIndex, mask: try Self.mask(mask, of: image))
  }

  private static func mask(_ file: ImageFile, of image: RGBImage) throws(LeGradError) -> LabelMask {
    let bytes = try DatasetFile.bytes(file.path, limit: RGBImage.defaultFileSizeLimit)
    let decoded: DecodedImage
    do throws(ImageError) {
      decoded = try RGBImage.decode(bytes: bytes, name: file.path)
    } catch { throw LeGradError(error, kind: .input) }
    guard decoded.format == .png else {
      throw fault(file.path, expected: "a PNG mask", found: "a JPEG, which blurs its edges", remedy: "save it as PNG")
    }
    // Byte 24 is the bit depth. Of 16 bits only the high ones are kept, so that small labels would be lost.
    guard bytes[24] != 16 else {
      throw fault(file.path, expected: "at most 8 bits a channel", found: "16", remedy: "save it with 8 bits")
    }
    let mask = decoded.image
    guard mask.width == image.width, mask.height == image.height else {
      throw fault(
        file.path, expected: "\(image.width) × \(image.height) pixels, as in the picture",
        found: "\(mask.width) × \(mask.height)", remedy: "save mask and picture at one size")
    }
    let values = stride(from: 0, to: mask.pixels.count, by: 3).map { start -> UInt8 in
      mask.pixels[start..<(start + 3)].contains { $0 != 0 } ? 1 : 0
    }
    return LabelMask(height: mask.height, width: mask.width, values: values)
  }
}
