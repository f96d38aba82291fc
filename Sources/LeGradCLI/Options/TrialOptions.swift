import ArgumentParser
import Compute
import LeGrad

/// How kernels are tried on an OpenCL device that was never seen.
struct TrialOptions: ParsableArguments {
  static let defaultSeconds = 300

  @Option(
    help: ArgumentHelp(
      "Seconds that a driver never seen before has to build and run each variant of the kernels on trial.",
      valueName: "seconds"))
  var trialSeconds = defaultSeconds

  func validate() throws {
    try requirePositive(trialSeconds, "--trial-seconds", atMost: 86_400)
  }

  func apply(to options: inout Explainer.Options) { options.deviceTrial?.timeLimit = .seconds(trialSeconds) }
}
