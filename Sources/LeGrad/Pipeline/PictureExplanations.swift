import Dispatch
import Failures
public import ImageFiles
import Processes
import VisionTransformer

/// A picture that is to be explained.
public enum PictureSource: Sendable {
  /// A file, which is turned as its EXIF note asks.
  case file(String)
  case picture(RGBImage, name: String)

  public var name: String {
    switch self {
    case .file(let path): path
    case .picture(_, let name): name
    }
  }
}

/// How pictures of `explainEach` become inputs, and how many at a time.
public struct PictureSettings: Sendable {
  public var size: InputSize = .native
  public var resize: ResizeMode = .squash
  /// Pictures computed together; bounds the memory, never a bit of the result.
  public var batchSize = 4
  /// Pictures with more pixels fail.
  public var pixelLimit = RGBImage.defaultPixelLimit
  /// Bytes of pictures and results on their way at a time; a quarter of what the process may take if nil. One picture that
  /// takes more goes alone.
  public var memoryLimit: Int?

  public init() {}
}

/// What came of a picture.
public struct ExplainedPicture: Sendable {
  /// The picture's place among the sources.
  public let index: Int
  public let name: String
  /// Width and height, upright.
  public let width, height: Int
  /// The part of the picture that the model saw.
  public let region: PixelRegion
  /// One by each method.
  public let explanations: [Explanation]
}

/// Pictures as they are explained, in the order of their sources: see `Explainer.explainEach(_:text:methods:correction:_:)`.
///
/// A picture that fails alone is a failure among the elements; what ends all of them is thrown.
public struct PictureExplanations: AsyncSequence, Sendable {
  public typealias Element = Result<ExplainedPicture, LeGradError>
  public typealias Failure = LeGradError

  let sources: [PictureSource]
  let start: @Sendable (Cancellation) -> Pipeline<LoadedPicture, ExplainedPicture>

  /// The work starts here, and ends with the iterator.
  public func makeAsyncIterator() -> Iterator {
    let cancellation = Cancellation()
    return Iterator(pipeline: start(cancellation), cancellation: cancellation)
  }

  /// A task that is cancelled ends with an error of kind `cancelled`, in the middle of a batch.
  public struct Iterator: AsyncIteratorProtocol {
    let pipeline: Pipeline<LoadedPicture, ExplainedPicture>
    let cancellation: Cancellation

    public mutating func next(isolation actor: isolated (any Actor)?) async throws(LeGradError) -> Element? {
      let pipeline = pipeline
      return try await onItsOwnThread(cancellation) { _ throws(LeGradError) in try pipeline.next()?.outcome }
    }
  }
}

struct LoadedPicture: Sendable {
  let width, height: Int
  let prepared: PreparedImage
}

extension PreparedImage {
  /// Memory that one takes, and its maps at the model's input size.
  /// - Parameter maps: how many.
  package func bytesHeld(maps: Int) -> Int { (3 + 2 + maps) * 4 * width * height }
}

extension Explainer {
  /// Explains pictures one after the other while others are read, decoded and resized ahead of the device, and are
  /// finished behind it, on the threads of `Options.threads`.
  ///
  /// The same bits as `explain` gives, for any number of threads. A picture that cannot be read, or whose numbers are
  /// not finite, fails alone.
  /// - Parameters:
  ///   - sources: the pictures, in the order in which results come.
  ///   - text: what to look for; nil gives image embeddings without maps.
  ///   - methods: each gives an explanation of each picture.
  ///   - correction: see `explain`.
  ///   - settings: how pictures are read, and how much of them is in memory at a time.
  public func explainEach(
    _ sources: [PictureSource], text: TextEmbeddings?, methods: [Method] = [.legrad()],
    correction: EmptyTextCorrection? = nil, _ settings: PictureSettings = PictureSettings()
  ) -> PictureExplanations {
    PictureExplanations(sources: sources) { [self] cancellation in
      let maps = (text?.count ?? 0) * methods.count
      let stages = Pipeline<LoadedPicture, ExplainedPicture>.Stages(
        open: { [self] item throws(LeGradError) in try open(sources[item], settings) },
        held: { $0.prepared.bytesHeld(maps: maps) },
        compute: { [self] batch, done throws(LeGradError) in
          let results = try Self.groups(of: batch, limit: batch.count, \.prepared) { entries throws(LeGradError) in
            try explainEach(
              entries.map(\.loaded.prepared), text: text, methods: methods, correction: correction,
              isCancelled: { cancellation.isCancelled })
          }
          for ((item, loaded), result) in zip(batch, results) {
            let name = sources[item].name
            switch result {
            case .failure(let error): _ = done(.failure(LeGradError(error.kind, "\(name): \(error)")))
            case .success(let explanations):
              let end: @Sendable () throws(LeGradError) -> ExplainedPicture = {
                ExplainedPicture(
                  index: item, name: name, width: loaded.width, height: loaded.height,
                  region: loaded.prepared.region, explanations: explanations)
              }
              _ = done(.success(.init(end: end)))
            }
          }
        })
      return Pipeline(
        count: sources.count, stages: stages,
        limits: .init(
          bytes: settings.memoryLimit ?? Self.defaultMemoryLimit, batch: max(1, settings.batchSize),
          computesOnThreads: device.backend == .native), budget: threadBudget)
    }
  }

  /// A quarter of what the process may take.
  package static var defaultMemoryLimit: Int { MemoryAllowance.available() / 4 }

  /// Calls `explain` with the images of each size among a batch, at most `limit` at a time.
  /// - Returns: the results in the batch's order.
  package static func groups<Loaded, Value>(
    of batch: [(item: Int, loaded: Loaded)], limit: Int, _ image: (Loaded) -> PreparedImage,
    _ explain: (ArraySlice<(item: Int, loaded: Loaded)>) throws(LeGradError) -> [Value]
  ) throws(LeGradError) -> [Value] {
    var results: [Int: Value] = [:]
    let groups = Dictionary(grouping: batch) { [image($0.loaded).width, image($0.loaded).height] }
    for group in groups.values.sorted(by: { $0[0].item < $1[0].item }) {
      for first in stride(from: 0, to: group.count, by: limit) {
        let entries = group[first..<min(first + limit, group.count)]
        for (entry, value) in zip(entries, try explain(entries)) { results[entry.item] = value }
      }
    }
    return batch.compactMap { results[$0.item] }
  }

  private func open(
    _ source: PictureSource, _ settings: PictureSettings
  ) throws(LeGradError) -> Pipeline<LoadedPicture, ExplainedPicture>.Opened {
    @Sendable func loaded(_ picture: RGBImage) throws(LeGradError) -> LoadedPicture {
      LoadedPicture(
        width: picture.width, height: picture.height,
        prepared: try prepare(picture, size: settings.size, resize: settings.resize))
    }
    switch source {
    case .picture(let picture, _): return .init(bytes: 0) { () throws(LeGradError) in try loaded(picture) }
    case .file(let path):
      let file: PictureFile
      do { file = try PictureFile(path: path) } catch { throw LeGradError(error) }
      return .init(bytes: file.bytesToDecode) { [self] () throws(LeGradError) in
        let decoded: DecodedImage
        do throws(ImageError) {
          decoded = try file.decode(
            pixelLimit: settings.pixelLimit, applyOrientation: true, sharing: threadBudget)
        } catch {
          throw LeGradError(error)
        }
        return try loaded(decoded.image)
      }
    }
  }
}
