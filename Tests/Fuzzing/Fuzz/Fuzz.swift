import CFuzzer
import FuzzHarnesses
import Glibc

/// `Fuzz list`, `Fuzz seeds NAME FOLDER`, `Fuzz run NAME COUNT SEED`, and `Fuzz NAME libFuzzer's arguments` in a build
/// with it.
@main
struct Fuzz {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch (arguments.first, arguments.count) {
    case ("list", 1): for harness in Harnesses.all { print(harness.name) }
    case ("seeds", 3): try writeSeeds(try harness(arguments[2]), arguments[3])
    case ("run", 4): try mutate(try harness(arguments[2]), UInt64(arguments[3]) ?? 0, seed: UInt64(arguments[4]) ?? 0)
    case (let name?, _): exit(try explore(try harness(name)))
    default: throw Failure(text: "expected list, seeds, run or the name of a harness")
    }
  }

  private static func harness(_ name: String) throws -> Harness {
    guard let harness = Harnesses.named(name) else {
      throw Failure(text: "no harness \(name): \(Harnesses.all.map(\.name).joined(separator: ", "))")
    }
    return harness
  }

  /// The corpus as files, and beside the folder the dictionary and the greatest length.
  private static func writeSeeds(_ harness: Harness, _ folder: String) throws {
    for (index, seed) in try harness.seeds().enumerated() { try write(seed, folder + "/seed-\(index)") }
    let lines = harness.words.map { word in
      "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\"\n"
    }
    try write(Array(lines.joined().utf8), folder + ".dict")
    try write(Array("\(harness.maximumLength)\n".utf8), folder + ".length")
  }

  private static func write(_ bytes: [UInt8], _ path: String) throws {
    guard let file = unsafe fopen(path, "w") else { throw Failure(text: "\(path) cannot be written") }
    let written = unsafe fwrite(bytes, 1, bytes.count, file)
    guard unsafe fclose(file) == 0, written == bytes.count else { throw Failure(text: "\(path) cannot be written") }
  }

  /// The seeds and `count` of their mutations.
  private static func mutate(_ harness: Harness, _ count: UInt64, seed: UInt64) throws {
    let bench = try Workbench()
    let read = try harness.reader(bench)
    for input in try harness.seeds() { try read(input) }
    var mutator = try Mutator(harness, seed: seed)
    for _ in 0..<count {
      let input = mutator.next()
      do { try read(input) } catch { throw Failure(text: "\(error), for \(input)") }
    }
    extendLifetime(bench)
  }

  /// libFuzzer's loop.
  private static func explore(_ harness: Harness) throws -> Int32 {
    let bench = try Workbench()
    unsafe Explored.read = try harness.reader(bench)
    var count = CommandLine.argc - 1
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv + 1
    let status = unsafe legrad_fuzz(&count, &arguments) { bytes, size in
      let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: size))
      do { try unsafe Explored.read(input) } catch { fatalError("\(error)") }
      return 0
    }
    extendLifetime(bench)
    guard status >= 0 else { throw Failure(text: "this build is without libFuzzer: make fuzz builds one with it") }
    return status
  }
}

/// What libFuzzer's callback, which has no place for a context, reads with. It is called from one thread.
private enum Explored {
  nonisolated(unsafe) static var read: ([UInt8]) throws -> Void = { _ in }
}

struct Failure: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}
