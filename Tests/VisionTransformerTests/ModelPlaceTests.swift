import Failures
import FoundationEssentials
import SafeTensors
import Testing

@testable import VisionTransformer

/// What may stand in the place of a model's folder.
struct ModelPlaceTests {
  static let commit = "0123abcd0123abcd0123abcd0123abcd0123abcd"
  static let other = "9876fedc9876fedc9876fedc9876fedc9876fedc"

  /// A cache as huggingface_hub 2.4.0 lays it out, with the Hugging Face fixture in every snapshot.
  private final class Cache {
    let folder: CheckpointFolder
    var path: String { folder.path + "/hub" }

    init() throws { folder = try CheckpointFolder() }

    @discardableResult
    func add(
      _ model: String = "models--acme--clip", commits: [String] = [commit], refs: [String: String] = ["main": commit],
      files: [String] = ["config.json", "preprocessor_config.json", "model.safetensors"]
    ) throws -> String {
      let files = files.map { ($0, CheckpointFolder.fixture("clip-hf/model/" + $0)) }
      let manager = FileManager.default
      let root = path + "/" + model
      try manager.createDirectory(atPath: root + "/blobs", withIntermediateDirectories: true)
      for (name, file) in files where !manager.fileExists(atPath: "\(root)/blobs/\(name).sha") {
        try manager.copyItem(atPath: file, toPath: "\(root)/blobs/\(name).sha")
      }
      for commit in commits {
        let snapshot = "\(root)/snapshots/\(commit)"
        try manager.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
        for (name, _) in files {
          try manager.createSymbolicLink(
            atPath: "\(snapshot)/\(name)", withDestinationPath: "../../blobs/\(name).sha")
        }
      }
      for (name, commit) in refs {
        let file = URL(filePath: "\(root)/refs/\(name)")
        try manager.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(commit.utf8).write(to: file)
      }
      return root
    }

    func snapshot(_ commit: String = commit, of model: String = "models--acme--clip") -> String {
      "\(path)/\(model)/snapshots/\(commit)"
    }
  }

  @Test func aNameIsLookedForInTheCache() throws {
    let cache = try Cache()
    try cache.add()
    for name in ["acme/clip", "hf-hub:acme/clip", "hf_hub:acme/clip"] {
      let place = try ModelPlace(name, hubCache: cache.path)
      #expect(place.folder == cache.snapshot())
      #expect(place.weights == nil)
      #expect(place.name == "acme/clip")
      #expect(try Checkpoint(folder: place.folder).parameterCount == 311_777)
    }
  }

  /// Of a download that was interrupted, the links of a snapshot lead to blobs that are not there.
  @Test(arguments: ["config.json", "preprocessor_config.json", "model.safetensors"])
  func aSnapshotWhoseLinksLeadNowhereIsAnIncompleteDownload(name: String) throws {
    let cache = try Cache()
    let root = try cache.add()
    try FileManager.default.removeItem(atPath: "\(root)/blobs/\(name).sha")
    let error = #expect(throws: CheckpointError.self) {
      try Checkpoint(folder: ModelPlace("acme/clip", hubCache: cache.path).folder)
    }
    let text = error?.description ?? ""
    #expect(
      text.contains("\(name): ") && text.contains("a link to ../../blobs/\(name).sha, which is not there"), "\(text)")
    #expect(text.contains("the download is incomplete"), "\(text)")
  }

  @Test func aNameMayHaveARevision() throws {
    let cache = try Cache()
    try cache.add(
      commits: [Self.commit, Self.other], refs: ["main": Self.commit, "v2": Self.other, "refs/pr/1": Self.other])
    for (revision, commit) in [
      ("", Self.commit), ("@main", Self.commit), ("@v2", Self.other), ("@refs/pr/1", Self.other),
      ("@" + Self.other, Self.other), ("@9876", Self.other),
    ] {
      let place = try ModelPlace("acme/clip" + revision, hubCache: cache.path)
      #expect(place.folder == cache.snapshot(commit))
      #expect(place.name == "acme/clip" + revision)
    }
    for revision in ["v3", "987", "9876fedd"] {
      let error = #expect(throws: CheckpointError.self) {
        try ModelPlace("acme/clip@" + revision, hubCache: cache.path)
      }
      #expect(error?.rule == .snapshot)
      let line = error?.description ?? ""
      #expect(line.contains("'hf download acme/clip --revision \(revision)'"))
      #expect(line.contains("acme/clip@\(Self.commit), acme/clip@\(Self.other)"))
    }
  }

  @Test func partsOfTheCacheAreUnderstood() throws {
    let cache = try Cache()
    let model = try cache.add()
    for path in [
      cache.folder.path, cache.path, cache.path + "/", model, model + "/", cache.snapshot(), cache.snapshot() + "/",
      cache.snapshot() + "/config.json",
    ] {
      let place = try ModelPlace(path)
      #expect(place.folder == cache.snapshot() || place.folder == cache.snapshot() + "/", "\(path)")
      #expect(place.name == "acme/clip", "\(path)")
    }
    let weights = try ModelPlace(cache.snapshot() + "/model.safetensors")
    #expect(weights.folder == cache.snapshot() && weights.weights == "model.safetensors")
    #expect(weights.name == "acme/clip")
    try cache.add("models--acme--siglip")
    let error = #expect(throws: CheckpointError.self) { try ModelPlace(cache.path) }
    #expect(error?.rule == .severalModels)
    #expect(error?.found == "the hub's cache with 2: acme/clip, acme/siglip")
    #expect(error?.description.contains("name the folder of one, such as \(cache.path)/models--acme--clip") == true)
    #expect(try ModelPlace(cache.path + "/models--acme--siglip").name == "acme/siglip")
  }

  @Test func withoutABranchTheOnlySnapshotIsTaken() throws {
    let cache = try Cache()
    try cache.add(refs: [:])
    #expect(try ModelPlace("acme/clip", hubCache: cache.path).folder == cache.snapshot())
    try cache.add(commits: [Self.other], refs: [:])
    let several = #expect(throws: CheckpointError.self) { try ModelPlace("acme/clip", hubCache: cache.path) }
    #expect(several?.rule == .snapshot && several?.place == "refs/main")
    #expect(several?.found == "no such file, and \(Self.commit), \(Self.other)")
    #expect(several?.description.contains("or name one that is there: acme/clip@\(Self.commit)") == true)
    #expect(try ModelPlace("acme/clip@\(Self.other)", hubCache: cache.path).folder == cache.snapshot(Self.other))
  }

  @Test(arguments: [(["ffff"], "a snapshot of ffff"), (["../../x"], "a commit"), ([""], "a commit")])
  func aBranchThatLeadsNowhereIsRefused(ref: [String], expected: String) throws {
    let cache = try Cache()
    try cache.add(refs: ["main": ref[0]])
    let error = #expect(throws: CheckpointError.self) { try ModelPlace("acme/clip", hubCache: cache.path) }
    #expect(error?.rule == .snapshot && error?.expected == expected, "\(String(describing: error))")
  }

  @Test func aModelWithoutFilesSaysHowToFetchThem() throws {
    let cache = try Cache()
    try cache.add(commits: [], refs: [:])
    let none = #expect(throws: CheckpointError.self) { try ModelPlace("acme/clip", hubCache: cache.path) }
    #expect(none?.rule == .snapshot && none?.found == "none")
    #expect(none?.description.contains("nothing is downloaded here: fetch it with 'hf download acme/clip'") == true)
    try cache.add("models--acme--part", files: ["config.json"])
    let part = #expect(throws: CheckpointError.self) {
      try Checkpoint(folder: ModelPlace("acme/part", hubCache: cache.path).folder)
    }
    #expect(part?.rule == .weights(.noWeights))
    #expect(part?.description.contains("fetch them with 'hf download acme/part'") == true)
  }

  @Test func whatIsNotThereSaysHowToFetchIt() throws {
    let cache = try Cache()
    try cache.add()
    let error = { (name: String, hub: String?) in
      #expect(throws: CheckpointError.self) { try ModelPlace(name, hubCache: hub) }
    }
    let absent = error("acme/clap", cache.path)
    #expect(absent?.rule == .missingFile && absent?.found == "none of them (there is acme/clip)")
    #expect(absent?.description.contains("fetch it with 'hf download acme/clap', or give hubCache") == true)
    #expect(error("acme/clap", cache.path + "/absent")?.rule == .missingFile)
    #expect(error("clip", cache.path)?.description.contains("a name of the hub is ORGANISATION/NAME") == true)
    #expect(error("acme/clip", nil)?.description.contains("looked for where hubCache is given") == true)
    for name in ["/acme/clip", "../clip", "./acme/clip", "a/b/c", "acme/clip/", "acme//clip", "a--b/c", "", "é/a"] {
      #expect(error(name, cache.path)?.found == "nothing of this name", "\(name)")
    }
  }

  @Test func aFolderGoesBeforeTheHubsName() throws {
    let cache = try Cache()
    try cache.add()
    let folder = cache.folder.path + "/acme/clip"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // The path is a folder's here, as a name is one from the folder in which it is relative.
    #expect(try ModelPlace(folder, hubCache: cache.path) == ModelPlace(folder))
    #expect(try ModelPlace(folder).folder == folder)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder) }
    #expect(error?.rule == .missingFile && error?.found == "neither")
  }

  @Test func aWeightFileIsOneOfItsFolder() throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/config.json", as: "config.json")
    try folder.link("clip-hf/model/model.safetensors", as: "step-1000.safetensors")
    try folder.write("x", "notes.txt")
    let none = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(none?.found == "none of them, but step-1000.safetensors")
    #expect(none?.description.contains("name the file that holds the model's weights") == true)
    let place = try ModelPlace(folder.path + "/step-1000.safetensors")
    let checkpoint = try Checkpoint(folder: place.folder, weights: place.weights)
    #expect(checkpoint.store.files == [folder.path + "/step-1000.safetensors"])
    #expect(place.name == folder.path.split(separator: "/").last.map(String.init))
    let text = #expect(throws: CheckpointError.self) { try ModelPlace(folder.path + "/notes.txt") }
    #expect(text?.rule == .missingFile && text?.found == "another file")
  }
}
