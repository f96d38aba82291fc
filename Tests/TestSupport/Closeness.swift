import OperationSamples
public import Testing

/// `Σ (actual − expected)² / Σ expected²`; 0 where both are all zeros, infinite where only `expected` is.
///
/// `magnitude` stands in for the root mean square of `expected` where that is smaller: results that cancel to
/// almost nothing are judged by the size of what cancelled.
public func normalizedMeanSquareError(actual: [Float], expected: [Double], magnitude: Double = 0) -> Double {
  precondition(actual.count == expected.count, "\(actual.count) values against \(expected.count)")
  var error = 0.0
  var power = 0.0
  for index in expected.indices {
    let difference = Double(actual[index]) - expected[index]
    error += difference * difference
    power += expected[index] * expected[index]
  }
  return error == 0 ? 0 : error / max(power, magnitude * magnitude * Double(expected.count))
}

/// Expects a normalised mean square error within `bound`, and no element that is off by more than such an error allows,
/// relative to the element or to the root mean square of all (at least `magnitude`), whichever is larger.
public func expectClose(
  _ actual: HostMatrix, _ expected: DoubleMatrix, bound: Double, magnitude: Double = 0, _ label: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.rows == expected.rows && actual.columns == expected.columns else {
    Issue.record(
      "\(label) is \(actual.rows)×\(actual.columns), expected \(expected.rows)×\(expected.columns)",
      sourceLocation: sourceLocation)
    return
  }
  let error = normalizedMeanSquareError(
    actual: actual.values, expected: expected.values, magnitude: magnitude)
  let power = expected.values.reduce(0) { $0 + $1 * $1 } / Double(expected.values.count)
  let slack = OperationError.largest(bound: bound)
  let floor = max(power.squareRoot(), magnitude)
  let firstBad = expected.values.indices.first { index in
    let difference = abs(Double(actual.values[index]) - expected.values[index])
    return !(difference <= slack * max(floor, abs(expected.values[index])))
  }
  guard !(error <= bound) || firstBad != nil else { return }
  var message = "\(label) \(actual.rows)×\(actual.columns): NMSE \(error), bound \(bound)"
  if let firstBad {
    message += "; first bad element (\(firstBad / actual.columns), \(firstBad % actual.columns)) is "
    message += "\(actual.values[firstBad]), expected \(expected.values[firstBad])"
  }
  Issue.record("\(message)", sourceLocation: sourceLocation)
}

/// Expects the same bits in every element.
public func expectSameBits(
  _ actual: HostMatrix, _ expected: HostMatrix, _ label: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.rows == expected.rows && actual.columns == expected.columns else {
    Issue.record(
      "\(label) is \(actual.rows)×\(actual.columns), expected \(expected.rows)×\(expected.columns)",
      sourceLocation: sourceLocation)
    return
  }
  let firstBad = actual.values.indices.first { actual.values[$0].bitPattern != expected.values[$0].bitPattern }
  guard let firstBad else { return }
  let count = actual.values.indices.count { actual.values[$0].bitPattern != expected.values[$0].bitPattern }
  Issue.record(
    """
    \(label) \(actual.rows)×\(actual.columns): \(count) elements differ in their bits, the first at \
    (\(firstBad / actual.columns), \(firstBad % actual.columns)): \(actual.values[firstBad]) and \
    \(expected.values[firstBad])
    """, sourceLocation: sourceLocation)
}
