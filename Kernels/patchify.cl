// Cuts planar images into flattened patches (Compute/Operations/Patchify.swift): column (channel · patch + y) · patch + x
// of a patch's row is that pixel of the patch. The leading rows of an image are zeros.
//
// A work-item per SPAN elements of a row of patches: dimension 0 is the span, dimension 1 the row. It copies pixels that
// are neighbours in the image, up to the end of a line of the patch, and goes on with the next line:
//
//   image row    … [x x x x] …              patch row   [line y][line y+1] … of channel 0, then of 1, …
//                … [x x x x] …

__kernel void patchify(
    INPUT(pixels), OUTPUT(patches), const uint height, const uint width, const uint patch, const uint leading_rows,
    const uint rows, const uint columns) {
  const uint row = get_global_id(1), end = span_end(columns);
  if (row >= rows) return;
  const uint grid_width = width / patch, rows_per_image = leading_rows + height / patch * grid_width;
  const uint place = row % rows_per_image;
  __global float *to = ROW(patches, row);
  if (place < leading_rows) {
    for (uint column = span_begin(); column < end; column++) to[column] = 0.0f;
    return;
  }
  const uint number = place - leading_rows;
  __global const float *corner =
      ROW(pixels, row / rows_per_image) + (ulong)(number / grid_width * patch) * width + number % grid_width * patch;
  for (uint column = span_begin(); column < end;) {
    const uint line = column / patch, x = column % patch, count = min(patch - x, end - column);
    const uint channel = line / patch, y = line % patch;
    __global const float *from = corner + ((ulong)channel * height + y) * width + x;
    for (uint i = 0; i < count; i++) to[column + i] = from[i];
    column += count;
  }
}
