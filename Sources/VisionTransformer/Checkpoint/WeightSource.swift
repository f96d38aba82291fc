public import Compute
public import Failures

/// Where a model's weights come from: files, or a random generator.
public protocol WeightSource: Sendable {
  var configuration: ModelConfiguration { get }

  /// The tensor of that canonical name, row-major, in the shape that `configuration.canonicalTensors` gives it. Every
  /// call reads it anew, so that the caller holds the only copy.
  /// - Throws: `unknownTensor`, or what reading throws.
  func floats(_ canonicalName: String) throws(CheckpointError) -> [Float]

  /// The same in float64: what the files store is exact there, and LayerScale's factors are multiplied in it.
  func doubles(_ canonicalName: String) throws(CheckpointError) -> [Double]

  /// The same where a file has it, if it is stored as rows of that tensor and in a type of which weights are made; nil
  /// where `floats` is the way, which also says what is wrong.
  func stored(_ canonicalName: String) -> StoredWeight?

  /// Rows of `token_embedding.weight`, `[ids.count, width]`, without the rest of the table.
  /// - Throws: `tokenID` for an id outside the vocabulary, `unknownTensor` for a model without a text tower.
  func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float]
}

extension WeightSource {
  public func doubles(_ canonicalName: String) throws(CheckpointError) -> [Double] {
    try floats(canonicalName).map { Double($0) }
  }

  public func stored(_ canonicalName: String) -> StoredWeight? { nil }

  /// Every tensor, in the order of the towers.
  public var tensors: [CanonicalTensor] { configuration.canonicalTensors }

  /// The text tower, and `ids` checked against its vocabulary; `file` is named in the error.
  func textConfiguration(for ids: [Int], file: String) throws(CheckpointError) -> TextConfiguration {
    guard let text = configuration.text else {
      throw CheckpointError(
        .unknownTensor, file: file, place: "token_embedding.weight", expected: "a model with a text tower",
        found: "a vision tower alone", remedy: "give text embeddings instead of prompts")
    }
    for id in ids where id < 0 || id >= text.vocabularySize {
      throw CheckpointError(
        .tokenID, file: file, place: "token id", expected: "an id from 0 to \(text.vocabularySize - 1)", found: "\(id)",
        remedy: "use the tokenizer that belongs to the model")
    }
    return text
  }
}

/// `values`, row-major `[rows, columns]`, as `[columns, rows]`.
func transposed<Scalar: BinaryFloatingPoint>(_ values: [Scalar], rows: Int, columns: Int) -> [Scalar] {
  precondition(values.count == rows * columns)
  var result = [Scalar](repeating: 0, count: values.count)
  for row in 0..<rows {
    for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
  }
  return result
}
