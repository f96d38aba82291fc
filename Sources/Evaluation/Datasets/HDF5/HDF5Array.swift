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
  static func isStored(as type: hid_t, _ library: legrad_hdf5) -> Bool
  static func memoryType(_ library: legrad_hdf5) -> hid_t
}

/// Bytes, kept as bytes.
extension UInt8: HDF5Element {
  static var summary: String { "unsigned integers of 1 byte" }

  static func isStored(as type: hid_t, _ library: legrad_hdf5) -> Bool {
    library.calls.H5Tequal(type, library.uint8) > 0
  }

  static func memoryType(_ library: legrad_hdf5) -> hid_t { library.uint8 }
}

/// A small number that MATLAB may have kept as any of these; beyond 0…255 it is clamped.
struct HDF5Label: HDF5Element {
  let value: UInt8

  static var summary: String { "unsigned integers of 1 or 2 bytes, or doubles" }

  static func isStored(as type: hid_t, _ library: legrad_hdf5) -> Bool {
    [library.uint8, library.uint16, library.float64].contains { library.calls.H5Tequal(type, $0) > 0 }
  }

  static func memoryType(_ library: legrad_hdf5) -> hid_t { library.uint8 }
}

/// UTF-16 code units, MATLAB's text.
extension UInt16: HDF5Element {
  static var summary: String { "unsigned integers of 2 bytes (text)" }

  static func isStored(as type: hid_t, _ library: legrad_hdf5) -> Bool {
    library.calls.H5Tequal(type, library.uint16) > 0
  }

  static func memoryType(_ library: legrad_hdf5) -> hid_t { library.uint16 }
}

/// Where another object of the file is; MATLAB's cells are made of these.
struct HDF5Reference: HDF5Element {
  let address: UInt64

  static var summary: String { "references to objects" }

  static func isStored(as type: hid_t, _ library: legrad_hdf5) -> Bool {
    library.calls.H5Tequal(type, library.object_reference) > 0
  }

  static func memoryType(_ library: legrad_hdf5) -> hid_t { library.object_reference }
}
