/// Every harness. One that is added here is run by `make test` and `make fuzz`.
package enum Harnesses {
  package static let all: [Harness] = weights + pictures + texts + evaluations + caches + [folder, hub]

  package static func named(_ name: String) -> Harness? { all.first { $0.name == name } }

  /// Words of JSON.
  static let jsonWords = [
    "{", "}", "[", "]", ":", ",", "\"", "\\u", "\\ud83d\\ude00", "true", "false", "null", "NaN", "Infinity", "-0",
    "1e999",
    "9223372036854775808", "-1", "0", "{\"\":", "[[[[[[[[", "\u{301}", "\u{200B}",
  ]
}
