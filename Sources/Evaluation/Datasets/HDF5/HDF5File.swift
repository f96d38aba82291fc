import CHDF5
import Failures
import Files
import LeGrad

/// Arrays in an HDF5 file from strangers: type, size and packing are checked before memory is taken and data are read.
/// How the library walks a file's own lists and trees is beyond reach: one made to loop there can hold it up.
final class HDF5File: Sendable {
  let path: String
  /// In bytes.
  let size: Int
  private let library: HDF5Library
  private let identifier: hid_t

  init(path: String, library: HDF5Library) throws(LeGradError) {
    self.path = path
    self.library = library
    let header: [UInt8]
    do throws(FileError) {
      let file = try FileBytes(path: path, mapped: false)
      size = file.size
      header = try file.bytes(0..<min(size, Leftover.startSize))
    } catch { throw LeGradError(error) }
    identifier = try library.withCalls { library throws(LeGradError) in
      // Read only, no properties.
      let identifier = unsafe library.calls.H5Fopen(path.fileSystemBytes, 0, 0)
      guard identifier >= 0 else { throw Self.refusal(path, header: header) }
      return identifier
    }
  }

  deinit {
    try? library.withCalls { library throws(LeGradError) in _ = library.calls.H5Fclose(identifier) }
  }

  enum Location {
    case path(String)
    case reference(HDF5Reference)
  }

  /// Reads a whole array.
  /// - Parameters:
  ///   - place: what errors call it.
  ///   - rank: how many dimensions it must have.
  ///   - limit: how many elements it may have; at least one is expected.
  func array<Element: HDF5Element>(
    of type: Element.Type, at location: Location, place: String, rank: Int, limit: Int
  ) throws(LeGradError) -> HDF5Array<Element> {
    try library.withCalls { library throws(LeGradError) in
      let array = try open(location, place: place, library)
      defer { _ = library.calls.H5Idec_ref(array) }
      try checkType(of: array, Element.self, place: place, library)
      let shape = try shape(of: array, place: place, rank: rank, limit: limit, library)
      try checkStorage(of: array, shape: shape, place: place, library)
      let count = shape.reduce(1, *)
      var status: herr_t = -1
      let values = unsafe [Element](unsafeUninitializedCapacity: count) { buffer, filled in
        unsafe status = library.calls.H5Dread(array, Element.types(library)[0], 0, 0, 0, buffer.baseAddress)
        filled = status >= 0 ? count : 0
      }
      guard status >= 0 else {
        throw fault(place, expected: "\(count) readable elements", found: "a read error (H5Dread)")
      }
      return HDF5Array(shape: shape, values: values)
    }
  }

  private func open(_ location: Location, place: String, _ library: legrad_hdf5) throws(LeGradError) -> hid_t {
    let object: hid_t
    switch location {
    case .path(let name): object = unsafe library.calls.H5Dopen2(identifier, name, 0)
    case .reference(var reference):
      // 0: a reference to an object, as opposed to a region of one.
      object = unsafe library.calls.H5Rdereference2(identifier, 0, H5R_type_t(0), &reference)
    }
    guard object >= 0 else { throw fault(place, expected: "an array", found: "none") }
    guard library.calls.H5Iget_type(object) == H5I_DATASET else {
      _ = library.calls.H5Idec_ref(object)
      throw fault(place, expected: "an array", found: "another kind of object")
    }
    return object
  }

  private func checkType<Element: HDF5Element>(
    of array: hid_t, _ element: Element.Type, place: String, _ library: legrad_hdf5
  ) throws(LeGradError) {
    let type = library.calls.H5Dget_type(array)
    guard type >= 0 else { throw fault(place, expected: Element.summary, found: "an unknown type") }
    defer { _ = library.calls.H5Idec_ref(type) }
    guard Element.types(library).contains(where: { library.calls.H5Tequal(type, $0) > 0 }) else {
      let size = library.calls.H5Tget_size(type)
      let names: [H5T_class_t: String] = [
        H5T_INTEGER: "integers", H5T_FLOAT: "floating-point numbers", H5T_STRING: "text", H5T_REFERENCE: "references",
      ]
      let name = names[library.calls.H5Tget_class(type)] ?? "another type"
      throw fault(place, expected: Element.summary, found: "\(name) of \(size) bytes")
    }
  }

  private func shape(
    of array: hid_t, place: String, rank: Int, limit: Int, _ library: legrad_hdf5
  ) throws(LeGradError) -> [Int] {
    let space = library.calls.H5Dget_space(array)
    guard space >= 0 else { throw fault(place, expected: "\(rank) dimensions", found: "none") }
    defer { _ = library.calls.H5Idec_ref(space) }
    let found = library.calls.H5Sget_simple_extent_ndims(space)
    guard found == rank else {
      throw fault(place, expected: "\(rank) dimensions", found: found < 0 ? "none" : "\(found)")
    }
    var lengths = [hsize_t](repeating: 0, count: rank)
    guard unsafe library.calls.H5Sget_simple_extent_dims(space, &lengths, nil) == found else {
      throw fault(place, expected: "\(rank) dimensions", found: "fewer")
    }
    var room = limit
    for length in lengths {
      guard length > 0, length <= room else {
        let text = lengths.map { "\($0)" }.joined(separator: " × ")
        throw fault(place, expected: "1 to \(limit) elements", found: text)
      }
      room /= Int(length)
    }
    return lengths.map { Int($0) }
  }

  func fault(_ place: String, expected: String, found: String) -> LeGradError {
    Evaluation.fault(
      path, place, expected: expected, found: found, remedy: "the file is damaged or not what was meant; fetch it again"
    )
  }

  private static func refusal(_ path: String, header: [UInt8]) -> LeGradError {
    if let leftover = Leftover(header, fromText: false) {
      return Evaluation.fault(
        path, expected: "an HDF5 file (MATLAB 7.3)", found: leftover.found, remedy: leftover.remedy)
    }
    let isOldMATLAB = header.starts(with: "MATLAB 5.0".utf8)
    let remedy: Message =
      isOldMATLAB
      ? "save it in MATLAB with -v7.3"
      : "fetch the file again; if its file system has no locks, set HDF5_USE_FILE_LOCKING=FALSE"
    return Evaluation.fault(
      path, expected: "an HDF5 file (MATLAB 7.3)",
      found: isOldMATLAB ? "a MATLAB 5.0 file" : "one that the HDF5 library does not open", remedy: remedy)
  }
}
