// Every element of a matrix becomes `value` (Compute/Operations/Copy.swift).
//
// One work-item per element: dimension 0 is the column, dimension 1 the row.

__kernel void fill(OUTPUT(destination), const float value, const uint rows, const uint columns) {
  const uint column = get_global_id(0), row = get_global_id(1);
  if (column < columns && row < rows) ROW(destination, row)[column] = value;
}
