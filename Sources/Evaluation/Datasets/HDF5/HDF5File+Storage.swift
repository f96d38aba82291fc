import CHDF5
import CZlib
import LeGrad

extension HDF5File {
  /// Refuses data that lies in other files, and chunks that hold less than they should: the library would read past
  /// their end.
  func checkStorage(of array: hid_t, shape: [Int], place: String, _ library: legrad_hdf5) throws(LeGradError) {
    let properties = library.calls.H5Dget_create_plist(array)
    guard properties >= 0 else { throw fault(place, expected: "an array", found: "one without properties") }
    defer { _ = library.calls.H5Idec_ref(properties) }
    let layout = library.calls.H5Pget_layout(properties)
    guard [H5D_COMPACT, H5D_CONTIGUOUS, H5D_CHUNKED].contains(layout),
      library.calls.H5Pget_external_count(properties) == 0
    else { throw fault(place, expected: "data in this file", found: "data in another") }
    guard layout == H5D_CHUNKED else { return }
    try checkFilters(properties, place: place, library)
    let chunks = try chunks(of: array, properties, shape: shape, place: place, library)
    for offset in chunks.offsets {
      try checkChunk(at: offset, of: array, byteCount: chunks.byteCount, place: place, library)
    }
  }

  /// The library's time grows fast with their number.
  private static let chunkLimit = 10_000

  /// The first element of each chunk that an array is stored in, and the bytes of one that is unpacked.
  private func chunks(
    of array: hid_t, _ properties: hid_t, shape: [Int], place: String, _ library: legrad_hdf5
  ) throws(LeGradError) -> (offsets: [[hsize_t]], byteCount: Int) {
    var lengths = [hsize_t](repeating: 0, count: shape.count)
    let rank = unsafe library.calls.H5Pget_chunk(properties, Int32(lengths.count), &lengths)
    guard rank == shape.count, zip(lengths, shape).allSatisfy({ $0 > 0 && $0 <= hsize_t($1) }) else {
      throw fault(
        place, expected: "chunks within \(shape.map { "\($0)" }.joined(separator: " × "))",
        found: lengths.map { "\($0)" }.joined(separator: " × "))
    }
    let chunk = lengths.map { Int($0) }
    let count = zip(shape, chunk).reduce(1) { $0 * (($1.0 - 1) / $1.1 + 1) }
    guard count <= Self.chunkLimit else {
      throw fault(place, expected: "at most \(Self.chunkLimit) chunks", found: "\(count)")
    }
    let type = library.calls.H5Dget_type(array)
    defer { _ = library.calls.H5Idec_ref(type) }
    let offsets: [[hsize_t]] = zip(shape, chunk).reduce([[]]) { offsets, axis in
      offsets.flatMap { offset in stride(from: 0, to: axis.0, by: axis.1).map { offset + [hsize_t($0)] } }
    }
    return (offsets, chunk.reduce(1, *) * library.calls.H5Tget_size(type))
  }

  /// MATLAB packs chunks by deflate. Of those that are not packed, the library does not tell the size in the file.
  private func checkFilters(_ properties: hid_t, place: String, _ library: legrad_hdf5) throws(LeGradError) {
    let filters = (0..<max(0, library.calls.H5Pget_nfilters(properties))).map { index in
      var flags: UInt32 = 0
      var parameterCount = 0
      return unsafe library.calls.H5Pget_filter2(properties, UInt32(index), &flags, &parameterCount, nil, 0, nil, nil)
    }
    guard filters == [H5Z_FILTER_DEFLATE] || filters == [H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE] else {
      let found = filters.isEmpty ? "none" : filters.map { "\($0)" }.joined(separator: ", ")
      throw fault(place, expected: "chunks packed by deflate, HDF5's filter 1", found: "filter \(found)")
    }
  }

  private func checkChunk(
    at offset: [hsize_t], of array: hid_t, byteCount: Int, place: String, _ library: legrad_hdf5
  ) throws(LeGradError) {
    var stored: hsize_t = 0
    guard unsafe library.calls.H5Dget_chunk_storage_size(array, offset, &stored) >= 0 else {
      throw fault(place, expected: "a list of chunks", found: "a read error (H5Dget_chunk_storage_size)")
    }
    // None stored: filled by the library.
    if stored == 0 { return }
    guard stored <= hsize_t(size) else {
      throw fault(place, expected: "chunks within the file", found: "one of \(stored) bytes")
    }
    var packed = [UInt8](repeating: 0, count: Int(stored))
    var skipped: UInt32 = 0
    guard unsafe library.calls.H5Dread_chunk(array, 0, offset, &skipped, &packed) >= 0, skipped == 0 else {
      throw fault(place, expected: "readable packed chunks", found: "a read error (H5Dread_chunk)")
    }
    let found = inflatedSize(of: packed, limit: byteCount)
    guard found == byteCount else {
      throw fault(
        place, expected: "chunks of \(byteCount) bytes",
        found: found.map { $0 > byteCount ? "more" : "\($0)" } ?? "damaged data")
    }
  }
}

/// How many bytes zlib data unpack to, counted only a little past `limit`; nil if they are damaged or cut.
private func inflatedSize(of packed: [UInt8], limit: Int) -> Int? {
  var input = packed
  var window = [UInt8](repeating: 0, count: 1 << 16)
  var stream = unsafe z_stream()
  guard input.count <= UInt32.max,
    unsafe inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { return nil }
  defer { unsafe inflateEnd(&stream) }
  return unsafe input.withUnsafeMutableBufferPointer { source in
    unsafe window.withUnsafeMutableBufferPointer { target in
      unsafe stream.next_in = source.baseAddress
      unsafe stream.avail_in = UInt32(source.count)
      var total = 0
      while total <= limit {
        unsafe stream.next_out = target.baseAddress
        unsafe stream.avail_out = UInt32(target.count)
        let status = unsafe inflate(&stream, Z_NO_FLUSH)
        total += unsafe target.count - Int(stream.avail_out)
        if status == Z_STREAM_END { return total }
        guard status == Z_OK else { return nil }
      }
      return total
    }
  }
}
