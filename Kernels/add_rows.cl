// output[r] = input[r] + addend[r % addend_rows] (Compute/Operations/AddRows.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void add_rows(
    INPUT(input), INPUT(addend), OUTPUT(output), const uint addend_rows, const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const real *x = ROW(input, row), *added = ROW(addend, row % addend_rows);
    __global real *y = ROW(output, row);
    for (uint column = span_begin(); column < end; column += LANES) {
      const uint count = end - column;
      store_up_to(y + column, load_up_to(x + column, count) + load_up_to(added + column, count), count);
    }
  }
}
