import CHDF5
import Glibc

/// Arrays in an HDF5 file from strangers, read by the HDF5 library in this process, which it may end: type, size and
/// packing are checked before memory is taken and data are read, but how the library walks a file's own lists and trees
/// is beyond reach. `HDF5Reader` is for whoever wants to live on.
final class HDF5File {
  /// In bytes.
  let size: Int
  private let library: HDF5Library
  private let identifier: hid_t

  /// - Parameter path: as the system has it, without the zero at its end.
  init(path: [UInt8], library: HDF5Library) throws(HDF5Fault) {
    let path = path.map { CChar(bitPattern: $0) } + [0]
    var status = stat()
    size = unsafe stat(path, &status) == 0 ? status.st_size : 0
    self.library = library
    identifier = try library.withCalls { library throws(HDF5Fault) in
      // Read only, no properties.
      let identifier = unsafe library.calls.H5Fopen(path, 0, 0)
      guard identifier >= 0 else {
        throw HDF5Fault(
          expected: "an HDF5 file (MATLAB 7.3)", found: "one that the HDF5 library does not open",
          remedy: "fetch the file again; if its file system has no locks, set HDF5_USE_FILE_LOCKING=FALSE")
      }
      return identifier
    }
  }

  deinit {
    try? library.withCalls { library throws(HDF5Fault) in _ = library.calls.H5Fclose(identifier) }
  }

  /// Reads a whole array.
  /// - Parameters:
  ///   - rank: how many dimensions it must have.
  ///   - limit: how many elements it may have; at least one is expected.
  /// - Returns: its elements as they are in memory.
  func array(
    of type: HDF5Type, at location: HDF5Location, rank: Int, limit: Int
  ) throws(HDF5Fault) -> (shape: [Int], bytes: [UInt8]) {
    try library.withCalls { library throws(HDF5Fault) in
      let array = try open(location, library)
      defer { _ = library.calls.H5Idec_ref(array) }
      try checkType(of: array, type, library)
      let shape = try shape(of: array, rank: rank, limit: limit, library)
      try checkStorage(of: array, shape: shape, library)
      let count = shape.reduce(1, *)
      var bytes = [UInt8](repeating: 0, count: count * type.size)
      guard unsafe library.calls.H5Dread(array, Self.types(type, library)[0], 0, 0, 0, &bytes) >= 0 else {
        throw HDF5Fault(expected: "\(count) readable elements", found: "a read error (H5Dread)")
      }
      return (shape, bytes)
    }
  }

  /// How the file may store a type; the first is that in memory too.
  private static func types(_ type: HDF5Type, _ library: legrad_hdf5) -> [hid_t] {
    switch type {
    case .bytes: [library.uint8]
    case .labels: [library.uint8, library.uint16, library.float64]
    case .text: [library.uint16]
    case .references: [library.object_reference]
    }
  }

  private func open(_ location: HDF5Location, _ library: legrad_hdf5) throws(HDF5Fault) -> hid_t {
    let object: hid_t
    switch location {
    case .path(let name): object = unsafe library.calls.H5Dopen2(identifier, name, 0)
    case .reference(var reference):
      // 0: a reference to an object, as opposed to a region of one.
      object = unsafe library.calls.H5Rdereference2(identifier, 0, H5R_type_t(0), &reference)
    }
    guard object >= 0 else { throw HDF5Fault(expected: "an array", found: "none in this file") }
    guard library.calls.H5Iget_type(object) == H5I_DATASET else {
      _ = library.calls.H5Idec_ref(object)
      throw HDF5Fault(expected: "an array", found: "another kind of object")
    }
    return object
  }

  private func checkType(of array: hid_t, _ wanted: HDF5Type, _ library: legrad_hdf5) throws(HDF5Fault) {
    let type = library.calls.H5Dget_type(array)
    guard type >= 0 else { throw HDF5Fault(expected: wanted.summary, found: "an unknown type") }
    defer { _ = library.calls.H5Idec_ref(type) }
    guard Self.types(wanted, library).contains(where: { library.calls.H5Tequal(type, $0) > 0 }) else {
      let size = library.calls.H5Tget_size(type)
      let names: [H5T_class_t: String] = [
        H5T_INTEGER: "integers", H5T_FLOAT: "floating-point numbers", H5T_STRING: "text", H5T_REFERENCE: "references",
      ]
      let name = names[library.calls.H5Tget_class(type)] ?? "another type"
      throw HDF5Fault(expected: wanted.summary, found: "\(name) of \(size) bytes")
    }
  }

  private func shape(
    of array: hid_t, rank: Int, limit: Int, _ library: legrad_hdf5
  ) throws(HDF5Fault) -> [Int] {
    let space = library.calls.H5Dget_space(array)
    guard space >= 0 else { throw HDF5Fault(expected: "\(rank) dimensions", found: "none") }
    defer { _ = library.calls.H5Idec_ref(space) }
    let found = library.calls.H5Sget_simple_extent_ndims(space)
    guard found == rank else {
      throw HDF5Fault(expected: "\(rank) dimensions", found: found < 0 ? "none" : "\(found)")
    }
    var lengths = [hsize_t](repeating: 0, count: rank)
    guard unsafe library.calls.H5Sget_simple_extent_dims(space, &lengths, nil) == found else {
      throw HDF5Fault(expected: "\(rank) dimensions", found: "fewer")
    }
    var room = limit
    for length in lengths {
      guard length > 0, length <= room else {
        let text = lengths.map { "\($0)" }.joined(separator: " × ")
        throw HDF5Fault(expected: "1 to \(limit) elements", found: text)
      }
      room /= Int(length)
    }
    return lengths.map { Int($0) }
  }
}
