"""How the public PyTorch LeGrad's time and memory grow, for the plot of `legrad benchmark --plot FILE --beside`.

Set up as legrad_pytorch.py says. Usage:
  V/bin/python growth_pytorch.py ViT-B-16 [--seconds 60] [--threads N] > pytorch.csv
  legrad benchmark --arch ViT-B-16 --plot growth.svg --beside legrad_torch=pytorch.csv

The axes are those of `legrad benchmark --plot`: images, prompts, pixels of a side, blocks; all else is one image of the
model's own size, one prompt, all blocks. Values that would take longer than an axis may are left out, and an axis ends
where PyTorch raises an error, which is said on standard error. Images are explained one by one, as the wrapper takes
several images for prompts of one. Memory is the most that the process has had resident since the value's first run was
over.
"""

import argparse
import contextlib
import ctypes
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchvision_stub  # noqa: E402, F401

import torch  # noqa: E402
from legrad_pytorch import clip  # noqa: E402
from legrad import LeWrapper  # noqa: E402


def forget_peak():
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch")
    parser.add_argument("--seconds", type=float, default=60, help="of an axis")
    parser.add_argument("--repetitions", type=int, default=5, help="the least of them counts")
    parser.add_argument("--threads", type=int, help="PyTorch's own choice if absent")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, width = clip(options.arch)
    visual = model.visual
    native = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
    patch = visual.conv1.kernel_size[0]
    layers = len(visual.transformer.resblocks)
    whole = native // patch
    axes = {
        "images": [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000],
        "prompts": [1 << power for power in range(9)],
        "pixels": [half * whole // 2 * patch for half in (2, 3, 4, 6, 8, 10, 12)],
        "blocks": sorted({*range(1, layers, max(1, layers // 12)), layers}),
    }
    # The wrapper replaces methods of the model: it is made once, and told its first block.
    with contextlib.redirect_stdout(sys.stderr):
        wrapper = LeWrapper(model, layer_index=0)

    def measure(axis, value, seconds):
        side = value if axis == "pixels" else native
        wrapper.starting_depth = layers - value if axis == "blocks" else 0
        image = torch.randn(1, 3, side, side)
        text = torch.nn.functional.normalize(torch.randn(value if axis == "prompts" else 1, width), dim=-1)
        runs = value if axis == "images" else 1

        def explain():
            for _ in range(runs):
                wrapper.compute_legrad_clip(image=image, text_embedding=text)

        wrapper.compute_legrad_clip(image=image, text_embedding=text)
        forget_peak()
        least, start = float("inf"), time.perf_counter()
        for repetition in range(options.repetitions):
            before = time.perf_counter()
            explain()
            least = min(least, time.perf_counter() - before)
            if time.perf_counter() - start > seconds:
                break
        return least, peak_bytes()

    print("axis,value,variable,seconds,peakBytes")
    for axis, values in axes.items():
        start, last = time.perf_counter(), None
        for index, value in enumerate(values):
            left = options.seconds - (time.perf_counter() - start)
            if last and 2 * last[1] * value / last[0] > left:
                print(f"{axis} from {value} left out: longer than {options.seconds:g} s", file=sys.stderr)
                break
            try:
                seconds, peak = measure(axis, value, left / (len(values) - index))
            except Exception as error:  # noqa: BLE001
                print(f"{axis} from {value} left out: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
                break
            variable = (value // patch) ** 2 + 1 if axis == "pixels" else value
            print(f"{axis},{value},{variable},{seconds:.9f},{peak}", flush=True)
            last = (value, seconds)


if __name__ == "__main__":
    main()
