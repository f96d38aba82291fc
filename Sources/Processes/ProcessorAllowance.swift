import Glibc

/// How many threads are worth having.
package enum ProcessorAllowance {
  /// The processors that this process may run on, or fewer where its control groups give it the time of fewer.
  package static func count() -> Int {
    let quota = ProcessorQuota.own().processors() ?? .infinity
    return max(1, Int(min(Double(affinity()), quota.rounded(.up))))
  }

  private static func affinity() -> Int {
    let online = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    return allowed(SystemFile.text("/proc/self/status") ?? "").map { min($0, online) } ?? online
  }

  /// The processors of a process's mask, which may have some that are off; nil without one.
  /// - Parameter status: as `/proc/self/status` has it.
  static func allowed(_ status: String) -> Int? {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") }) else { return nil }
    // Words of 32 bits in hexadecimal, with commas between them.
    let count = line.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return count > 0 ? count : nil
  }
}

/// The shares of the processors' time that control groups leave a process, as folders of the system's: its own and those
/// above it.
struct ProcessorQuota {
  private let folders: [ControlGroup.Folder]

  static func own() -> ProcessorQuota {
    ProcessorQuota(
      mounts: SystemFile.text("/proc/self/mountinfo") ?? "", groups: SystemFile.text("/proc/self/cgroup") ?? "")
  }

  /// - Parameters:
  ///   - mounts: as `/proc/self/mountinfo` has them.
  ///   - groups: as `/proc/self/cgroup` has them.
  init(mounts: String, groups: String) {
    folders = ControlGroup.folders(mounts: mounts, groups: groups, controller: "cpu")
  }

  /// The time of so many processors is left by the tightest of the groups; nil where none has a limit.
  func processors() -> Double? {
    folders.compactMap { folder -> Double? in
      let numbers: [Double?]
      if folder.isFirstVersion {
        numbers = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map { name in
          SystemFile.number("\(folder.path)/\(name)").map { Double($0) }
        }
      } else {
        // `max 100000`, or a quota and its period.
        numbers = (SystemFile.text("\(folder.path)/cpu.max") ?? "").split(whereSeparator: \.isWhitespace).map {
          Double($0)
        }
      }
      guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else {
        return nil
      }
      return quota / period
    }.min()
  }
}
