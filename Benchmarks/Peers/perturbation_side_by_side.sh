#!/bin/bash
# Runs `legrad evaluate perturbation` and the same protocol in PyTorch in turn, on random weights and images, and prints
# the ratio of their seconds per image.
#
# Usage: PYTHON=V/bin/python Benchmarks/Peers/perturbation_side_by_side.sh [ARCH [IMAGES]]
#   ARCH     ViT-B-16 (default), ViT-L-14, ViT-H-14 or ViT-bigG-14
#   IMAGES   per turn (32)
# From the environment:
#   PYTHON      an interpreter set up as legrad_pytorch.py says; required
#   LEGRAD      the command to measure; the release binary of this checkout if absent
#   ROUNDS      turns of each (2)
#   PRECISIONS  of legrad, a turn each ("f32 bf16"); PyTorch runs in float32
#   BATCH_SIZE  copies that legrad computes together; its own choice if absent
#   DEVICE      legrad's device (cpu)
#   THREADS     threads of both; each one's own choice if absent
#
# legrad's seconds are what it says at the end of a run: from the first image's file to the last image's row. PyTorch's
# leave out files, and the first image, which warms up.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=${1:-ViT-B-16} images=${2:-32}
rounds=${ROUNDS:-2} precisions=${PRECISIONS:-f32 bf16} device=${DEVICE:-cpu}

fail() { echo "perturbation_side_by_side.sh: $1" >&2; exit 2; }

[ -n "${PYTHON:-}" ] || fail "set PYTHON to an interpreter with PyTorch and legrad_torch; see legrad_pytorch.py"
if [ -z "${LEGRAD:-}" ]; then
  LEGRAD=$(cd "$here/../.." && swift build -c release --product legrad --show-bin-path)/legrad
  [ -x "$LEGRAD" ] || LEGRAD=$(cd "$here/../.." && swift build -c release --static-swift-stdlib --product legrad \
    --show-bin-path)/legrad
fi
command -v "$LEGRAD" > /dev/null || fail "no command $LEGRAD; run 'make build' first, or set LEGRAD"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$LEGRAD" model random --arch "$arch" -o "$work/model" > /dev/null
"$PYTHON" - "$work" "$images" << 'END'
import json, pathlib, sys
import numpy
from PIL import Image

work, images, classes = pathlib.Path(sys.argv[1]), int(sys.argv[2]), 1000
random = numpy.random.default_rng(0)
width = json.loads((work / "model/open_clip_config.json").read_text())["model_cfg"]["embed_dim"]
numpy.save(work / "classes.npy", random.standard_normal((classes, width), dtype=numpy.float32))
(work / "index.json").write_text(json.dumps({str(i): [f"n{i:08}", f"class {i}"] for i in range(classes)}))
for number in range(images):
    folder = work / f"val/n{number % classes:08}"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random.integers(0, 256, (224, 224, 3), dtype=numpy.uint8)).save(folder / f"{number:06}.png")
END

for ((round = 1; round <= rounds; round++)); do
  for precision in $precisions; do
    echo "round $round of $rounds: legrad $precision" >&2
    "$LEGRAD" evaluate perturbation --images "$work/val" --class-index "$work/index.json" -m "$work/model" \
      --text-embeddings "$work/classes.npy" --precision "$precision" --device "$device" -o "$work/$precision.$round" \
      ${BATCH_SIZE:+--batch-size "$BATCH_SIZE"} ${THREADS:+--threads "$THREADS"} 2> "$work/notes" > /dev/null \
      || { cat "$work/notes" >&2; exit 1; }
    sed -n 's/.* \([0-9.]*\) s per image.*/\1/p' "$work/notes" >> "$work/legrad.$precision"
  done
  echo "round $round of $rounds: PyTorch" >&2
  "$PYTHON" "$here/perturbation_pytorch.py" "$arch" --images "$images" ${THREADS:+--threads "$THREADS"} \
    >> "$work/pytorch"
done

"$PYTHON" - "$work" $precisions << 'END'
import json, pathlib, statistics, sys

work = pathlib.Path(sys.argv[1])
peer = [json.loads(line)["secondsPerImage"] for line in (work / "pytorch").read_text().splitlines()]
base = statistics.median(peer)
print("| program | precision | seconds per image of each turn | median | PyTorch takes |")
print("|---|---|---|---|---|")
for precision in sys.argv[2:]:
    turns = [float(line) for line in (work / f"legrad.{precision}").read_text().split()]
    median = statistics.median(turns)
    print(f"| legrad | {precision} | {', '.join(f'{turn:.3f}' for turn in turns)} | {median:.3f} | {base / median:.2f} times as long |")
print(f"| pytorch | fp32 | {', '.join(f'{turn:.3f}' for turn in peer)} | {base:.3f} | |")
END
