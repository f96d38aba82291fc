#!/usr/bin/env bash
# Packages: open_clip_torch 3.3.0, timm 1.0.31, torch 2.13.0, torchvision 0.28.0 (Python 3.11).
#
# Guess: `timm_proj` in an OpenCLIP configuration says what follows the pooled vector of a timm tower, and nothing else.
#
# Behaviour: it also says on which side of the pooling the last layer norm stands. Without a projection of OpenCLIP's
# (null or "none") the tower is made with `timm_pool`, and for "avg" timm puts the norm behind the mean: the tensors are
# `trunk.fc_norm.*`. With "linear" or "mlp" the tower is made as its name says, a class token, and only then told to
# pool by "avg"; the norm stays in front of the mean, as `trunk.norm.*`. With equal weights the pooled vectors differ.
# A reader has to go by the tensors' names. Gap towers (`vit_medium_patch16_gap_256`) norm first either way.
#
# Seen on 30 November 2026:
#   linear: trunk.norm; mlp: trunk.norm; None: trunk.fc_norm; none: trunk.fc_norm
#   pooled vectors with equal weights differ by 0.2 of the largest number
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q open_clip_torch==3.3.0 timm==1.0.31 torch==2.13.0 torchvision==0.28.0

cat >projection.py <<'CODE'
import sys

import torch

try:
    import torchvision
except RuntimeError:
    # The package is built for CUDA; beside a torch without it, its operators have no names. None is used here.
    names = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        names.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
from open_clip.timm_model import TimmModel

torch.manual_seed(1)
towers = {
    projection: TimmModel("vit_tiny_patch16_224", 192, image_size=224, pool="avg", proj=projection).eval()
    for projection in ("linear", "mlp", None, "none")
}
norms = {
    projection: sorted({name.rsplit(".", 1)[0] for name in tower.state_dict() if name.endswith("norm.weight")})
    for projection, tower in towers.items()
}
print("; ".join(f"{projection}: {' '.join(names)}" for projection, names in norms.items()))

first, last = towers["linear"].trunk, towers["none"].trunk
with torch.no_grad():
    for parameter in first.parameters():
        parameter.normal_(0, 0.2)
    # Tokens of various sizes, as trained ones are.
    first.pos_embed.mul_(torch.linspace(0.1, 30, first.pos_embed.shape[1])[None, :, None])
    weights = {name.replace("norm.", "fc_norm.", 1) if name.startswith("norm.") else name: value
               for name, value in first.state_dict().items()}
    last.load_state_dict(weights)
    picture = torch.randn(1, 3, 224, 224)
    a, b = first(picture), last(picture)
error = ((a - b).abs().max() / a.abs().max()).item()
print(f"pooled vectors with equal weights differ by {error:.1f} of the largest number")
expected = {"linear": ["trunk.norm"], "mlp": ["trunk.norm"], None: ["trunk.fc_norm"], "none": ["trunk.fc_norm"]}
sys.exit(not (norms == expected and error > 0.05))
CODE
venv/bin/python projection.py
