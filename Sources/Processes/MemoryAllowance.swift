import Glibc
import Synchronization

/// What memory this process may still take. Swift's own allocations end the process where there is none, and so does
/// the kernel where a group of processes has used up its share: whoever is about to take much asks before.
package enum MemoryAllowance {
  /// Left for what nobody asks for: the runtime, the stacks of threads, short arrays.
  package static let reserve = 32 << 20

  /// Bytes that are still to be had: by the limits of the process (`ulimit -v`, `ulimit -d`), of the control groups that
  /// it is in, and of the machine, whichever is the least.
  package static func available() -> Int { [limits(), group.available(), machine()].compactMap(\.self).min() ?? .max }

  /// What a picture, a file or another thing of many may take: half of what is there, since it is looked at, copied and
  /// written beside others.
  package static func share() -> Int { max(0, available() - reserve) / 2 }

  /// Whether `bytes` more are to be had. To be asked before a large piece of memory is taken.
  package static func canTake(_ bytes: Int) -> Bool {
    known.withLock { known in
      if bytes <= known {
        known -= bytes
        return true
      }
      let left = available() - reserve
      guard bytes <= left else { return false }
      // The next pieces need no look at the system, as long as they are few.
      known = (left - bytes) / 4
      return true
    }
  }

  private static let known = Mutex(0)
  private static let group = ControlGroup.own()

  /// By the limits of the process; nil without any.
  private static func limits() -> Int? {
    var (space, data) = (rlimit(), rlimit())
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space) == 0,
      unsafe getrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &data) == 0,
      min(space.rlim_cur, data.rlim_cur) < noLimit,
      // In pages: all, in memory, shared, code, 0, data.
      let sizes = SystemFile.text("/proc/self/statm")?.split(separator: " ").map({ Int($0) ?? 0 }), sizes.count > 5
    else { return nil }
    let page = sysconf(Int32(_SC_PAGESIZE))
    return [(space, sizes[0]), (data, sizes[5])].map { limit, pages in
      max(0, Int(clamping: limit.rlim_cur) - pages * page)
    }.min()
  }

  /// `RLIM_INFINITY`, which Swift has no value for.
  private static let noLimit = rlim_t.max

  private static func machine() -> Int? {
    guard let text = SystemFile.text("/proc/meminfo") else { return nil }
    func kilobytes(_ name: String) -> Int? {
      text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        .flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) }
    }
    return kilobytes("MemAvailable").map { ($0 + (kilobytes("SwapFree") ?? 0)) * 1024 }
  }
}

/// The control groups that bound a process's memory, as folders of the system's: its own and those above it.
struct ControlGroup {
  /// The names of the files of a version.
  private struct Names {
    let limits: [String]
    let used: String
    /// In `memory.stat`, what can be given back at any time: pages of files.
    let reclaimable: [String]

    static let first = Names(
      limits: ["memory.limit_in_bytes"], used: "memory.usage_in_bytes",
      reclaimable: ["total_inactive_file", "total_active_file"])
    static let second = Names(
      limits: ["memory.max", "memory.high"], used: "memory.current", reclaimable: ["inactive_file", "active_file"])
  }

  private let folders: [(path: String, names: Names)]

  static func own() -> ControlGroup {
    ControlGroup(
      mounts: SystemFile.text("/proc/self/mountinfo") ?? "", groups: SystemFile.text("/proc/self/cgroup") ?? "")
  }

  /// - Parameters:
  ///   - mounts: as `/proc/self/mountinfo` has them.
  ///   - groups: as `/proc/self/cgroup` has them.
  init(mounts: String, groups: String) {
    folders = Self.folders(mounts: mounts, groups: groups, controller: "memory").map {
      ($0.path, $0.isFirstVersion ? .first : .second)
    }
  }

  /// A group in the file system.
  struct Folder {
    let path: String
    /// Whether each controller has a hierarchy of its own.
    let isFirstVersion: Bool
  }

  /// The folders of a process's groups that know of a controller.
  static func folders(mounts: String, groups: String, controller: Substring) -> [Folder] {
    /// The group's path in its hierarchy.
    func path(_ isOurs: (_ controllers: Substring) -> Bool) -> String? {
      groups.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
        .first { $0.count == 3 && isOurs($0[1]) }.map { String($0[2]) }
    }
    var folders: [Folder] = []
    for line in mounts.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { continue }
      let (root, mount) = (String(fields[3]), String(fields[4]))
      switch fields[dash + 1] {
      case "cgroup2":
        guard let path = path({ $0.isEmpty }) else { continue }
        folders += Self.folders(mount, root, path).map { Folder(path: $0, isFirstVersion: false) }
      case "cgroup" where fields[dash + 3].split(separator: ",").contains(controller):
        guard let path = path({ $0.split(separator: ",").contains(controller) }) else { continue }
        folders += Self.folders(mount, root, path).map { Folder(path: $0, isFirstVersion: true) }
      default: continue
      }
    }
    return folders
  }

  /// The folder of a group and those above it, up to where the hierarchy is mounted. In a container the mount may begin
  /// at its own group, whose path is another outside.
  private static func folders(_ mount: String, _ root: String, _ path: String) -> [String] {
    var rest = root == "/" ? path : path.hasPrefix(root) ? String(path.dropFirst(root.count)) : "/"
    var folders: [String] = []
    while let slash = rest.lastIndex(of: "/"), rest != "/" {
      folders.append(mount + rest)
      rest = String(rest[..<slash])
    }
    return folders + [mount]
  }

  /// Bytes that the tightest of the groups leaves; nil where none has a limit.
  func available() -> Int? {
    folders.compactMap { folder, names in
      let limits = names.limits.compactMap { SystemFile.number("\(folder)/\($0)") }
      guard let limit = limits.min(), limit < Int.max / 2, let used = SystemFile.number("\(folder)/\(names.used)")
      else { return nil }
      let statistics = SystemFile.text("\(folder)/memory.stat")?.split(separator: "\n") ?? []
      let reclaimable = names.reclaimable.reduce(0) { sum, name in
        let line = statistics.first { $0.hasPrefix(name + " ") }
        return sum + (line.flatMap { Int($0.dropFirst(name.utf8.count + 1)) } ?? 0)
      }
      return max(0, limit - max(0, used - reclaimable))
    }.min()
  }
}

/// The system's own files, which have no size.
package enum SystemFile {
  /// Nil where there is no such file.
  package static func text(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < 1 << 22 {
      let count = unsafe read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += piece.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Nil for `max`, and where there is no such file.
  static func number(_ path: String) -> Int? {
    text(path)?.split(whereSeparator: \.isWhitespace).first.flatMap { UInt64($0) }.map { Int(clamping: $0) }
  }
}
