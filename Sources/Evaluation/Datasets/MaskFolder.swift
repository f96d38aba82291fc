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
///
/// Pictures and masks are turned upright as their EXIF orientation asks, as people saw them who drew the masks.
package struct MaskFolder: EvaluationDataset {
  package let manifest: Manifest
  /// The names in `classes.json`, in the order of their bytes.
  package let classIDs: [String]
  package var classNames: [String] { classIDs }
  package let leftOut: LeftOut
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

  package init(path: String, hashing: ManifestHashing = ManifestHashing()) throws(LeGradError) {
    var leftOut = LeftOut()
    let images = try ImageFile.byStem(path + "/images", leftOut: &leftOut)
    self.leftOut = leftOut
    guard !images.isEmpty else {
      throw fault(path + "/images", expected: "PNG or JPEG files", found: "none", remedy: "put the pictures there")
    }
    // A mask that is left out is one that a picture lacks.
    let masks = try ImageFile.byStem(path + "/masks", leftOut: &leftOut)
    for (stem, mask) in masks.sorted(by: { $0.key < $1.key }) where images[stem] == nil {
      throw fault(mask.path, expected: "a picture of this name in images", found: "none", remedy: "add or remove one")
    }
    let file = path + "/" + Self.classFile
    let names = try DatasetFile.members(file, limit: Self.classFileLimit)
    let stems = images.keys.map { ($0, $0.description) }.sorted { $0.1.precedes($1.1) }.map(\.0)
    let classes = try stems.map { stem throws(LeGradError) in
      // A name that is not UTF-8 has the key that it is shown as.
      let value = names[stem.description]
      guard case .string(let name)? = value, !name.isEmpty else {
        throw fault(
          file, "\"\(stem)\"", expected: "the name of its class", found: value?.summary ?? "nothing",
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
      try hashing.entries(
        zip(records, classes).map { record, name in
          let parts: [Manifest.Entry.Part?] = [
            .picture(record.image.path), .text(name), record.mask.map { .picture($0.path) },
          ]
          return .init(id: record.image.stem.description, parts: parts.compactMap(\.self))
        }))
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage { try open(at: index).decode() }

  package func open(at index: Int) throws(LeGradError) -> OpenedImage {
    let record = records[index]
    guard let mask = record.mask else {
      throw fault(
        record.image.path, expected: "masks/\(record.image.stem).png", found: "no mask", remedy: "add the mask")
    }
    let file = try record.image.opened()
    let maskBytes = try DatasetFile.bytes(mask.path, limit: RGBImage.defaultFileSizeLimit)
    // Of the mask there are at times the colours, what is object, how opaque it is and that turned.
    let bytes = file.bytesToDecode + maskBytes.count + 4 * PictureFile.pixelBytes(maskBytes)
    return OpenedImage(bytes: bytes) { () throws(LeGradError) in
      let decoded = try file.decoded(upright: true)
      return EvaluationImage(
        id: record.image.stem.description, image: decoded.image, classIndex: record.classIndex,
        mask: try self.mask(mask, maskBytes, of: decoded), storedOrientation: decoded.storedOrientation,
        isTurned: true)
    }
  }

  private func mask(
    _ file: ImageFile, _ bytes: [UInt8], of picture: DecodedImage
  ) throws(LeGradError) -> LabelMask {
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
    let stored = decoded.image
    let object = try object(in: stored, file, bytes)
    let shown = RGBImage(width: stored.width, height: stored.height, pixels: object.flatMap { [$0, 0, 0] })
      .applying(decoded.storedOrientation)
    let image = picture.image
    guard shown.width == image.width, shown.height == image.height else {
      let turn = picture.appliedOrientation
      let turned = turn == .upright ? "" : " once it is turned as its EXIF orientation \(turn.rawValue) asks"
      throw fault(
        file.path, expected: "\(image.width) × \(image.height) pixels, as in the picture\(turned)",
        found: "\(shown.width) × \(shown.height)", remedy: "save mask and picture at one size, the same way up")
    }
    let values = stride(from: 0, to: shown.pixels.count, by: 3).map { shown.pixels[$0] }
    return LabelMask(height: shown.height, width: shown.width, values: values)
  }

  /// 1 where a mask has a colour, 0 where it is black. A mask that shows no object, or another one by its alpha channel
  /// than by its colours, would count as a bad answer of every method.
  private func object(in mask: RGBImage, _ file: ImageFile, _ bytes: [UInt8]) throws(LeGradError) -> [UInt8] {
    var colours: Set<UInt32> = []
    let object = stride(from: 0, to: mask.pixels.count, by: 3).map { start -> UInt8 in
      let colour = mask.pixels[start..<(start + 3)].reduce(0) { $0 << 8 | UInt32($1) }
      if colour != 0, colours.count <= classIDs.count { colours.insert(colour) }
      return colour == 0 ? 0 : 1
    }
    let opacity: [UInt8]
    do throws(ImageError) {
      opacity = try RGBImage.opacity(ofPNG: bytes, name: file.path, width: mask.width, height: mask.height)
    } catch { throw LeGradError(error, kind: .input) }
    guard !colours.isEmpty else {
      let isInAlpha = opacity.contains { $0 != opacity[0] }
      throw fault(
        file.path, expected: "an object in any colour but black",
        found: isInAlpha ? "one in the alpha channel alone, black all over" : "black all over",
        remedy: isInAlpha
          ? "save the object in white on black, without alpha" : "draw the object, or take the picture away")
    }
    guard !zip(object, opacity).contains(where: { $0 == 1 && $1 == 0 }) else {
      throw fault(
        file.path, expected: "black where the mask is transparent", found: "a colour, so that there are two objects",
        remedy: "save the object in white on black, without alpha")
    }
    guard colours.count <= classIDs.count else {
      throw fault(
        file.path, expected: "at most \(classIDs.count) colours beside black, as \(Self.classFile) has so many classes",
        found: "more", remedy: "save the object in white on black, without smooth edges")
    }
    return object
  }
}
