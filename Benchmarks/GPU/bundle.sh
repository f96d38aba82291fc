#!/usr/bin/env bash
# One tarball that runs Benchmarks/GPU/run.sh on any x86-64 Linux with a driver and this system's glibc or a later one:
# the command, the libraries that it needs beside glibc's, an OpenCL loader, stored answers, and the PyTorch peer.
#
#   Benchmarks/GPU/bundle.sh BINARY FOLDER PTX TOOLS
#
# FOLDER receives the tarball; PTX is what make_ptx.py made with TOOLS.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$1 output=$2 ptx=$3 tools=$4
limit=$((64 << 20))
name=legrad-gpu-$(sed -n 's/.*static let number = "\(.*\)"/\1/p' Sources/LeGradCLI/Version.swift)-linux-x86_64

fail() {
  echo "make gpu-bundle: $*" >&2
  exit 1
}
[ "$(uname -sm)" = "Linux x86_64" ] || fail "expected Linux on x86_64, found $(uname -sm); build it there"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/$name
mkdir -p "$folder"/{bin,lib/runtime,golden,peers,licenses}
cp "$binary" "$folder/bin/legrad"
strip "$folder/bin/legrad"
cp -r "$ptx" "$folder/bin/ptx"
cp "$tools/usr/share/doc/libclc-19/copyright" "$folder/licenses/libclc.txt"
loader=$(ldconfig -p | awk '/libOpenCL.so.1 .*x86-64/ { print $NF; exit }')
[ -n "$loader" ] || fail "no OpenCL loader here; run make setup-tests"
# glibc stays outside: its parts belong together.
for library in "$loader" $(ldd "$binary" "$loader" | awk '$2 == "=>" { print $3 }' | sort -u); do
  case $(basename "$library") in
    libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | ld-linux*) ;;
    libstdc++.so* | libgcc_s.so*) cp -L "$library" "$folder/lib/runtime" ;;
    *) cp -L "$library" "$folder/lib" ;;
  esac
done
for library in "$folder"/lib/*.so* "$folder"/lib/runtime/*.so*; do
  file=$(basename "$library")
  package=$(dpkg-query -S "*/$file" | sed 's/:.*//' | head -1)
  cp "/usr/share/doc/$package/copyright" "$folder/licenses/$file.txt" || fail "no licence of $file; install $package again"
done
# SwiftPM's folder, in which the binary lies two folders deep.
checkouts=$(dirname "$(realpath "$binary")")/../../checkouts
cp "$checkouts/swift-argument-parser/LICENSE.txt" "$folder/licenses/swift-argument-parser.txt"
cp Sources/CCLIPMerges/NOTICE "$folder/licenses/clip-merges.txt"
cp "$(dirname "$(dirname "$(realpath "$(command -v swiftc)")")")/share/swift/LICENSE.txt" "$folder/licenses/swift.txt"
for model in clip siglip; do
  mkdir "$folder/golden/$model"
  cp -r Tests/Fixtures/$model/{inputs,expected,model} "$folder/golden/$model"
done
cp Benchmarks/GPU/run.sh "$folder"
cp Benchmarks/Peers/plain_pytorch.py "$folder/peers"
cp LICENSE "$folder"
{ git rev-parse HEAD && { git diff --quiet HEAD || echo "with changes"; }; } 2>/dev/null | paste -sd' ' >"$folder/COMMIT" ||
  echo unknown >"$folder/COMMIT"

mkdir -p "$output"
tarball=$output/$name.tar.gz
tar --create --sort=name --owner=0 --group=0 --numeric-owner -C "$work" "$name" | gzip -9n >"$tarball.part"
size=$(stat -c %s "$tarball.part")
[ "$size" -le $limit ] || fail "expected at most $limit bytes, found $size"
mv "$tarball.part" "$tarball"
echo "$tarball: $size bytes"
