"""Writes ../Checkpoint/TimmTowerTable.swift: what the model names of timm mean.

Usage, in an environment of its own (nothing is fetched but the packages; models are made without memory):

  python3 -m venv venv && venv/bin/pip install timm==1.0.31 torch
  venv/bin/python timm_towers.py

Every model of timm whose file has the classes VisionTransformer or Eva is made on torch's meta device, and what the
table says is read off its modules, never off its name. A row is kept only if the names and shapes of all its tensors
follow from the row: `tensors` derives them again, and any other set ends the script. What has other parts is refused
with the first of them that `difference` finds. ../Checkpoint/TimmTower.swift says what the words of a row mean.
"""
import collections
import pathlib
import re
import warnings

import timm
import torch
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
    row["input"] = cfg["input_size"][1:]
    row["mean"], row["std"] = tuple(cfg["mean"]), tuple(cfg["std"])
    row["resize"] = f"{cfg['interpolation']}:{cfg['crop_pct']:g}:{cfg['crop_mode']}"
    row["fixedInput"] = bool(model.pretrained_cfg.get("fixed_input_size", False))
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
    if tuple(row["input"]) != (row["height"], row["width"]):
        out.append(f"in:{size(*row['input'])}")
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
        ("fixedInput", "any-input", True), ("saysSize", "own-size", False),
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
    main()
