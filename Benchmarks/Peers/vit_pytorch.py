"""LeGrad of a vision transformer's classes in PyTorch: transformers' model, eager attention, autograd on the maps.

Set up once, in a virtual environment of its own:
  python3 -m venv V
  V/bin/pip install torch==2.13.0 torchvision==0.28.0 transformers==5.24.0 numpy pillow

Usage, mostly by vit_side_by_side.sh:
  V/bin/python vit_pytorch.py FOLDER [--classes 1] [--repetitions 5] [--threads N] [--picture P.png --maps OUT.npy]

FOLDER is one of transformers' `vit`, such as `legrad model random --arch vit-base-patch16-224 -o FOLDER` writes. All
blocks are read. Prints one line of JSON: median and least seconds of the repetitions after one that warms up, and the
largest resident memory in bytes. With --picture, which has the model's own size, nothing is timed: the maps, summed
over blocks, are written as `[classes, rows, columns]`, neither scaled to their range nor enlarged.
"""

import argparse
import json
import resource
import statistics
import time

import numpy
import torch
from PIL import Image
from transformers import ViTForImageClassification


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--classes", type=int, default=1, help="how many, from the first on")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, help="PyTorch's own choice if absent")
    parser.add_argument("--picture")
    parser.add_argument("--maps")
    return parser.parse_args()


def legrad(model, image, classes):
    """Each block's score is what the model's norm and head make of the mean of its tokens; the relevance of a key is the
    positive part of the score's gradient at the block's own attention map, averaged over heads and queries."""
    # The maps are kept by the attention itself, of which autograd keeps what a gradient needs.
    output = model.vit(image, output_attentions=True, output_hidden_states=True)
    states, maps = output.hidden_states[1:], output.attentions
    assert len(states) == len(maps)
    relevance = []
    for number in classes:
        total = 0
        for state, attention in zip(states, maps):
            score = model.classifier(model.vit.layernorm(state.mean(dim=1)))[0, number]
            gradient = torch.autograd.grad(score, attention, retain_graph=True)[0]
            total = total + gradient.clamp(min=0).mean(dim=(1, 2))[0, 1:]
        side = int(total.numel() ** 0.5)
        relevance.append(total.reshape(side, side))
    heat = torch.stack(relevance)
    return heat


def heatmaps(maps, size):
    """Enlarged to the picture and scaled to 0…1, as the command does."""
    large = torch.nn.functional.interpolate(maps[None], size=size, mode="bilinear")[0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    return (large - low) / (high - low)


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = ViTForImageClassification.from_pretrained(
        options.folder, attn_implementation="eager", dtype=torch.float32).eval()
    # Only the maps' gradients are wanted.
    model.requires_grad_(False)
    size = model.config.image_size
    if options.picture:
        pixels = numpy.asarray(Image.open(options.picture).convert("RGB"), dtype=numpy.float32) / 255
        image = torch.from_numpy(2 * pixels - 1).permute(2, 0, 1)[None]
    else:
        image = torch.randn(1, 3, size, size)
    image.requires_grad_(True)
    classes = range(options.classes)
    if options.maps:
        numpy.save(options.maps, legrad(model, image, classes).detach().numpy())
        return

    def explain():
        return heatmaps(legrad(model, image, classes), (size, size))

    explain()
    seconds = []
    for _ in range(options.repetitions):
        start = time.perf_counter()
        explain()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(dict(
        peer="transformers", precision="fp32", threads=torch.get_num_threads(), repetitions=options.repetitions,
        medianSeconds=statistics.median(seconds), minSeconds=min(seconds),
        peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)))


if __name__ == "__main__":
    main()
