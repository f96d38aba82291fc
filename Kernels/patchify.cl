// Cuts planar images into flattened patches (Compute/Operations/Patchify.swift): column (channel · patch + y) · patch + x
// of a patch's row is that pixel of the patch. The leading rows of an image are zeros.
//
// A work-item per SPAN elements of a row: one on a GPU, whole rows on a processor. It copies a line of the patch, as far
// as it has it, and goes on with the next:
//
//   image        · · a b c · ·            row of the patch     a b c d e f …
//                · · d e f · ·

__kernel void patchify(
    INPUT(pixels), OUTPUT(patches), const uint height, const uint width, const uint patch, const uint leading_rows,
    const uint rows, const uint columns) {
  const uint end = span_end(columns), grid_width = width / patch;
  const uint rows_per_image = leading_rows + height / patch * grid_width;
  EACH_ROW(row, rows) {
    __global real *to = ROW(patches, row);
    const uint place = row % rows_per_image, number = place - leading_rows;
    if (place < leading_rows) {
      for (uint column = span_begin(); column < end; column++) to[column] = 0.0f;
      continue;
    }
    __global const real *image = ROW(pixels, row / rows_per_image);
    __global const real *corner = image + (number / grid_width * width + number % grid_width) * patch;
    for (uint column = span_begin(); column < end;) {
      const uint line = column / patch, x = column % patch, count = min(patch - x, end - column);
      __global const real *from = corner + (line / patch * height + line % patch) * width + x;
      for (uint i = 0; i < count; i++) to[column + i] = from[i];
      column += count;
    }
  }
}
