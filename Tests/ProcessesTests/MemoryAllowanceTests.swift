import Foundation
import Testing

@testable import Processes

@Suite struct ControlGroupTests {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "legrad-groups-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func write(_ files: [String: String], to path: String) throws {
    let place = folder.appending(path: path)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    for (name, text) in files { try text.write(to: place.appending(path: name), atomically: true, encoding: .utf8) }
  }

  private func mount(_ kind: String, root: String = "/", at path: String = "", options: String = "rw") -> String {
    "30 23 0:26 \(root) \(folder.path)\(path) rw,nosuid shared:4 - \(kind) none \(options)\n"
  }

  @Test func theTightestOfAGroupAndThoseAboveItCounts() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let statistics = "anon 5\nfile 999\ninactive_file 300\nactive_file 100\n"
    try write(["memory.max": "max\n", "memory.high": "max\n", "memory.current": "5000\n"], to: "job/step")
    try write(
      ["memory.max": "9000\n", "memory.high": "8000\n", "memory.current": "6000\n", "memory.stat": statistics],
      to: "job")
    let mounts = "25 1 0:22 / /proc rw - proc proc rw\n" + mount("cgroup2")
    #expect(ControlGroup(mounts: mounts, groups: "0::/job/step\n").available() == 8000 - (6000 - 400))
    try write(["memory.max": "5500\n"], to: "job/step")
    #expect(ControlGroup(mounts: mounts, groups: "0::/job/step\n").available() == 500)
    // More in use than allowed is no negative number.
    try write(["memory.max": "1\n"], to: "job/step")
    #expect(ControlGroup(mounts: mounts, groups: "0::/job/step\n").available() == 0)
    #expect(ControlGroup(mounts: mounts, groups: "0::/other\n").available() == nil)
    #expect(ControlGroup(mounts: "", groups: "0::/job\n").available() == nil)
    #expect(ControlGroup(mounts: mounts, groups: "").available() == nil)
  }

  /// A container sees its own group where the hierarchy is mounted, and the path that the group has outside.
  @Test func containersSeeTheirOwnGroup() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try write(
      [
        "memory.limit_in_bytes": "1000000\n", "memory.usage_in_bytes": "600000\n",
        "memory.stat": "inactive_file 1\ntotal_inactive_file 50000\ntotal_active_file 0\n",
      ], to: "memory")
    let groups = "9:name=systemd:/\n4:memory:/docker/0123\n0::/\n"
    for root in ["/docker/0123", "/", "/elsewhere"] {
      let mounts = mount("cgroup", root: root, at: "/memory", options: "rw,memory")
      #expect(ControlGroup(mounts: mounts, groups: groups).available() == 450_000, "\(root)")
    }
    // Another controller's, and no limit at all, which version 1 writes as a large number.
    let other = mount("cgroup", at: "/memory", options: "rw,cpu")
    #expect(ControlGroup(mounts: other, groups: groups).available() == nil)
    try write(["memory.limit_in_bytes": "9223372036854771712\n"], to: "memory")
    let unlimited = mount("cgroup", at: "/memory", options: "rw,memory")
    #expect(ControlGroup(mounts: unlimited, groups: groups).available() == nil)
  }
}

@Suite struct MemoryAllowanceTests {
  @Test func theMachineHasSome() {
    let available = MemoryAllowance.available()
    #expect(available > MemoryAllowance.reserve && available < 1 << 50)
    #expect(MemoryAllowance.canTake(1))
    #expect(!MemoryAllowance.canTake(1 << 50))
    // One that was refused has taken nothing.
    #expect(MemoryAllowance.canTake(1 << 20))
  }
}
