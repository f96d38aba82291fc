import CVersion

/// What `legrad --version` says, and which part of it reports name.
enum Version {
  /// The release. Reports name it alone, so that shards of different builds of one release can be merged.
  static let number = "0.1.0"

  /// The release, and in parentheses the commit and the build: "0.1.0 (commit 1a2b3c4d5e6f, make build, release, Linux
  /// x86_64)". A commit with "+" had changes of its own.
  static let summary: String = {
    // Constants of the program's.
    let commit = unsafe String(cString: legrad_commit())
    let builder = unsafe String(cString: legrad_builder())
    let facts = [
      commit.isEmpty ? "commit unknown" : "commit \(commit)", builder.isEmpty ? "swift build" : builder, configuration,
      "\(system) \(architecture)",
    ]
    return "\(number) (\(facts.joined(separator: ", ")))"
  }()

  private static var configuration: String {
    #if DEBUG
      "debug"
    #else
      "release"
    #endif
  }

  private static var system: String {
    #if os(Linux)
      "Linux"
    #elseif os(macOS)
      "macOS"
    #else
      "another system"
    #endif
  }

  private static var architecture: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "arm64"
    #else
      "another architecture"
    #endif
  }
}
