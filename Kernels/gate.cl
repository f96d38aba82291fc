// output = φ(gate) ⊙ value of an input of `gate | value`, and derivative = value ⊙ φ'(gate) | φ(gate) if wanted, which
// may be the input (Compute/Operations/Gate.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void gate(
    INPUT(input), OUTPUT(output), OUTPUT(derivative), const uint has_derivative, const uint activation,
    const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    for (uint column = span_begin(); column < end; column += LANES) {
      const uint count = end - column;
      const activated a = activate_value(activation, load_up_to(ROW(input, row) + column, count));
      const vfloat value = load_up_to(ROW(input, row) + columns + column, count);
      store_up_to(ROW(output, row) + column, a.value * value, count);
      if (has_derivative) {
        store_up_to(ROW(derivative, row) + column, value * a.derivative, count);
        store_up_to(ROW(derivative, row) + columns + column, a.value, count);
      }
    }
  }
}
