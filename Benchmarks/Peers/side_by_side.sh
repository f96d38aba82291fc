#!/bin/bash
# Runs legrad and the public PyTorch LeGrad in turn on the same setting and prints the ratio of their medians.
#
# Usage: PYTHON=V/bin/python Benchmarks/Peers/side_by_side.sh [ARCH [LAYERS [PROMPTS]]]
#   ARCH     ViT-B-16 (default), ViT-L-14, ViT-H-14 or ViT-bigG-14
#   LAYERS   all (default) or last:N
#   PROMPTS  1 (default)
# From the environment:
#   PYTHON       an interpreter set up as legrad_pytorch.py says; required
#   LEGRAD       the command to measure; the release binary of this checkout if absent
#   ROUNDS       turns of each (3)
#   REPETITIONS  timed repetitions per turn, after a warm-up (5)
#   PRECISION    f32 (default), f16 or bf16, for both
#   PEER_PRECISION  f32 or bf16: PyTorch's, where it is another
#   DEVICE       legrad's device (cpu)
#   FOLD         legrad with --fold, if set to anything
#   THREADS      threads of both; each one's own choice if absent
#
# They take turns so that a machine that slows down slows down both; the ratio is of the medians over all turns.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=${1:-ViT-B-16} layers=${2:-all} prompts=${3:-1}
rounds=${ROUNDS:-3} repetitions=${REPETITIONS:-5} precision=${PRECISION:-f32} device=${DEVICE:-cpu}

fail() { echo "side_by_side.sh: $1" >&2; exit 2; }

[ -n "${PYTHON:-}" ] || fail "set PYTHON to an interpreter with PyTorch and legrad_torch; see legrad_pytorch.py"
case ${PEER_PRECISION:-$precision} in
  f32) peer_precision=fp32 ;;
  bf16) peer_precision=bf16 ;;
  *) fail "PyTorch runs in f32 or bf16, not '${PEER_PRECISION:-$precision}': set PEER_PRECISION" ;;
esac
if [ -z "${LEGRAD:-}" ]; then
  LEGRAD=$(cd "$here/../.." && swift build -c release --product legrad --show-bin-path)/legrad
  [ -x "$LEGRAD" ] || LEGRAD=$(cd "$here/../.." && swift build -c release --static-swift-stdlib --product legrad \
    --show-bin-path)/legrad
fi
command -v "$LEGRAD" > /dev/null || fail "no command $LEGRAD; run 'make build' first, or set LEGRAD"

rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT
for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds: legrad" >&2
  "$LEGRAD" benchmark --arch "$arch" --prompts "$prompts" --layers "$layers" --precision "$precision" --device "$device" \
    ${FOLD:+--fold} ${THREADS:+--threads "$THREADS"} --repetitions "$repetitions" -o json > "$rows/legrad.$round.json"
  echo "round $round of $rounds: PyTorch" >&2
  "$PYTHON" "$here/legrad_pytorch.py" "$arch" --prompts "$prompts" --layers "$layers" \
    --precision "$peer_precision" ${THREADS:+--threads "$THREADS"} --repetitions "$repetitions" \
    > "$rows/pytorch.$round.json"
done

"$PYTHON" - "$rows" "$rounds" << 'END'
import json, statistics, sys

folder, rounds = sys.argv[1], int(sys.argv[2])


def rows(name):
    for number in range(1, rounds + 1):
        with open(f"{folder}/{name}.{number}.json") as file:
            row = json.load(file)
        yield row[0] if isinstance(row, list) else row


median = {}
print("| program | precision | median of each turn (s) | median (s) | least (s) | peak memory (MB) |")
print("|---|---|---|---|---|---|")
for name in ("legrad", "pytorch"):
    turns = list(rows(name))
    medians = [row["medianSeconds"] for row in turns]
    median[name] = statistics.median(medians)
    print(
        f"| {name} | {turns[0]['precision']} | {', '.join(f'{value:.4f}' for value in medians)} | {median[name]:.4f} "
        f"| {min(row['minSeconds'] for row in turns):.4f} | {max(row['peakBytes'] for row in turns) / 1e6:.0f} |")
first = next(rows("legrad"))
print()
print(
    f"{first['arch']}, {first['size']}, layers {first['layers']}, prompts {first['prompts']}, on {first['device']}: "
    f"PyTorch takes {median['pytorch'] / median['legrad']:.2f} times as long as legrad")
END
