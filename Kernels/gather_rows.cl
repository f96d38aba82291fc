// output[r] = source[row_numbers[r]] (Compute/Operations/GatherRows.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void gather_rows(
    INPUT(source), __global const uint *row_numbers, OUTPUT(output), const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const float *from = ROW(source, row_numbers[row]);
    __global float *to = ROW(output, row);
    for (uint column = span_begin(); column < end; column += LANES)
      store_up_to(to + column, load_up_to(from + column, end - column), end - column);
  }
}
