/// Middle of a list of times; the mean of the two in the middle of an even count.
func median(_ values: [Double]) -> Double {
  precondition(!values.isEmpty, "a median needs values")
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
