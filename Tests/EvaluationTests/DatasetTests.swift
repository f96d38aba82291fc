import ImageFiles
import LeGrad
import Testing

@testable import Evaluation

@Suite("Data sets in their own formats, against h5py, csv, Pillow and scikit-learn")
struct DatasetTests {
  let expected: Expected
  let classIndex: ClassIndex

  init() throws {
    expected = try Expected.read()
    classIndex = try ClassIndex(path: Expected.path("imagenet_class_index.json"))
  }

  @Test("class index: ids, names without underscores")
  func classes() {
    #expect(classIndex.ids == ["n01440764", "n01443537", "n02119789", "n02124075"])
    #expect(classIndex.names == ["tench", "goldfish", "kit fox", "Egyptian cat"])
    #expect(classIndex.index(of: "n02119789") == 2)
    #expect(classIndex.index(of: "n09999999") == nil)
  }

  @Test("ImageNet-Segmentation: a MATLAB 7.3 file")
  func imageNetSegmentation() throws {
    let dataset = try ImageNetSegmentation(
      path: Expected.path("imagenet-seg/gtsegs.mat"), classIndex: classIndex, reader: Expected.hdf5Reader())
    let reference = expected.imageNetSegmentation
    #expect(dataset.manifest.entries.map(\.id) == reference.ids)
    #expect(Set(dataset.manifest.entries.map(\.hash)).count == reference.ids.count)
    #expect(dataset.classIDs == classIndex.ids)
    let rows = try segmentations(dataset, heatmaps: "imagenet-seg/heatmaps.npy") { index, image in
      #expect(image.classIndex == reference.classes[index])
      #expect([image.image.height, image.image.width] == reference.sizes?[index])
      #expect(image.image.pixels == reference.pixels?[index])
    }
    try check(rows, reference.images, reference.summary)
  }

  @Test("ImageNet-Segmentation: chunks in every way of packing that is read")
  func packing() throws {
    let dataset = try ImageNetSegmentation(
      path: Expected.path("imagenet-seg-storage/gtsegs.mat"), classIndex: classIndex, reader: Expected.hdf5Reader())
    #expect(expected.imageNetStorage.count == 8)
    for (index, pixels) in expected.imageNetStorage.enumerated() {
      let image = try dataset.image(at: index)
      #expect([image.image.width, image.image.height] == [6, 5])
      #expect(image.image.pixels == pixels, "\(image.id)")
      #expect(image.mask?.values == [UInt8](repeating: 1, count: 30))
    }
  }

  @Test("a folder of pictures and masks")
  func maskFolder() throws {
    let dataset = try MaskFolder(path: Expected.path("mask-folder"))
    let reference = expected.maskFolder
    #expect(dataset.manifest.entries.map(\.id) == reference.ids)
    #expect(dataset.classNames == ["red fox", "tench"])
    let rows = try segmentations(dataset, heatmaps: "mask-folder/heatmaps.npy") { index, image in
      #expect(image.classIndex.map { dataset.classNames[$0] } == reference.classes[index])
    }
    try check(rows, reference.images, reference.summary)
  }

  private func segmentations(
    _ dataset: some EvaluationDataset, heatmaps name: String, _ look: (Int, EvaluationImage) -> Void
  ) throws -> [SegmentationStatistics] {
    let heatmaps = try Expected.heatmaps(name)
    #expect(heatmaps.count == dataset.manifest.entries.count)
    return try heatmaps.enumerated().map { index, heatmap in
      let image = try dataset.image(at: index)
      #expect(image.id == dataset.manifest.entries[index].id)
      look(index, image)
      let mask = try #require(image.mask).resized(height: heatmap.height, width: heatmap.width)
      return SegmentationStatistics(heatmap: heatmap.values, mask: mask.values, threshold: .mean)
    }
  }

  private func check(
    _ rows: [SegmentationStatistics], _ images: [SegmentationStatistics], _ reference: Expected.Summary
  ) throws {
    #expect(rows.count == images.count)
    for (row, image) in zip(rows, images) { #expect(isClose(row, image)) }
    let summary = try #require(SegmentationSummary(rows))
    #expect(isClose(summary.pixelAccuracy, reference.pixelAccuracy))
    #expect(isClose(summary.mIoU, reference.mIoU))
    #expect(isClose(summary.mAP, reference.mAP))
  }

  @Test("OpenImages' point labels")
  func openImages() throws {
    let folder = Expected.path("openimages/")
    let dataset = try OpenImagesPoints(
      images: folder + "images", points: folder + "points.csv", classDescriptions: folder + "class-descriptions.csv")
    let reference = expected.openImages
    #expect(dataset.manifest.entries.map(\.id) == reference.ids)
    #expect(dataset.classIDs == reference.classes)
    #expect(dataset.classNames == reference.names)
    let rows = try Expected.heatmaps("openimages/heatmaps.npy").enumerated().map { index, heatmap in
      let image = try dataset.image(at: index)
      #expect(image.points.count == reference.points[index].count)
      return image.points.sorted { $0.key < $1.key }.map { place, points in
        let label = dataset.classIDs[place]
        #expect(points == reference.points[index][label]?.map(\.labelled), "\(image.id) \(label)")
        return PointStatistics(label: label, points: points, heatmap: heatmap, threshold: 0.5)
      }
    }
    #expect(rows == reference.images)
    let summary = try #require(PointSummary(rows))
    #expect(isClose(summary.perClass, reference.summary.perClass))
    #expect(isClose(summary.perImage, reference.summary.perImage))
  }

  @Test("ImageNet's validation set: a folder per class")
  func imageNetFolders() throws {
    let dataset = try ImageNetFolder(images: Expected.path("imagenet-val/folders"), classIndex: classIndex)
    try check(dataset, expected.imageNet["folders"])
  }

  @Test("ImageNet's validation set: a flat folder", arguments: ["synsets.txt", "map_clsloc.txt"])
  func imageNetFlat(synsets: String) throws {
    let folder = Expected.path("imagenet-val/")
    let dataset = try ImageNetFolder(
      images: folder + "flat", classIndex: classIndex, groundTruth: folder + "ILSVRC2012_validation_ground_truth.txt",
      synsets: folder + synsets)
    try check(dataset, expected.imageNet["flat"])
  }

  private func check(_ dataset: ImageNetFolder, _ reference: Expected.Folder?) throws {
    let reference = try #require(reference)
    #expect(dataset.manifest.entries.map(\.id) == reference.ids)
    #expect(dataset.classNames == classIndex.names)
    for (index, place) in reference.classes.enumerated() {
      let image = try dataset.image(at: index)
      #expect(image.id == reference.ids[index])
      #expect(image.classIndex == place)
      #expect([image.image.width, image.image.height] == [6, 8])
    }
  }

  @Test("several threads read images of one file at once")
  func concurrentReads() async throws {
    let dataset = try ImageNetSegmentation(
      path: Expected.path("imagenet-seg/gtsegs.mat"), classIndex: classIndex, reader: Expected.hdf5Reader())
    let pixels = try #require(expected.imageNetSegmentation.pixels)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for turn in 0..<64 {
        group.addTask { try dataset.image(at: turn % 4).image.pixels == pixels[turn % 4] }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
  }
}
