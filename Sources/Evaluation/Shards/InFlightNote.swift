import Files
import Glibc
import Processes

/// Which image a shard is reading, for the process after one that died at it: a picture may take memory or a decoder's
/// mistakes that no error tells of, and would end every process that comes to it.
///
/// Reading is all that is noted: from there on every image is of the model's size. The note is written beside the shard's
/// growing file by whoever has that file, and survives the process, not the machine.
package final class InFlightNote {
  /// What is known of a process that died.
  struct Content: Equatable {
    /// The place in the manifest of the image that was being read.
    let image: Int
    /// How many processes in turn died at it.
    let deaths: Int
    /// When and where they ran, as far as their machine can tell, and how many processes it had killed for lack of
    /// memory.
    let boot: String
    let kills: Int

    var text: String { "\(image) \(deaths) \(boot) \(kills)\n" }

    init(image: Int, deaths: Int, boot: String, kills: Int) {
      (self.image, self.deaths, self.boot, self.kills) = (image, deaths, boot, kills)
    }

    init?(_ text: String) {
      let words = text.split(whereSeparator: \.isWhitespace)
      guard words.count == 4, let image = Int(words[0]), let deaths = Int(words[1]), let kills = Int(words[3]) else {
        return nil
      }
      self.init(image: image, deaths: deaths, boot: String(words[2]), kills: kills)
    }

    /// Whether the image is to be left out: where the machine has killed for lack of memory meanwhile, and where two
    /// processes died at it. One that died once may have been ended by a scheduler, which says nothing of the image.
    func isToBlame(boot: String, kills: Int) -> Bool {
      deaths > 1 || (boot == self.boot && kills > self.kills)
    }
  }

  /// The image at which the processes before this one died, and whether it is to be left out.
  package let suspect: Int?
  package let isToBlame: Bool
  private let deaths: Int
  private let path: String
  private let boot: String
  private let kills: Int
  /// Open from the first image on; -1 before, and where the note cannot be written.
  private var descriptor: Int32 = -1

  /// Reads what the processes before this one left.
  init(path: String) {
    self.path = path
    boot = Self.boot()
    kills = Self.kills()
    let text = (try? WholeFile.read(path, limit: 1 << 10)).map { String(decoding: $0, as: UTF8.self) }
    let content = text.flatMap { Content($0) }
    suspect = content?.image
    deaths = content?.deaths ?? 0
    isToBlame = content?.isToBlame(boot: boot, kills: kills) ?? false
  }

  /// Notes that `image` is being read.
  package func begin(_ image: Int) {
    let content = Content(image: image, deaths: (image == suspect ? deaths : 0) + 1, boot: boot, kills: kills)
    // Without a note, a process that dies has died; there is nothing better to do.
    if descriptor < 0 {
      descriptor = unsafe open(path.fileSystemBytes, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o666)
    }
    write(content.text)
  }

  /// The image has been read, or is left out.
  package func end() { write("") }

  /// Takes the note away where images are read no more.
  package func close() {
    guard descriptor >= 0 else { return }
    Glibc.close(descriptor)
    descriptor = -1
    _ = unsafe unlink(path.fileSystemBytes)
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  /// In place, which costs a system call and no more: the file is always of one size.
  private func write(_ text: String) {
    var bytes = Array(text.utf8.prefix(Self.size))
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: Self.size - bytes.count)
    _ = unsafe pwrite(descriptor, bytes, bytes.count, 0)
  }

  private static let size = 128

  /// What tells one start of one machine from all others.
  private static func boot() -> String {
    SystemFile.text("/proc/sys/kernel/random/boot_id")?.split(whereSeparator: \.isWhitespace).first.map(String.init)
      ?? "unknown"
  }

  /// Processes that the machine killed for lack of memory since its start.
  private static func kills() -> Int {
    let line = SystemFile.text("/proc/vmstat")?.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
    return line.flatMap { Int($0.dropFirst("oom_kill ".utf8.count)) } ?? 0
  }
}
