/// The benchmarks that there are.
package enum Benchmarks {
  /// In the order of the command line's help and of the tables' columns.
  package static let all: [any Benchmark.Type] = [Shapes.self, Segmentation.self, Points.self, Perturbation.self]

  static let measures: [any Measure.Type] = all.compactMap { $0 as? any Measure.Type }

  static func named(_ name: String) -> (any Benchmark.Type)? { all.first { $0.name == name } }
}
