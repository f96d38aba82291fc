import Failures
import LeGrad

/// Which class of the class index an ILSVRC2012 id is.
enum SynsetList {
  private static let byteLimit = 16 << 20

  static func read(_ path: String, classIndex: ClassIndex) throws(LeGradError) -> [Int: Int] {
    let bytes = try DatasetFile.bytes(path, limit: byteLimit)
    guard !bytes.starts(with: "MATLAB 5.0".utf8) else {
      throw fault(
        path, expected: "a text file of \"<ILSVRC2012 id> <wnid>\" per line", found: "a MATLAB file",
        remedy: "convert it: \(conversion(of: path))")
    }
    var places: [Int: Int] = [:]
    for (index, line) in try DatasetFile.lines(path, limit: byteLimit).enumerated() {
      let words = line.split(whereSeparator: \.isWhitespace).prefix(2)
      if words.isEmpty { continue }
      guard words.count == 2, let number = words.compactMap({ Int($0) }).first,
        let wnid = words.first(where: { Int($0) == nil }), number > 0
      else {
        throw error(path, index, expected: "\"<ILSVRC2012 id> <wnid>\"", found: String(line))
      }
      guard let place = classIndex.index(of: String(wnid)) else {
        throw error(path, index, expected: "a WordNet id of the class index", found: String(wnid))
      }
      guard places.updateValue(place, forKey: number) == nil else {
        throw error(path, index, expected: "every number once", found: "\(number) again")
      }
    }
    return places
  }

  private static func conversion(of path: String) -> String {
    "python3 -c \"import sys, scipy.io; [print(s[0], s[1]) for s in "
      + "scipy.io.loadmat(sys.argv[1], squeeze_me=True)['synsets'] if s[4] == 0]\" '\(path)' > synsets.txt"
  }

  private static func error(_ path: String, _ index: Int, expected: String, found: String) -> LeGradError {
    fault(path, "line \(index + 1)", expected: expected, found: found, remedy: "correct the line")
  }
}

/// The classes of the images, in the order of their numbers.
enum GroundTruthList {
  private static let byteLimit = 16 << 20

  static func read(_ path: String, synsets: String, places: [Int: Int]) throws(LeGradError) -> [Int] {
    var classes: [Int] = []
    for (index, line) in try DatasetFile.lines(path, limit: byteLimit).enumerated() {
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count == 1, let number = Int(words[0]), let place = places[number] else {
        throw fault(
          path, "line \(index + 1)", expected: "an ILSVRC2012 id of \(synsets)", found: String(line),
          remedy: "give both files of one release")
      }
      classes.append(place)
    }
    return classes
  }
}
