"""Float64 answers of LRP and Partial-LRP (methods §3) on classifiers that read the class token, from the tensor names
alone: `python lrp.py` writes `FOLDER/expected/HxW/{lrp,partial-lrp}.npy`, of pixels and of patches. Needs torch,
safetensors, numpy, pillow.

The rules are those of CLIP towers; the head is a linear layer like others, biases take no relevance, LayerScale belongs
to the products that it follows, and registers or a distillation token are tokens without a patch.
"""
import json, math, pathlib
import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
FOLDERS = ["vit", "vit-nobias", "deit", "timm-vit", "timm-deit3", "timm-vit-reg4"]


class Tower:
    """A folder's tower under one set of names."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        w = {k: v.double() for k, v in load_file(folder / "model.safetensors").items()}
        self.is_timm = "architecture" in config
        if self.is_timm:
            options, cfg = config["model_args"], config["pretrained_cfg"]
            self.heads, self.layers, self.patch = options["num_heads"], options["depth"], options["patch_size"]
            self.side, self.eps = options["img_size"][0], 1e-6
            self.mean, self.std, self.antialias = cfg["mean"], cfg["std"], True
            self.leading = [w["cls_token"][0]] + ([w["reg_token"][0]] if "reg_token" in w else [])
            table, patches, self.norm, self.head = w["pos_embed"][0], "patch_embed.proj", "norm", "head"
            self.blocks = [self.timm_block(w, f"blocks.{i}.") for i in range(self.layers)]
        else:
            steps = json.loads((folder / "preprocessor_config.json").read_text())
            self.heads, self.layers = config["num_attention_heads"], config["num_hidden_layers"]
            self.patch, self.side, self.eps = config["patch_size"], config["image_size"], config["layer_norm_eps"]
            self.mean, self.std, self.antialias = steps["image_mean"], steps["image_std"], False
            p = config["model_type"] + "."
            names = ["cls_token", "distillation_token"]
            self.leading = [w[p + "embeddings." + n][0] for n in names if p + "embeddings." + n in w]
            table, patches = w[p + "embeddings.position_embeddings"][0], p + "embeddings.patch_embeddings.projection"
            self.norm, self.head = p + "layernorm", "classifier"
            self.blocks = [self.saved_block(w, f"{p}encoder.layer.{i}.") for i in range(self.layers)]
        self.leading = torch.cat(self.leading)
        rows = len(table) - (self.side // self.patch) ** 2
        self.own_rows, self.table = table[:rows], table[rows:]
        self.convolution, self.patch_bias, self.w = w[patches + ".weight"], w[patches + ".bias"], w

    def timm_block(self, w, p):
        layers = {"n1": "norm1", "qkv": "attn.qkv", "out": "attn.proj", "n2": "norm2", "in": "mlp.fc1", "last": "mlp.fc2"}
        block = {k: (w[p + n + ".weight"], w[p + n + ".bias"]) for k, n in layers.items()}
        for factors, name in ((p + "ls1.gamma", "out"), (p + "ls2.gamma", "last")):
            if factors in w:
                weight, bias = block[name]
                block[name] = (weight * w[factors][:, None], bias * w[factors])
        return block

    def saved_block(self, w, p):
        layers = {"n1": "layernorm_before", "out": "attention.output.dense", "n2": "layernorm_after",
                  "in": "intermediate.dense", "last": "output.dense"}
        block = {k: (w[p + n + ".weight"], w[p + n + ".bias"]) for k, n in layers.items()}
        parts = [p + f"attention.attention.{n}." for n in ("query", "key", "value")]
        weight = torch.cat([w[n + "weight"] for n in parts])
        bias = torch.cat([w[n + "bias"] for n in parts]) if parts[0] + "bias" in w else torch.zeros(len(weight))
        block["qkv"] = (weight, bias)
        return block

    def positions(self, grid):
        own = self.side // self.patch
        table = self.table
        if grid != (own, own):
            table = table.reshape(1, own, own, -1).permute(0, 3, 1, 2)
            table = F.interpolate(table, size=grid, mode="bicubic", antialias=self.antialias)
            table = table.permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1)
        # Leading tokens without a row have none.
        missing = torch.zeros(len(self.leading) - len(self.own_rows), table.shape[1])
        return torch.cat([self.own_rows, missing, table])


def over(relevance, total):
    """relevance / total, 0 where the total is 0."""
    stable = total + 1e-9
    stable = torch.where(stable == 0, torch.full_like(stable, 1e-9), stable)
    return torch.where(total == 0, torch.zeros_like(relevance), relevance / stable)


def linear(relevance, x, weight):
    """alpha 1, beta 0: positive parts by their own sum, negative parts by theirs."""
    result = 0
    for part in (lambda t: t.clamp(min=0), lambda t: t.clamp(max=0)):
        result = result + part(x) * (over(relevance, part(x) @ part(weight).T) @ part(weight))
    return result


def explain(tower, pixels, row):
    """The maps of the class whose weights are `row`."""
    patches = F.conv2d(pixels, tower.convolution, tower.patch_bias, stride=tower.patch)
    grid = tuple(patches.shape[2:])
    tokens = torch.cat([tower.leading, patches[0].flatten(1).T])
    positions = tower.positions(grid)
    x = tokens + positions
    count, width = x.shape
    kept = []
    for block in tower.blocks:
        b = {"x": x}
        b["n1"] = F.layer_norm(x, (width,), *block["n1"], tower.eps)
        qkv = b["n1"] @ block["qkv"][0].T + block["qkv"][1]
        q, k, v = (t.reshape(count, tower.heads, -1).transpose(0, 1) for t in qkv.chunk(3, -1))
        scores = q @ k.transpose(1, 2)
        a = torch.softmax(scores / math.sqrt(q.shape[-1]), -1)
        attended = a @ v
        o = attended.transpose(0, 1).reshape(count, width)
        b["attention"] = o @ block["out"][0].T + block["out"][1]
        b["middle"] = x + b["attention"]
        b["n2"] = F.layer_norm(b["middle"], (width,), *block["n2"], tower.eps)
        b["hidden"] = F.gelu(b["n2"] @ block["in"][0].T + block["in"][1])
        b["mlp"] = b["hidden"] @ block["last"][0].T + block["last"][1]
        x = b["middle"] + b["mlp"]
        b |= {"q": q, "k": k, "v": v, "scores": scores, "a": a, "attended": attended, "o": o, "out": x}
        kept.append(b)
    read = F.layer_norm(x, (width,), tower.w[tower.norm + ".weight"], tower.w[tower.norm + ".bias"], tower.eps)[0]
    first = linear(torch.ones(1), read, row[None])
    relevance = torch.zeros(count, width)
    relevance[0] = x[0] * over(first, x[0])
    partial = None
    for b, block in zip(reversed(kept), reversed(tower.blocks)):
        share = over(relevance, b["out"])
        through = linear(b["mlp"] * share, b["hidden"], block["last"][0])
        through = linear(through, b["n2"], block["in"][0])
        middle = b["middle"] * (over(b["middle"] * share, b["middle"]) + over(through, b["middle"]))
        share = over(middle, b["middle"])
        residual = b["x"] * share
        at_output = linear(b["attention"] * share, b["o"], block["out"][0])
        s = over(at_output.reshape(count, tower.heads, -1).transpose(0, 1), b["attended"])
        at_map = 0.5 * b["a"] * (s @ b["v"].transpose(1, 2))
        if partial is None: partial = at_map.clamp(min=0).mean(0)[0, len(tower.leading):].reshape(grid)
        at_values = 0.5 * b["v"] * (b["a"].transpose(1, 2) @ s)
        s = over(at_map, b["scores"])
        at_queries, at_keys = 0.5 * b["q"] * (s @ b["k"]), 0.5 * b["k"] * (s.transpose(1, 2) @ b["q"])
        fused = torch.cat([t.transpose(0, 1).reshape(count, width) for t in (at_queries, at_keys, at_values)], -1)
        through = linear(fused, b["n1"], block["qkv"][0])
        relevance = b["x"] * (over(residual, b["x"]) + over(through, b["x"]))
    at_patches = (tokens * over(relevance, tokens + positions))[len(tower.leading):].T.reshape(1, width, *grid)
    weight, low, high = tower.convolution, torch.full_like(pixels, pixels.min()), torch.full_like(pixels, pixels.max())
    positive, negative = weight.clamp(min=0), weight.clamp(max=0)
    forward = lambda x, w: F.conv2d(x, w, stride=tower.patch)
    backward = lambda s, w: F.conv_transpose2d(s, w, stride=tower.patch)
    s = at_patches / (forward(pixels, weight) - forward(low, positive) - forward(high, negative) + 1e-9)
    at_pixels = pixels * backward(s, weight) - low * backward(s, positive) - high * backward(s, negative)
    return at_pixels.sum(1)[0], partial


for name in FOLDERS:
    folder = HERE / name
    tower = Tower(folder / "model")
    classes = json.loads((folder / "inputs/class_ids.json").read_text())
    for answers in sorted(folder.glob("expected/*x*")):
        image = Image.open(folder / f"inputs/image_{answers.name}.png").convert("RGB")
        pixels = torch.tensor(np.asarray(image)).double().permute(2, 0, 1)[None] / 255
        pixels = (pixels - torch.tensor(tower.mean)[None, :, None, None]) / torch.tensor(tower.std)[None, :, None, None]
        maps = [explain(tower, pixels, tower.w[tower.head + ".weight"][c]) for c in classes]
        for index, method in enumerate(("lrp", "partial-lrp")):
            values = torch.stack([m[index] for m in maps]).float().numpy()
            np.save(answers / f"{method}.npy", values)
        print(name, answers.name, [float(m[0].sum()) for m in maps][:3])
