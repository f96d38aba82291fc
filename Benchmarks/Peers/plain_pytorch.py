"""LeGrad of a CLIP vision tower in PyTorch alone: explicit maps, autograd on each block's own, random weights.

Needs torch and nothing else; takes a GPU where torch has one.

Usage:
  python3 plain_pytorch.py ViT-B-16 [--images 1] [--prompts 1] [--repetitions 5] [--precision f32|bf16] [--device cuda]

All blocks are read, as by `legrad benchmark`. Prints one line of JSON: median and least seconds of the repetitions after
one that warms up, and images per second. float32 products stay float32: TF32 is off.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
from torch import nn

# Layers, width, heads, columns of the MLP, embedding, patch.
ARCHITECTURES = {
    "ViT-B-32": (12, 768, 12, 3072, 512, 32),
    "ViT-B-16": (12, 768, 12, 3072, 512, 16),
    "ViT-L-14": (24, 1024, 16, 4096, 768, 14),
    "ViT-bigG-14": (48, 1664, 16, 8192, 1280, 14),
}


class Block(nn.Module):
    def __init__(self, width, heads, mlp):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.input, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.GELU(), nn.Linear(mlp, width))

    def forward(self, x):
        """The tokens behind the block, and the map of its attention."""
        images, tokens, width = x.shape
        heads = self.input(self.norms[0](x)).view(images, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(-2, -1) * (width // self.heads) ** -0.5
        attention = scores.softmax(dim=-1)
        x = x + self.output((attention @ values).transpose(1, 2).reshape(images, tokens, width))
        return x + self.mlp(self.norms[1](x)), attention


class Tower(nn.Module):
    def __init__(self, layers, width, heads, mlp, embedding, patch):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_token = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positions = nn.Parameter(torch.randn((224 // patch) ** 2 + 1, width) * width**-0.5)
        self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(layers))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.projection = nn.Linear(width, embedding, bias=False)

    def forward(self, pixels):
        """The tokens behind each block, and the maps."""
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1) + self.positions
        x = self.norms[0](x)
        states, maps = [], []
        for block in self.blocks:
            x, attention = block(x)
            states.append(x)
            maps.append(attention)
        return states, maps


def legrad(tower, pixels, text):
    """The relevance of each patch, `[images, prompts, rows, columns]`."""
    states, maps = tower(pixels)
    side = int(maps[0].shape[-1] ** 0.5)
    relevance = []
    for direction in text:
        total = 0
        for state, attention in zip(states, maps):
            pooled = tower.projection(tower.norms[1](state.mean(dim=1)))
            score = (nn.functional.normalize(pooled, dim=-1) * direction).sum()
            (gradient,) = torch.autograd.grad(score, attention, retain_graph=True)
            total = total + gradient.clamp(min=0).mean(dim=(1, 2))[:, 1:]
        relevance.append(total.view(len(pixels), side, side))
    return torch.stack(relevance, dim=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", choices=ARCHITECTURES)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    tower = Tower(*ARCHITECTURES[options.arch]).to(options.device).eval()
    # Gradients at the maps are wanted, none of weights.
    tower.requires_grad_(False)
    tower.positions.requires_grad_(True)
    pixels = torch.randn(options.images, 3, 224, 224, device=options.device)
    text = torch.randn(options.prompts, ARCHITECTURES[options.arch][4], device=options.device)
    text = nn.functional.normalize(text, dim=-1)
    seconds = []
    for _ in range(options.repetitions + 1):
        start = time.perf_counter()
        autocast = torch.autocast(torch.device(options.device).type, dtype=torch.bfloat16)
        with autocast if options.precision == "bf16" else contextlib.nullcontext():
            maps = legrad(tower, pixels, text)
        assert bool(maps.cpu().isfinite().all())
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[1:])
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else "cpu"
    print(
        json.dumps(
            dict(
                program=f"PyTorch {torch.__version__}", arch=options.arch, device=device, precision=options.precision,
                images=options.images, prompts=options.prompts, medianSeconds=median, minSeconds=min(seconds[1:]),
                imagesPerSecond=options.images / median)))


if __name__ == "__main__":
    main()
