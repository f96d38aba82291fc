"""How long a model of open_clip's in memory takes to become one of legrad's, and how much memory beside its weights.

Usage, with an interpreter that first_map.py sets up, where the wheel's package comes before legrad_torch's:
  PYTHONPATH=W/lib/python3.11/site-packages V/bin/python from_memory.py [ViT-L-14] [--rounds 5] [--precision f32]

Prints seconds on the clock and of processors from the module to a model that can explain, and the most memory that was
held on the way beside what the process had, as a share of the bytes of all weights; then the same with the first call,
which reads all blocks and so packs them both ways.
"""

import argparse
import gc
import os
import statistics
import sys
import time

import torchvision_stub  # noqa: F401
import open_clip
import torch

import legrad


def status(name):
    """Bytes that the kernel says of this process: VmRSS now, VmHWM the most since reset()."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", nargs="?", default="ViT-L-14")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    torch.manual_seed(0)
    module = open_clip.create_model(options.arch, pretrained=None).eval()
    weights = sum(value.nbytes for value in module.state_dict().values())
    tower = sum(value.nbytes for value in module.visual.state_dict().values())
    print(f"{options.arch}: {weights / 1e6:.0f} MB of weights, {tower / 1e6:.0f} MB of them the vision tower's")
    print(f"load average before: {os.getloadavg()}", file=sys.stderr)
    print("| wall (s) | user + system (s) | memory (of the weights) | with a first call (s) | memory then |")
    print("|---|---|---|---|---|")
    rows = []
    for _ in range(options.rounds):
        gc.collect()
        before = status("VmRSS")
        reset()
        start, used = time.perf_counter(), time.process_time()
        model = legrad.from_open_clip(
            module, device="cpu", precision=options.precision, threads=options.threads, mean=[0.5] * 3, std=[0.5] * 3)
        seconds, processor, most = time.perf_counter() - start, time.process_time() - used, status("VmHWM") - before
        height, width = model.input_size
        row = torch.ones(1, model.embedding_width)
        model.explain(torch.zeros(3, height, width), embeddings=row, layers="all")
        first, then = time.perf_counter() - start, status("VmHWM") - before
        rows.append((seconds, processor, most / weights, first, then / weights))
        print("| {:.3f} | {:.3f} | {:.2f} | {:.3f} | {:.2f} |".format(*rows[-1]))
        del model
    print("medians: {:.3f} s, {:.3f} s, {:.2f}, {:.3f} s, {:.2f}".format(*map(statistics.median, zip(*rows))))
    print(f"load average after: {os.getloadavg()}", file=sys.stderr)


if __name__ == "__main__":
    main()
