import ArgumentParser
import Evaluation
import Glibc

/// What this program runs as a process of its own where a file may lead the HDF5 library astray.
struct ReadHDF5Command: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: HDF5Service.subcommand, abstract: "Read arrays of an HDF5 file.", shouldDisplay: false)

  func run() {
    HDF5Service.run()
    // The library may not find its way out of a damaged file.
    _exit(0)
  }
}
