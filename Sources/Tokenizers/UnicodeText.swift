import CUtf8proc
import Texts

/// Unicode operations on arrays of scalars, with the results of Python's `str` and `regex`.
enum UnicodeText {
  /// What the split pattern distinguishes.
  enum Kind { case letter, number, space, other }

  /// The class of a scalar by its general category: `\p{L}`, `\p{N}`, `\s`, or none of these.
  static func kind(_ scalar: Unicode.Scalar) -> Kind {
    if isWhitespace(scalar) { return .space }
    switch utf8proc_category(Int32(scalar.value)) {
    case UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LM,
      UTF8PROC_CATEGORY_LO:
      return .letter
    case UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NO:
      return .number
    default:
      return .other
    }
  }

  static func isDecimalDigit(_ scalar: Unicode.Scalar) -> Bool {
    utf8proc_category(Int32(scalar.value)) == UTF8PROC_CATEGORY_ND
  }

  /// Unicode's White_Space property. Python's `str.isspace` adds U+001C–U+001F, which the cleaning has removed before.
  static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// Unicode's default lower-casing, locale-free, with the one full mapping (İ) and the final sigma, as `str.lower`.
  static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var lower: [Unicode.Scalar] = []
    lower.reserveCapacity(text.count)
    for (index, scalar) in text.enumerated() {
      switch scalar {
      case "\u{0130}": lower += ["i", "\u{0307}"]
      case "\u{03A3}": lower.append(isFinalSigma(text, at: index) ? "\u{03C2}" : "\u{03C3}")
      default: lower.append(Unicode.Scalar(UInt32(bitPattern: utf8proc_tolower(Int32(scalar.value)))) ?? scalar)
      }
    }
    return lower
  }

  /// The same without the final sigma, as Rust's `char::to_lowercase` and so `tokenizers` have it.
  static func lowercasedEach(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var lower: [Unicode.Scalar] = []
    lower.reserveCapacity(text.count)
    for scalar in text {
      if scalar == "\u{0130}" {
        lower += ["i", "\u{0307}"]
      } else {
        lower.append(Unicode.Scalar(UInt32(bitPattern: utf8proc_tolower(Int32(scalar.value)))) ?? scalar)
      }
    }
    return lower
  }

  /// SpecialCasing's Final_Sigma: a cased letter before, none after, case-ignorable scalars not counting.
  private static func isFinalSigma(_ text: [Unicode.Scalar], at index: Int) -> Bool {
    func counts(_ scalar: Unicode.Scalar) -> Bool {
      Work.add(1)
      return !scalar.properties.isCaseIgnorable
    }
    guard let before = text[..<index].last(where: counts), before.properties.isCased else { return false }
    let after = text[(index + 1)...].first(where: counts)
    return after.map { !$0.properties.isCased } ?? true
  }

  /// Normalization Form C. Takes time n log n for any text: utf8proc's own reordering of marks is quadratic.
  static func composed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    // Below U+0300 nothing decomposes except to compose again.
    guard text.contains(where: { $0.value >= 0x300 }) else { return text }
    var points: [Int32] = []
    points.reserveCapacity(text.count)
    for scalar in text { appendDecomposition(of: scalar, options: [UTF8PROC_DECOMPOSE], to: &points) }
    reorderMarks(&points)
    return compose(points)
  }

  /// Normalization Form D, in the same time.
  static func decomposed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { $0.value >= 0xC0 }) else { return text }
    var points: [Int32] = []
    points.reserveCapacity(text.count)
    for scalar in text { appendDecomposition(of: scalar, options: [UTF8PROC_DECOMPOSE], to: &points) }
    reorderMarks(&points)
    return points.compactMap(scalar)
  }

  /// Normalization Form KC of one scalar.
  static func compatibilityComposed(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    var points: [Int32] = []
    appendDecomposition(of: scalar, options: [UTF8PROC_DECOMPOSE, UTF8PROC_COMPAT], to: &points)
    reorderMarks(&points)
    return compose(points)
  }

  private static func appendDecomposition(
    of scalar: Unicode.Scalar, options: [utf8proc_option_t], to points: inout [Int32]
  ) {
    guard scalar.value >= 0x80 else { return points.append(Int32(scalar.value)) }
    let options = options.reduce(UTF8PROC_STABLE.rawValue) { $0 | $1.rawValue }
    // The longest compatibility decomposition (U+FDFA) has 18 scalars.
    var buffer: [Int32] = Array(repeating: 0, count: 32)
    var boundary: Int32 = 0
    let count = unsafe buffer.withUnsafeMutableBufferPointer { target in
      unsafe utf8proc_decompose_char(
        Int32(scalar.value), target.baseAddress, target.count, utf8proc_option_t(rawValue: options), &boundary)
    }
    guard (1...buffer.count).contains(count) else { return points.append(Int32(scalar.value)) }
    points += buffer[..<count]
  }

  /// Canonical ordering: every run of non-starters is sorted by combining class, stably.
  private static func reorderMarks(_ points: inout [Int32]) {
    var index = 0
    while index < points.count {
      guard combiningClass(points[index]) != 0 else {
        index += 1
        continue
      }
      var run: [(mark: Int32, order: Int32, position: Int)] = []
      let start = index
      while index < points.count {
        let order = combiningClass(points[index])
        guard order != 0 else { break }
        run.append((points[index], order, index))
        index += 1
      }
      run.sort {
        Work.add(1)
        return ($0.order, $0.position) < ($1.order, $1.position)
      }
      for (offset, entry) in run.enumerated() { points[start + offset] = entry.mark }
    }
  }

  private static func combiningClass(_ point: Int32) -> Int32 {
    guard point >= 0x300, let property = unsafe utf8proc_get_property(point) else { return 0 }
    return unsafe Int32(property.pointee.combining_class)
  }

  private static func compose(_ decomposed: [Int32]) -> [Unicode.Scalar] {
    var points = decomposed
    let options = utf8proc_option_t(rawValue: UTF8PROC_STABLE.rawValue | UTF8PROC_COMPOSE.rawValue)
    let count = unsafe points.withUnsafeMutableBufferPointer { buffer in
      unsafe utf8proc_normalize_utf32(buffer.baseAddress, buffer.count, options)
    }
    guard (0...points.count).contains(count) else { return decomposed.compactMap(scalar) }
    return points[..<count].compactMap(scalar)
  }

  private static func scalar(_ point: Int32) -> Unicode.Scalar? {
    Unicode.Scalar(UInt32(bitPattern: point))
  }
}
