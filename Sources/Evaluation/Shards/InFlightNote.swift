import Files
import Glibc
import Processes

/// Which images a shard is reading, for the process after one that died at them: a picture may take memory or a decoder's
/// mistakes that no error tells of, and would end every process that comes to it.
///
/// Of several that were being read at once one is guilty, at most. Those are read again one at a time, with nothing else
/// being read, so that the guilty one is left out and no other with it.
///
/// Reading is all that is noted: from there on every image is of the model's size. The note is written beside the shard's
/// growing file by whoever has that file, and survives the process, not the machine.
///
/// Unchecked because of the state, which is touched under the lock alone.
package final class InFlightNote: @unchecked Sendable {
  /// What is known of an image that was being read, or is to be read alone, when a process died.
  struct Suspect: Equatable {
    /// The place in the manifest.
    let image: Int
    /// How many processes in turn died while reading it.
    var deaths: Int
    /// How many images the last of them was reading; 0 where it had not come to this one again.
    var company: Int
  }

  struct Content: Equatable {
    /// When and where the last process ran, as far as its machine can tell, and how many processes the machine had killed
    /// for lack of memory.
    let boot: String
    let kills: Int
    var suspects: [Suspect]

    var text: String {
      suspects.reduce(into: "\(boot) \(kills)\n") { $0 += "\($1.image) \($1.deaths) \($1.company)\n" }
    }

    init(boot: String, kills: Int, suspects: [Suspect]) {
      (self.boot, self.kills, self.suspects) = (boot, kills, suspects)
    }

    init?(_ text: String) {
      let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }.filter { !$0.isEmpty }
      guard let first = lines.first, first.count == 2, let kills = Int(first[1]) else { return nil }
      var suspects: [Suspect] = []
      for words in lines.dropFirst() {
        let numbers = words.compactMap { Int($0) }
        guard words.count == 3, numbers.count == 3, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        suspects.append(Suspect(image: numbers[0], deaths: numbers[1], company: numbers[2]))
      }
      self.init(boot: String(first[0]), kills: kills, suspects: suspects)
    }

    /// Whether an image is to be left out: one that was read alone where the machine has killed for lack of memory
    /// meanwhile, or where two processes died while reading it. One that died once may have been ended by a scheduler,
    /// which says nothing of the image.
    func isToBlame(_ suspect: Suspect, boot: String, kills: Int) -> Bool {
      suspect.company == 1 && (suspect.deaths > 1 || (boot == self.boot && kills > self.kills))
    }
  }

  private let path: String
  private let boot: String
  private let kills: Int
  private let lock = ThreadLock()
  /// At which the processes before this one died, by image.
  private var suspects: [Int: Suspect] = [:]
  private var blamed: Set<Int> = []
  private var reading: Set<Int> = []
  /// Suspects that wait to be read alone: nothing else begins meanwhile.
  private var waiting = 0
  /// Open from the first image on; -1 before, and where the note cannot be written.
  private var descriptor: Int32 = -1
  /// Bytes of the file, of which the text is the beginning and the rest is blank.
  private var size = 128
  /// Whether the file that is there says something, which stays until it is written over.
  private let isUnderstood: Bool

  /// Reads what the processes before this one left.
  init(path: String) {
    self.path = path
    boot = Self.boot()
    kills = Self.kills()
    let text = (try? WholeFile.read(path, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
    let content = text.flatMap { Content($0) }
    isUnderstood = content != nil
    guard let text, let content else { return }
    size = max(size, text.utf8.count)
    for suspect in content.suspects {
      suspects[suspect.image] = suspect
      if content.isToBlame(suspect, boot: boot, kills: kills) { blamed.insert(suspect.image) }
    }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  /// The images at which the processes before this one died, ascending, and those of them that are to be left out.
  package var suspected: [Int] { locked { suspects.keys.sorted() } }
  package var leftOut: [Int] { locked { blamed.sorted() } }

  /// Whether an image is to be left out.
  package func leavesOut(_ image: Int) -> Bool { locked { blamed.contains(image) } }

  /// Notes that `image` is being read while `body` runs. A suspect waits for all others, and they for it.
  package func whileReading<Value, E: Error>(_ image: Int, _ body: () throws(E) -> Value) throws(E) -> Value {
    begin(image)
    defer { end(image) }
    return try body()
  }

  func begin(_ image: Int) {
    locked {
      if suspects[image] != nil {
        waiting += 1
        while !reading.isEmpty { lock.wait() }
        waiting -= 1
      } else {
        while waiting > 0 || reading.contains(where: { suspects[$0] != nil }) { lock.wait() }
      }
      reading.insert(image)
      // Without a note, a process that dies has died; there is nothing better to do.
      if descriptor < 0 {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (isUnderstood ? 0 : O_TRUNC)
        descriptor = unsafe open(path.fileSystemBytes, flags, 0o666)
      }
      write()
    }
  }

  func end(_ image: Int) {
    locked {
      reading.remove(image)
      write()
      lock.wakeAll()
    }
  }

  /// What was a suspect, has been read all through, and is one no more.
  package func acquit(_ image: Int) {
    locked { if suspects.removeValue(forKey: image) != nil { write() } }
  }

  /// Takes the note away where images are read no more.
  package func close() {
    locked {
      guard descriptor >= 0 else { return }
      Glibc.close(descriptor)
      descriptor = -1
      _ = unsafe unlink(path.fileSystemBytes)
    }
  }

  private func locked<Value>(_ body: () -> Value) -> Value {
    lock.lock()
    defer { lock.unlock() }
    return body()
  }

  /// What is being read, and what is still to be: one that is left out stays so until its row is there.
  private var content: Content {
    var noted: [Suspect] = []
    for image in reading.sorted() {
      noted.append(Suspect(image: image, deaths: (suspects[image]?.deaths ?? 0) + 1, company: reading.count))
    }
    for (image, suspect) in suspects.sorted(by: { $0.key < $1.key }) where !reading.contains(image) {
      var suspect = suspect
      // Two deaths and alone: to be left out wherever the next process runs.
      (suspect.deaths, suspect.company) = blamed.contains(image) ? (max(2, suspect.deaths), 1) : (suspect.deaths, 0)
      noted.append(suspect)
    }
    return Content(boot: boot, kills: kills, suspects: noted)
  }

  /// In place, which costs a system call and no more: the file has one size, as long as it has room.
  private func write() {
    guard descriptor >= 0 else { return }
    var bytes = Array(content.text.utf8)
    while size < bytes.count { size *= 2 }
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: size - bytes.count)
    _ = unsafe pwrite(descriptor, bytes, bytes.count, 0)
  }

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
