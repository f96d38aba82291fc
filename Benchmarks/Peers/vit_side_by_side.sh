#!/bin/bash
# Explains one class of a classifier with legrad and with transformers' model and autograd, in turn, and prints the ratio
# of their medians; then compares the maps that both make of one picture with the same random weights.
#
# Usage: PYTHON=V/bin/python Benchmarks/Peers/vit_side_by_side.sh [ARCH]
#   ARCH     vit-base-patch16-224 (default) or vit-large-patch16-224
# From the environment: as of side_by_side.sh, PYTHON (set up as vit_pytorch.py says), LEGRAD, ROUNDS (3), REPETITIONS
# (5), DEVICE (cpu) and THREADS. Both compute in float32.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=${1:-vit-base-patch16-224}
rounds=${ROUNDS:-3} repetitions=${REPETITIONS:-5} device=${DEVICE:-cpu}

fail() { echo "vit_side_by_side.sh: $1" >&2; exit 2; }

[ -n "${PYTHON:-}" ] || fail "set PYTHON to an interpreter with PyTorch and transformers; see vit_pytorch.py"
LEGRAD=${LEGRAD:-legrad}
command -v "$LEGRAD" > /dev/null || fail "no command $LEGRAD; run 'make build' first, and set LEGRAD"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$LEGRAD" model random --arch "$arch" -o "$work/model" >&2
for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds: legrad" >&2
  "$LEGRAD" benchmark -m "$work/model" --layers all --device "$device" ${THREADS:+--threads "$THREADS"} \
    --repetitions "$repetitions" --no-operations -o json > "$work/legrad.$round.json"
  echo "round $round of $rounds: transformers" >&2
  "$PYTHON" "$here/vit_pytorch.py" "$work/model" ${THREADS:+--threads "$THREADS"} --repetitions "$repetitions" \
    > "$work/peer.$round.json"
done

"$PYTHON" -c "
import numpy, sys
from PIL import Image
y, x = numpy.mgrid[:224, :224]
pixels = numpy.stack([y, x, (x * y // 64) % 256], -1).astype('uint8')
pixels[60:140, 90:170] = numpy.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype='uint8')
Image.fromarray(pixels).save(sys.argv[1])" "$work/picture.png"
"$LEGRAD" explain "$work/picture.png" -m "$work/model" --class 0 --layers all --device "$device" --format npy \
  -o "$work/out" >&2
"$PYTHON" "$here/vit_pytorch.py" "$work/model" --picture "$work/picture.png" --maps "$work/peer.npy"

"$PYTHON" - "$work" "$rounds" << 'END'
import glob, json, statistics, sys

import numpy

folder, rounds = sys.argv[1], int(sys.argv[2])


def rows(name):
    for number in range(1, rounds + 1):
        with open(f"{folder}/{name}.{number}.json") as file:
            row = json.load(file)
        yield row[0] if isinstance(row, list) else row


median = {}
print("| program | median of each turn (s) | median (s) | least (s) | peak memory (MB) |")
print("|---|---|---|---|---|")
for name in ("legrad", "peer"):
    turns = list(rows(name))
    medians = [row["medianSeconds"] for row in turns]
    median[name] = statistics.median(medians)
    print(
        f"| {name} | {', '.join(f'{value:.4f}' for value in medians)} | {median[name]:.4f} "
        f"| {min(row['minSeconds'] for row in turns):.4f} | {max(row['peakBytes'] for row in turns) / 1e6:.0f} |")
mine = numpy.load(glob.glob(f"{folder}/out/*relevance*.npy")[0])
peer = numpy.load(f"{folder}/peer.npy")
assert mine.shape == peer.shape, (mine.shape, peer.shape)
print()
print(
    f"transformers takes {median['peer'] / median['legrad']:.2f} times as long as legrad; largest difference of the "
    f"maps {numpy.abs(mine - peer).max() / peer.max():.1e} of their maximum")
END
