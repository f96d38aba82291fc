// output[r] = source[row_numbers[r]] (Compute/Operations/GatherRows.swift).
//
// A work-item per SPAN elements of a row: dimension 0 is the span, dimension 1 the row.

__kernel void gather_rows(
    INPUT(source), __global const uint *row_numbers, OUTPUT(output), const uint rows, const uint columns) {
  const uint row = get_global_id(1), end = span_end(columns);
  if (row >= rows) return;
  __global const float *from = ROW(source, row_numbers[row]);
  for (uint column = span_begin(); column < end; column += LANES) {
    const uint count = end - column;
    store_up_to(ROW(output, row) + column, load_up_to(from + column, count), count);
  }
}
