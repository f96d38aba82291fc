"""Float64 answers of the attention and gradient methods on towers with an attention pooler, by automatic
differentiation through stored maps: `python pooler_methods.py` writes `{siglip,coca}/expected/HxW/METHOD.npy`
[2 · prompts, rows, columns]: of the prompts, then of their negatives, so that every sign of a gradient occurs. Needs
torch, safetensors, numpy, pillow.

Definitions: the pooler's map of its first query takes the place of the class token's row; a score is the cosine of the
model's own embedding and the prompt, a logit is that times exp(logit_scale).
"""
import json, math, pathlib
import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent


def norm(x, w, name, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def attention(q, k, v, heads, maps):
    """Multi-head attention of one image, [Q,D] on [N,D]; its map [H,Q,N] is appended to `maps`."""
    q, k, v = (t.reshape(len(t), heads, -1).transpose(0, 1) for t in (q, k, v))
    a = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1)
    if not a.requires_grad: a.requires_grad_(True)
    maps.append(a)
    return (a @ v).transpose(0, 1).reshape(q.shape[1], -1)


def positions(table, own, grid):
    if own == grid: return table
    table = table.reshape(1, *own, -1).permute(0, 3, 1, 2)
    return F.interpolate(table, size=grid, mode="bicubic", antialias=True).permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1)


def siglip(folder, x):
    """Embedding, maps of the blocks, the pooler's map [H,N], the grid, tokens before the patches, the logit scale."""
    w = {k: v.double() for k, v in load_file(folder / "model.safetensors").items()}
    c = json.loads((folder / "config.json").read_text())["vision_config"]
    heads, patch, eps = c["num_attention_heads"], c["patch_size"], c["layer_norm_eps"]
    act = (lambda t: F.gelu(t, approximate="tanh")) if c["hidden_act"] == "gelu_pytorch_tanh" else F.gelu
    p = "vision_model."
    t = F.conv2d(x[None], w[p + "embeddings.patch_embedding.weight"], w[p + "embeddings.patch_embedding.bias"], stride=patch)
    grid = tuple(t.shape[2:])
    z = t[0].flatten(1).T + positions(w[p + "embeddings.position_embedding.weight"], (c["image_size"] // patch,) * 2, grid)
    maps = []
    for i in range(c["num_hidden_layers"]):
        b = f"{p}encoder.layers.{i}."
        h = norm(z, w, b + "layer_norm1", eps)
        q, k, v = (linear(h, w, b + f"self_attn.{n}_proj") for n in "qkv")
        z = z + linear(attention(q, k, v, heads, maps), w, b + "self_attn.out_proj")
        z = z + linear(act(linear(norm(z, w, b + "layer_norm2", eps), w, b + "mlp.fc1")), w, b + "mlp.fc2")
    z = norm(z, w, p + "post_layernorm", eps)
    h = p + "head."
    qkv = [s @ m.T + n for s, m, n in zip((w[h + "probe"][0], z, z), w[h + "attention.in_proj_weight"].chunk(3), w[h + "attention.in_proj_bias"].chunk(3))]
    y = linear(attention(*qkv, heads, maps), w, h + "attention.out_proj")
    e = y + linear(act(linear(norm(y, w, h + "layernorm", eps), w, h + "mlp.fc1")), w, h + "mlp.fc2")
    return F.normalize(e[0], dim=0), maps[:-1], maps[-1], grid, 0, w["logit_scale"].exp().item()


def coca(folder, x):
    w = {k: v.double() for k, v in load_file(folder / "open_clip_model.safetensors").items()}
    c = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    v = c["vision_cfg"]
    heads, patch = v["width"] // v.get("head_width", 64), v["patch_size"]
    size = v["image_size"]
    size = (size, size) if isinstance(size, int) else size
    eps = 1e-5
    t = F.conv2d(x[None], w["visual.conv1.weight"], stride=patch)
    grid = tuple(t.shape[2:])
    table = w["visual.positional_embedding"]
    z = torch.cat([w["visual.class_embedding"][None] + table[:1],
                   t[0].flatten(1).T + positions(table[1:], (size[0] // patch, size[1] // patch), grid)])
    z = norm(z, w, "visual.ln_pre", eps)
    maps = []
    for i in range(v["layers"]):
        b = f"visual.transformer.resblocks.{i}."
        h = norm(z, w, b + "ln_1", eps)
        qkv = (h @ w[b + "attn.in_proj_weight"].T + w[b + "attn.in_proj_bias"]).chunk(3, -1)
        z = z + linear(attention(*qkv, heads, maps), w, b + "attn.out_proj")
        z = z + linear(F.gelu(linear(norm(z, w, b + "ln_2", eps), w, b + "mlp.c_fc")), w, b + "mlp.c_proj")
    a = "visual.attn_pool."
    q, kv = norm(w[a + "query"], w, a + "ln_q", eps), norm(z, w, a + "ln_k", eps)
    m = w[a + "attn.in_proj_weight"].chunk(3) if a + "attn.in_proj_weight" in w else [w[a + f"attn.{n}_proj_weight"] for n in "qkv"]
    qkv = [s @ n.T + o for s, n, o in zip((q, kv, kv), m, w[a + "attn.in_proj_bias"].chunk(3))]
    y = linear(attention(*qkv, v.get("attn_pooler_heads", 8), maps), w, a + "attn.out_proj")
    e = norm(y[:1], w, "visual.ln_post", eps) @ w["visual.proj"]
    return F.normalize(e[0], dim=0), maps[:-1], maps[-1], grid, 1, w["logit_scale"].exp().item()


def explain(f, maps, pooler, grid, leading, scale, text):
    """By method [P, rows, columns]."""
    n = pooler.shape[-1]
    a = pooler[:, 0]
    out = {k: [] for k in ("raw-attention", "rollout", "gradcam", "chefercam", "chefercam-all")}
    row = a.mean(0)
    for m in reversed(maps[1:]):
        m = m.mean(0) + torch.eye(n)
        row = row @ (m / m.sum(-1, keepdim=True))
    for t in text:
        out["raw-attention"].append(a.mean(0))
        out["rollout"].append(row)
        *blocks, last = torch.autograd.grad(scale * (f @ t), maps + [pooler], retain_graph=True)
        da = last[:, 0]
        weight = da[:, leading:].mean(1, keepdim=True) / scale
        out["gradcam"].append((weight * a).mean(0).clamp(min=0))
        r = (a * da).clamp(min=0).mean(0)
        out["chefercam"].append(r)
        for m, g in zip(reversed(maps), reversed(blocks)):
            r = r + r @ (m * g).clamp(min=0).mean(0)
        out["chefercam-all"].append(r)
    return {k: torch.stack(v)[:, leading:].reshape(len(text), *grid).detach().numpy() for k, v in out.items()}


for name, tower, mean, std in (("siglip", siglip, (0.5,) * 3, (0.5,) * 3),
                               ("coca", coca, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))):
    text = torch.from_numpy(np.load(HERE / name / "inputs/text_embeddings.npy").astype(np.float64))
    text = F.normalize(torch.cat([text, -text]), dim=-1)
    for image in sorted((HERE / name / "inputs").glob("image_*.png")):
        size = image.stem.split("_")[1]
        x = torch.from_numpy(np.asarray(Image.open(image).convert("RGB")).astype(np.float64) / 255).permute(2, 0, 1)
        x = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        answers = explain(*tower(HERE / name / "model", x), text)
        for method, values in answers.items():
            np.save(HERE / name / f"expected/{size}/{method}.npy", values.astype(np.float32))
