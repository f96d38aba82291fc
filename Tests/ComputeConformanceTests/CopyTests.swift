import Compute
import TestSupport
import Testing

struct CopyTests {
  static let shapes = [(1, 1), (1, 7), (5, 1), (3, 16), (7, 17), (13, 33), (197, 65)]

  /// Values whose bits say whether they were moved or computed.
  static func telling(_ rows: Int, _ columns: Int) -> HostMatrix {
    var matrix = HostMatrix.random(rows, columns, seed: 95)
    let special: [Float] = [-0.0, .infinity, -.infinity, Float(bitPattern: 7), Float(bitPattern: 0x7fc0_0bad)]
    for index in stride(from: 0, to: matrix.values.count, by: 3) {
      matrix.values[index] = special[index / 3 % special.count]
    }
    return matrix
  }

  @Test(arguments: TestBackend.available, shapes.indices)
  func copy(_ backend: TestBackend, _ index: Int) throws {
    let source = Self.telling(Self.shapes[index].0, Self.shapes[index].1)
    func run<B: Backend>(_ backend: B, from: Layout, to: Layout) throws -> HostMatrix {
      try perform(on: backend, layout: from) { stage in
        let destination = try stage.output(rows: source.rows, columns: source.columns, layout: to)
        try backend.copy(Copy(stage.input(source), to: destination))
        return [try stage.read(destination)]
      }[0]
    }
    for from in Layout.all {
      for to in Layout.all {
        expectSameBits(try run(backend.open(), from: from, to: to), source, "\(from) to \(to)")
      }
    }
  }

  @Test(arguments: TestBackend.available, shapes.indices)
  func fill(_ backend: TestBackend, _ index: Int) throws {
    let (rows, columns) = Self.shapes[index]
    func run<B: Backend>(_ backend: B, _ layout: Layout, _ value: Float) throws -> HostMatrix {
      try perform(on: backend, layout: layout) { stage in
        let destination = try stage.output(rows: rows, columns: columns)
        try backend.fill(Fill(destination, with: value))
        return [try stage.read(destination)]
      }[0]
    }
    for layout in Layout.all {
      for value in [0, -0.0, 1.25, Float(bitPattern: 0x7fc0_0bad)] {
        expectSameBits(
          try run(backend.open(), layout, value), HostMatrix(rows: rows, columns: columns, repeating: value),
          "\(layout)")
      }
    }
  }

  @Test(arguments: TestBackend.available, shapes.indices)
  func uploadAndDownload(_ backend: TestBackend, _ index: Int) throws {
    let values = Self.telling(Self.shapes[index].0, Self.shapes[index].1)
    func run<B: Backend>(_ backend: B, _ layout: Layout) throws -> HostMatrix {
      try perform(on: backend, layout: layout) { stage in
        let matrix = try stage.output(rows: values.rows, columns: values.columns)
        try backend.upload(values.values.span, to: matrix)
        return [try stage.read(matrix)]
      }[0]
    }
    for layout in Layout.all { expectSameBits(try run(backend.open(), layout), values, "\(layout)") }
  }

  @Test(arguments: TestBackend.available)
  func trafficCountsBytesThatCross(_ backend: TestBackend) throws {
    func check<B: Backend>(_ backend: B) throws {
      #expect(backend.traffic == Traffic())
      let host = HostMatrix.random(5, 7, seed: 96)
      let whole = try HostMatrix(rows: 6, columns: 11, repeating: 0).upload(to: backend)
      #expect(backend.traffic.uploadedBytes == 6 * 11 * 4)

      // A view counts the bytes of its elements, not of the rows around them.
      let before = backend.traffic
      let view = whole.rows(1..<6).columns(2..<9)
      try backend.upload(host.values.span, to: view)
      expectSameBits(try HostMatrix.download(view, from: backend), host)
      let moved = backend.traffic - before
      #expect(moved.uploadedBytes == 5 * 7 * 4 && moved.downloadedBytes == 5 * 7 * 4 && moved.weightBytes == 0)

      // What stays on the device counts nothing.
      let resident = backend.traffic
      let other = try backend.makeMatrix(rows: 5, columns: 7)
      try backend.copy(Copy(view, to: other))
      try backend.fill(Fill(view, with: 1))
      try backend.addRows(AddRows(input: view, addend: other, output: other))
      try backend.synchronize()
      let kept = backend.traffic - resident
      #expect(kept.uploadedBytes == 0 && kept.downloadedBytes == 0 && kept.weightBytes == 0)

      _ = try HostMatrix.random(9, 33, seed: 97).prepare(on: backend)
      #expect((backend.traffic - resident).weightBytes >= 9 * 33 * backend.precision.bytes)
      #expect((backend.traffic - resident).downloadedBytes == 0)
    }
    try check(backend.make())
  }

  @Test(arguments: TestBackend.available)
  func operationsTakeEffectInOrder(_ backend: TestBackend) throws {
    func check<B: Backend>(_ backend: B) throws {
      let matrix = try backend.makeMatrix(rows: 17, columns: 31)
      let one = try HostMatrix(rows: 1, columns: 31, repeating: 1).upload(to: backend)
      for round in 0..<3 {
        try backend.fill(Fill(matrix, with: Float(round)))
        for _ in 0..<50 { try backend.addRows(AddRows(input: matrix, addend: one, output: matrix)) }
        let values = try HostMatrix.download(matrix, from: backend).values
        #expect(values.allSatisfy { $0 == Float(round + 50) })
      }
    }
    try check(backend.open())
  }

  @Test(arguments: TestBackend.available)
  func aBackendDescribesItself(_ backend: TestBackend) throws {
    let opened = try backend.open()
    #expect(opened.precision == backend.precision)
    #expect(!opened.deviceDescription.isEmpty)
  }
}
