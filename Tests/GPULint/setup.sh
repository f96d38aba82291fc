#!/usr/bin/env bash
# Unpacks the compilers of gpu_lint.py into FOLDER, of Debian's and PyPI's packages: nothing is installed, since libclc of
# this release does not stand beside that of Mesa's driver.
# usage: setup.sh FOLDER
set -euo pipefail
folder=$1
debian="clang-19 libclang-cpp19 libllvm19 libclang-common-19-dev libclc-19 rocm-device-libs"
# The versions decide the figures.
nvidia="nvidia-cuda-nvcc==13.5.37 nvidia-cuda-nvdisasm==13.5.37"
wanted="$debian $nvidia"
[ "$(cat "$folder/packages" 2>/dev/null)" != "$wanted" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/downloads"
(
  cd "$folder/downloads"
  # A machine whose lists of packages are missing or old gets new ones.
  apt-get download -q $debian || { $([ "$(id -u)" = 0 ] || echo sudo) apt-get update -q; apt-get download -q $debian; }
  pip3 download -q --no-deps --only-binary :all: $nvidia
  for package in *.deb; do dpkg -x "$package" ..; done
  for wheel in *.whl; do python3 -m zipfile -e "$wheel" ..; done
)
chmod +x "$folder"/nvidia/cu13/bin/{ptxas,nvdisasm}
rm -rf "$folder/downloads"
echo "$wanted" > "$folder/packages"
