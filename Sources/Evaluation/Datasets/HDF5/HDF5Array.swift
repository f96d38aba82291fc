import CHDF5

/// An array of any number of dimensions, the last one varying fastest.
struct HDF5Array<Element: Sendable>: Sendable {
  let shape: [Int]
  let values: [Element]
}

/// What an array is read as, and how the file may store it.
protocol HDF5Element: BitwiseCopyable, Sendable {
  /// What errors call it.
  static var summary: String { get }
  /// The types in the file, the first of which is that in memory too.
  static func types(_ library: legrad_hdf5) -> [hid_t]
}

/// Bytes, kept as bytes.
extension UInt8: HDF5Element {
  static var summary: String { "unsigned integers of 1 byte" }
  static func types(_ library: legrad_hdf5) -> [hid_t] { [library.uint8] }
}

/// A small number that MATLAB may have kept as any of these; beyond 0…255 it is clamped.
struct HDF5Label: HDF5Element {
  let value: UInt8

  static var summary: String { "unsigned integers of 1 or 2 bytes, or doubles" }
  static func types(_ library: legrad_hdf5) -> [hid_t] { [library.uint8, library.uint16, library.float64] }
}

/// UTF-16 code units, MATLAB's text.
extension UInt16: HDF5Element {
  static var summary: String { "unsigned integers of 2 bytes (text)" }
  static func types(_ library: legrad_hdf5) -> [hid_t] { [library.uint16] }
}

/// Where another object of the file is; MATLAB's cells are made of these.
struct HDF5Reference: HDF5Element {
  let address: UInt64

  static var summary: String { "references to objects" }
  static func types(_ library: legrad_hdf5) -> [hid_t] { [library.object_reference] }
}
