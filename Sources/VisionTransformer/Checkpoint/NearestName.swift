/// The one of `names` with the fewest changed, added or dropped bytes from `name`; the first of equals.
func nearestName(to name: String, among names: [String]) -> String? {
  // Enough for any model; a file made to be slow has more, or longer ones.
  let candidates = names.prefix(8_192).filter { $0.utf8.count <= 256 }
  let target = Array(name.utf8)
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let bytes = Array(candidate.utf8)
    guard abs(bytes.count - target.count) < best?.distance ?? .max else { continue }
    let distance = editDistance(target, bytes)
    if distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

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
