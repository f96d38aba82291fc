import Files
import Glibc

/// A driver as it is registered with OpenCL's loaders: a file that names its library.
struct RegisteredDriver: Sendable, Equatable {
  /// The file, or the library where the environment names that.
  let file: String
  /// A path, or a name that the system's loader looks for.
  let library: String

  /// The last part of the file's path.
  var name: String { file.lastIndex(of: "/").map { String(file[file.index(after: $0)...]) } ?? file }

  /// What is known of the library without loading it: changes with a new driver.
  var identity: String {
    let paths = library.contains("/") ? [library] : Self.folders.map { FileTree.join($0, library) }
    for path in paths {
      guard let target = FileTree.resolved(path) else { continue }
      var status = stat()
      guard unsafe stat(target, &status) == 0 else { continue }
      return "\(target) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
    return ""
  }

  /// Where libraries are looked for that are named without a folder.
  private static var folders: [String] {
    (variable("LD_LIBRARY_PATH") ?? "").split(separator: ":").map(String.init)
      + ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"]
      + ["/usr/lib/wsl/lib"]
  }

  /// Why the system cannot load the library, in its own words; nil where it can, or has. Only for libraries that a loader
  /// has tried in this process.
  var loadingProblem: String? {
    if let library = unsafe dlopen(library, RTLD_LAZY | RTLD_NOLOAD) {
      unsafe dlclose(library)
      return nil
    }
    if let library = unsafe dlopen(library, RTLD_LAZY) {
      unsafe dlclose(library)
      return nil
    }
    return unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
  }
}

/// The drivers that OpenCL's loaders find: files in a folder, or what `OCL_ICD_VENDORS` names in its place.
struct RegisteredDrivers: Sendable {
  static let variableName = "OCL_ICD_VENDORS"
  private static let usualFolder = "/etc/OpenCL/vendors"

  let place: String
  /// By name.
  let drivers: [RegisteredDriver]

  init() {
    place = variable(Self.variableName) ?? Self.usualFolder
    if FileTree.isFolder(place) {
      let place = place
      let names = ((try? FileTree.names(in: place)) ?? []).map(\.text).filter { $0.hasSuffix(".icd") }.sorted()
      drivers = names.compactMap { Self.driver(FileTree.join(place, $0)) }
    } else if place.hasSuffix(".icd") {
      drivers = [Self.driver(place)].compactMap(\.self)
    } else {
      drivers = FileTree.exists(place) ? [RegisteredDriver(file: place, library: place)] : []
    }
  }

  /// Nil for a file that names nothing.
  private static func driver(_ file: String) -> RegisteredDriver? {
    guard let bytes = try? WholeFile.read(file, limit: 1 << 16) else { return nil }
    let line = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
    return line.isEmpty ? nil : RegisteredDriver(file: file, library: String(line))
  }

  /// A line for each driver whose library cannot be loaded.
  var unloadable: [String] {
    drivers.compactMap { driver in
      driver.loadingProblem.map { "the driver of \(driver.file) cannot be loaded: \($0)" }
    }
  }

  /// Why a loader finds nothing, as far as that is seen from outside.
  var absence: String {
    guard FileTree.exists(place) else { return "\(place) does not exist" }
    guard !drivers.isEmpty else { return "no .icd file in \(place) names a library" }
    let unloadable = unloadable
    guard unloadable.isEmpty else { return unloadable.joined(separator: "; ") }
    return "\(drivers.map(\.file).joined(separator: ", ")): the driver is loaded and has no platform"
  }
}

/// A variable of the environment that is set and not empty.
func variable(_ name: String) -> String? {
  guard let value = unsafe getenv(name), unsafe value[0] != 0 else { return nil }
  return unsafe String(cString: value)
}
