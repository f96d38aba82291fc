import ArgumentParser
import Evaluation

/// What this program runs as a process of its own where a file may lead the HDF5 library astray.
struct ReadHDF5Command: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read-hdf5", abstract: "Read arrays of an HDF5 file.", shouldDisplay: false)

  func run() { HDF5Service.run() }
}
