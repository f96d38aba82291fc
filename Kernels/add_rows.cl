// output[r] = input[r] + addend[r % addend_rows] (Compute/Operations/AddRows.swift).
//
// A work-item per SPAN elements of a row: dimension 0 is the span, dimension 1 the row.

__kernel void add_rows(
    INPUT(input), INPUT(addend), OUTPUT(output), const uint addend_rows, const uint rows, const uint columns) {
  const uint row = get_global_id(1), end = span_end(columns);
  if (row >= rows) return;
  __global const float *x = ROW(input, row), *added = ROW(addend, row % addend_rows);
  for (uint column = span_begin(); column < end; column += LANES) {
    const uint count = end - column;
    store_up_to(ROW(output, row) + column, load_up_to(x + column, count) + load_up_to(added + column, count), count);
  }
}
