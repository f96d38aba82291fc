// output = φ(input), and derivative = φ'(input) if wanted (Compute/Operations/Activate.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void activate(
    INPUT(input), OUTPUT(output), OUTPUT(derivative), const uint has_derivative, const uint activation,
    const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    for (uint column = span_begin(); column < end; column += LANES) {
      const uint count = end - column;
      const activated a = activate_value(activation, load_up_to(ROW(input, row) + column, count));
      store_up_to(ROW(output, row) + column, a.value, count);
      if (has_derivative) store_up_to(ROW(derivative, row) + column, a.derivative, count);
    }
  }
}
