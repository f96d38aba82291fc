#!/bin/bash
# Runs the forward of ViT-B/16 as a classifier with legrad, PyTorch, OpenVINO and ONNX Runtime in turn, without any map,
# and prints how many times as long as legrad each takes.
#
# Usage: PYTHON=V/bin/python Benchmarks/Peers/vit_forward_side_by_side.sh [IMAGES [PRECISION …]]
#   IMAGES     of a batch (1)
#   PRECISION  f32 and bf16 if none is named; ONNX Runtime has float32 alone
# From the environment: PYTHON (set up as vit_forward.py says; required), LEGRAD (legrad), ROUNDS (3), REPETITIONS (10)
# and THREADS (all cores that the process may use).
#
# Ratios are of the least times, since a runtime that spins and one that sleeps suffer differently from company; the
# medians are shown.
set -euo pipefail
export HF_HUB_DISABLE_PROGRESS_BARS=1 TRANSFORMERS_VERBOSITY=error

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=vit-base-patch16-224
images=${1:-1}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- f32 bf16
rounds=${ROUNDS:-3} repetitions=${REPETITIONS:-10} threads=${THREADS:-$(nproc)}

fail() { echo "vit_forward_side_by_side.sh: $1" >&2; exit 2; }

[ -n "${PYTHON:-}" ] || fail "set PYTHON to an interpreter with the runtimes; see vit_forward.py"
LEGRAD=${LEGRAD:-legrad}
command -v "$LEGRAD" > /dev/null || fail "no command $LEGRAD; run 'make build' first, and set LEGRAD"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$LEGRAD" model random --arch $arch -o "$work/model" >&2
"$PYTHON" "$here/vit_forward.py" export "$work/model" "$work/model.onnx" --images "$images" > /dev/null
for precision in "$@"; do
  for ((round = 1; round <= rounds; round++)); do
    for program in legrad pytorch openvino onnxruntime; do
      [ "$program $precision" != "onnxruntime bf16" ] || continue
      echo "$precision, round $round of $rounds: $program" >&2
      if [ $program = legrad ]; then
        "$LEGRAD" benchmark -m "$work/model" --method raw-attention,rollout --device cpu --threads "$threads" \
          --precision "$precision" --images "$images" --batch-size "$images" --repetitions "$repetitions" \
          --no-operations -o json > "$work/row" 2> "$work/notes" || { cat "$work/notes" >&2; exit 1; }
      else
        "$PYTHON" "$here/vit_forward.py" $program "$work/model" "$work/model.onnx" --images "$images" \
          --precision "$precision" --threads "$threads" --repetitions "$repetitions" > "$work/row"
      fi
      mv "$work/row" "$work/$precision.$program.$round.json"
    done
  done
done

"$PYTHON" - "$work" "$rounds" "$images" "$@" << 'END'
import json, os, statistics, sys

folder, rounds, images = sys.argv[1], int(sys.argv[2]), sys.argv[3]
print(f"Forward of ViT-B/16, batch of {images}:")
print()
print("| precision | program | median of each turn (s) | least (s) | least / legrad's | logits differ by | peak memory (MB) |")
print("|---|---|---|---|---|---|---|")
for precision in sys.argv[4:]:
    own = None
    for program in ("legrad", "pytorch", "openvino", "onnxruntime"):
        turns = []
        for number in range(1, rounds + 1):
            name = f"{folder}/{precision}.{program}.{number}.json"
            if not os.path.exists(name):
                continue
            with open(name) as file:
                row = json.load(file)
            if isinstance(row, list):
                row = next(each for each in row if each["method"] == "forward")
            turns.append(row)
        if not turns:
            continue
        least = min(row["minSeconds"] for row in turns)
        own = own or least
        difference = f"{max(row['difference'] for row in turns):.1e}" if "difference" in turns[0] else ""
        medians = ", ".join(f"{row['medianSeconds']:.4f}" for row in turns)
        print(
            f"| {precision} | {program} | {medians} | {least:.4f} "
            f"| {least / own:.2f} | {difference} | {max(row['peakBytes'] for row in turns) / 1e6:.0f} |")
END
