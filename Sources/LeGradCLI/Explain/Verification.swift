import ArgumentParser
import Compute
import Failures
import LeGrad

/// Recomputes explanations on the native CPU backend in float32, for drivers that are not trusted.
struct Verification {
  static let help: ArgumentHelp =
    "Recompute each image on the CPU in float32 and stop with exit code 6 where the device computes something else."

  private let reference: Explainer
  private let question: Question

  /// Loads the model onto the CPU too. Words are encoded there again, so that the text tower is verified as well.
  /// - Returns: nil where there is nothing to verify: the device is that backend itself.
  /// - Parameter question: what the images are asked with, by the explainer that it is given.
  init?(of explainer: Explainer, question: (Explainer) throws(LeGradError) -> Question) throws {
    guard explainer.device.backend != .native || !explainer.precision.isNearFloat32 else {
      Terminal.note("--verify: this is the CPU in float32 itself, there is nothing to compare it with")
      return nil
    }
    var options = try Environment.options()
    options.device = .cpu
    options.pixelStatistics = explainer.pixelStatistics
    options.threadBudget = explainer.threadBudget
    reference = try Explainer(explainer.model, options: options)
    self.question = try question(reference)
  }

  /// How far each explanation is from the CPU's.
  /// - Parameter classes: what all images were asked for, where each has classes of its own.
  /// - Throws: a numerical fault where one is too far.
  func check(
    _ explanations: [[Explanation]], of images: [(name: String, prepared: PreparedImage)], by explainer: Explainer,
    methods: [Method], classes: [Int]? = nil
  ) throws(LeGradError) -> [[Disagreement]] {
    let expected = try reference.explain(
      images.map(\.prepared),
      text: classes.map { numbers throws(LeGradError) in try reference.encode(classes: numbers) } ?? question.text,
      methods: methods, correction: question.correction)
    var disagreements: [[Disagreement]] = []
    for index in images.indices {
      disagreements.append([])
      for (actual, expected) in zip(explanations[index], expected[index]) {
        let disagreement = actual.disagreement(with: expected, precision: explainer.precision)
        guard disagreement.isTolerable else {
          throw LeGradError(
            .numerical,
            "\(images[index].name): \(explainer.device.name) computes a wrong \(disagreement.measure.rawValue) of "
              + "\(actual.method.name): error \(disagreement.error.scientific(digits: 2)), at most "
              + "\(disagreement.bound.scientific(digits: 2)); use --device cpu, another --kernel-variant or a newer "
              + "driver ('legrad doctor' tells which operation is wrong)")
        }
        disagreements[index].append(disagreement)
      }
    }
    return disagreements
  }
}
