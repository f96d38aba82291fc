import SafeTensors

extension ReadConfiguration {
  /// The grid of the table of positions is the one in the weights, whatever the image's size: OpenCLIP resamples such
  /// a table when it loads it, and so is a model read that was fine-tuned at another size than its file says.
  mutating func takeGridOfPositions(in store: any TensorStore) {
    guard let positions = configuration.vision.positions else { return }
    var source = StoredTensor(
      CanonicalTensor(name: VisionTensors.positions, shape: [positions.rows, configuration.vision.width]),
      in: configuration, names: names)
    if dropsVisionPrefix { source.dropPrefix("vision_model.") }
    guard let part = source.parts.first, let name = part.name, let shape = store.shape(of: name),
      shape.count == part.shape.count, shape.last == part.shape.last, shape != part.shape
    else { return }
    let patches = shape[shape.count - 2] - positions.leadingRows
    let side = Int(Double(max(patches, 0)).squareRoot())
    // A table that is no square, or none at all, is an error of the shape's check.
    guard side > 0, side * side == patches else { return }
    configuration.vision.positions?.height = side
    configuration.vision.positions?.width = side
  }
}
