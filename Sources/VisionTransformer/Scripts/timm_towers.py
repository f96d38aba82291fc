"""Writes ../Checkpoint/TimmTowerTable.swift: what the model names of timm mean.

Usage, in an environment of its own (nothing is fetched but the packages; models are made without memory):

  python3 -m venv venv && venv/bin/pip install timm==1.0.31 torch
  venv/bin/python timm_towers.py            # writes the table
  venv/bin/python timm_towers.py --check    # computes models by their rows alone and compares with timm

Every model of timm whose file has the classes VisionTransformer or Eva is made on torch's meta device, and what the
table says is read off its modules, never off its name. A row is kept only if the names and shapes of all its tensors
follow from the row: `tensors` derives them again, and any other set ends the script. What has other parts is refused
with the first of them that `difference` finds. ../Checkpoint/TimmTower.swift says what the words of a row mean.
"""
import collections
import pathlib
import re
import sys
import warnings

import timm
import torch
import torch.nn.functional as F
from timm import layers
from timm.models import _builder, eva, vision_transformer
from timm.models._registry import _deprecated_models
from torch import nn

VERSION = "1.0.31"
assert timm.__version__ == VERSION, f"timm {timm.__version__} is not {VERSION}"
warnings.filterwarnings("ignore")

ACTIVATIONS = {
    (nn.GELU, "none"): "gelu",
    (layers.GELU, None): "gelu",
    (nn.GELU, "tanh"): "gelu_pytorch_tanh",
    (layers.GELUTanh, None): "gelu_pytorch_tanh",
    (layers.QuickGELU, None): "quick_gelu",
    (nn.SiLU, None): "silu",
}

# Why all models of a file are refused. `None` where the file has plain models too, each judged by its modules.
CONVOLUTIONS = "a convolutional network, not a vision transformer"
HYBRID = "convolutions and attention by turns, not a plain vision transformer"
STAGES = "stages of shrinking grids, not a plain vision transformer"
WINDOWS = "attention within windows, not a plain vision transformer"
MIXER = "no attention at all, not a vision transformer"
FAMILIES = {
    CONVOLUTIONS: """byobnet convmixer convnext csatv2 cspnet cspnext densenet dla nfnet dpn vovnet resnet edgenext
        efficientnet fasternet mobilenetv3 ghostnet hardcorenas hgnet hrnet inception_next inception_resnet_v2
        inception_v3 inception_v4 lcnetv2 senet xception nasnet pnasnet rdnet regnet repghost res2net resnest resnetv2
        rexnet selecsls sknet starnet tresnet vgg xception_aligned focalnet""",
    HYBRID: """byoanet metaformer coat maxxvit cpubone efficientformer efficientformer_v2 efficientvit_mit
        efficientvit_msra fastvit iformer levit lowformer mobilevit mobilenetv5 nextvit repvit shvit swiftformer
        tiny_vit visformer efficientvim""",
    STAGES: "davit gcvit hiera hieradet_sam2 mvitv2 nest pit pvt_v2 twins",
    WINDOWS: "swin_transformer swin_transformer_v2 swin_transformer_v2_cr vision_transformer_sam",
    MIXER: "mlp_mixer mambaout sequencer",
    "a relative position bias in every attention": "beit vision_transformer_relpos",
    "a class token that joins behind the patches' blocks, with other blocks of its own": "cait",
    "attention with a positional gate": "convit",
    "two branches of patches of two sizes that attend to each other": "crossvit",
    "attention over channels instead of tokens": "xcit",
    "outlook attention before the plain one": "volo",
    "a transformer within every patch": "tnt",
    "patches of any picture's own grid, packed into a sequence": "naflexvit",
    "the picture tower of a language model, with parts of its own": "deepseek_vit gemma4_vit qwen3_vit",
    None: "deit eva vision_transformer vision_transformer_hybrid vitamin",
}
REASONS = {module: reason for reason, modules in FAMILIES.items() for module in modules.split()}


def activation(module):
    key = (type(module), getattr(module, "approximate", None))
    return ACTIVATIONS.get(key)


def module_of(name):
    return timm.models.model_entrypoint(name).__module__.split(".")[-1]


def make(name):
    """A model without memory, and the settings that its architecture says itself, which a folder's file cannot change
    but by `model_args`."""
    said = set()
    original = _builder._update_default_model_kwargs

    def listen(cfg, kwargs, kwargs_filter):
        said.update(kwargs)
        return original(cfg, kwargs, kwargs_filter)

    _builder._update_default_model_kwargs = listen
    try:
        with torch.device("meta"):
            return timm.create_model(name, pretrained=False), said
    finally:
        _builder._update_default_model_kwargs = original


def difference(model):
    """What keeps a VisionTransformer or an Eva from being plain; none for a plain one."""
    if type(model).__name__ == "VisionTransformerDistilled":
        return "a distillation token with a head of its own"
    assert type(model) in (vision_transformer.VisionTransformer, eva.Eva), type(model)
    embed = model.patch_embed
    if type(embed) is not layers.PatchEmbed:
        assert type(embed).__name__ in ("HybridEmbed", "ConvStem"), type(embed)
        return "a convolutional network in front of the blocks"
    if any("Rms" in type(part).__name__ for part in model.modules()):
        return "RMS norms in the place of layer norms"
    if embed.patch_size[0] != embed.patch_size[1]:
        return "patches that are not square"
    if not isinstance(embed.norm, nn.Identity):
        return "a norm within the patch embedding"
    if embed.dynamic_img_pad:
        return "pictures padded to whole patches"
    blocks = {type(block).__name__ for block in model.blocks}
    known = {
        "ResPostBlock": "norms behind attention and MLP (residual post-norm)",
        "ParallelScalingBlock": "attention and MLP side by side",
        "DiffParallelScalingBlock": "attention and MLP side by side, and differential attention",
        "ParallelThingsBlock": "several attentions and MLPs side by side",
        "EvaBlockPostNorm": "norms behind attention and MLP (post-norm)",
    }
    for kind in blocks:
        if kind in known:
            return known[kind]
    assert blocks <= {"Block", "EvaBlock"}, blocks
    attentions = {type(block.attn).__name__ for block in model.blocks}
    if "DiffAttention" in attentions:
        return "differential attention"
    assert attentions <= {"Attention", "EvaAttention", "AttentionRope"}, attentions
    for block in model.blocks:
        attention = block.attn
        if getattr(attention, "gate", None) is not None:
            return "a gate on the attention's output"
        if getattr(attention, "num_kv_heads", attention.num_heads) != attention.num_heads:
            return "fewer heads of keys than of queries"
        if attention.num_heads * attention.head_dim != model.embed_dim:
            return "heads that are not the token's width together"
        if attention.proj.bias is None or block.mlp.fc2.bias is None:
            return "no biases in the output projections"
        if getattr(block, "gamma_1", None) is not None and block.gamma_2 is None:
            return "LayerScale on the attention alone"
        if type(block.mlp) not in (layers.Mlp, layers.GluMlp, layers.SwiGLU):
            return f"{type(block.mlp).__name__} in the place of the MLP"
        if activation(block.mlp.act) is None:
            return f"{type(block.mlp.act).__name__} as activation"
        if type(block.mlp) is layers.GluMlp and block.mlp.gate_last:
            return "an MLP whose gate comes last"
    rope = getattr(model, "rope", None)
    if rope is not None and type(rope) not in (layers.RotaryEmbeddingCat, layers.RotaryEmbeddingDinoV3):
        return {
            "RotaryEmbeddingMixed": "learned rotary positions, others in each block",
            "RotaryEmbeddingMRope": "rotary positions of several modes",
        }[type(rope).__name__]
    if rope is not None and type(rope) is layers.RotaryEmbeddingCat:
        if rope.in_pixels or rope.linear_bands or rope.grid_type != "index":
            return "rotary positions in pixels"
    if rope is not None and type(rope) is layers.RotaryEmbeddingDinoV3:
        if rope.min_period is not None:
            return "rotary positions by periods"
    if model.global_pool not in ("", "avg", "token", "map"):
        return f"pooling \"{model.global_pool}\""
    return None


def only(values):
    """The one value that all have."""
    values = set(values)
    assert len(values) == 1, values
    return values.pop()


def describe(name, model, said):
    """The row of a plain model, as a dictionary."""
    block = model.blocks[0]
    attention, mlp = block.attn, block.mlp
    row = {"name": name, "kind": "eva" if isinstance(model, eva.Eva) else "vit"}
    row["patch"] = model.patch_embed.patch_size[0]
    row["height"], row["width"] = model.patch_embed.img_size
    row["tokenWidth"] = model.embed_dim
    row["layers"] = len(model.blocks)
    row["heads"] = only(b.attn.num_heads for b in model.blocks)
    row["mlpWidth"] = mlp.fc2.in_features
    row["activation"] = only(activation(b.mlp.act) for b in model.blocks)
    row["gate"] = {layers.Mlp: None, layers.GluMlp: "packed", layers.SwiGLU: "split"}[type(mlp)]
    row["mlpNorm"] = only(not isinstance(b.mlp.norm, nn.Identity) for b in model.blocks)
    row["attentionNorm"] = only(not isinstance(b.attn.norm, nn.Identity) for b in model.blocks)
    row["queryKeyNorm"] = only(not isinstance(b.attn.q_norm, nn.Identity) for b in model.blocks)
    row["fused"] = only(b.attn.qkv is not None for b in model.blocks)
    if row["fused"]:
        has_all, has_two = attention.qkv.bias is not None, getattr(attention, "q_bias", None) is not None
    else:
        has_all = attention.k_proj.bias is not None
        has_two = not has_all and attention.q_proj.bias is not None
    row["biases"] = "all" if has_all else "qv" if has_two else "none"
    norms = [part for part in model.modules() if isinstance(part, nn.LayerNorm)]
    row["epsilon"] = only(part.eps for part in norms)
    row["classToken"] = model.cls_token is not None
    row["registers"] = 0 if model.reg_token is None else model.reg_token.shape[1]
    row["positions"] = model.pos_embed is not None
    row["patchPositions"] = row["positions"] and model.no_embed_class
    row["inputNorm"] = not isinstance(model.norm_pre, nn.Identity)
    row["patchBias"] = model.patch_embed.proj.bias is not None
    row["layerScale"] = "blocks.0.ls1.gamma" in model.state_dict() or "blocks.0.gamma_1" in model.state_dict()
    rope = getattr(model, "rope", None)
    row["rope"] = None
    if rope is not None:
        half = only([rope.rotate_half] + [b.attn.rotate_half for b in model.blocks])
        cat = isinstance(rope, layers.RotaryEmbeddingCat)
        assert cat or (rope.normalize_coords == "separate" and rope.grid_offset == 0)
        assert rope.dim == model.embed_dim // row["heads"]
        assert only(b.attn.num_prefix_tokens for b in model.blocks) == model.num_prefix_tokens
        reference = getattr(rope, "ref_feat_shape", None)
        row["rope"] = ":".join(
            [
                "cat" if cat else "dinov3", f"{rope.temperature:g}", f"{rope.grid_offset:g}", rope.grid_indexing,
                f"{reference[0]}x{reference[1]}" if reference else "own", "half" if half else "pairs",
            ]
        )
    row["pooling"] = model.global_pool or "none"
    row["finalNorm"] = not isinstance(model.norm, nn.Identity)
    row["pooledNorm"] = not isinstance(model.fc_norm, nn.Identity)
    row["pooler"] = None
    if model.attn_pool is not None:
        pool = model.attn_pool
        assert type(pool) is layers.AttentionPoolLatent and pool.latent_len == 1 and pool.pool == "token"
        assert pool.pos_embed is None and isinstance(pool.q_norm, nn.Identity)
        assert activation(pool.mlp.act) == row["activation"] and isinstance(pool.mlp.norm, nn.Identity)
        row["pooler"] = (pool.num_heads, pool.mlp.fc1.out_features)
    # Eva hands the pooler all tokens, VisionTransformer the patches only unless it is told otherwise.
    row["poolsPrefix"] = (
        model.attn_pool is not None if row["kind"] == "eva" else model.pool_include_prefix
    ) and row["classToken"] + row["registers"] > 0
    row["classes"] = model.num_classes
    row["dynamic"] = model.dynamic_img_size
    row["saysSize"] = "img_size" in said
    assert "num_classes" not in said
    cfg = timm.data.resolve_data_config({}, pretrained_cfg=model.pretrained_cfg)
    # So a row has one size of pictures.
    assert tuple(cfg["input_size"][1:]) == tuple(model.patch_embed.img_size)
    assert model.pretrained_cfg["fixed_input_size"]
    row["mean"], row["std"] = tuple(cfg["mean"]), tuple(cfg["std"])
    row["resize"] = f"{cfg['interpolation']}:{cfg['crop_pct']:g}:{cfg['crop_mode']}"
    return row


def tensors(row):
    """Names and shapes of all tensors, by the row alone."""
    d, m = row["tokenWidth"], row["mlpWidth"]
    prefix = row["classToken"] + row["registers"]
    patches = (row["height"] // row["patch"]) * (row["width"] // row["patch"])
    out = {"patch_embed.proj.weight": (d, 3, row["patch"], row["patch"])}

    def norm(name, width):
        out[f"{name}.weight"] = out[f"{name}.bias"] = (width,)

    def linear(name, rows, columns, bias=True):
        out[f"{name}.weight"] = (rows, columns)
        if bias:
            out[f"{name}.bias"] = (rows,)

    if row["patchBias"]:
        out["patch_embed.proj.bias"] = (d,)
    if row["classToken"]:
        out["cls_token"] = (1, 1, d)
    if row["registers"]:
        out["reg_token"] = (1, row["registers"], d)
    if row["positions"]:
        out["pos_embed"] = (1, patches + (0 if row["patchPositions"] else prefix), d)
    if row["inputNorm"]:
        norm("norm_pre", d)
    for i in range(row["layers"]):
        block = f"blocks.{i}"
        norm(f"{block}.norm1", d)
        norm(f"{block}.norm2", d)
        if row["fused"]:
            linear(f"{block}.attn.qkv", 3 * d, d, bias=row["biases"] == "all")
            if row["biases"] == "qv":
                out[f"{block}.attn.q_bias"] = out[f"{block}.attn.v_bias"] = (d,)
        else:
            for part in "qkv":
                linear(f"{block}.attn.{part}_proj", d, d, bias=row["biases"] == "all" or part in row["biases"])
        if row["queryKeyNorm"]:
            norm(f"{block}.attn.q_norm", d // row["heads"])
            norm(f"{block}.attn.k_norm", d // row["heads"])
        if row["attentionNorm"]:
            norm(f"{block}.attn.norm", d)
        linear(f"{block}.attn.proj", d, d)
        if row["gate"] == "split":
            linear(f"{block}.mlp.fc1_g", m, d)
            linear(f"{block}.mlp.fc1_x", m, d)
        else:
            linear(f"{block}.mlp.fc1", 2 * m if row["gate"] else m, d)
        if row["mlpNorm"]:
            norm(f"{block}.mlp.norm", m)
        linear(f"{block}.mlp.fc2", d, m)
        if row["layerScale"]:
            for scale in ("gamma_1", "gamma_2") if row["kind"] == "eva" else ("ls1.gamma", "ls2.gamma"):
                out[f"{block}.{scale}"] = (d,)
    if row["finalNorm"]:
        norm("norm", d)
    if row["pooledNorm"]:
        norm("fc_norm", d)
    if row["pooler"]:
        out["attn_pool.latent"] = (1, 1, d)
        linear("attn_pool.q", d, d)
        linear("attn_pool.kv", 2 * d, d)
        linear("attn_pool.proj", d, d)
        norm("attn_pool.norm", d)
        linear("attn_pool.mlp.fc1", row["pooler"][1], d)
        linear("attn_pool.mlp.fc2", d, row["pooler"][1])
    if row["classes"]:
        linear("head", row["classes"], d)
    return out


STATISTICS = {
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "half",
    (tuple(timm.data.IMAGENET_DEFAULT_MEAN), tuple(timm.data.IMAGENET_DEFAULT_STD)): "imagenet",
    (tuple(timm.data.OPENAI_CLIP_MEAN), tuple(timm.data.OPENAI_CLIP_STD)): "clip",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "none",
}


def words(row):
    """A row as words: the sizes, then what is not as in the first vision transformers."""
    size = lambda height, width: str(height) if height == width else f"{height}x{width}"
    out = [
        row["name"], row["kind"], f"p{row['patch']}", f"i{size(row['height'], row['width'])}", f"w{row['tokenWidth']}",
        f"l{row['layers']}", f"h{row['heads']}", f"m{row['mlpWidth']}", f"c{row['classes']}",
        f"{row['pooling']}", STATISTICS[row["mean"], row["std"]], row["resize"],
    ]
    if row["activation"] != "gelu":
        out.append(f"act:{row['activation']}")
    if row["gate"]:
        out.append(f"gate:{row['gate']}")
    if row["biases"] != "all":
        out.append(f"bias:{row['biases']}")
    if row["epsilon"] != 1e-6:
        out.append(f"eps:{row['epsilon']:g}")
    if row["registers"]:
        out.append(f"reg:{row['registers']}")
    if row["rope"]:
        out.append(f"rope:{row['rope']}")
    if row["pooler"]:
        out.append(f"pooler:{row['pooler'][0]}:{row['pooler'][1]}")
    for key, word, usual in [
        ("fused", "split-qkv", True), ("mlpNorm", "mlp-norm", False), ("attentionNorm", "attention-norm", False),
        ("queryKeyNorm", "qk-norm", False), ("classToken", "no-class", True), ("positions", "no-positions", True),
        ("patchPositions", "patch-positions", False), ("inputNorm", "input-norm", False),
        ("patchBias", "no-patch-bias", True), ("layerScale", "layer-scale", False), ("finalNorm", "no-norm", True),
        ("pooledNorm", "fc-norm", False), ("poolsPrefix", "pools-prefix", False), ("dynamic", "dynamic", False),
        ("saysSize", "own-size", False),
    ]:
        if row[key] != usual:
            out.append(word)
    return " ".join(out)


VAGUE = "adv bat dm eca ens ese gc gluon ig jx legacy nf res ssl swsl test tf tiny tv vit wide".split()
VAGUE += ["test_vit"]


def prefixes(names, plain):
    """Families as beginnings of names: the shortest at a word's end that no name with another reason begins with, and
    that says more than who made a model or how large it is."""
    reasons = dict(names)
    out = {}
    for name, reason in reasons.items():
        ends = [m.end() for m in re.finditer(r"[a-z]+|[0-9]+|_", name)]
        for end in ends:
            start = name[:end]
            if start.rstrip("_") in VAGUE or len(start) < 3:
                continue
            others = (other for other in plain if other.startswith(start))
            if next(others, None) is None and all(
                why == reason for other, why in reasons.items() if other.startswith(start)
            ):
                out[start] = reason
                break
        else:
            out[name] = reason
    return out


def rotation(row, height, width):
    """Cosines and sines of all patches, by the row alone."""
    kind, temperature, offset, order, reference, layout = row["rope"].split(":")
    quarter = row["tokenWidth"] // row["heads"] // 4
    bands = float(temperature) ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    y, x = (torch.arange(count, dtype=torch.float64) for count in (height, width))
    if kind == "dinov3":
        y, x = (2 * torch.pi * (2 * (t + 0.5) / count - 1) for t, count in ((y, height), (x, width)))
    else:
        scale = (1, 1)
        if reference != "own":
            scale = [int(side) / count for side, count in zip(reference.split("x"), (height, width))]
        y, x = (y + float(offset)) * scale[0], (x + float(offset)) * scale[1]
    y, x = torch.meshgrid(y, x, indexing="ij")
    axes = (y, x) if order == "ij" else (x, y)
    angles = torch.cat([axis.flatten()[:, None] * bands for axis in axes], 1)
    angles = torch.cat([angles, angles], 1) if layout == "half" else angles.repeat_interleave(2, 1)
    return angles.cos(), angles.sin()


def turned(x, layout):
    if layout == "half":
        first, second = x.chunk(2, -1)
        return torch.cat([-second, first], -1)
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)


def compute(row, w, picture):
    """The answer to one picture, by the row and the tensors alone."""
    norm = lambda x, name: F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], row["epsilon"])
    linear = lambda x, name: F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))
    heads = lambda x, count: x.reshape(len(x), count, -1).transpose(0, 1)
    act = {
        "gelu": F.gelu, "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "silu": F.silu,
    }[row["activation"]]

    def attend(q, k, v):
        weights = torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1)
        return (weights @ v).transpose(0, 1).flatten(1)

    x = F.conv2d(picture[None], w["patch_embed.proj.weight"], w.get("patch_embed.proj.bias"), stride=row["patch"])[0]
    grid = x.shape[1:]
    x = x.flatten(1).T
    if row["patchPositions"]:
        x = x + w["pos_embed"][0]
    lead = [w[name][0] for name in ("cls_token", "reg_token") if name in w]
    prefix = sum(len(token) for token in lead)
    x = torch.cat(lead + [x])
    if row["positions"] and not row["patchPositions"]:
        x = x + w["pos_embed"][0]
    if row["inputNorm"]:
        x = norm(x, "norm_pre")
    cos, sin = rotation(row, *grid) if row["rope"] else (None, None)
    for i in range(row["layers"]):
        block = f"blocks.{i}"
        y = norm(x, f"{block}.norm1")
        if row["fused"]:
            q, k, v = linear(y, f"{block}.attn.qkv").chunk(3, -1)
            if row["biases"] == "qv":
                q, v = q + w[f"{block}.attn.q_bias"], v + w[f"{block}.attn.v_bias"]
        else:
            q, k, v = (linear(y, f"{block}.attn.{part}_proj") for part in "qkv")
        q, k, v = (heads(part, row["heads"]) for part in (q, k, v))
        if row["queryKeyNorm"]:
            q, k = norm(q, f"{block}.attn.q_norm"), norm(k, f"{block}.attn.k_norm")
        if row["rope"]:
            layout = row["rope"].split(":")[-1]
            q, k = (
                torch.cat([t[:, :prefix], t[:, prefix:] * cos + turned(t[:, prefix:], layout) * sin], 1)
                for t in (q, k)
            )
        y = attend(q, k, v)
        if row["attentionNorm"]:
            y = norm(y, f"{block}.attn.norm")
        y = linear(y, f"{block}.attn.proj")
        scales = ("gamma_1", "gamma_2") if row["kind"] == "eva" else ("ls1.gamma", "ls2.gamma")
        x = x + (y * w[f"{block}.{scales[0]}"] if row["layerScale"] else y)
        y = norm(x, f"{block}.norm2")
        if row["gate"] == "split":
            y = act(linear(y, f"{block}.mlp.fc1_g")) * linear(y, f"{block}.mlp.fc1_x")
        elif row["gate"] == "packed":
            gate, y = linear(y, f"{block}.mlp.fc1").chunk(2, -1)
            y = act(gate) * y
        else:
            y = act(linear(y, f"{block}.mlp.fc1"))
        if row["mlpNorm"]:
            y = norm(y, f"{block}.mlp.norm")
        y = linear(y, f"{block}.mlp.fc2")
        x = x + (y * w[f"{block}.{scales[1]}"] if row["layerScale"] else y)
    if row["finalNorm"]:
        x = norm(x, "norm")
    pooled = x if row["poolsPrefix"] else x[prefix:]
    if row["pooling"] == "token":
        x = x[0]
    elif row["pooling"] == "avg":
        x = pooled.mean(0)
    elif row["pooling"] == "map":
        q = heads(linear(w["attn_pool.latent"][0], "attn_pool.q"), row["pooler"][0])
        k, v = (heads(part, row["pooler"][0]) for part in linear(pooled, "attn_pool.kv").chunk(2, -1))
        y = linear(attend(q, k, v), "attn_pool.proj")
        x = (y + linear(act(linear(norm(y, "attn_pool.norm"), "attn_pool.mlp.fc1")), "attn_pool.mlp.fc2"))[0]
    if row["pooledNorm"]:
        x = norm(x, "fc_norm")
    return linear(x, "head") if row["classes"] else x


def check():
    """Two blocks of the smallest model of each kind of row, with random weights in double precision."""
    kinds = {}
    for name in timm.list_models():
        if REASONS[module_of(name)] is not None:
            continue
        model, said = make(name)
        if difference(model) is not None:
            continue
        row = describe(name, model, said)
        free = ("name", "height", "width", "tokenWidth", "layers", "heads", "mlpWidth", "classes", "mean",
                "std", "resize", "patch", "pooler")
        kind = str([(key, value) for key, value in row.items() if key not in free])
        cost = row["tokenWidth"] ** 2 * (row["height"] // row["patch"]) ** 2
        if cost < kinds.get(kind, (float("inf"),))[0]:
            kinds[kind] = (cost, row)
    worst = 0
    for _, row in sorted(kinds.values(), key=lambda pair: pair[0]):
        torch.manual_seed(1)
        model = timm.create_model(row["name"], pretrained=False, depth=2).eval().double()
        with torch.no_grad():
            for parameter in model.parameters():
                # Not near nothing, so that no part goes unseen.
                parameter.normal_(0.0, 0.5 if parameter.ndim < 2 else 1.5 * parameter[0].numel() ** -0.5)
            picture = torch.randn(3, row["height"], row["width"], dtype=torch.float64)
            expected = model(picture[None])[0]
            found = compute(dict(row, layers=2), model.state_dict(), picture)
        error = ((found - expected).abs().max() / expected.abs().max()).item()
        worst = max(worst, error)
        print(f"{error:.1e} {words(row)}", flush=True)
    # Rotary angles are kept in single precision by timm.
    assert worst < 1e-5, worst


def main():
    rows, refused, families = [], {}, []
    for name in timm.list_models():
        module = module_of(name)
        reason = REASONS[module]
        if reason is not None:
            families.append((name, reason))
            continue
        model, said = make(name)
        reason = difference(model)
        if reason is not None:
            refused[name] = reason
            continue
        row = describe(name, model, said)
        shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        derived = tensors(row)
        assert shapes == derived, (name, set(shapes.items()) ^ set(derived.items()))
        rows.append(row)

    old = {}
    plain = {row["name"] for row in rows}
    everything = plain | set(refused) | {name for name, _ in families}
    reasons = dict(families)
    for name, new in _deprecated_models.items():
        target = (new or "").split(".")[0]
        if target in plain and name != target:
            old[name] = target
        elif target in refused:
            refused.setdefault(name, refused[target])
        elif target in reasons:
            families.append((name, reasons[target]))
    begins = prefixes(families + list(refused.items()), plain | set(old))
    by_reason = collections.defaultdict(list)
    for start, reason in begins.items():
        by_reason[reason].append(start)
    by_target = collections.defaultdict(list)
    for name, target in old.items():
        by_target[target].append(name)

    target = pathlib.Path(__file__).resolve().parent.parent / "Checkpoint" / "TimmTowerTable.swift"
    target.write_text(
        f'''// Generated by Scripts/timm_towers.py from timm {VERSION}; edit that, not this.

/// What the model names of timm {VERSION} mean, as words that ``TimmTower`` reads when a name is asked for.
enum TimmTowerTable {{
  static let version = "{VERSION}"

  /// The {len(rows)} plain vision transformers, one a line: name, sizes, and what is not as usual.
  static let towers: String = """
{chr(10).join("    " + words(row) for row in rows)}
    """

  /// {len(old)} names of older versions: the name of today, then those that it had.
  static let formerNames: String = """
{chr(10).join("    " + " ".join([key] + sorted(value)) for key, value in sorted(by_target.items()))}
    """

  /// Beginnings of the names of all {len(everything) - len(rows)} others, behind the reason against them. The longest
  /// that fits a name counts.
  static let refusals: String = """
{chr(10).join("    " + reason + ": " + " ".join(sorted(starts)) for reason, starts in sorted(by_reason.items()))}
    """
}}
'''
    )
    print(f"{len(rows)} plain, {len(refused)} refused by their modules, {len(families)} by their family")


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else main()
