#!/usr/bin/env bash
# clang 19.1.7 (Debian 12, clang-19), targets nvptx64 and amdgcn, OpenCL C 1.2.
#
# Guess: a kernel with reqd_work_group_size(1024, 1, 1) says so in the PTX, as .reqntid, as it does in the metadata of an
# AMD code object; OpenCL demands that such a kernel is launched with that size only.
# What happens: the PTX has neither .reqntid nor .maxntid, for nvptx64--nvidiacl, nvptx64-unknown-nvcl and with
# -cl-uniform-work-group-size too, and is the same text as without the attribute. For amdgcn the same source gives
# .reqd_workgroup_size and a largest group of 1024, without the attribute 256.
# What it means: what assembles that PTX does not know how many work-items share the registers, and is free to take more
# than 64 for each, with which a group of 1024 cannot start. Tools that judge occupancy from such PTX need the size from
# elsewhere, and PTX that is made ahead for a driver needs the directive put in.
#
# Seen: 0 directives in 3 variants, 3 of them the text of the kernel without the attribute; amdgcn: required 1024, largest
# 1024 against 256.
#
# Needs Debian 12's package lists, 350 MB in a temporary folder, seconds. Nothing is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q clang-19=1:19.1.7-3~deb12u1 libclang-cpp19=1:19.1.7-3~deb12u1 libllvm19=1:19.1.7-3~deb12u1 \
  libclang-common-19-dev=1:19.1.7-3~deb12u1 >download.log 2>&1 || { cat download.log; exit 2; }
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
export LD_LIBRARY_PATH
clang=$(find "$folder/root" -path '*/llvm-19/bin/clang')
"$clang" --version | head -1

cat >kernel.cl <<'KERNEL'
#ifdef SIZED
__attribute__((reqd_work_group_size(1024, 1, 1)))
#endif
__kernel void doubled(__global const float *in, __global float *out, const uint first) { out[first] = 2.0f * in[first]; }
KERNEL

directives=0
same=0
variants=0
for target in "nvptx64--nvidiacl" "nvptx64-unknown-nvcl" "nvptx64--nvidiacl -cl-uniform-work-group-size"; do
  for size in -DSIZED -UOTHER; do
    "$clang" -x cl -cl-std=CL1.2 -O2 -target $target -march=sm_90 $size -S -o "sized$size.ptx" kernel.cl
  done
  grep -q '\.entry doubled' sized-DSIZED.ptx
  variants=$((variants + 1))
  directives=$((directives + $(grep -cE '\.(reqntid|maxntid)' sized-DSIZED.ptx || true)))
  ! cmp -s sized-DSIZED.ptx sized-UOTHER.ptx || same=$((same + 1))
done
for size in -DSIZED -UOTHER; do
  "$clang" -x cl -cl-std=CL1.2 -O2 -target amdgcn-amd-amdhsa -mcpu=gfx90a -nogpulib $size -S -o "amd$size.s" kernel.cl
done
required=$(grep -A1 -m1 reqd_workgroup_size amd-DSIZED.s | tail -1 | tr -dc 0-9 || true)
largest() { awk '/max_flat_workgroup_size/ { print $2 }' "$1"; }
echo "$directives directives in $variants variants, $same of them the text of the kernel without the attribute;" \
  "amdgcn: required $required, largest $(largest amd-DSIZED.s) against $(largest amd-UOTHER.s)"
[ "$directives" = 0 ] && [ "$same" = "$variants" ] && [ "$variants" = 3 ] && [ "$required" = 1024 ] \
  && [ "$(largest amd-DSIZED.s)" = 1024 ] && [ "$(largest amd-UOTHER.s)" = 256 ]
