import Failures
import FoundationEssentials
import SafeTensors
import TestSupport
import Testing
import TorchFiles

/// Files that PyTorch wrote, beside what it says is in them.
struct FixtureTests {
  static let read = [
    "types", "protocol4", "protocol5", "newer-types", "views", "module", "parallel", "compiled", "parameters", "tied",
    "training", "model-key", "zip64",
  ]

  @Test(arguments: read, [true, false]) func holdsWhatPyTorchPutsThere(name: String, mapped: Bool) throws {
    let file = UnwrappedTensors.of(try TorchFile(path: Fixtures.path("torch/\(name).pt"), mapped: mapped))
    let expected = try SafeTensorsFile(path: Fixtures.path("torch/\(name).safetensors"))
    #expect(file.tensors == expected.tensors)
    for tensor in expected.tensors where tensor.elementType.isReadableAsFloat {
      let (name, shape) = (tensor.name, tensor.shape)
      #expect(try file.floats(name, shape: shape) == expected.floats(name, shape: shape), "\(name)")
      #expect(try file.doubles(name, shape: shape) == expected.doubles(name, shape: shape), "\(name)")
      if shape.count == 2, shape[0] > 0 {
        let indices = [shape[0] - 1, 0, shape[0] - 1]
        #expect(
          try file.rows(name, indices: indices, columns: shape[1])
            == expected.rows(name, indices: indices, columns: shape[1]), "\(name)")
      }
    }
  }

  @Test(arguments: [
    ("types", []), ("parallel", []), ("training", ["state_dict"]), ("model-key", ["model", "state_dict"]),
  ])
  func saysWhichDictionaryItTook(name: String, keys: [String]) throws {
    #expect(try TorchFile(path: Fixtures.path("torch/\(name).pt")).dictionaryKeys == keys)
  }

  @Test func namesAreThoseOfTheFile() throws {
    let file = try TorchFile(path: Fixtures.path("torch/compiled.pt"))
    #expect(file.names.first == "module._orig_mod.0.bias")
  }

  @Test(arguments: [
    ("legacy", TorchFileRule.legacyPickle, "a pickle without an archive", "torch.load('refused-legacy.pt'"),
    ("module", .global, "\"torch.nn.modules.linear.Linear\"", "torch.load("),
    ("command", .global, "\"posix.system\"", "torch.load("),
    ("sparse", .global, "\"torch._utils._rebuild_sparse_tensor\"", "torch.load("),
    ("value", .value, "an object of \"numpy._core.multiarray.scalar\"", "torch.load("),
    ("repeated", .outOfStorage, "shape [3, 2], which repeats them", "torch.load("),
    ("list", .noTensors, "a list", "torch.save(model.state_dict(), 'pytorch_model.bin')"),
    ("layers", .noTensors, "none but \"visual\", \"step\"", "model.state_dict()"),
    ("script", .torchScript, "a TorchScript program", "torch.jit.load('refused-script.pt', map_location='cpu')"),
    ("compressed", .compressed, "one compressed by method 8", "torch.load("),
    ("byteorder", .byteOrder, "found big", "torch.load("),
  ])
  func isRefused(name: String, rule: TorchFileRule, found: String, remedy: String) throws {
    let path = Fixtures.path("torch/refused-\(name).pt")
    let error = #expect(throws: TorchFileError.self) { try TorchFile(path: path) }
    #expect(error?.rule == rule, "\(String(describing: error))")
    #expect(error?.description.contains(found) == true, "\(String(describing: error))")
    #expect(error?.description.contains(remedy) == true, "\(String(describing: error))")
    #expect(!FileManager.default.fileExists(atPath: "legrad-ran-a-pickle"))
  }
}
