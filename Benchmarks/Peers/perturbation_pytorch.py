"""Times the perturbation protocol of `legrad evaluate perturbation` in PyTorch, on random weights and random images.

Set up as legrad_pytorch.py says. Usage:
  V/bin/python perturbation_pytorch.py ViT-B-16 [--images 8] [--classes 1000] [--batch-size 18]
                                       [--precision fp32|bf16] [--threads N]

Per image: the class that zero-shot classification finds, LeGrad's heatmap of it (the public legrad_torch, last two
blocks), and, for both orders of its pixels, nine copies with 10 to 90 % of them black before normalisation, classified
together by the model as it is, without what the heatmap's gradients need. Images are pixels in memory; the
classifier's rows are random, so that the text tower is not timed. Prints one line of JSON: seconds per image, the first image apart, which warms up.
"""

import argparse
import copy
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

from legrad_pytorch import clip, wrap  # noqa: E402

SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", help="ViT-B-16, ViT-L-14, ViT-H-14 or ViT-bigG-14")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=18, help="copies that are classified together")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, help="PyTorch's own choice if absent")
    return parser.parse_args()


def normalize(pixels):
    return (pixels - MEAN) / STD


def classify(model, images, text):
    """The nearest class of each image, without gradients."""
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(model.encode_image(images), dim=-1)
        return (embeddings.float() @ text.T).argmax(dim=-1)


def evaluate(model, explainer, pixels, text, batch_size):
    """Whether the class that is predicted stays, for both orders at every step."""
    target = classify(model, normalize(pixels)[None], text)[0]
    heatmap = explainer.compute_legrad_clip(image=normalize(pixels)[None], text_embedding=text[target][None])
    relevance = heatmap.reshape(-1)
    copies = []
    for scores in (relevance, -relevance):
        for share in SHARES:
            chosen = scores.topk(int(relevance.numel() * share)).indices
            perturbed = pixels.reshape(3, -1).clone()
            perturbed[:, chosen] = 0
            copies.append(normalize(perturbed.reshape(pixels.shape)))
    hits = [classify(model, torch.stack(copies[first:first + batch_size]), text) == target
            for first in range(0, len(copies), batch_size)]
    return torch.cat(hits)


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, width = clip(options.arch)
    explainer = wrap(copy.deepcopy(model), "last:2")
    text = torch.nn.functional.normalize(torch.randn(options.classes, width), dim=-1)
    seconds = []
    for _ in range(options.images + 1):
        pixels = torch.randint(0, 256, (3, 224, 224)) / 255
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            evaluate(model, explainer, pixels, text, options.batch_size)
        seconds.append(time.perf_counter() - start)
    row = dict(
        peer="legrad_torch", arch=options.arch, precision=options.precision, threads=torch.get_num_threads(),
        images=options.images, batchSize=options.batch_size, medianSecondsPerImage=statistics.median(seconds[1:]),
        secondsPerImage=sum(seconds[1:]) / options.images,
        peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
