// Every element of a matrix becomes `value` (Compute/Operations/Copy.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours write neighbours, vectors of them on a
// processor.

__kernel void fill(OUTPUT(destination), const float value, const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global real *to = ROW(destination, row);
    for (uint column = span_begin(); column < end; column += LANES)
      store_up_to(to + column, (vreal)(value), end - column);
  }
}
