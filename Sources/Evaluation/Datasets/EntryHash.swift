import Failures
import Files

/// The hash of an image and of its ground truth, part by part.
struct EntryHash: ~Copyable {
  private var hash = SHA256()
  private var byteCount = 0

  mutating func add(text: String) {
    add(word: "text \(text.utf8.count)\n")
    add(word: text)
    byteCount += text.utf8.count
  }

  /// Adds a file's bytes. One that cannot be read is in the hash as such, so that it is a failed row and not the end:
  /// reading the image will say why.
  mutating func add(file path: String) {
    do throws(FileError) {
      let file = try FileBytes(path: path, mapped: false)
      add(word: "file \(file.size)\n")
      try unsafe file.forEachChunk(of: 0..<file.size) { chunk in
        unsafe hash.update(chunk)
        return true
      }
      byteCount += file.size
    } catch {
      add(word: "unreadable\n")
    }
  }

  consuming func entry(id: String) -> Manifest.Entry {
    Manifest.Entry(id: id, byteCount: byteCount, hash: hash.finish())
  }

  private mutating func add(word: String) { hash.update(Array(word.utf8)) }
}
