/// Where the reference data lies in the source tree.
public enum Fixtures {
  /// The absolute path of a file or folder under `Tests/Fixtures`, such as `clip/inputs/pixels.npy`.
  public static func path(_ relative: String) -> String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return (parts.dropLast(2) + ["Fixtures", Substring(relative)]).joined(separator: "/")
  }
}
