// destination = source, element by element (Compute/Operations/Copy.swift).
//
// One work-item per element: dimension 0 is the column, dimension 1 the row.

__kernel void copy(INPUT(source), OUTPUT(destination), const uint rows, const uint columns) {
  const uint column = get_global_id(0), row = get_global_id(1);
  if (column < columns && row < rows) ROW(destination, row)[column] = ROW(source, row)[column];
}
