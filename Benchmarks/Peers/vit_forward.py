"""The forward of a vision transformer's classifier in a runtime that people take for speed: no gradients, no maps.

Set up once, in a virtual environment of its own:
  python3 -m venv V
  V/bin/pip install torch==2.15.0 torchvision==0.29.2 transformers==5.24.0 numpy onnx==1.23.2 onnxscript==0.7.2
  V/bin/pip install openvino==2026.4.0 onnxruntime==1.32.0

Usage, mostly by vit_forward_side_by_side.sh:
  V/bin/python vit_forward.py export FOLDER MODEL.onnx [--images 1]
  V/bin/python vit_forward.py pytorch|openvino|onnxruntime FOLDER MODEL.onnx [--images 1] [--precision f32]
    [--repetitions 5] [--threads N]

FOLDER is one of transformers' `vit`, such as `legrad model random --arch vit-base-patch16-224 -o FOLDER` writes; `export`
makes MODEL.onnx of it for so many images. The others print one line of JSON: median and least seconds of the repetitions
after two that warm up, the largest resident memory in bytes, and the largest difference of the logits from PyTorch's in
float32, as a share of their maximum.
"""

import argparse
import json
import os
import resource
import statistics
import time

import numpy


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["export", "pytorch", "openvino", "onnxruntime"])
    parser.add_argument("folder")
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def pixels(images, size=224):
    return numpy.random.default_rng(0).standard_normal((images, 3, size, size), dtype=numpy.float32)


def logits_of(folder, precision):
    """The model as a function of pixels, in PyTorch's own attention kernel."""
    import torch
    from transformers import ViTForImageClassification

    scalar = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = ViTForImageClassification.from_pretrained(folder, dtype=scalar).eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixels):
            return self.model(pixels.to(scalar)).logits.float()

    return Logits()


def export(options):
    import torch

    x = torch.from_numpy(pixels(options.images))
    model = logits_of(options.folder, "f32")
    torch.onnx.export(
        model, (x,), options.model, input_names=["pixels"], output_names=["logits"], dynamo=True, verbose=False)
    with torch.inference_mode():
        numpy.save(options.model + ".npy", model(x).numpy())


def pytorch(options):
    import torch

    torch.set_num_threads(options.threads)
    model = logits_of(options.folder, options.precision)

    def run(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return run


def openvino(options):
    import openvino

    compiled = openvino.Core().compile_model(
        options.model, "CPU", {
            "INFERENCE_PRECISION_HINT": options.precision, "INFERENCE_NUM_THREADS": options.threads,
            "PERFORMANCE_HINT": "LATENCY"})
    return lambda x: compiled({"pixels": x})[0]


def onnxruntime(options):
    import onnxruntime

    if options.precision != "f32":
        raise SystemExit("onnxruntime computes this model in float32 alone")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"pixels": x})[0]


def main():
    options = arguments()
    if options.what == "export":
        export(options)
        return
    run = {"pytorch": pytorch, "openvino": openvino, "onnxruntime": onnxruntime}[options.what](options)
    x = pixels(options.images)
    expected = numpy.load(options.model + ".npy")
    logits = run(x)
    run(x)
    seconds = []
    for _ in range(options.repetitions):
        start = time.perf_counter()
        run(x)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(dict(
        peer=options.what, precision=options.precision, threads=options.threads, images=options.images,
        repetitions=options.repetitions, medianSeconds=statistics.median(seconds), minSeconds=min(seconds),
        difference=float(numpy.abs(logits - expected).max() / numpy.abs(expected).max()),
        peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)))


if __name__ == "__main__":
    main()
