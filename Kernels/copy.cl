// destination = source, element by element (Compute/Operations/Copy.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void copy(INPUT(source), OUTPUT(destination), const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const float *from = ROW(source, row);
    __global float *to = ROW(destination, row);
    for (uint column = span_begin(); column < end; column += LANES)
      store_up_to(to + column, load_up_to(from + column, end - column), end - column);
  }
}
