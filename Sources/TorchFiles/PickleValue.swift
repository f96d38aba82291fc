import SafeTensors
import Texts

/// What the opcodes of a pickle leave behind. Containers are numbers into `PickleMachine`'s tables, so that a pickle
/// that contains itself, or is deep, is neither a leak nor a recursion.
enum PickleValue {
  /// None, a bool, a float, bytes, a set or an integer of more than 64 bits: nothing that a tensor is described by.
  case plain
  case integer(Int)
  case string(String)
  case tuple(Int)
  case list(Int)
  case dictionary(Int)
  case storage(Int)
  case tensor(Int)
  case global(PickleGlobal)
  /// What a class or function beside the tensors, of this name, would have made of its arguments. It is never made.
  case inert(String)

  var summary: String {
    switch self {
    case .plain: "a plain value"
    case .integer(let value): "\(value)"
    case .string: "a string"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .global(let global): "\"\(global.name)\""
    case .inert(let name): "an object of \"\(name)\""
    }
  }
}

/// A class or function that a pickle may name. None is ever looked up: a name is a case here, or refused.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildTensorOfType
  case rebuildParameter
  case rebuildParameterWithState
  case size
  case storage(ElementType)
  case untypedStorage
  case elementType(ElementType)
  /// One that training checkpoints have beside their tensors, and whose arguments are of no interest here.
  case inert(String)

  /// `module` and `name` as the opcode has them.
  init?(module: String, name: String) {
    let path = module + "." + name
    if let global = Self.known[path] {
      self = global
    } else if Self.beside.contains(TextKey(path)) {
      self = .inert(path)
    } else {
      return nil
    }
  }

  var name: String {
    if case .inert(let name) = self { return name }
    return Self.known.first { $0.value == self }?.key ?? ""
  }

  /// What state dictionaries are made of: `torch/_utils.py`, `torch/storage.py` and `torch/serialization.py` of PyTorch
  /// 1.6 to 2.15.
  private static let known: TextTable<PickleGlobal> = [
    "collections.OrderedDict": .orderedDictionary,
    "torch._utils._rebuild_tensor_v2": .rebuildTensor,
    "torch._utils._rebuild_tensor_v3": .rebuildTensorOfType,
    "torch._utils._rebuild_parameter": .rebuildParameter,
    "torch._utils._rebuild_parameter_with_state": .rebuildParameterWithState,
    "torch.Size": .size,
    "torch.DoubleStorage": .storage(.f64),
    "torch.FloatStorage": .storage(.f32),
    "torch.HalfStorage": .storage(.f16),
    "torch.BFloat16Storage": .storage(.bf16),
    "torch.LongStorage": .storage(.i64),
    "torch.IntStorage": .storage(.i32),
    "torch.ShortStorage": .storage(.i16),
    "torch.CharStorage": .storage(.i8),
    "torch.ByteStorage": .storage(.u8),
    "torch.BoolStorage": .storage(.bool),
    "torch.ComplexFloatStorage": .storage(.c64),
    "torch.storage.UntypedStorage": .untypedStorage,
    "torch.float64": .elementType(.f64),
    "torch.float32": .elementType(.f32),
    "torch.float16": .elementType(.f16),
    "torch.bfloat16": .elementType(.bf16),
    "torch.int64": .elementType(.i64),
    "torch.int32": .elementType(.i32),
    "torch.int16": .elementType(.i16),
    "torch.int8": .elementType(.i8),
    "torch.uint64": .elementType(.u64),
    "torch.uint32": .elementType(.u32),
    "torch.uint16": .elementType(.u16),
    "torch.uint8": .elementType(.u8),
    "torch.bool": .elementType(.bool),
    "torch.complex64": .elementType(.c64),
    "torch.float8_e4m3fn": .elementType(.f8E4M3),
    "torch.float8_e5m2": .elementType(.f8E5M2),
    "torch.float8_e4m3fnuz": .elementType(.f8E4M3FNUZ),
    "torch.float8_e5m2fnuz": .elementType(.f8E5M2FNUZ),
    "torch.float8_e8m0fnu": .elementType(.f8E8M0),
  ]

  /// Options, counters and states of random generators. `__builtin__` is what protocol 2 calls `builtins`.
  private static let beside: Set<TextKey> = [
    "argparse.Namespace", "collections.Counter", "collections.defaultdict", "torch.device", "_codecs.encode",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "pathlib.PosixPath",
    "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath", "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath", "builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset",
    "builtins.bytearray", "__builtin__.bytearray", "builtins.complex", "__builtin__.complex", "builtins.dict",
    "__builtin__.dict", "builtins.list", "__builtin__.list", "builtins.int", "__builtin__.int", "builtins.float",
    "__builtin__.float",
  ]
}

/// A tensor as a view of a storage.
struct TensorView {
  let elementType: ElementType
  let shape: [Int]
  /// Product of the shape.
  let elementCount: Int
  /// Bytes of the file from the first to the last element.
  let bytes: Range<Int>
  /// Elements from one index to the next, per dimension; nil where the tensor lies row-major without gaps.
  let strides: [Int]?
}
