"""Float64 answers on folders of `families`, from the tensors' names and formulas alone, without a model library. Needs
torch, safetensors, numpy, pillow.

    python reference.py              writes FOLDER/expected/HxW/{lrp,partial-lrp,textspan}.npy of class-token towers, the
                                     methods that read attention and gradients of the folders of POOLED, and every
                                     answer of the folders of ALL
    python reference.py --compare    compares with what is there instead, and fails where it differs

A tower is a dictionary of parts under one set of names, whatever the folder calls them. LayerScale belongs to the
products that it follows; leading tokens (class token, registers, DeiT's distillation token) are tokens without a patch.
"""
import json, math, pathlib, sys
import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
LRP = ["vit", "vit-nobias", "deit", "timm-vit", "timm-deit3", "timm-vit-reg4", "dinov2-encoder", "eva01-clip",
       "metaclip2", "mobileclip2-l", "xlm-roberta", "timm-qknorm", "timm-nonorm", "timm-innernorm"]
TEXTSPAN = [n for n in LRP if n != "timm-innernorm"] + ["dinov3", "dinov3-gated"]
ALL = ["eva01-clip", "timm-map", "timm-map-class", "timm-qknorm", "timm-nonorm", "timm-nonorm-avg", "timm-innernorm",
       "timm-avg-all", "timm-avg-all-norm"]
# What else these have, OpenCLIP's or timm's own models said; `--compare` looks at it too.
POOLED = ["siglip2", "siglip2-so400m", "siglip2-naflex", "siglip2-openclip", "siglip2-openclip-so400m16", "pe-core",
          "pe-core-timm", "clipa"]
WRITTEN = {"raw-attention", "rollout", "gradcam", "chefercam", "chefercam-all", "legrad-cls"}
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# ---- Folders


class Tower:
    """Parts of a vision tower: blocks with `n1 qkv out n2 in gate last`, each (weight, bias)."""

    def __init__(self, folder):
        file, = folder.glob("*.safetensors")
        self.w = {k: v.double() for k, v in load_file(file).items()}
        self.activation, self.pooler, self.rope, self.pre_norm, self.projection = F.gelu, None, None, None, None
        # `averages` is the first token of a mean, `pools` that of a pooler.
        self.unit, self.scale, self.averages, self.pools = True, 1.0, None, 0
        self.asks_token = False
        self.enlarge = dict(mode="bicubic", antialias=True)
        if file.name.startswith("open_clip"):
            self.open_clip(json.loads((folder / "open_clip_config.json").read_text()))
        else:
            config = json.loads((folder / "config.json").read_text())
            if "architecture" in config: self.timm_folder(config)
            else: self.transformers(config, folder)
        width = self.convolution[0].shape[0]
        self.leading = torch.cat([t.reshape(-1, width) for t in self.leading] + [torch.zeros(0, width)])

    def pair(self, name, rows=None):
        """Weight and bias of a layer; a missing bias is zero."""
        weight = self.w[name + ".weight"]
        return weight, self.w.get(name + ".bias", torch.zeros(rows or weight.shape[0]))

    def stacked(self, names):
        pairs = [self.pair(n) for n in names]
        return torch.cat([p[0] for p in pairs]), torch.cat([p[1] for p in pairs])

    def scaled(self, block, factors):
        for part, name in factors.items():
            if name in self.w:
                weight, bias = block[part]
                block[part] = weight * self.w[name][:, None], bias * self.w[name]
        return block

    def table(self, name, rows, side):
        """A table of positions: those of leading tokens, and the patches' with their own grid."""
        table = self.w[name].reshape(-1, self.w[name].shape[-1])
        self.own_rows, self.positions, self.grid = table[:rows], table[rows:], (side, side)
        assert len(self.positions) == side * side

    def timm_tower(self, p, patch, side, heads, layers, eps):
        self.heads, self.patch, self.eps = heads, patch, eps
        self.leading = [self.w[p + n] for n in ("cls_token", "reg_token") if p + n in self.w]
        count = sum(t.shape[1] for t in self.leading)
        rows = self.w[p + "pos_embed"].shape[1] - (side // patch) ** 2
        assert rows in (0, count)
        self.table(p + "pos_embed", rows, side // patch)
        self.convolution = self.pair(p + "patch_embed.proj")
        if p + "norm_pre.weight" in self.w: self.pre_norm = self.pair(p + "norm_pre")
        self.norm, self.norms_mean, self.blocks = None, p + "fc_norm.weight" in self.w, []
        for n in ("norm", "fc_norm"):
            if p + n + ".weight" in self.w: self.norm = self.pair(p + n)
        for i in range(layers):
            b = f"{p}blocks.{i}."
            block = {"n1": self.pair(b + "norm1"), "qkv": self.pair(b + "attn.qkv"), "out": self.pair(b + "attn.proj"),
                     "n2": self.pair(b + "norm2"), "in": self.pair(b + "mlp.fc1"), "last": self.pair(b + "mlp.fc2")}
            if b + "attn.q_bias" in self.w:
                q, v = self.w[b + "attn.q_bias"], self.w[b + "attn.v_bias"]
                block["qkv"] = block["qkv"][0], torch.cat([q, torch.zeros_like(q), v])
            for part, n in (("q_norm", "attn.q_norm"), ("k_norm", "attn.k_norm"), ("o_norm", "attn.norm"), ("h_norm", "mlp.norm")):
                if b + n + ".weight" in self.w: block[part] = self.pair(b + n)
            self.blocks.append(self.scaled(block, {"out": b + "ls1.gamma", "last": b + "ls2.gamma"}))
        if p + "attn_pool.latent" in self.w:
            a, self.pools = p + "attn_pool.", count
            self.pooler = {"query": self.w[a + "latent"][0, 0], "qkv": self.stacked([a + "q", a + "kv"]), "heads": heads} | {
                k: self.pair(a + n) for k, n in (("out", "proj"), ("n", "norm"), ("in", "mlp.fc1"), ("last", "mlp.fc2"))}

    def perception(self, heads, reference):
        """What PE's towers have: rotary positions of a grid of reference, and a pooler that reads all tokens."""
        self.pooler["heads"], self.pools, self.scale = heads, 0, 100.0
        self.rope = "numbers", reference

    def timm_folder(self, config):
        options, steps, name = config["model_args"], config["pretrained_cfg"], config["architecture"]
        eps = 1e-5 if name.startswith(("vit_pe_", "beit3_")) else 1e-6
        self.timm_tower("", options["patch_size"], options["img_size"][0], options["num_heads"], options["depth"], eps)
        self.mean, self.std = steps["mean"], steps["std"]
        if name.startswith("vit_pe_"):
            self.perception(options["attn_pool_num_heads"], options["ref_feat_shape"])
            self.projection = self.pair("head")
            return
        self.unit = config["num_classes"] == 0
        if options["global_pool"] == "avg":
            self.averages = 0 if options.get("pool_include_prefix") else sum(t.shape[1] for t in self.leading)
        if not self.unit: self.head = self.pair("head")

    def open_clip(self, config):
        vision, steps = config["model_cfg"]["vision_cfg"], config["preprocess_cfg"]
        self.mean, self.std, self.scale = steps["mean"], steps["std"], self.w["logit_scale"].exp().item()
        heads, side = vision["width"] // vision["head_width"], vision["image_size"]
        if "timm_model_name" in vision:
            name = vision["timm_model_name"]
            eps = 1e-5 if name.startswith(("vit_large_patch14_clip_", "vit_pe_")) else 1e-6
            self.timm_tower("visual.trunk.", vision["patch_size"], side, heads, vision["layers"], eps)
            if name.startswith("vit_pe_"): self.perception(8, (14, 14))
            if name.startswith("vit_so400m_patch16_siglip_"): self.activation = tanh_gelu
            self.scale = self.w["logit_scale"].exp().item()
            proj = {None: "visual.trunk.head", "linear": "visual.head.proj"}.get(vision["timm_proj"])
            if proj: self.projection = self.pair(proj)
            return
        self.heads, self.patch, self.eps = heads, vision["patch_size"], 1e-5
        self.leading = [self.w["visual.class_embedding"]]
        self.table("visual.positional_embedding", 1, side // self.patch)
        self.convolution = self.pair("visual.conv1")
        if "visual.ln_pre.weight" in self.w: self.pre_norm = self.pair("visual.ln_pre")
        self.norm = self.pair("visual.ln_post")
        if vision.get("pool_type") == "avg":
            # A block's score reads one token all the same, as LeGrad's public code has it.
            self.averages, self.norms_mean, self.asks_token = 1, vision["final_ln_after_pool"], True
        self.projection = self.w["visual.proj"].T, torch.zeros(self.w["visual.proj"].shape[1])
        self.blocks = []
        for i in range(vision["layers"]):
            b = f"visual.transformer.resblocks.{i}."
            self.blocks.append({
                "n1": self.pair(b + "ln_1"), "qkv": (self.w[b + "attn.in_proj_weight"], self.w[b + "attn.in_proj_bias"]),
                "out": self.pair(b + "attn.out_proj"), "n2": self.pair(b + "ln_2"), "in": self.pair(b + "mlp.c_fc"),
                "last": self.pair(b + "mlp.c_proj")})

    def transformers(self, config, folder):
        file = folder / "processor_config.json"
        if file.exists(): steps = json.loads(file.read_text())["image_processor"]
        else: steps = json.loads((folder / "preprocessor_config.json").read_text())
        self.mean, self.std = steps["image_mean"], steps["image_std"]
        kind = config["model_type"]
        if kind == "metaclip_2": return self.metaclip(config["vision_config"])
        if kind in ("siglip", "siglip2"): return self.siglip(config["vision_config"])
        self.heads, self.patch = config["num_attention_heads"], config["patch_size"]
        self.eps, layers = config["layer_norm_eps"], config["num_hidden_layers"]
        if kind == "dinov3_vit": return self.dinov3(config)
        p = f"{kind}." if f"{kind}.embeddings.cls_token" in self.w else ""
        names = [p + "embeddings." + n for n in ("cls_token", "distillation_token")]
        self.leading = [self.w[n] for n in names if n in self.w]
        self.enlarge = dict(mode="bicubic", antialias=False)
        self.table(p + "embeddings.position_embeddings", len(self.leading), config["image_size"] // self.patch)
        self.convolution = self.pair(p + "embeddings.patch_embeddings.projection")
        self.norm, self.blocks = self.pair(p + "layernorm"), []
        self.unit = "classifier.weight" not in self.w
        if not self.unit: self.head = self.pair("classifier")
        own = {"n1": "layernorm_before", "n2": "layernorm_after", "in": "intermediate.dense", "last": "output.dense"}
        if kind == "dinov2": own = {"n1": "norm1", "n2": "norm2", "in": "mlp.fc1", "last": "mlp.fc2"}
        for i in range(layers):
            b = f"{p}encoder.layer.{i}."
            block = {k: self.pair(b + n) for k, n in own.items()} | {"out": self.pair(b + "attention.output.dense")}
            block["qkv"] = self.stacked([b + f"attention.attention.{n}" for n in ("query", "key", "value")])
            self.blocks.append(self.scaled(block, {"out": b + "layer_scale1.lambda1", "last": b + "layer_scale2.lambda1"}))

    def dinov3(self, config):
        self.leading = [self.w["embeddings.cls_token"], self.w["embeddings.register_tokens"]]
        self.positions, self.rope = None, ("centres", config["rope_theta"])
        self.activation = {"gelu": F.gelu, "silu": F.silu}[config["hidden_act"]]
        self.convolution, self.norm, self.blocks = self.pair("embeddings.patch_embeddings"), self.pair("norm"), []
        for i in range(config["num_hidden_layers"]):
            b = f"layer.{i}."
            block = {"n1": self.pair(b + "norm1"), "n2": self.pair(b + "norm2"), "out": self.pair(b + "attention.o_proj"),
                     "qkv": self.stacked([b + f"attention.{n}_proj" for n in "qkv"]), "in": self.pair(b + "mlp.up_proj"),
                     "last": self.pair(b + "mlp.down_proj")}
            if config["use_gated_mlp"]: block["gate"] = self.pair(b + "mlp.gate_proj")
            self.blocks.append(self.scaled(block, {"out": b + "layer_scale1.lambda1", "last": b + "layer_scale2.lambda1"}))

    def metaclip(self, config):
        self.heads, self.patch, self.eps = config["num_attention_heads"], config["patch_size"], config["layer_norm_eps"]
        self.activation, p = lambda t: t * torch.sigmoid(1.702 * t), "vision_model."
        assert config["hidden_act"] == "quick_gelu"
        self.scale = self.w["logit_scale"].exp().item()
        self.leading = [self.w[p + "embeddings.class_embedding"]]
        self.table(p + "embeddings.position_embedding.weight", 1, config["image_size"] // self.patch)
        self.convolution = self.pair(p + "embeddings.patch_embedding")
        self.pre_norm, self.norm = self.pair(p + "pre_layrnorm"), self.pair(p + "post_layernorm")
        self.projection, self.blocks = self.pair("visual_projection"), []
        for i in range(config["num_hidden_layers"]):
            b = f"{p}encoder.layers.{i}."
            self.blocks.append({
                "n1": self.pair(b + "layer_norm1"), "n2": self.pair(b + "layer_norm2"), "in": self.pair(b + "mlp.fc1"),
                "qkv": self.stacked([b + f"self_attn.{n}_proj" for n in "qkv"]), "out": self.pair(b + "self_attn.out_proj"),
                "last": self.pair(b + "mlp.fc2")})

    def siglip(self, config):
        self.heads, self.patch, self.eps = config["num_attention_heads"], config["patch_size"], config["layer_norm_eps"]
        self.activation, p, self.leading = tanh_gelu, "vision_model.", []
        assert config["hidden_act"] == "gelu_pytorch_tanh"
        self.scale = self.w["logit_scale"].exp().item()
        weight, bias = self.pair(p + "embeddings.patch_embedding")
        if weight.ndim == 2:
            # A patch is a row of pixels, the channels of each side by side.
            weight = weight.reshape(-1, self.patch, self.patch, 3).permute(0, 3, 1, 2)
            self.enlarge = dict(mode="bilinear", antialias=True)
            side = math.isqrt(config["num_patches"])
        else: side = config["image_size"] // self.patch
        self.convolution = weight, bias
        self.table(p + "embeddings.position_embedding.weight", 0, side)
        self.norm, self.blocks, h = self.pair(p + "post_layernorm"), [], p + "head."
        for i in range(config["num_hidden_layers"]):
            b = f"{p}encoder.layers.{i}."
            self.blocks.append({
                "n1": self.pair(b + "layer_norm1"), "n2": self.pair(b + "layer_norm2"), "in": self.pair(b + "mlp.fc1"),
                "qkv": self.stacked([b + f"self_attn.{n}_proj" for n in "qkv"]), "out": self.pair(b + "self_attn.out_proj"),
                "last": self.pair(b + "mlp.fc2")})
        self.pooler = {"query": self.w[h + "probe"][0, 0], "heads": self.heads,
                       "qkv": (self.w[h + "attention.in_proj_weight"], self.w[h + "attention.in_proj_bias"])} | {
            k: self.pair(h + n) for k, n in (("out", "attention.out_proj"), ("n", "layernorm"), ("in", "mlp.fc1"), ("last", "mlp.fc2"))}

    # ---- Forward

    def added(self, grid):
        """What is added to all tokens of a grid. Leading tokens without a row have none."""
        width = self.leading.shape[1]
        if self.positions is None: return torch.zeros(len(self.leading) + grid[0] * grid[1], width)
        table = self.positions
        if grid != self.grid:
            table = table.reshape(1, *self.grid, -1).permute(0, 3, 1, 2)
            table = F.interpolate(table, size=grid, **self.enlarge)
            table = table.permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1)
        missing = torch.zeros(len(self.leading) - len(self.own_rows), width)
        return torch.cat([self.own_rows, missing, table])

    def turned(self, t, grid):
        """Queries or keys [H,N,d] with rotary positions: DINOv3's of a base, or PE's of a grid of reference."""
        if self.rope is None: return t
        (kind, base), width = self.rope, t.shape[-1]
        numbers = torch.arange(width // 4)
        y, x = (torch.arange(n).double() for n in grid)
        y, x = y.repeat_interleave(grid[1]), x.repeat(grid[0])
        if kind == "centres":
            bands = 2 * math.pi * base ** (-4 * numbers / width)
            first, second = (2 * (c + 0.5) / n - 1 for c, n in zip((y, x), grid))
        else:
            bands = 10000.0 ** (-4 * numbers / width)
            second, first = ((c + 1) / n * r for c, n, r in zip((y, x), grid, base))
        angles = torch.cat([first[:, None] * bands, second[:, None] * bands], -1)
        patches = t[:, len(self.leading):]
        a, b = patches.chunk(2, -1) if kind == "centres" else (patches[..., ::2], patches[..., 1::2])
        a, b = a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()
        turned = torch.cat([a, b], -1) if kind == "centres" else torch.stack([a, b], -1).flatten(-2)
        return torch.cat([t[:, :len(self.leading)], turned], 1)

    def normed(self, x, pair):
        return x if pair is None else F.layer_norm(x, x.shape[-1:], *pair, self.eps)

    def block(self, part, x, grid, leaf=False):
        """Everything that a block computes; with `leaf` gradients stop at its map."""
        b, count = {"x": x, "n1": self.normed(x, part["n1"])}, len(x)
        q, k, v = (t.reshape(count, self.heads, -1).transpose(0, 1) for t in affine(b["n1"], part["qkv"]).chunk(3, -1))
        if "q_norm" in part: q, k = self.normed(q, part["q_norm"]), self.normed(k, part["k_norm"])
        q, k = self.turned(q, grid), self.turned(k, grid)
        b["scores"] = q @ k.transpose(1, 2)
        a = torch.softmax(b["scores"] / math.sqrt(q.shape[-1]), -1)
        if leaf: a = a.detach().requires_grad_(True)
        b["attended"] = a @ v
        b["o"] = b["attended"].transpose(0, 1).reshape(count, -1)
        b["n_o"] = self.normed(b["o"], part.get("o_norm"))
        b["attention"] = affine(b["n_o"], part["out"])
        b["middle"] = x + b["attention"]
        b["n2"] = self.normed(b["middle"], part["n2"])
        b["hidden"] = affine(b["n2"], part["in"])
        if "gate" in part: b["hidden"] = b["hidden"] * self.activation(affine(b["n2"], part["gate"]))
        else: b["hidden"] = self.activation(b["hidden"])
        b["hidden"] = self.normed(b["hidden"], part.get("h_norm"))
        b["mlp"] = affine(b["hidden"], part["last"])
        return b | {"q": q, "k": k, "v": v, "a": a, "out": b["middle"] + b["mlp"]}

    def enter(self, pixels):
        """What enters the first block, and what it is made of."""
        patches = F.conv2d(pixels, *self.convolution, stride=self.patch)
        grid = tuple(patches.shape[2:])
        e = {"grid": grid, "tokens": torch.cat([self.leading, patches[0].flatten(1).T]), "added": self.added(grid)}
        e["sum"] = e["tokens"] + e["added"]
        return e | {"x": e["sum"] if self.pre_norm is None else self.normed(e["sum"], self.pre_norm)}

    def pool(self, tokens):
        """The pooler's row, and its map [H, 1, tokens], of the tokens that it reads."""
        p, (weight, bias) = self.pooler, self.pooler["qkv"]
        width = len(p["query"])
        rows = [p["query"][None], tokens[self.pools:], tokens[self.pools:]]
        q, k, v = ((x @ w.T + b).reshape(len(x), p["heads"], -1).transpose(0, 1)
                   for x, w, b in zip(rows, weight.split(width), bias.split(width)))
        a = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1)
        if not a.requires_grad: a.requires_grad_(True)
        y = affine((a @ v).transpose(0, 1).reshape(1, width), p["out"])
        e = y + affine(self.activation(affine(self.normed(y, p["n"]), p["in"])), p["last"])
        return e[0], a

    def average(self, tokens):
        """Norm and mean of tokens, in the model's own order."""
        if self.norms_mean: return self.normed(tokens[self.averages:].mean(0), self.norm)
        return self.normed(tokens, self.norm)[self.averages:].mean(0)

    def embed(self, row):
        """From a normalised or pooled row to what a prompt or a class is compared with."""
        f = row if self.projection is None else affine(row, self.projection)
        return F.normalize(f, dim=-1) if self.unit else f


def tanh_gelu(x): return F.gelu(x, approximate="tanh")


def affine(x, pair):
    return x @ pair[0].T + pair[1]


# ---- LRP and Partial-LRP (methods §3)


def over(relevance, total):
    """relevance / total, 0 where the total is 0."""
    stable = total + 1e-9
    stable = torch.where(stable == 0, torch.full_like(stable, 1e-9), stable)
    return torch.where(total == 0, torch.zeros_like(relevance), relevance / stable)


def linear(relevance, x, weight):
    """alpha 1, beta 0: positive parts by their own sum, negative parts by theirs. Biases take no relevance."""
    result = 0
    for part in (lambda t: t.clamp(min=0), lambda t: t.clamp(max=0)):
        result = result + part(x) * (over(relevance, part(x) @ part(weight).T) @ part(weight))
    return result


def lrp(tower, pixels, rows):
    maps = [lrp_of(tower, pixels, row) for row in rows]
    return {"lrp": torch.stack([m[0] for m in maps]), "partial-lrp": torch.stack([m[1] for m in maps])}


def lrp_of(tower, pixels, row):
    """The maps of the class or prompt whose weights are `row`, of pixels and of patches."""
    entered = tower.enter(pixels)
    x, grid = entered["x"], entered["grid"]
    count, width = x.shape
    kept = []
    for part in tower.blocks:
        kept.append(tower.block(part, x, grid))
        x = kept[-1]["out"]
    read = tower.normed(x, tower.norm)[0]
    if tower.projection is None: first = linear(torch.ones(1), read, row[None])
    else: first = linear(linear(torch.ones(1), affine(read, tower.projection), row[None]), read, tower.projection[0])
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
        at_output = linear(b["attention"] * share, b["n_o"], block["out"][0])
        s = over(at_output.reshape(count, tower.heads, -1).transpose(0, 1), b["attended"])
        at_map = 0.5 * b["a"] * (s @ b["v"].transpose(1, 2))
        if partial is None: partial = at_map.clamp(min=0).mean(0)[0, len(tower.leading):].reshape(grid)
        at_values = 0.5 * b["v"] * (b["a"].transpose(1, 2) @ s)
        s = over(at_map, b["scores"])
        at_queries, at_keys = 0.5 * b["q"] * (s @ b["k"]), 0.5 * b["k"] * (s.transpose(1, 2) @ b["q"])
        fused = torch.cat([t.transpose(0, 1).reshape(count, width) for t in (at_queries, at_keys, at_values)], -1)
        through = linear(fused, b["n1"], block["qkv"][0])
        relevance = b["x"] * (over(residual, b["x"]) + over(through, b["x"]))
    at_patches = (entered["tokens"] * over(relevance, entered["sum"]))[len(tower.leading):].T.reshape(1, width, *grid)
    weight, low, high = tower.convolution[0], torch.full_like(pixels, pixels.min()), torch.full_like(pixels, pixels.max())
    positive, negative = weight.clamp(min=0), weight.clamp(max=0)
    forward = lambda x, w: F.conv2d(x, w, stride=tower.patch)
    backward = lambda s, w: F.conv_transpose2d(s, w, stride=tower.patch)
    s = at_patches / (forward(pixels, weight) - forward(low, positive) - forward(high, negative) + 1e-9)
    at_pixels = pixels * backward(s, weight) - low * backward(s, positive) - high * backward(s, negative)
    return at_pixels.sum(1)[0], partial


# ---- TextSpan (methods §4.1): every part of the class token's last state is made and read by itself


def textspan(tower, pixels, rows):
    entered = tower.enter(pixels)
    x, grid, leading = entered["x"], entered["grid"], len(tower.leading)
    count, layers, heads = len(x), len(tower.blocks), tower.heads
    parts, groups = [], [(x[0], 1)]
    for part in tower.blocks:
        b = tower.block(part, x, grid)
        weight, bias = part["out"]
        columns = weight.reshape(len(weight), heads, -1)
        # [N, D]: what each key adds through every head, with its share of the bias.
        c = torch.einsum("hj,hjd,whd->jhw", b["a"][:, 0], b["v"], columns) + bias / (count * heads)
        parts.append(c)
        groups.append((b["mlp"][0], 1))
        x = b["out"]
    total = sum(g for g, _ in groups) + sum(c.sum((0, 1)) for c in parts)
    assert (total - x[0]).abs().max() < 1e-12
    state = x[0]
    if tower.norm is None: gain, shift, mean, sigma = torch.ones(len(state)), torch.zeros(len(state)), 0, 1
    else: (gain, shift), mean, sigma = tower.norm, state.mean(), (state.var(unbiased=False) + tower.eps).sqrt()
    weight, bias = tower.projection or (torch.eye(len(state)), torch.zeros(len(state)))
    f = affine(tower.normed(state, tower.norm), (weight, bias))
    length = f.norm() if tower.unit else 1

    def read(c, share):
        """A part that is `share` of a group, of 2 L + 1 groups, through the last norm and the projection."""
        share = share / (2 * layers + 1)
        return ((gain * (c - mean * share) / sigma + shift * share) @ weight.T + bias * share) / length

    seen = [read(c, 1 / (count * heads)).sum(1) for c in parts]
    rest = sum(read(g, 1) for g, _ in groups)
    assert (sum(s.sum(0) for s in seen) + rest - f / length).abs().max() < 1e-12
    return {"textspan": torch.stack([(sum(seen) @ row)[leading:].reshape(grid) for row in rows])}


# ---- Attention and gradients (methods §1, §2), by automatic differentiation


def attention_methods(tower, pixels, rows):
    entered = tower.enter(pixels)
    grid, leading, x = entered["grid"], len(tower.leading), entered["x"]
    x.requires_grad_(True)
    maps, inputs = [], []
    for part in tower.blocks:
        inputs.append(x)
        b = tower.block(part, x, grid)
        maps.append(b["a"])
        x = b["out"]
    n, last = len(x), tower.normed(x, tower.norm)
    averages, pools = tower.averages is not None, tower.pools
    if averages: row = tower.average(x)
    elif tower.pooler is None: row, a = last[0], maps[-1][:, 0]
    else:
        row, pooled = tower.pool(last)
        a = F.pad(pooled[:, 0], (pools, 0))
    f = tower.embed(row)
    out = {"image_embedding": f} if tower.unit else {"logits": affine(f, tower.head)}
    shown = lambda t: t[..., leading:].reshape(*t.shape[:-1], *grid)

    size = [side * tower.patch for side in grid]
    enlarge = lambda t: F.interpolate(t[None], size=size, mode="bilinear", align_corners=False)[0]

    def spread(t):
        low, high = t.amin((1, 2), keepdim=True), t.amax((1, 2), keepdim=True)
        return (t - low) / (high - low)

    def local(read, divisor):
        """[L, P, N]: each block's own score at its own map."""
        layers = []
        for part, x in zip(tower.blocks, inputs):
            b = tower.block(part, x.detach(), grid, leaf=tower.pooler is None)
            f, a = read(b)
            gradients = [torch.autograd.grad(f @ t, a, retain_graph=True)[0].clamp(min=0).sum((0, 1)) for t in rows]
            layers.append(torch.stack(gradients) / (len(a) * divisor))
        return torch.stack(layers)

    if averages and not tower.asks_token:
        layers = local(lambda b: (tower.embed(tower.average(b["out"])), b["a"]), n)
    elif tower.pooler is None:
        layers = local(lambda b: (tower.embed(tower.normed(b["out"].mean(0), tower.norm)), b["a"]), n)
        cls = local(lambda b: (tower.embed(tower.normed(b["out"][0], tower.norm)), b["a"]), n)
        out["legrad-cls"] = shown(cls.sum(0))
    else:
        # The tower's last norm is skipped.
        def read(b):
            row, a = tower.pool(b["out"])
            return tower.embed(row), a
        layers = F.pad(local(read, 1), (pools, 0))
    out["legrad_layers"], out["legrad"] = shown(layers), shown(layers.sum(0))
    if averages: return out | {"legrad_heatmap": spread(enlarge(out["legrad"]))}
    out["raw-attention"] = shown(a.mean(0)).expand(len(rows), *grid)
    carried = a.mean(0) if tower.pooler is not None else torch.eye(n)[0]
    for m in reversed(maps[1:]): carried = 0.5 * (carried + carried @ m.mean(0))
    out["rollout"] = shown(carried).expand(len(rows), *grid)
    gradcam, chefercam, chefercam_all = [], [], []
    for t in rows:
        ends = maps if tower.pooler is None else maps + [pooled]
        gradients = list(torch.autograd.grad(tower.scale * (f @ t), ends, retain_graph=True))
        da = gradients[-1][:, 0] if tower.pooler is None else F.pad(gradients.pop()[:, 0], (pools, 0))
        weight = da[:, leading:].mean(1, keepdim=True) / tower.scale
        gradcam.append((weight * a).mean(0).clamp(min=0))
        chefercam.append((a * da).clamp(min=0).mean(0))
        r = torch.eye(n)[0] if tower.pooler is None else chefercam[-1]
        for m, g in zip(reversed(maps), reversed(gradients)): r = r + r @ (m * g).clamp(min=0).mean(0)
        chefercam_all.append(r)
    for name, values in (("gradcam", gradcam), ("chefercam", chefercam), ("chefercam-all", chefercam_all)):
        out[name] = shown(torch.stack(values))
    if tower.pooler is None: out["legrad_heatmap"] = spread(enlarge(out["legrad"]))
    else: out["legrad_uncorrected_heatmap"] = enlarge(spread(out["legrad"]))
    return out


# ---- Answers


def main():
    compares, failed = "--compare" in sys.argv, False
    for name in dict.fromkeys(TEXTSPAN + LRP + ALL + POOLED):
        folder = HERE / name
        tower = Tower(folder / "model")
        if tower.unit:
            rows = torch.from_numpy(np.load(folder / "inputs/text_embeddings.npy")).double()
        else:
            rows = tower.head[0][json.loads((folder / "inputs/class_ids.json").read_text())]
        pictures = sorted((folder / "inputs").glob("image_*.png"), key=lambda p: math.prod(map(int, p.stem[6:].split("x"))))
        for native, picture in zip([True] + [False] * len(pictures), pictures):
            image = np.asarray(Image.open(picture).convert("RGB"))
            pixels = torch.tensor(image).double().permute(2, 0, 1)[None] / 255
            mean, std = (torch.tensor(t)[None, :, None, None] for t in (tower.mean, tower.std))
            pixels = (pixels - mean) / std
            answers = {}
            if name in TEXTSPAN: answers |= textspan(tower, pixels, rows)
            if name in LRP: answers |= lrp(tower, pixels, rows)
            if name in ALL + POOLED:
                answers |= attention_methods(tower, pixels, rows)
                if not native: answers = {k: v for k, v in answers.items() if "heatmap" not in k and "layers" not in k}
            place = folder / "expected" / picture.stem[6:]
            place.mkdir(parents=True, exist_ok=True)
            for answer, values in answers.items():
                if name in POOLED and answer not in WRITTEN and not (place / f"{answer}.npy").exists(): continue
                values = values.detach().float().numpy()
                file = place / f"{answer}.npy"
                if not compares or not file.exists():
                    np.save(file, values)
                    continue
                kept = np.load(file)
                error = np.abs(kept - values).max() / np.abs(kept).max() if kept.shape == values.shape else math.inf
                failed |= not error < 1e-6
                print(f"{name} {place.name} {answer}: {error:.1e}")
    sys.exit(failed)


if __name__ == "__main__": main()
