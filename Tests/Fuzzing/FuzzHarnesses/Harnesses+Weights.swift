import NpyFiles
import SafeTensors
import StrictJSON
import TorchFiles

extension Harnesses {
  static let weights = [
    Harness(
      "safetensors", maximumLength: 4_096, testRuns: 4_000,
      words: jsonWords + [
        "dtype", "shape", "data_offsets", "__metadata__", "F32", "F16", "BF16", "F64", "I64", "F8_E4M3", "format", "pt",
      ],
      seeds: { try FixtureFiles.all("torch", ".safetensors") },
      reader: { bench in
        { bytes throws(Finding) in
          let path = try bench.write(bytes, "model.safetensors")
          let mapped = try taken { () throws(SafeTensorsError) in try SafeTensorsFile(path: path) }
          let copied = try taken { () throws(SafeTensorsError) in try SafeTensorsFile(path: path, mapped: false) }
          try require(mapped?.tensors == copied?.tensors, "a mapped file has other tensors than one that is read")
          if let mapped, let copied { try readTensors(mapped, copied) }
        }
      }),
    Harness(
      "shard-index", maximumLength: 4_096, testRuns: 2_000,
      words: jsonWords + [
        "weight_map", "metadata", "total_size", "a.safetensors", "../a.safetensors", "/dev/zero", ".",
      ],
      seeds: {
        try ["types", "views"].map { name in
          Array("{\"metadata\": {\"total_size\": 0}, \"weight_map\": {".utf8)
            + Array("\"\(name == "types" ? "f32" : "plain")\": \"\(name).safetensors\"}}".utf8)
        } + [FixtureFiles.bytes("clip-hf-sharded/model/model.safetensors.index.json")]
      },
      reader: { bench in
        for name in ["types", "views"] {
          try bench.write(try FixtureFiles.bytes("torch/\(name).safetensors"), name + ".safetensors")
          try bench.write(try FixtureFiles.bytes("torch/\(name).pt"), name + ".bin")
        }
        return { bytes throws(Finding) in
          let weights = try bench.write(bytes, "model.safetensors.index.json")
          if let store = try taken({ () throws(SafeTensorsError) in try SafeTensorsFolder.open(file: weights) }) {
            try readTensors(store, store)
          }
          let archives = try bench.write(bytes, "pytorch_model.bin.index.json")
          if let store = try taken({ () throws(TorchFileError) in try TorchFolder.open(file: archives) }) {
            try readTensors(store, store)
          }
        }
      }),
    Harness(
      "torch", maximumLength: 8_192, testRuns: 3_000,
      words: [
        "PK\u{3}\u{4}", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "data.pkl", "byteorder", "version", "data/0",
        "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ccollections\nOrderedDict\n", "cpu",
        "storage",
        "\u{2}}q\u{0}", "(K\u{1}", "tq", "Rq", "h\u{0}", "u.", "e.", "N.",
      ],
      seeds: { try FixtureFiles.all("torch", ".pt") },
      reader: { bench in
        { bytes throws(Finding) in
          let path = try bench.write(bytes, "model.pt")
          let mapped = try taken { () throws(TorchFileError) in try TorchFile(path: path) }
          let copied = try taken { () throws(TorchFileError) in try TorchFile(path: path, mapped: false) }
          try require(mapped?.tensors == copied?.tensors, "a mapped archive has other tensors than one that is read")
          if let mapped, let copied { try readTensors(mapped, copied) }
        }
      }),
    Harness(
      "npy", maximumLength: 2_048, testRuns: 4_000,
      words: [
        "descr", "fortran_order", "shape", "'<f4'", "'>f8'", "'|u1'", "'<i8'", "True", "False", "()", "(1,)", "(0, 3)",
        "(9223372036854775807,)", "{'", "}", "\u{93}NUMPY",
      ],
      seeds: {
        try ["clip/inputs/text_embeddings.npy", "clip/inputs/token_ids.npy", "clip/expected/32x32/legrad.npy"].map(
          FixtureFiles.bytes)
      },
      reader: { bench in
        { bytes throws(Finding) in
          let path = try bench.write(bytes, "rows.npy")
          func check<Element>(_ array: NpyArray<Element>?) throws(Finding) {
            guard let array else { return }
            let count = array.shape.reduce(1, *)
            try require(array.values.count == count, "\(array.values.count) values for the shape \(array.shape)")
          }
          try check(taken { () throws(NpyError) in try NpyFile.readFloats(path) })
          try check(taken { () throws(NpyError) in try NpyFile.readDoubles(path) })
          try check(taken { () throws(NpyError) in try NpyFile.readInts(path) })
          try check(taken { () throws(NpyError) in try NpyFile.readBytes(path) })
        }
      }),
    Harness(
      "json", maximumLength: 2_048, testRuns: 40_000, words: jsonWords + ["vocab", "\"a\": 1, \"a\": 2"],
      seeds: {
        [
          #"{"a": [1, -2.5e3, true, null, "é\u00e9\ud83d\ude00"], "vocab": {"x": 0, "y": 1}, "b": {}}"#, "[[[[]]]]",
          "0",
          #""\\\"\/\b\f\n\r\t""#, "{\"e\u{301}\": 1, \"\u{e9}\": 2}",
        ].map { Array($0.utf8) }
      },
      reader: { _ in readJSON }),
  ]

  /// Tensors of two readings of one file, which must be the same.
  private static func readTensors(_ first: any TensorStore, _ second: any TensorStore) throws(Finding) {
    for tensor in first.tensors.prefix(6) {
      let (name, shape) = (tensor.name, tensor.shape)
      guard let count = tensor.elementType.byteCount(of: shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).0 }),
        count <= 1 << 16
      else { continue }
      let values = try taken { () throws(SafeTensorsError) in try first.floats(name, shape: shape) }
      let again = try taken { () throws(SafeTensorsError) in try second.floats(name, shape: shape) }
      try require(values == again, "\(name) is read as other values the second time")
      _ = try taken { () throws(SafeTensorsError) in try first.doubles(name, shape: shape) }
      guard shape.count == 2, let values, shape[0] > 0 else { continue }
      let row = try taken { () throws(SafeTensorsError) in
        try first.rows(name, indices: [shape[0] - 1], columns: shape[1])
      }
      try require(row.map { $0 == Array(values.suffix(shape[1])) } ?? false, "the last row of \(name) is another alone")
    }
  }

  private static func readJSON(_ bytes: [UInt8]) throws(Finding) {
    func parsed(_ dialect: JSONParser.Dialect, listed: [String] = []) throws(Finding) -> JSONValue? {
      do throws(JSONError) { return try JSONParser.parse(bytes, listed: listed, dialect: dialect) } catch {
        try require((0...bytes.count).contains(error.offset), "an error at byte \(error.offset) of \(bytes.count)")
        return nil
      }
    }
    let strict = try parsed(.strict)
    let python = try parsed(.python)
    if let strict { try require(python == strict, "Python's dialect reads what the grammar allows as something else") }
    _ = try parsed(.python, listed: ["vocab"])
    _ = try? JSONParser.parseHeader(bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return try require(strict == nil && python == nil, "what is no UTF-8 was read")
    }
    let back = try? JSONParser.parse(Array(quoted(text).utf8))
    guard case .string(let same)? = back, same.utf8.elementsEqual(text.utf8) else {
      throw Finding("a quoted text does not read back: \(text.debugDescription)")
    }
  }
}
