/// An array of any number of dimensions, the last one varying fastest.
struct HDF5Array<Element: Sendable>: Sendable {
  let shape: [Int]
  let values: [Element]
}

/// What an array is read as.
enum HDF5Type: UInt8, CaseIterable {
  /// Bytes, kept as bytes.
  case bytes
  /// A small number that MATLAB may have kept as any of these; beyond 0…255 it is clamped.
  case labels
  /// UTF-16 code units, MATLAB's text.
  case text
  /// Where other objects of the file are; MATLAB's cells are made of these.
  case references

  /// Bytes of an element in memory.
  var size: Int {
    switch self {
    case .bytes, .labels: 1
    case .text: 2
    case .references: 8
    }
  }

  /// What errors call it.
  var summary: String {
    switch self {
    case .bytes: "unsigned integers of 1 byte"
    case .labels: "unsigned integers of 1 or 2 bytes, or doubles"
    case .text: "unsigned integers of 2 bytes (text)"
    case .references: "references to objects"
    }
  }
}

/// A Swift type that has the elements of an `HDF5Type` in memory.
protocol HDF5Element: BitwiseCopyable, Sendable {
  static var type: HDF5Type { get }
  static var zero: Self { get }
}

extension UInt8: HDF5Element {
  static var type: HDF5Type { .bytes }
}

struct HDF5Label: HDF5Element {
  let value: UInt8

  static var type: HDF5Type { .labels }
  static var zero: HDF5Label { HDF5Label(value: 0) }
}

extension UInt16: HDF5Element {
  static var type: HDF5Type { .text }
}

struct HDF5Reference: HDF5Element {
  let address: UInt64

  static var type: HDF5Type { .references }
  static var zero: HDF5Reference { HDF5Reference(address: 0) }
}

/// Where an array is.
enum HDF5Location: Equatable {
  case path(String)
  case reference(HDF5Reference)

  static func == (left: HDF5Location, right: HDF5Location) -> Bool {
    switch (left, right) {
    case (.path(let left), .path(let right)): left.utf8.elementsEqual(right.utf8)
    case (.reference(let left), .reference(let right)): left.address == right.address
    default: false
    }
  }
}

/// What of an array is not as it should be.
struct HDF5Fault: Error, Equatable {
  let expected, found: String
  var remedy = "the file is damaged or not what was meant; fetch it again"
}
