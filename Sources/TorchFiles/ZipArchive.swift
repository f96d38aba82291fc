import Files
import Texts

/// The members of a ZIP archive as `torch.save` writes it: stored, not compressed, under one folder.
///
/// All of the archive's structure is checked on opening: the directory lies inside the file, each local header says
/// what the directory says, and no byte belongs to two members. Checksums are not: `torch.serialization` can be told to
/// write none (`set_crc32_options`), and weights in safetensors have none either. Format: PKWARE's APPNOTE 6.3.10,
/// sections 4.3.6 to 4.3.16 and 4.5.3; writer: `caffe2/serialize/inline_container.cc` of PyTorch 2.
struct ZipArchive: Sendable {
  /// The bytes of each member in the file, by its name without the archive's folder.
  let members: TextTable<Range<Int>>

  static let maximumDirectoryBytes = 64 << 20

  private static let localHeaderBytes = 30
  private static let entryBytes = 46
  private static let endBytes = 22
  private static let end64Bytes = 56
  private static let locatorBytes = 20

  init(_ source: FileBytes) throws(TorchFileError) {
    let reader = Reader(source: source, faults: TorchFaults(path: source.path))
    let directory = try reader.directory()
    var extents: [(name: String, bytes: Range<Int>)] = []
    var members: TextTable<Range<Int>> = [:]
    var root: Substring.UTF8View?
    let entries = try reader.entries(directory)
    // Before anything else, since the programs themselves are compressed.
    if let program = entries.first(where: \.isProgram) {
      throw reader.faults.unread(
        .torchScript, "member \"\(program.name)\"", expected: "tensors as torch.save writes them",
        found: "a TorchScript program, which torch.jit.save writes")
    }
    for entry in entries {
      try reader.checkStored(entry)
      // By bytes: a slash before a mark is a slash.
      let text = entry.name.utf8
      guard let slash = text.firstIndex(of: UInt8(ascii: "/")), slash > text.startIndex,
        root?.elementsEqual(text[..<slash]) ?? true
      else {
        throw reader.faults.damaged(
          .memberName, "member \"\(entry.name)\"",
          expected: root.map { "a name under \"\(Substring($0))/\", as the first has" } ?? "a name under a folder",
          found: "another name")
      }
      root = text[..<slash]
      let data = try reader.data(of: entry, before: directory.bytes.lowerBound)
      let name = String(Substring(text[text.index(after: slash)...]))
      guard members.updateValue(data, forKey: name) == nil else {
        throw reader.faults.damaged(
          .duplicateMember, "member \"\(entry.name)\"", expected: "every name once", found: "it twice")
      }
      extents.append((entry.name, entry.headerOffset..<data.upperBound))
    }
    extents.sort { $0.bytes.lowerBound < $1.bytes.lowerBound }
    for (previous, next) in zip(extents, extents.dropFirst())
    where next.bytes.lowerBound < previous.bytes.upperBound {
      throw reader.faults.damaged(
        .overlap, "member \"\(next.name)\"", expected: "a start at \(previous.bytes.upperBound) or later",
        found: "\(next.bytes.lowerBound), inside \"\(previous.name)\"")
    }
    self.members = members
  }

  private struct Directory {
    let bytes: Range<Int>
    let entryCount: Int
  }

  private struct Entry {
    let name: String
    let nameBytes: ArraySlice<UInt8>
    let flags: UInt64
    let method: UInt64
    let checksum: UInt64
    /// Bytes in the file, which are as many as the member has once it is known to be stored.
    let size: Int
    let headerOffset: Int

    /// Whether this is what `torch.jit.save` puts beside the tensors.
    var isProgram: Bool {
      let name = name.utf8.drop { $0 != UInt8(ascii: "/") }
      return name.elementsEqual("/constants.pkl".utf8) || name.starts(with: "/code/".utf8)
    }
  }

  private struct Reader {
    let source: FileBytes
    let faults: TorchFaults

    func bytes(_ range: Range<Int>) throws(TorchFileError) -> [UInt8] {
      do throws(FileError) { return try source.bytes(range) } catch { throw TorchFileError(error) }
    }

    /// Where the central directory is. The archive ends with the record that says so: PyTorch writes no comment.
    func directory() throws(TorchFileError) -> Directory {
      let endOffset = source.size - endBytes
      let end = endOffset >= 0 ? try bytes(endOffset..<source.size) : []
      guard end.starts(with: [0x50, 0x4B, 5, 6]), end.little(at: 20, bytes: 2) == 0 else {
        throw faults.damaged(
          .archive, "end of file", expected: "the end of an archive, which its last 22 bytes say",
          found: "other bytes, of a file of \(source.size)")
      }
      // Both disk numbers, both counts of entries, the directory's size and offset.
      let short = [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4)].map { end.little(at: $0.0, bytes: $0.1) }
      var fields = short
      var directoryEnd = endOffset
      let locatorOffset = endOffset - locatorBytes
      let locator = locatorOffset >= 0 ? try bytes(locatorOffset..<endOffset) : []
      if locator.starts(with: [0x50, 0x4B, 6, 7]) {
        let end64Offset = locator.little(at: 8, bytes: 8)
        guard locator.little(at: 4, bytes: 4) == 0, locator.little(at: 16, bytes: 4) == 1,
          locatorOffset >= end64Bytes, end64Offset <= UInt64(locatorOffset - end64Bytes)
        else {
          throw faults.damaged(
            .archive, "ZIP64 locator", expected: "a record before byte \(locatorOffset) of this file",
            found: "one at byte \(end64Offset)")
        }
        directoryEnd = Int(end64Offset)
        let end64 = try bytes(directoryEnd..<directoryEnd + end64Bytes)
        guard end64.starts(with: [0x50, 0x4B, 6, 6]),
          end64.little(at: 4, bytes: 8) == UInt64(locatorOffset - directoryEnd - 12)
        else {
          throw faults.damaged(
            .archive, "ZIP64 end of directory", expected: "a record up to byte \(locatorOffset)", found: "other bytes")
        }
        fields = [(16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)].map { end64.little(at: $0.0, bytes: $0.1) }
        // The short record repeats what fits, and has all bits set for the rest (APPNOTE 4.4.1.4).
        let limits: [UInt64] = [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF]
        for index in short.indices where short[index] != limits[index] && short[index] != fields[index] {
          throw faults.damaged(
            .archive, "end of directory", expected: "what the ZIP64 record says, \(fields[index])",
            found: "\(short[index])")
        }
      }
      let (entryCount, size, offset) = (fields[3], fields[4], fields[5])
      guard fields[0] == 0, fields[1] == 0, fields[2] == entryCount else {
        throw faults.damaged(.archive, "end of directory", expected: "an archive in one file", found: "a part of one")
      }
      let (start, overflow) = UInt64(directoryEnd).subtractingReportingOverflow(size)
      guard !overflow, start == offset else {
        throw faults.damaged(
          .archive, "end of directory", expected: "a directory that ends at byte \(directoryEnd)",
          found: "\(size) bytes from byte \(offset)")
      }
      guard size <= maximumDirectoryBytes, entryCount <= size / UInt64(entryBytes) else {
        throw faults.damaged(
          .limit, "directory", expected: "at most \(maximumDirectoryBytes) bytes, and \(entryBytes) or more per member",
          found: "\(size) bytes for \(entryCount) members")
      }
      return Directory(bytes: Int(start)..<directoryEnd, entryCount: Int(entryCount))
    }

    /// The members, as the central directory has them.
    func entries(_ directory: Directory) throws(TorchFileError) -> [Entry] {
      let text = try bytes(directory.bytes)
      var entries: [Entry] = []
      entries.reserveCapacity(directory.entryCount)
      var start = 0
      for index in 0..<directory.entryCount {
        let place = "directory entry \(index)"
        guard text.count - start >= entryBytes, text[start...].starts(with: [0x50, 0x4B, 1, 2]) else {
          throw faults.damaged(.archive, place, expected: "an entry", found: "other bytes, or the directory's end")
        }
        let field = { (offset: Int, count: Int) in text.little(at: start + offset, bytes: count) }
        let lengths = [28, 30, 32].map { Int(field($0, 2)) }
        let next = start + entryBytes + lengths.reduce(0, +)
        guard next <= text.count else {
          throw faults.damaged(.archive, place, expected: "an end inside the directory", found: "one beyond it")
        }
        let extraStart = start + entryBytes + lengths[0]
        let nameBytes = text[start + entryBytes..<extraStart]
        let name = try name(nameBytes, place: place)
        let member = "member \"\(name)\""
        // Sizes and offset, which the ZIP64 extra field has where they are all ones.
        let wide = try wideFields(
          [field(24, 4), field(20, 4), field(42, 4)], extra: text[extraStart..<extraStart + lengths[1]], member)
        guard wide[0] == wide[1] || field(10, 2) != 0, field(34, 2) == 0 else {
          throw faults.damaged(
            .archive, member, expected: "a stored member: as many bytes in the file as in all",
            found: "\(wide[1]) for \(wide[0]), part \(field(34, 2))")
        }
        guard let size = Int(exactly: wide[1]), let offset = Int(exactly: wide[2]),
          offset <= directory.bytes.lowerBound, size <= directory.bytes.lowerBound - offset
        else {
          throw faults.damaged(
            .outOfFile, member, expected: "bytes before the directory, at \(directory.bytes.lowerBound)",
            found: "\(wide[1]) bytes from byte \(wide[2])")
        }
        entries.append(
          Entry(
            name: name, nameBytes: nameBytes, flags: field(8, 2), method: field(10, 2), checksum: field(16, 4),
            size: size, headerOffset: offset))
        start = next
      }
      guard start == text.count else {
        throw faults.damaged(
          .archive, "directory", expected: "\(directory.entryCount) members in \(start) bytes",
          found: "\(text.count) bytes")
      }
      return entries
    }

    /// Where the member's bytes are, behind its local header.
    func data(of entry: Entry, before limit: Int) throws(TorchFileError) -> Range<Int> {
      let member = "member \"\(entry.name)\""
      func failure(_ expected: String, _ found: String) -> TorchFileError {
        faults.damaged(.archive, member + " local header", expected: expected, found: found)
      }
      let nameStart = entry.headerOffset + localHeaderBytes
      let extraStart = nameStart + entry.nameBytes.count
      guard extraStart <= limit else {
        throw failure("a header before the directory, at \(limit)", "one from byte \(entry.headerOffset)")
      }
      let header = try bytes(entry.headerOffset..<extraStart)
      guard header.starts(with: [0x50, 0x4B, 3, 4]) else { throw failure("a header", "other bytes") }
      guard header.little(at: 26, bytes: 2) == entry.nameBytes.count,
        header[localHeaderBytes...].elementsEqual(entry.nameBytes)
      else { throw failure("the name that the directory has", "another") }
      guard header.little(at: 6, bytes: 2) == entry.flags, header.little(at: 8, bytes: 2) == 0 else {
        throw failure("the flags and method that the directory has", "others")
      }
      let dataStart = extraStart + Int(header.little(at: 28, bytes: 2))
      guard dataStart <= limit, entry.size <= limit - dataStart else {
        throw faults.damaged(
          .outOfFile, member, expected: "bytes before the directory, at \(limit)",
          found: "\(entry.size) bytes from byte \(dataStart)")
      }
      let sizes = try wideFields(
        [header.little(at: 22, bytes: 4), header.little(at: 18, bytes: 4)],
        extra: try bytes(extraStart..<dataStart)[...], member)
      // With this flag, sizes and checksum may be zero here and stand behind the data (APPNOTE 4.4.4, bit 3).
      let isDescribedLater = entry.flags & descriptorFlag != 0
      let size = UInt64(entry.size)
      for (value, expected) in [(sizes[0], size), (sizes[1], size), (header.little(at: 14, bytes: 4), entry.checksum)]
      where value != expected && !(isDescribedLater && value == 0) {
        throw failure("the sizes and checksum that the directory has, such as \(expected)", "\(value)")
      }
      return dataStart..<dataStart + entry.size
    }

    private func name(_ bytes: ArraySlice<UInt8>, place: String) throws(TorchFileError) -> String {
      guard let name = String(validating: bytes, as: UTF8.self), !name.isEmpty,
        !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
      else {
        throw faults.damaged(
          .memberName, place, expected: "a name in UTF-8 without control characters", found: "other bytes")
      }
      return name
    }

    func checkStored(_ entry: Entry) throws(TorchFileError) {
      let member = "member \"\(entry.name)\""
      // Bits 0, 6 and 13: encryption of the data, strong encryption, a masked directory (APPNOTE 4.4.4).
      guard entry.flags & 0x2041 == 0 else {
        throw faults.damaged(.encrypted, member, expected: "a plain member", found: "an encrypted one")
      }
      // Bit 5: a patch.
      guard entry.method == 0, entry.flags & 0x20 == 0 else {
        throw faults.unread(
          .compressed, member, expected: "a stored member, as torch.save writes it",
          found: entry.method == 0 ? "a patch" : "one compressed by method \(entry.method)")
      }
    }

    /// `fields`, with those that are all ones taken from the ZIP64 extra field, which has them in this order (APPNOTE
    /// 4.5.3).
    private func wideFields(
      _ fields: [UInt64], extra: ArraySlice<UInt8>, _ member: String
    ) throws(TorchFileError) -> [UInt64] {
      guard fields.contains(0xFFFF_FFFF) else { return fields }
      var fields = fields
      var rest = extra
      while rest.count >= 4 {
        let length = Int(rest.little(at: rest.startIndex + 2, bytes: 2))
        guard length <= rest.count - 4 else { break }
        if rest.little(at: rest.startIndex, bytes: 2) == 1 {
          var values = rest.dropFirst(4).prefix(length)
          let missing = fields.indices.filter { fields[$0] == 0xFFFF_FFFF }
          guard values.count >= 8 * missing.count else { break }
          for index in missing {
            fields[index] = values.little(at: values.startIndex, bytes: 8)
            values = values.dropFirst(8)
          }
          return fields
        }
        rest = rest.dropFirst(4 + length)
      }
      throw faults.damaged(.archive, member, expected: "a ZIP64 field for sizes of 4 GiB or more", found: "none")
    }
  }

  private static let descriptorFlag: UInt64 = 8
}

extension RandomAccessCollection<UInt8> where Index == Int {
  /// The unsigned integer of `bytes` bytes at `index`, little-endian.
  func little(at index: Int, bytes: Int) -> UInt64 {
    self[index..<index + bytes].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
