#!/usr/bin/env bash
# Packages: timm 1.0.31, torch 2.13.0, torchvision 0.28.0 (Python 3.11).
#
# Guess: in a timm folder's config.json, `global_pool` beside `architecture` says how the tokens are pooled, as
# `num_classes` beside it says how many classes there are. timm writes both there itself.
#
# Behaviour: `num_classes` is obeyed and wins over the one in `pretrained_cfg`; `global_pool` is a note that nothing
# reads (a comment in models/_hub.py says so). The model keeps the architecture's own pooling, loads all weights and
# warns of nothing. Only `global_pool` in `model_args` counts; in `pretrained_cfg`, where the builder would look for it,
# it is a TypeError.
# So a program that reads the note computes another model than timm does wherever the two differ: a DINOv3 folder that
# says "token" is read as "avg" by timm, and the tensors are the same for both.
#
# Seen on 30 November 2026:
#   beside architecture: pooling avg, 7 classes, differs from the mean of the patches by 0.0
#   in model_args: pooling token, 7 classes, differs from the mean of the patches by 0.9
#   in pretrained_cfg: PretrainedCfg.__init__() got an unexpected keyword argument 'global_pool'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q timm==1.0.31 torch==2.13.0 torchvision==0.28.0

cat >pooling.py <<'CODE'
import json
import pathlib
import sys
import warnings

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
import timm
from safetensors.torch import save_file

warnings.filterwarnings("ignore", category=FutureWarning)
NAME = "vit_small_patch16_dinov3"
small = {"depth": 2, "embed_dim": 64, "num_heads": 2}
torch.manual_seed(1)
source = timm.create_model(NAME, num_classes=7, **small).eval()
for parameter in source.parameters():
    torch.nn.init.normal_(parameter, std=0.2)
picture = torch.randn(1, 3, 64, 64)
with torch.no_grad():
    rows = source.forward_features(picture)
    mean = source.head(rows[:, source.num_prefix_tokens:].mean(1))


def load(place):
    config = {"architecture": NAME, "num_classes": 7, "num_features": 64, "model_args": dict(small)}
    config["pretrained_cfg"] = {"num_classes": 3, "input_size": [3, 256, 256]}
    (config if place is None else config[place])["global_pool"] = "token"
    target = pathlib.Path("model")
    target.mkdir(exist_ok=True)
    (target / "config.json").write_text(json.dumps(config))
    save_file(source.state_dict(), target / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return timm.create_model(f"local-dir:{target}", pretrained=True).eval()


seen = {}
for place, words in [(None, "beside architecture"), ("model_args", "in model_args")]:
    model = load(place)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())
    with torch.no_grad():
        error = ((model(picture) - mean).abs().max() / mean.abs().max()).item()
    seen[place] = (model.global_pool, model.num_classes, error > 0.05)
    print(f"{words}: pooling {model.global_pool}, {model.num_classes} classes, "
          f"differs from the mean of the patches by {error:.1f}")
try:
    load("pretrained_cfg")
    refused = False
except TypeError as error:
    refused = "global_pool" in str(error)
    print("in pretrained_cfg:", error)
sys.exit(not (refused and seen == {None: ("avg", 7, False), "model_args": ("token", 7, True)}))
CODE
venv/bin/python pooling.py
