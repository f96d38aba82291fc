// output[r] = value[s] ⊙ div(relevance[r], total[s]) with s = r % total_rows and div(a, b) = a / (b + 1e-9), 0 where b
// is 0, or added to what the output holds, in double alone (Compute/Operations/RelevanceShare.swift).
//
// A work-item per SPAN elements of a row; neighbours read neighbours.

__kernel void relevance_share(
    INPUT(relevance), INPUT(total), INPUT(value), OUTPUT(output), const uint total_rows, const uint has_value,
    const uint accumulates, const uint rows, const uint columns) {
  const real guard = (real)1e-9;
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const real *from = ROW(relevance, row), *totals = ROW(total, row % total_rows);
    __global const real *values = ROW(value, row % total_rows);
    __global real *to = ROW(output, row);
    for (uint column = span_begin(); column < end; column++) {
      const real b = totals[column], divisor = b + guard;
      real x = b == 0.0f ? 0.0f : from[column] / (divisor == 0.0f ? guard : divisor);
      if (has_value) x *= values[column];
      to[column] = accumulates ? to[column] + x : x;
    }
  }
}
