#!/usr/bin/env bash
# Holds `legrad benchmark --predict this` to the times that it predicts: ViT-B-16 and ViT-L-14, 1 and 8 images, on the
# native CPU and on an OpenCL device. Runs and rates are measured in turn, so that a machine that slows down slows down
# both. Prints a table; exit code 1 where a prediction is off by more than 20 %. Ratios mean little beside other programs.
#
#   Benchmarks/prediction.sh
# From the environment:
#   LEGRAD       the command; the release binary of this checkout if absent
#   DEVICES      ("cpu opencl")
#   ARCHS        ("ViT-B-16 ViT-L-14")
#   IMAGES       ("1 8")
#   REPETITIONS  turns of each (5)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
legrad=${LEGRAD:-$here/../.build/release/legrad}
command -v "$legrad" >/dev/null || {
  echo "prediction.sh: no command $legrad; run 'make build', or set LEGRAD" >&2
  exit 2
}
row=$(mktemp)
trap 'rm -f "$row"' EXIT
status=0
echo "| device | architecture | images | measured ms | predicted by measured |"
echo "|---|---|---|---|---|"
for device in ${DEVICES:-cpu opencl}; do
  for arch in ${ARCHS:-ViT-B-16 ViT-L-14}; do
    for images in ${IMAGES:-1 8}; do
      "$legrad" benchmark --arch "$arch" --images "$images" --device "$device" --predict this \
        --repetitions "${REPETITIONS:-5}" -o json >"$row"
      # The keys behind the rows, of which the first table has some of the same name.
      awk -v device="$device" -v arch="$arch" -v images="$images" '
        /"predictions" :/ { inside = 1 }
        /"rows" :/ { inside = 0 }
        /"parts" :/ { parts = 1 }
        parts && /^ *\],?$/ { parts = 0 }
        inside && !parts && /"measuredSeconds"/ { measured = $3 + 0 }
        inside && !parts && /"predictedShare"/ { share = $3 + 0 }
        END {
          wrong = share < 0.8 || share > 1.2
          printf "| %s | %s | %s | %.1f | %.2f%s |\n", device, arch, images, measured * 1000, share, wrong ? " off" : ""
          exit wrong
        }' "$row" || status=1
    done
  done
done
exit $status
