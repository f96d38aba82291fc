import Files
import LeGrad

/// Hashes what a manifest lists, and finds again what was hashed before.
///
/// Entries are kept by chunks in the cache folder, under the names and stamps of their files: a file that was written to is
/// hashed again with its chunk. Chunks are looked for one by one as they come up, so that shards that start together, each
/// at a place of its own, find most of each other's.
package struct ManifestHashing: Sendable {
  /// Where hashes are kept; nowhere if nil.
  package var cacheFolder: String?
  /// Whose turn among the processes that go through the same files.
  package var shard = Shard.whole
  /// Told how many entries are there, of how many.
  package var progress: @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }

  /// The system's clock, in seconds; nil asks it. For tests.
  var now: Int?

  package init() {}

  /// An image and its ground truth.
  struct Source {
    let id: String
    let parts: [Manifest.Entry.Part]
  }

  /// The entries of `sources`, which are in the order of their ids.
  func entries(_ sources: [Source]) throws(LeGradError) -> [Manifest.Entry] {
    let cache = cacheFolder.map { SealedCache(folder: $0, fileExtension: "hashes", sizeLimit: Self.sizeLimit) }
    let chunks = Self.chunks(sources)
    let first = chunks.count * shard.index / shard.count
    var entries = [[Manifest.Entry]](repeating: [], count: chunks.count)
    var done = 0
    for place in Array(first..<chunks.count) + Array(0..<first) {
      let chunk = sources[chunks[place]]
      let stamps = cache == nil ? nil : stamps(of: chunk)
      let key = Self.key(chunk, stamps)
      if let cache, stamps != nil, let kept = cache.content(key).flatMap({ Self.entries(chunk, $0) }) {
        entries[place] = kept
        done += chunk.count
        progress(done, sources.count)
        continue
      }
      for source in chunk {
        entries[place].append(try Manifest.Entry(id: source.id, of: source.parts))
        done += 1
        progress(done, sources.count)
      }
      if let cache, stamps != nil, self.stamps(of: chunk) == stamps {
        cache.keep(Self.content(entries[place]), key)
      }
    }
    return Array(entries.joined())
  }

  func stamps(of chunk: ArraySlice<Source>) -> [String]? {
    let files = chunk.flatMap(\.files)
    return now.map { FileHash.settledStamps(of: files, now: $0) } ?? FileHash.settledStamps(of: files)
  }

  /// A chunk ends after a name that says so itself: an image more or less changes its own chunk and no other.
  static func chunks(_ sources: [Source]) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var first = 0
    for place in sources.indices {
      let isLast = SHA256.hash(of: [sources[place].id]).hasPrefix("00") || place - first + 1 == chunkLimit
      guard isLast || place == sources.count - 1 else { continue }
      chunks.append(first..<place + 1)
      first = place + 1
    }
    return chunks
  }

  private static let chunkLimit = 1_024
  static let sizeLimit = 1 << 18
  /// Of the keys and the content, and of what `Manifest.Entry` hashes.
  private static let format = "1"

  static func key(_ chunk: ArraySlice<Source>, _ stamps: [String]?) -> [String] {
    ["hashes of images", format] + chunk.flatMap { [$0.id] + $0.parts.map(\.summary) } + (stamps ?? [])
  }

  private static func content(_ entries: [Manifest.Entry]) -> [UInt8] {
    Array(entries.map { "\($0.byteCount) \($0.hash)\n" }.joined().utf8)
  }

  private static func entries(_ chunk: ArraySlice<Source>, _ content: [UInt8]) -> [Manifest.Entry]? {
    let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
    let entries = zip(chunk, lines).compactMap { source, line -> Manifest.Entry? in
      let fields = line.split(separator: " ")
      guard fields.count == 2, let byteCount = Int(fields[0]) else { return nil }
      return Manifest.Entry(id: source.id, byteCount: byteCount, hash: String(fields[1]))
    }
    return lines.count == chunk.count && entries.count == chunk.count ? entries : nil
  }
}

extension ManifestHashing.Source {
  var files: [String] { parts.compactMap(\.file) }
}

extension Manifest.Entry.Part {
  fileprivate var file: String? {
    switch self {
    case .text: nil
    case .file(let path), .picture(let path): path
    }
  }

  /// What a hash depends on beside the files' stamps.
  fileprivate var summary: String {
    switch self {
    case .text(let text): "text \(text)"
    case .file: "file"
    case .picture: "picture"
    }
  }
}
