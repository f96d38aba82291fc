/// A method's figures over some of the images, as fractions.
package struct EvaluationFigures: Equatable, Sendable {
  /// Images that are part of the figures.
  package let images: Int
  private let values: [Column: Double]

  /// Every figure, in the order of the tables. The last says how many images are classified correctly, among those
  /// that are classified.
  static let columns = Benchmarks.measures.flatMap { $0.columns } + [accuracy]
  private static let accuracy = Column("accuracy")

  /// Reduces the statistics of one method, in the order given; nil without rows.
  /// - Parameter classified: whether to say how many are classified correctly.
  init?(_ rows: [EvaluationRow], method: Int, classified: Bool = true) {
    guard !rows.isEmpty else { return nil }
    images = rows.count
    let statistics = rows.map { $0.statistics[method] }
    var values: [Column: Double] = [:]
    for measure in Benchmarks.measures {
      for (column, value) in zip(measure.columns, Self.figures(measure, statistics)) { values[column] = value }
    }
    let answers = classified ? rows.compactMap(\.isCorrect) : []
    if !answers.isEmpty { values[Self.accuracy] = Double(answers.count { $0 }) / Double(answers.count) }
    self.values = values
  }

  private static func figures<M: Measure>(_ measure: M.Type, _ statistics: [ImageStatistics]) -> [Double] {
    M.figures(statistics.compactMap { $0[M.self] }) ?? []
  }

  subscript(column: Column) -> Double? { values[column] }

  /// The figures that there are by their names, in the order of the tables.
  package var named: [(name: String, value: Double)] {
    Self.columns.compactMap { column in values[column].map { (column.name, $0) } }
  }
}
