public import Compute

extension Oracle {
  /// The attention maps `[tokens, tokens]`; that of sequence `s` and head `h` is number `s · heads + h`.
  public static func attentionMaps(
    queries: DoubleMatrix, keys: DoubleMatrix, heads: Int, tokens: Int, mask: AttentionMask = .none
  ) -> [DoubleMatrix] {
    let width = queries.columns / heads
    var maps: [DoubleMatrix] = []
    for sequence in 0..<queries.rows / tokens {
      for head in 0..<heads {
        let q = headRows(queries, sequence: sequence, head: head, heads: heads, tokens: tokens)
        let k = headRows(keys, sequence: sequence, head: head, heads: heads, tokens: tokens)
        var logits = matmul(q, weight: k).map { $0 / Double(width).squareRoot() }
        if mask == .causal {
          for query in 0..<tokens {
            for key in query + 1..<max(tokens, query + 1) { logits[query, key] = -.infinity }
          }
        }
        maps.append(softmax(logits))
      }
    }
    return maps
  }

  /// The tokens of one sequence, the columns of one head.
  private static func headRows(
    _ matrix: DoubleMatrix, sequence: Int, head: Int, heads: Int, tokens: Int
  ) -> DoubleMatrix {
    let width = matrix.columns / heads
    var part = DoubleMatrix(rows: tokens, columns: width)
    for token in 0..<tokens {
      for column in 0..<width {
        part[token, column] = matrix[sequence * tokens + token, head * width + column]
      }
    }
    return part
  }

  /// Writes what `headRows` reads.
  private static func setHeadRows(
    _ matrix: inout DoubleMatrix, sequence: Int, head: Int, tokens: Int, to part: DoubleMatrix
  ) {
    for token in 0..<tokens {
      for column in 0..<part.columns {
        matrix[sequence * tokens + token, head * part.columns + column] = part[token, column]
      }
    }
  }

  /// `output_i = Σ_j A_ij v_j` with given maps.
  public static func attend(_ maps: [DoubleMatrix], values: DoubleMatrix, heads: Int, tokens: Int) -> DoubleMatrix {
    var output = values
    for (index, map) in maps.enumerated() {
      let (sequence, head) = (index / heads, index % heads)
      let v = headRows(values, sequence: sequence, head: head, heads: heads, tokens: tokens)
      setHeadRows(&output, sequence: sequence, head: head, tokens: tokens, to: matmul(map, weight: v, side: .inputs))
    }
    return output
  }

  /// Attention of each sequence on itself.
  public static func attention(
    queries: DoubleMatrix, keys: DoubleMatrix, values: DoubleMatrix, heads: Int, tokens: Int,
    mask: AttentionMask = .none
  ) -> DoubleMatrix {
    let maps = attentionMaps(queries: queries, keys: keys, heads: heads, tokens: tokens, mask: mask)
    return attend(maps, values: values, heads: heads, tokens: tokens)
  }

  /// `dV = Aᵀ dO`, `dA = dO Vᵀ`, `dS = A ⊙ (dA − rowsum(dA ⊙ A))`, `dQ = dS K / √d`, `dK = dSᵀ Q / √d`.
  public static func attentionBackward(
    upstream: DoubleMatrix, queries: DoubleMatrix, keys: DoubleMatrix, values: DoubleMatrix, heads: Int, tokens: Int,
    mask: AttentionMask = .none
  ) -> (queries: DoubleMatrix, keys: DoubleMatrix, values: DoubleMatrix) {
    let root = Double(queries.columns / heads).squareRoot()
    let maps = attentionMaps(queries: queries, keys: keys, heads: heads, tokens: tokens, mask: mask)
    var gradients = (queries: queries, keys: keys, values: values)
    for (index, map) in maps.enumerated() {
      let (sequence, head) = (index / heads, index % heads)
      func part(_ matrix: DoubleMatrix) -> DoubleMatrix {
        headRows(matrix, sequence: sequence, head: head, heads: heads, tokens: tokens)
      }
      func set(_ matrix: inout DoubleMatrix, _ part: DoubleMatrix) {
        setHeadRows(&matrix, sequence: sequence, head: head, tokens: tokens, to: part)
      }
      let mapGradient = matmul(part(upstream), weight: part(values))
      let logitGradient = softmaxBackward(upstream: mapGradient, output: map)
      set(&gradients.values, matmul(transposed(map), weight: part(upstream), side: .inputs))
      set(&gradients.queries, matmul(logitGradient, weight: part(keys), side: .inputs).map { $0 / root })
      set(&gradients.keys, matmul(transposed(logitGradient), weight: part(queries), side: .inputs).map { $0 / root })
    }
    return gradients
  }

  private static func transposed(_ matrix: DoubleMatrix) -> DoubleMatrix {
    var result = DoubleMatrix(rows: matrix.columns, columns: matrix.rows)
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns { result[column, row] = matrix[row, column] }
    }
    return result
  }

  /// The gradients `G_ij = dO_i · v_j` at the maps; that of image `b`, prompt `p` and head `h` is number
  /// `(b · prompts + p) · heads + h`.
  public static func attentionMapGradients(
    outputGradient: DoubleMatrix, values: DoubleMatrix, heads: Int, stack: RowStack
  ) -> [DoubleMatrix] {
    var gradients: [DoubleMatrix] = []
    for prompt in 0..<outputGradient.rows / stack.rows {
      for head in 0..<heads {
        let upstream = headRows(outputGradient, sequence: prompt, head: head, heads: heads, tokens: stack.rows)
        let v = headRows(
          values, sequence: prompt / stack.copies, head: head, heads: heads, tokens: stack.rows)
        gradients.append(matmul(upstream, weight: v))
      }
    }
    return gradients
  }

  /// `1/(heads · tokens) · Σ_h Σ_i max(0, dO_hi · v_hj)`.
  public static func attentionRelevance(
    outputGradient: DoubleMatrix, values: DoubleMatrix, heads: Int, stack: RowStack
  ) -> DoubleMatrix {
    let gradients = attentionMapGradients(
      outputGradient: outputGradient, values: values, heads: heads, stack: stack)
    var relevance = DoubleMatrix(rows: outputGradient.rows / stack.rows, columns: stack.rows)
    for (index, gradient) in gradients.enumerated() {
      for query in 0..<stack.rows {
        for key in 0..<stack.rows { relevance[index / heads, key] += max(0, gradient[query, key]) }
      }
    }
    return relevance.map { $0 / Double(heads * stack.rows) }
  }
}
