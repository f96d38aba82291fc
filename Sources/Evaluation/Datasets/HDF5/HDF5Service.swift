import CHDF5
import Glibc
import Processes

/// The process that reads an HDF5 file for an `HDF5Reader`, which asks it through standard input.
package enum HDF5Service {
  /// Room for the largest array that is asked for, as it is, as its file has it, and unpacked.
  private static let addressSpace = 8 << 30

  /// Answers until nobody asks any more, and ends: the library may not find its way out of a damaged file, and asks more
  /// of the system on that way than a confined process has.
  package static func run() -> Never {
    serve()
    _exit(0)
  }

  private static func serve() {
    AskingProcess.endWithIt()
    OwnLimits.apply(addressSpace: min(addressSpace, MemoryAllowance.available()))
    guard case .open(let path)? = HDF5Request.receive() else { return }
    let library: HDF5Library
    do throws(HDF5Fault) { library = try HDF5Library.system() } catch {
      return AskingProcess.send(HDF5Answer.noLibrary(error).bytes)
    }
    do throws(HDF5Fault) {
      let file = try HDF5File(path: path, library: library)
      OwnLimits.openNothing()
      // Kernels without filters have the limits above.
      _ = OwnLimits.confine()
      AskingProcess.send(HDF5Answer.opened.bytes)
      while case .array(let type, let location, let rank, let limit)? = HDF5Request.receive() {
        answer(file, type, location, rank: rank, limit: limit)
      }
      // Not closed: that would give its lock back.
      withExtendedLifetime(file) { _exit(0) }
    } catch { AskingProcess.send(HDF5Answer.fault(error).bytes) }
  }

  private static func answer(_ file: HDF5File, _ type: HDF5Type, _ location: HDF5Location, rank: Int, limit: Int) {
    do throws(HDF5Fault) {
      let (shape, bytes) = try file.array(of: type, at: location, rank: rank, limit: limit)
      AskingProcess.send(HDF5Answer.shape(shape).bytes)
      AskingProcess.send(bytes)
    } catch { AskingProcess.send(HDF5Answer.fault(error).bytes) }
  }
}
