"""What a call from Python costs beyond the engine's own: Model.explain beside the C function that it calls, in turn in
one process, and beside the call from Swift that `legrad benchmark` times.

Usage, with an interpreter that has the wheel:
  W/bin/python python_call.py FOLDER [--pairs 30] [--threads N] [--layers last:2]

FOLDER is a CLIP, such as `legrad model random --arch ViT-B-16 -o FOLDER` writes; one prepared picture and one embedding
are given. Prints medians of the pairs' seconds on the clock and of all processors, and of their differences. Company
moves the seconds of a large model by more than a call costs: the same difference on the bundled model, which is small,
is the steadier measure of it, and the one of processors the steadier of the two.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import legrad
import numpy as np
from legrad import _library as lib
from legrad import _pictures


def bare(model, picture, queries, layers):
    """The C function and nothing else, on a request that is there already."""
    request = lib.started(lib.Request)
    given = [_pictures.source(picture)]
    request.picture_size = ctypes.sizeof(lib.Picture)
    pictures = _pictures.listed(given)
    request.pictures, request.picture_count = pictures, 1
    methods = lib.texts([f"legrad {layers} mean"])
    request.methods, request.method_count = methods, 1
    request.queries = queries.pointer
    explain, free = lib.function("explain"), lib.function("result_free")
    result, error = ctypes.c_void_p(), ctypes.c_void_p()

    def call(keeps=(given, pictures, methods)):
        status = explain(model._explainer.pointer, ctypes.byref(request), ctypes.byref(result), ctypes.byref(error))
        assert status == 0
        free(result)

    return call


def paired(model, layers, pairs, calls):
    """Of the C function and of Model.explain, in turn, seconds on the clock and of processors; each the mean of calls."""
    height, width = model.input_size
    generator = np.random.default_rng(0)
    picture = generator.standard_normal((3, height, width), np.float32)
    rows = generator.standard_normal((1, model.embedding_width), np.float32)
    queries = model._of_rows(rows, None)

    def python():
        model.explain(picture, embeddings=rows, layers=layers)

    found = []
    functions = bare(model, picture, queries, layers), python
    for turn in range(pairs + 2):
        seconds = [(0.0, 0.0), (0.0, 0.0)]
        # Whoever is first finds the caches as the other left them.
        for which in (0, 1) if turn % 2 else (1, 0):
            start, used = time.perf_counter(), time.process_time()
            for _ in range(calls):
                functions[which]()
            seconds[which] = (time.perf_counter() - start) / calls, (time.process_time() - used) / calls
        if turn > 1:
            found.append((*seconds[0], *seconds[1]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--layers", default="last:2")
    options = parser.parse_args()
    print(f"load average before: {os.getloadavg()}", file=sys.stderr)
    command = [Path(legrad.__file__).parent / "bin" / "legrad", "benchmark", "-m", options.folder]
    command += ["--layers", options.layers, "--repetitions", str(options.pairs)]
    command += ["--device", "cpu", "--no-operations", "-o", "json"]
    command += ["--threads", str(options.threads)] if options.threads else []
    extra = {}
    print("| model | C function (ms) | Model.explain (ms) | difference (ms) | the same of processors (ms) | | |")
    print("|---|---|---|---|---|---|---|")
    for name, calls in (("demo", 50), (options.folder, 1)):
        model = legrad.load(name, device="cpu", threads=options.threads)
        found = paired(model, options.layers, options.pairs, calls)
        columns = [statistics.median(values) * 1e3 for values in zip(*found)]
        wall = statistics.median(row[2] - row[0] for row in found) * 1e3
        processors = statistics.median(row[3] - row[1] for row in found) * 1e3
        extra[name] = wall, processors
        print(f"| {name} | {columns[0]:.3f} | {columns[2]:.3f} | {wall:.3f} | {columns[1]:.3f} | {columns[3]:.3f} | "
              f"{processors:.3f} |")  # fmt: skip
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    row = row[0] if isinstance(row, list) else row
    median = row["medianSeconds"] * 1e3
    print(f"\nfrom Swift: median {median:.3f} ms, least {row['minSeconds'] * 1e3:.3f} ms; what a call from Python adds "
          f"on the small model is {extra['demo'][0] / median:.2%} of that")  # fmt: skip
    print(f"load average after: {os.getloadavg()}", file=sys.stderr)


if __name__ == "__main__":
    main()
