import Glibc

/// A line on standard error that says how far a run is, at which rate, and how long it will take; only on a terminal,
/// and only for more than one item.
struct ProgressBar {
  private let total: Int
  private let name: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private var done = 0
  private var limit: String?
  private var lastDrawn: ContinuousClock.Instant?

  /// - Parameter name: what is done to the items, with a space after it.
  init(total: Int, name: String = "", isShown: Bool = Terminal.isTerminal(STDERR_FILENO)) {
    self.total = total
    self.name = name
    self.isShown = isShown && total > 1
    draw()
  }

  /// - Parameter limit: the stage that holds up the others.
  mutating func advance(by count: Int = 1, limit: String? = nil) {
    done += count
    self.limit = limit
    let now = ContinuousClock.now
    if let lastDrawn, done < total, now - lastDrawn < .milliseconds(100) { return }
    lastDrawn = now
    draw()
  }

  func finish() {
    if isShown { Terminal.wipeTransientLine() }
  }

  private func draw() {
    guard isShown else { return }
    Terminal.transient(
      Self.line(
        name, done: done, total: total, seconds: (ContinuousClock.now - start) / .seconds(1), limit: limit,
        columns: Terminal.columns))
  }

  /// Such as `[#####·····] 5/10  2.5/s  2 s left  limit: writing`, cut to `columns`.
  static func line(
    _ name: String = "", done: Int, total: Int, seconds: Double, limit: String? = nil, columns: Int
  ) -> String {
    var text = " \(name)\(done)/\(total)"
    if done > 0, seconds > 0 {
      let rate = Double(done) / seconds
      text += "  \(rate.decimal(places: rate < 10 ? 2 : 0))/s"
      if done < total { text += "  \(duration(Double(total - done) / rate)) left" }
    }
    if let limit, done < total { text += "  limit: \(limit)" }
    let width = min(40, columns - text.count - 3)
    guard width >= 5 else { return String(text.prefix(max(0, columns - 1))) }
    let filled = total > 0 ? width * min(done, total) / total : width
    return "[" + String(repeating: "#", count: filled) + String(repeating: "·", count: width - filled) + "]" + text
  }

  /// Seconds as `45 s`, `3 min 20 s` or `2 h 5 min`.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e9).rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }
}
