import Texts

/// The one of `names` with the fewest changed, added or dropped bytes from `name`; the first of equals.
func nearestName(to name: String, among names: [String]) -> String? {
  // Enough for any model; a file made to be slow has more, or longer ones.
  let candidates = names.prefix(8_192).filter { $0.utf8.count <= longestName }
  let target = Array(name.utf8.prefix(longestName))
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let bytes = Array(candidate.utf8)
    guard abs(bytes.count - target.count) < best?.distance ?? .max else { continue }
    let distance = editDistance(target, bytes)
    if distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

/// The places in `names` of those that are nearest to `name`: those that contain it, in any case of letters, and then
/// those with the fewest changed bytes; equals in their order.
package func nearestNames(to name: String, among names: [String]) -> [Int] {
  let target = name.lowercased()
  let candidates = names.indices.filter { names[$0].utf8.count <= longestName }
  let distances = candidates.map { place in
    let candidate = names[place].lowercased()
    return candidate.firstPlace(of: target) != nil
      ? -1 : editDistance(Array(target.utf8.prefix(longestName)), Array(candidate.utf8))
  }
  return zip(candidates, distances).sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.0)
}

/// Bytes of a name beyond which it is compared with none.
private let longestName = 256

/// Levenshtein's distance.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let substituted = diagonal + (x == y ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
    }
  }
  return row[b.count]
}
