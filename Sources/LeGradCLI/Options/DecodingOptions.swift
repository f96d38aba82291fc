import ArgumentParser
import Glibc
import ImageFiles
import LeGrad

/// Where pictures are decoded.
struct DecodingOptions: ParsableArguments {
  @Flag(help: "Decode pictures in a process that can open no file and no connection (Linux).")
  var sandbox = false

  /// To be called before the first picture is decoded.
  func begin() throws(LeGradError) {
    guard sandbox else { return }
    do throws(ImageError) {
      try DecoderSandbox.begin(Environment.process(DecodePicturesCommand.self))
    } catch { throw LeGradError(error) }
  }
}

/// What this program runs as a process of its own where pictures are decoded apart.
struct DecodePicturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode-pictures", abstract: "Decode pictures for another process of this program.",
    shouldDisplay: false)

  func run() throws { _exit(DecoderProcess.serve()) }
}
