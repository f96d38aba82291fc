import CHDF5
import CZlib

extension HDF5File {
  /// Refuses data that lies in other files, and chunks that hold less than they should: the library would read past
  /// their end.
  func checkStorage(of array: hid_t, shape: [Int], _ library: legrad_hdf5) throws(HDF5Fault) {
    let properties = library.calls.H5Dget_create_plist(array)
    guard properties >= 0 else { throw HDF5Fault(expected: "an array", found: "one without properties") }
    defer { _ = library.calls.H5Idec_ref(properties) }
    let layout = library.calls.H5Pget_layout(properties)
    guard [H5D_COMPACT, H5D_CONTIGUOUS, H5D_CHUNKED].contains(layout),
      library.calls.H5Pget_external_count(properties) == 0
    else {
      throw HDF5Fault(
        expected: "data in this file", found: "data in another",
        remedy: "write one file that has them, such as by MATLAB's save with -v7.3")
    }
    guard layout == H5D_CHUNKED else { return }
    let filters = try filters(properties, library)
    let chunks = try chunks(of: array, properties, shape: shape, library)
    for offset in chunks.offsets {
      try checkChunk(at: offset, of: array, filters, byteCount: chunks.byteCount, library)
    }
  }

  /// The library's time grows fast with their number.
  private static let chunkLimit = 10_000

  /// The first element of each chunk that an array is stored in, and the bytes of one that is unpacked.
  private func chunks(
    of array: hid_t, _ properties: hid_t, shape: [Int], _ library: legrad_hdf5
  ) throws(HDF5Fault) -> (offsets: [[hsize_t]], byteCount: Int) {
    var lengths = [hsize_t](repeating: 0, count: shape.count)
    let rank = unsafe library.calls.H5Pget_chunk(properties, Int32(lengths.count), &lengths)
    guard rank == shape.count, zip(lengths, shape).allSatisfy({ $0 > 0 && $0 <= hsize_t($1) }) else {
      throw HDF5Fault(
        expected: "chunks within \(shape.map { "\($0)" }.joined(separator: " × "))",
        found: lengths.map { "\($0)" }.joined(separator: " × "))
    }
    let chunk = lengths.map { Int($0) }
    let count = zip(shape, chunk).reduce(1) { $0 * (($1.0 - 1) / $1.1 + 1) }
    guard count <= Self.chunkLimit else {
      throw HDF5Fault(
        expected: "at most \(Self.chunkLimit) chunks", found: "\(count)",
        remedy: "write the file again without chunks by 'h5repack -l CONTI OLD NEW'")
    }
    let type = library.calls.H5Dget_type(array)
    defer { _ = library.calls.H5Idec_ref(type) }
    let offsets: [[hsize_t]] = zip(shape, chunk).reduce([[]]) { offsets, axis in
      offsets.flatMap { offset in stride(from: 0, to: axis.0, by: axis.1).map { offset + [hsize_t($0)] } }
    }
    return (offsets, chunk.reduce(1, *) * library.calls.H5Tget_size(type))
  }

  /// How chunks are packed: the filters that HDF5 itself has and of whose output the size can be told before the library
  /// relies on it.
  private func filters(_ properties: hid_t, _ library: legrad_hdf5) throws(HDF5Fault) -> [H5Z_filter_t] {
    let filters = (0..<max(0, library.calls.H5Pget_nfilters(properties))).map { index in
      var flags: UInt32 = 0
      var parameterCount = 0
      return unsafe library.calls.H5Pget_filter2(properties, UInt32(index), &flags, &parameterCount, nil, 0, nil, nil)
    }
    let known = [H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32]
    if let other = filters.first(where: { !known.contains($0) }) { throw HDF5Filter(other).fault }
    guard filters.count(where: { $0 == H5Z_FILTER_DEFLATE }) <= 1 else {
      throw HDF5Fault(
        expected: "chunks packed once", found: "chunks packed twice", remedy: HDF5Filter.repackRemedy)
    }
    let tellsPlainSizes = unsafe library.H5Dget_chunk_info_by_coord != nil
    guard !filters.isEmpty || tellsPlainSizes else {
      throw HDF5Fault(
        expected: "packed chunks, as this HDF5 library is older than 1.10.5", found: "chunks that are not packed",
        remedy: HDF5Filter.repackRemedy)
    }
    return filters
  }

  private func checkChunk(
    at offset: [hsize_t], of array: hid_t, _ filters: [H5Z_filter_t], byteCount: Int, _ library: legrad_hdf5
  ) throws(HDF5Fault) {
    let stored = try storedSize(ofChunkAt: offset, of: array, isPacked: !filters.isEmpty, library)
    // None stored: filled by the library.
    if stored == 0 { return }
    guard stored <= hsize_t(size) else {
      throw HDF5Fault(expected: "chunks within the file", found: "one of \(stored) bytes")
    }
    var bytes = [UInt8](repeating: 0, count: Int(stored))
    var skipped: UInt32 = 0
    guard unsafe library.calls.H5Dread_chunk(array, 0, offset, &skipped, &bytes) >= 0 else {
      throw HDF5Fault(expected: "readable chunks", found: "a read error (H5Dread_chunk)")
    }
    // A filter that made a chunk no smaller may have been left out.
    let used = filters.enumerated().filter { skipped >> UInt32($0.offset) & 1 == 0 }.map(\.element)
    let found = unpackedSize(bytes, used, limit: byteCount)
    guard found == byteCount else {
      throw HDF5Fault(
        expected: "chunks of \(byteCount) bytes",
        found: found.map { $0 > byteCount ? "more" : "\($0)" } ?? "damaged data")
    }
  }

  /// Bytes of a chunk in the file, 0 where it is not there.
  private func storedSize(
    ofChunkAt offset: [hsize_t], of array: hid_t, isPacked: Bool, _ library: legrad_hdf5
  ) throws(HDF5Fault) -> hsize_t {
    var stored: hsize_t = 0
    var status: herr_t = -1
    if isPacked {
      status = unsafe library.calls.H5Dget_chunk_storage_size(array, offset, &stored)
    } else if let chunkInfo = unsafe library.H5Dget_chunk_info_by_coord {
      // Of chunks that are not packed, the other call tells the size that they should have.
      var skipped: UInt32 = 0
      var address: UInt64 = 0
      status = unsafe chunkInfo(array, offset, &skipped, &address, &stored)
    }
    guard status >= 0 else {
      throw HDF5Fault(expected: "a list of chunks", found: "a read error (the size of a chunk)")
    }
    return stored
  }
}

/// How many bytes a chunk is to be once its filters are undone, counted only a little past `limit`; nil if it is damaged
/// or cut.
private func unpackedSize(_ bytes: [UInt8], _ filters: [H5Z_filter_t], limit: Int) -> Int? {
  let checksumSize = 4
  var rest = bytes[...]
  var unpacked: Int?
  for filter in filters.reversed() {
    switch filter {
    case H5Z_FILTER_DEFLATE:
      unpacked = inflatedSize(of: Array(rest), limit: limit + filters.count * checksumSize)
      if unpacked == nil { return nil }
    case H5Z_FILTER_FLETCHER32:
      guard unpacked ?? rest.count >= checksumSize else { return nil }
      if let size = unpacked { unpacked = size - checksumSize } else { rest = rest.dropLast(checksumSize) }
    default: break
    }
  }
  return unpacked ?? rest.count
}

/// A filter that chunks are not read through.
struct HDF5Filter {
  private let number: H5Z_filter_t

  init(_ number: H5Z_filter_t) { self.number = number }

  static let repackRemedy =
    "write the file again by 'h5repack -f GZIP=4 OLD NEW' (Debian, Ubuntu: apt install hdf5-tools)"

  /// Those of HDF5 itself and the commonest of the list that The HDF Group keeps.
  private static let names: [H5Z_filter_t: String] = [
    4: "szip", 5: "nbit", 6: "scale-offset", 32_000: "LZF", 32_001: "Blosc", 32_004: "LZ4", 32_008: "bitshuffle",
    32_013: "ZFP", 32_015: "Zstandard", 32_026: "Blosc2",
  ]

  var fault: HDF5Fault {
    let found = Self.names[number].map { "\($0), filter \(number)" } ?? "filter \(number)"
    return HDF5Fault(
      expected: "chunks packed by deflate (gzip), shuffle and fletcher32, or not packed", found: found, remedy: remedy)
  }

  private var remedy: String {
    switch number {
    // Parts of the library itself.
    case 4...6: Self.repackRemedy
    // What h5py brings along is no plug-in that other programs find.
    case 32_000: "only h5py has this filter: write the file there with compression='gzip'"
    default:
      Self.repackRemedy
        + ", with the folder of the filter's plug-in in HDF5_PLUGIN_PATH (without it h5repack warns, and leaves the array out)"
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
