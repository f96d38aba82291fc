public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func rowThroughMap(_ operation: RowThroughMap<OpenCLBuffer>) throws(BackendError) {
    let (row, queries, keys, output) = (operation.row, operation.queries, operation.keys, operation.output)
    let (heads, tokens) = (operation.heads, operation.stack.rows)
    let images = HeadLaunch(queries, tokens: tokens, heads: heads)
    let rows = HeadLaunch(sequences: row.rows, tokens: tokens, heads: heads, headWidth: images.headWidth)
    let factor = KernelArgument.factor(1 / Float(images.headWidth).squareRoot())
    try perform(.rowThroughMap) { stream throws(OpenCLError) in
      // Two numbers per query and head.
      let statisticsMemory = try stream.scratch("row through map: statistics", floats: 2 * queries.rows * heads)
      let statistics = KernelArgument.memory(statisticsMemory.buffer.memory)
      let sumsMemory = try stream.scratch("row through map: heads", floats: row.rows * heads * tokens)
      let sums = KernelArgument.memory(sumsMemory.buffer.memory)
      try run(
        .rowThroughMap, function: "row_through_map_statistics",
        [.matrix(queries), .matrix(keys), statistics, .size(images.headWidth), .size(tokens), factor], over: images,
        on: stream)
      try run(
        .rowThroughMap,
        [
          .matrix(row), .matrix(queries), .matrix(keys), .matrix(operation.gradient?.output ?? queries),
          .matrix(operation.gradient?.values ?? queries), statistics, sums, .flag(operation.gradient != nil),
          .size(operation.stack.copies), .size(images.headWidth), .size(tokens), factor,
        ],
        over: rows, on: stream)
      try stream.run(
        "row_through_map_mean", variant,
        [
          sums, .matrix(row), .matrix(output), .size(heads), .factor(operation.factor), .size(output.rows),
          .size(tokens),
        ],
        elementsOf: output)
    }
  }
}
