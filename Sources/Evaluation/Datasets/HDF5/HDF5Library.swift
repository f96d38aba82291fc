import CHDF5
import Synchronization

/// The calls of the HDF5 library that this machine has, one thread at a time: not every build of it allows more.
///
/// Unchecked because the imported table holds C function pointers, which the importer does not mark; they never change
/// and are only called under the lock.
@safe final class HDF5Library: @unchecked Sendable {
  private let table: legrad_hdf5
  private static let lock = Mutex(())

  /// The system's library, opened once.
  static func system() throws(HDF5Fault) -> HDF5Library { try opened.get() }

  private static let opened: Result<HDF5Library, HDF5Fault> = Result { () throws(HDF5Fault) in
    try HDF5Library(names: names)
  }

  /// What Debian, Fedora and HDF5's own builds call it, by version: 1.10, 1.12, 1.14, 2.0, any.
  private static let names = ["libhdf5_serial.so", "libhdf5.so"].flatMap { name in
    [".103", ".200", ".310", ".320", ""].map { name + $0 }
  }

  /// Opens the first of the libraries `names` that can be used.
  init(names: [String]) throws(HDF5Fault) {
    var table = legrad_hdf5()
    var reason: String?
    for name in names {
      guard let failure = unsafe legrad_hdf5_open(name, &table) else {
        self.table = table
        return
      }
      // The first failure stands for all, unless a library was there and of no use.
      let text = unsafe String(cString: failure)
      if reason == nil || text != "not found" { reason = "\(name): \(text)" }
    }
    throw HDF5Fault(
      expected: "version 1.10.3 to 2", found: reason ?? "no name",
      remedy: "install it (Debian, Ubuntu: apt install libhdf5-dev)")
  }

  /// Calls `body` with the library's functions, its own messages and plug-ins off.
  func withCalls<Result>(_ body: (legrad_hdf5) throws(HDF5Fault) -> Result) throws(HDF5Fault) -> Result {
    try Self.lock.withLock { _ throws(HDF5Fault) in
      _ = table.calls.H5Eset_auto2(0, nil, nil)
      // A file may name a filter; code for it would be loaded from a folder.
      _ = table.calls.H5PLset_loading_state(0)
      // Without their kind, links that lead into other files lead nowhere.
      _ = table.calls.H5Lunregister(H5L_TYPE_EXTERNAL)
      return try body(table)
    }
  }
}
