import Failures
import Files
import StrictJSON

/// The cache that Hugging Face's hub keeps on a disk (huggingface_hub 2.4.0, `file_download.py`): a folder
/// `models--ORGANISATION--NAME` for each model, in it `refs/NAME` with the commit that a branch or tag had when it was
/// fetched, and `snapshots/COMMIT` with links to the files.
struct HubCache {
  let folder: String

  /// A model's name on the hub, and which state of it.
  struct ID: Equatable {
    /// `organisation/name`, or `name` of old models.
    let repository: String
    /// A branch, a tag, or the start of a commit; nil for what the branch `main` had.
    var revision: String?

    /// What OpenCLIP and timm write before such names.
    private static let schemes = ["hf-hub:", "hf_hub:"]

    /// Nil for a text that is no such name (huggingface_hub, `_validators.py`).
    init?(_ text: String) {
      var text = text[...]
      for scheme in Self.schemes where text.hasPrefix(scheme) { text = text.dropFirst(scheme.count) }
      var revision: Substring?
      if let at = text.firstIndex(of: "@") {
        revision = text[text.index(after: at)...]
        text = text[..<at]
      }
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count <= 2, text.utf8.count <= 96, parts.allSatisfy(Self.isName), !text.contains("--") else {
        return nil
      }
      if let revision {
        let parts = revision.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy(Self.isName) else { return nil }
      }
      repository = String(text)
      self.revision = revision.map(String.init)
    }

    /// The model whose folder in a cache has this name.
    init?(folderName: String) {
      guard folderName.hasPrefix(HubCache.prefix) else { return nil }
      self.init(String(folderName.dropFirst(HubCache.prefix.count)).replacing("--", with: "/"))
    }

    var folderName: String { HubCache.prefix + repository.replacing("/", with: "--") }
    var name: String { revision.map { "\(repository)@\($0)" } ?? repository }

    /// The line that fetches it.
    var download: String {
      "hf download \(repository)" + (revision.map { " --revision \($0)" } ?? "")
    }

    private static func isName(_ part: Substring) -> Bool {
      let isPlain = part.utf8.allSatisfy { byte in
        byte < 0x80
          && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
            || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(byte))
      }
      return isPlain && !part.isEmpty && !".-".contains(part.first ?? ".") && !".-".contains(part.last ?? ".")
        && !part.contains("..")
    }
  }

  private static let prefix = "models--"

  /// Whether there is something of the model.
  func contains(_ id: ID) -> Bool { FileTree.isFolder(FileTree.join(folder, id.folderName)) }

  /// The models of which there is something, sorted.
  var models: [String] {
    let names = (try? FileTree.names(in: folder)) ?? []
    return names.compactMap { ID(folderName: $0.text)?.repository }.sorted()
  }

  /// The folder of a snapshot of the model.
  func snapshot(of id: ID) throws(CheckpointError) -> String {
    let model = FileTree.join(folder, id.folderName)
    let snapshots = model + "/snapshots"
    let commits = ((try? FileTree.names(in: snapshots)) ?? []).map(\.text).filter {
      FileTree.isFolder("\(snapshots)/\($0)")
    }
    .sorted()
    func failure(_ place: String, expected: String, found: String) -> CheckpointError {
      CheckpointError(
        .snapshot, file: model, place: place, expected: expected, found: found,
        remedy: "nothing is downloaded here: fetch it with '\(id.download)'"
          + (commits.isEmpty
            ? "" : ", or name one that is there: \(Self.list(commits.map { "\(id.repository)@\($0)" }))"))
    }
    guard !commits.isEmpty else { throw failure("snapshots", expected: "the model's files", found: "none") }
    let revision = id.revision ?? "main"
    if let commit = try commit(of: revision, in: model) {
      guard commits.contains(commit) else {
        throw failure("refs/\(revision)", expected: "a snapshot of \(commit)", found: Self.list(commits))
      }
      return "\(snapshots)/\(commit)"
    }
    guard id.revision != nil else {
      guard commits.count == 1 else {
        throw failure(
          "refs/main", expected: "which snapshot is meant", found: "no such file, and \(Self.list(commits))")
      }
      return "\(snapshots)/\(commits[0])"
    }
    let matches = commits.filter { $0 == revision || revision.utf8.count >= 4 && $0.hasPrefix(revision) }
    guard matches.count == 1 else {
      throw failure("revision \(revision)", expected: "a branch, a tag or one commit", found: Self.list(matches))
    }
    return "\(snapshots)/\(matches[0])"
  }

  /// What a branch or tag had; nil for one that is not known here.
  private func commit(of revision: String, in model: String) throws(CheckpointError) -> String? {
    let path = "\(model)/refs/\(revision)"
    guard FileTree.exists(path), !FileTree.isFolder(path) else { return nil }
    let bytes: [UInt8]
    do throws(FileError) { bytes = try WholeFile.read(path, limit: 4_096) } catch {
      throw CheckpointError(.snapshot, error)
    }
    let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard text.count == 1, text[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
      throw CheckpointError(
        .snapshot, file: path, expected: "a commit", found: quoted(String(decoding: bytes.prefix(80), as: UTF8.self)),
        remedy: "remove the file, or fetch the model again")
    }
    return String(text[0])
  }

  /// For a message.
  static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
  }
}
