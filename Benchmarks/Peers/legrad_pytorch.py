"""Times the public PyTorch LeGrad on one random 224x224 image and an architecture with random weights.

Set up once, in a virtual environment of its own:
  python3 -m venv V
  V/bin/pip install torch==2.13.0 numpy pillow==10.4.0 safetensors einops ftfy regex tqdm huggingface_hub matplotlib \\
    opencv-python-headless sentencepiece transformers pyyaml
  V/bin/pip install --no-deps torchvision==0.28.0 timm==1.0.31 open_clip_torch==2.23.0 legrad_torch==1.1

Usage:
  V/bin/python legrad_pytorch.py ViT-B-16 [--layers all|last:2] [--prompts 1] [--repetitions 5]
                                 [--precision fp32|bf16] [--threads N]

Prints one line of JSON: median and least seconds of the repetitions after one that warms up, and the largest
resident memory in bytes. The text tower is not timed: the prompts are random unit rows, as in `legrad benchmark`.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchvision_stub  # noqa: E402, F401

import torch  # noqa: E402
import open_clip  # noqa: E402
from legrad import LeWrapper  # noqa: E402
from open_clip.model import CLIP  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", help="ViT-B-16, ViT-L-14, ViT-H-14 or ViT-bigG-14")
    parser.add_argument("--layers", default="all", help="all, or last:N")
    parser.add_argument("--prompts", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, help="PyTorch's own choice if absent")
    return parser.parse_args()


def first_block(layers):
    """The wrapper's `layer_index`: 0 for all blocks, -N for the last N."""
    return 0 if layers == "all" else -int(layers.removeprefix("last:"))


def clip(arch):
    """A model with random weights, and the width of its embeddings."""
    configuration = open_clip.get_model_config(arch)
    if configuration is None:
        sys.exit(f"{arch}: no architecture of open_clip")
    # The smallest text tower that can be built, since it is not timed.
    text = dict(context_length=77, vocab_size=100, width=64, heads=1, layers=1)
    model = CLIP(embed_dim=configuration["embed_dim"], vision_cfg=configuration["vision_cfg"], text_cfg=text)
    return model.eval(), configuration["embed_dim"]


def build(arch, layers):
    model, width = clip(arch)
    return wrap(model, layers), width


def wrap(model, layers):
    # The wrapper announces itself on stdout, which carries the result.
    with contextlib.redirect_stdout(sys.stderr):
        return LeWrapper(model, layer_index=first_block(layers))


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, width = build(options.arch, options.layers)
    image = torch.randn(1, 3, 224, 224)
    text = torch.nn.functional.normalize(torch.randn(options.prompts, width), dim=-1)

    def explain():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            return model.compute_legrad_clip(image=image, text_embedding=text)

    explain()
    seconds = []
    for _ in range(options.repetitions):
        start = time.perf_counter()
        explain()
        seconds.append(time.perf_counter() - start)
    row = dict(
        peer="legrad_torch", arch=options.arch, layers=options.layers, prompts=options.prompts,
        precision=options.precision, threads=torch.get_num_threads(), repetitions=options.repetitions,
        medianSeconds=statistics.median(seconds), minSeconds=min(seconds),
        peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
