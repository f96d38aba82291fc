"""Writes the files beside it: weights as torch.save leaves them, and what is in them as safetensors.

    pip install numpy safetensors torch && python3 make_fixtures.py

Made with PyTorch 2.15 and NumPy 2.4. For every NAME.pt that is read there is a NAME.safetensors with the tensors that a
reader must find in it, packed; refused-*.pt have none.
"""

import argparse
import pathlib
import warnings
import zipfile
from collections import OrderedDict

import numpy
import torch
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent


def values(*shape, dtype=torch.float32, start=0):
    count = torch.Size(shape).numel()
    return (torch.arange(start, start + count) * 0.25 - 3).to(dtype).reshape(shape)


def save(name, saved, expected=None, **options):
    torch.save(saved, HERE / f"{name}.pt", **options)
    pack(name, saved if expected is None else expected)


def pack(name, tensors):
    packed = {k: v.detach().clone().contiguous() for k, v in tensors.items() if torch.is_tensor(v)}
    save_file(packed, HERE / f"{name}.safetensors")
    (HERE / f"{name}.safetensors").chmod(0o644)


types = {
    "f32": values(2, 3), "f16": values(2, 3, dtype=torch.float16), "bf16": values(2, 3, dtype=torch.bfloat16),
    "f64": values(2, 3, dtype=torch.float64) / 3, "scalar": torch.tensor(2.6592), "empty": torch.zeros(0, 7),
    "i64": torch.arange(5), "i32": torch.arange(3, dtype=torch.int32), "i16": torch.arange(3, dtype=torch.int16),
    "i8": torch.arange(3, dtype=torch.int8), "u8": torch.arange(3, dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
}
plain_values = {"step": 2**40, "large": 2**80, "rate": 0.5, "name": "vit", "none": None, "yes": True, "sizes": [1, (2, 3)],
                "shape": torch.Size([2, 3])}
save("types", types | plain_values)
save("protocol4", types | plain_values | {"raw": b"bytes", "set": {1, 2}}, types, pickle_protocol=4)
save("protocol5", types | plain_values | {"frozen": frozenset([1])}, types, pickle_protocol=5)
newer = {"u16": torch.tensor([1, 2, 65535], dtype=torch.uint16), "f8": values(4).to(torch.float8_e4m3fn), "f32": values(2)}
save("newer-types", newer)

whole = values(4, 6)
cube = values(2, 3, 4)
save("views", {
    "whole": whole, "transposed": whole.T, "rows": whole[1:3], "columns": whole[:, 2:5], "column": whole[:, 1],
    "steps": whole[::2, 1::3], "element": whole[2, 3], "none": whole[4:], "leading": whole[0].expand(1, -1),
    "repeated": whole[0, :2].unsqueeze(1).expand(2, 3), "permuted": cube.permute(2, 0, 1), "cube": cube,
    "half": values(3, 5, dtype=torch.float16).T, "bfloat": values(3, 5, dtype=torch.bfloat16).T,
    "double": values(3, 5, dtype=torch.float64).T,
})

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
state = net.state_dict()
save("module", state)
save("parallel", torch.nn.DataParallel(net).state_dict(), state)
save("compiled", OrderedDict((f"module._orig_mod.{k}", v) for k, v in state.items()), state)
save("parameters", dict(net.named_parameters()))
tied = torch.nn.Parameter(values(3, 2))
save("tied", {"a.weight": tied, "b.weight": tied, "c.weight": tied.data.T})
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(5, 3)).sum().backward()
optimizer.step()
state = OrderedDict((k, v.clone()) for k, v in net.state_dict().items())
save("training", {
    "epoch": 3, "best": numpy.float64(0.75), "args": argparse.Namespace(lr=1e-3, layers=[1, 2]), "random": torch.arange(4),
    "history": numpy.arange(3.0), "path": HERE.__class__("weights"), "device": torch.device("cpu"),
    "optimizer": optimizer.state_dict(), "model": {"layers": 12},
    "state_dict": OrderedDict((f"module.{k}", v) for k, v in state.items()),
}, state)
save("model-key", {"model": {"state_dict": state}, "scaler": None}, state)

# ZIP64 sizes in every header, and no padding or descriptors: the same members as another program packs them.
with zipfile.ZipFile(HERE / "types.pt") as source, zipfile.ZipFile(HERE / "zip64.pt", "w") as target:
    for member in source.infolist():
        with target.open(member.filename, "w", force_zip64=True) as stream:
            stream.write(source.read(member))
pack("zip64", types)
assert torch.equal(torch.load(HERE / "zip64.pt")["f32"], types["f32"])

# Refused: each with what torch.load makes of it where that is harmless.
weights = {"w": values(2, 2)}
torch.save(weights, HERE / "refused-legacy.pt", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 2), HERE / "refused-module.pt")
torch.save({"w": values(2, 2), "n": numpy.float32(1)}, HERE / "refused-value.pt")
torch.save({"w": values(2).expand(3, 2)}, HERE / "refused-repeated.pt")
torch.save({"w": values(2, 2).to_sparse()}, HERE / "refused-sparse.pt")
torch.save([values(2)], HERE / "refused-list.pt")
torch.save({"visual": {"w": values(2)}, "step": 1}, HERE / "refused-layers.pt")
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), HERE / "refused-script.pt")
torch.save(weights, HERE / "types-of-all.pt")
with zipfile.ZipFile(HERE / "types-of-all.pt") as source:
    with zipfile.ZipFile(HERE / "refused-compressed.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    with zipfile.ZipFile(HERE / "refused-byteorder.pt", "w") as target:
        for member in source.infolist():
            target.writestr(member.filename, b"big" if member.filename.endswith("byteorder") else source.read(member))
(HERE / "types-of-all.pt").unlink()


class Command:
    def __reduce__(self):
        import os

        return os.system, ("touch legrad-ran-a-pickle",)


torch.save({"w": values(2, 2), "x": Command()}, HERE / "refused-command.pt")
