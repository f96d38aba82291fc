#!/usr/bin/env bash
# Everything that one wants to know of a GPU, in one Markdown report for Benchmarks/Results: what OpenCL says of it, the
# self-check of every operation, the conformance tests, stored answers, times of explanations in every precision and
# variant, kernels by launches and time, predicted beside measured, and PyTorch where python3 has it.
#
#   Benchmarks/GPU/run.sh [-o REPORT.md]      from a checkout; `make gpu` builds what it needs before
#   ./run.sh [-o REPORT.md]                   in what `make gpu-bundle` made: no Swift, no network, no package
#
# From the environment:
#   DEVICE   as `legrad --device` takes it (gpu); opencl tries the script on a driver without a GPU
#   QUICK    1 for a minute's worth: one small architecture, one repetition
#   LEGRAD   the command; the bundle's, or the release binary of the checkout if absent
#   PYTHON   the interpreter that may have PyTorch (python3)
#
# A step that fails is told in its section, and the others are run. Exit codes: 0 all went well, 1 some step failed, 2
# something is missing before the first one, 4 there is no such device.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
device=${DEVICE:-gpu} quick=${QUICK:-} python=${PYTHON:-python3}
report=

fail() {
  echo "gpu: $1" >&2
  exit "${2:-2}"
}

while [ $# -gt 0 ]; do
  case $1 in
    -o) report=${2:?-o needs a file}; shift 2 ;;
    *) fail "expected -o REPORT.md, found '$1'" ;;
  esac
done

# Where things are, in a bundle or a checkout.
if [ -x "$here/bin/legrad" ]; then
  kind=bundle legrad=${LEGRAD:-$here/bin/legrad} fixtures=$here/golden peers=$here/peers
  libraries=$here/lib
  # Drivers and the command share these two: the system's own are used where it has them, since a driver may need newer.
  find /lib64 /usr/lib64 /usr/lib /lib -maxdepth 2 -name libstdc++.so.6 2>/dev/null | grep -q . ||
    libraries=$libraries:$here/lib/runtime
  commit=$(cat "$here/COMMIT")
else
  kind=checkout tree=$(cd "$here/../.." && pwd)
  fixtures=$tree/Tests/Fixtures peers=$tree/Benchmarks/Peers
  legrad=${LEGRAD:-$tree/.build/release/legrad}
  commit=$(git -C "$tree" rev-parse HEAD 2>/dev/null || echo unknown)
  [ "$commit" = unknown ] || git -C "$tree" diff --quiet HEAD || commit="$commit with changes"
fi
# Other programs keep the system's libraries.
legrad() {
  if [ $kind = bundle ]; then
    LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$legrad" "$@"
  else
    "$legrad" "$@"
  fi
}
command -v "$legrad" >/dev/null || fail "no command $legrad; run 'make gpu', or set LEGRAD to a built one"

# A container often has the driver and nothing that tells the loader of it.
find_drivers() {
  local library found=() folder
  compgen -G '/etc/OpenCL/vendors/*.icd' >/dev/null && return
  [ -z "${OCL_ICD_FILENAMES:-}${OCL_ICD_VENDORS:-}${OPENCL_VENDOR_PATH:-}" ] || return
  for library in libnvidia-opencl.so.1 libamdocl64.so libigdrcl.so libpocl.so.2; do
    for folder in /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib /usr/local/nvidia/lib64 /usr/local/cuda/compat \
      /opt/rocm/lib /opt/rocm/opencl/lib /usr/lib/x86_64-linux-gnu/intel-opencl /usr/lib/wsl/lib; do
      [ ! -e "$folder/$library" ] || { found+=("$folder/$library"); break; }
    done
  done
  [ ${#found[@]} = 0 ] && return
  # Both loaders of the field read a folder; OCL_ICD_FILENAMES is unknown to ocl-icd 2.3.1, which Debian 12 has.
  mkdir "$work/vendors"
  for library in "${found[@]}"; do echo "$library" >"$work/vendors/$(basename "$library").icd"; done
  export OCL_ICD_VENDORS=$work/vendors
  drivers="the system's libraries, since /etc/OpenCL/vendors has none: ${found[*]}"
}
work=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$work"' EXIT
drivers="/etc/OpenCL/vendors or the environment"
find_drivers

# The device, as the command names it.
legrad devices --json >"$work/devices.json" 2>"$work/devices.err" ||
  fail "'legrad devices' failed: $(tail -1 "$work/devices.err")"
case $device in
  gpu) pattern='"kind" : "gpu"' missing="no OpenCL GPU" ;;
  *) pattern='"backend" : "OpenCL"' missing="no OpenCL device" ;;
esac
if ! grep -q "$pattern" "$work/devices.json"; then
  hint=$(tail -1 "$work/devices.err")
  fail "$missing here; drivers are looked for in $drivers; ${hint:-DEVICE=opencl takes what there is}" 4
fi
# What is told of the first device of that kind: the records have the keys in alphabetical order.
field() {
  awk -v key="\"$1\"" -v wanted="$pattern" '
    /^  \{/ { value = ""; is = 0 }
    index($0, wanted) { is = 1 }
    index($0, key " : ") == 5 { value = $0; sub(/^[^:]*: "?/, "", value); sub(/"?,?$/, "", value) }
    /^  \}/ { if (is) { print value; exit } }' "$work/devices.json"
}
name=$(field name) platform=$(field platform) driver=$(field driver)
slug=$(echo "$name" | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '-' | sed 's/^-//; s/-$//' | cut -c1-40)
report=${report:-$PWD/$slug-$(date +%Y-%m-%d).md}
: >"$report" || fail "cannot write $report"

case "$(echo "$name" | tr 'A-Z' 'a-z')" in
  *h200*) described=h200 ;;
  *mi300x*) described=mi300x ;;
  *a770*) described=arc-a770 ;;
  *) described=this ;;
esac

say() { printf '%s\n' "$@" >>"$report"; }
failures=0

# step TITLE COMMAND ...: the command's output as it is, its seconds, and its exit code where that is not 0.
step() {
  local title=$1 begin=$SECONDS status=0
  shift
  echo "gpu: $title" >&2
  say "" "## $title" ""
  "$@" >"$work/out" 2>"$work/err" || status=$?
  # Bars and counters of terminals.
  tr '\r' '\n' <"$work/err" | grep -v '^ *$' | tail -n 30 >"$work/notes"
  if [ "${plain:-}" = 1 ]; then cat "$work/out" >>"$report"; else
    say '```'
    cat "$work/out" >>"$report"
    say '```'
  fi
  if [ -s "$work/notes" ]; then
    say "" '```'
    cat "$work/notes" >>"$report"
    say '```'
  fi
  if [ $status = 0 ]; then say "" "$((SECONDS - begin)) s."; else
    say "" "**Failed** with exit code $status after $((SECONDS - begin)) s."
    failures=$((failures + 1))
    echo "gpu: $title failed with exit code $status" >&2
  fi
}

conformance() {
  if [ -n "${CONFORMANCE:-}" ]; then $CONFORMANCE; return; fi
  if [ $kind = bundle ] || ! command -v swift >/dev/null; then
    echo "Not run: it needs a Swift toolchain and the sources. The self-check above runs the same catalogue of operations."
    return
  fi
  # The first OpenCL device is the one that tests take.
  (cd "$tree" && LEGRAD_REQUIRE_OPENCL=1 swift test -Xswiftc -O -Xcc -O2 --disable-xctest --no-parallel \
    --filter "ComputeConformanceTests${quick:+.CopyTests}" 2>&1 | tail -n 40)
}

# Floats of an .npy file of version 1, a line each.
floats() {
  local length
  length=$(od -An -tu2 -j8 -N2 "$1" | tr -d ' ')
  case "$(head -c 128 "$1" | grep -ao "'<f[48]'" | head -1)" in
    "'<f4'") od -An -v -tf4 -w4 -j$((10 + length)) "$1" ;;
    "'<f8'") od -An -v -tf8 -w8 -j$((10 + length)) "$1" ;;
    *) return 1 ;;
  esac
}

# The largest difference by the largest answer, against a bound.
compare() {
  floats "$1" >"$work/found.txt" && floats "$2" >"$work/wanted.txt" || { echo "cannot be read"; return 1; }
  paste "$work/found.txt" "$work/wanted.txt" | awk -v bound="$3" -v n="$(wc -l <"$work/wanted.txt")" '
    function size(x) { return x < 0 ? -x : x }
    NF != 2 || $1 !~ /^-?[0-9]/ { bad = 1 }
    { if (size($1 - $2) > most) most = size($1 - $2); if (size($2) > scale) scale = size($2) }
    END {
      wrong = bad || NR != n || n == 0 || scale == 0 || most / scale > bound
      printf "%.1e of %.0e%s\n", scale ? most / scale : -1, bound, wrong ? " WRONG" : ""
      exit wrong
    }'
}

# Stored answers of a float64 reference: most methods on a small CLIP, LeGrad on a small SigLIP.
golden() {
  local status=0 model size variant image methods method bound precision out
  echo "| model | size | kernels | method | largest difference |"
  echo "|---|---|---|---|---|"
  for model in clip siglip; do
    for image in "$fixtures/$model"/inputs/image_*.png; do
      size=$(basename "$image" .png | sed 's/image_//')
      for variant in $(variants); do
        for method in legrad raw-attention rollout gradcam chefercam chefercam-all; do
          # The other answers for the SigLIP are of other texts than its inputs.
          [ $model = clip ] || [ $method = legrad ] || continue
          case $method in legrad) bound=1e-5 ;; *) bound=1e-4 ;; esac
          precision=f32
          # Matrix units have parts of 16 bits.
          if [ "$variant" = matrix ]; then precision=bf16-split bound=${bound/1e/5e}; fi
          rm -rf "$work/golden"
          # Answers are those before SigLIP's correction. Folders say height × width, the option width × height.
          if legrad explain "$image" -m "$fixtures/$model/model" --device "$device" --kernel-variant $variant \
            --text-embeddings "$fixtures/$model/inputs/text_embeddings.npy" --method $method \
            $([ $method = legrad ] && echo "--layers all") --size "${size#*x}x${size%x*}" --precision $precision --format npy \
            $([ $model = siglip ] && echo "--siglip-correction off") -o "$work/golden" >"$work/golden.out" 2>&1; then
            out=$(compare "$work/golden"/*.relevance.npy "$fixtures/$model/expected/$size/$method.npy" $bound) || status=1
          else
            out="FAILED with exit code $?: $(tail -1 "$work/golden.out")" status=1
          fi
          echo "| $model | $size | $variant | $method | $out |"
        done
      done
    done
  done
  return $status
}

# The variants of the device.
variants() {
  awk -v wanted="$pattern" '
    /^  \{/ { list = ""; is = 0; inside = 0 }
    index($0, wanted) { is = 1 }
    /"variants"/ { inside = 1; next }
    inside && /\]/ { inside = 0 }
    inside { gsub(/[ ",]/, ""); list = list $0 "\n" }
    /^  \}/ { if (is) { printf "%s", list; exit } }' "$work/devices.json"
}

# One table of all settings; a setting that fails is told behind it.
table() {
  local arch images prompts precision variant status=0 archs counts asked repetitions=5
  archs="ViT-B-16 ViT-L-14 ViT-bigG-14" counts="1 32" asked="1 8"
  [ -z "$quick" ] || { archs=ViT-B-32 counts="1 2" asked="1 2" repetitions=1; }
  rm -f "$work/failed"
  for arch in $archs; do
    for precision in f32 f16 bf16 bf16-split; do
      for variant in $([ -z "$quick" ] && variants || field variant); do
        # Two parts are float32 without matrix units, which do not have it.
        case "$variant $precision" in matrix\ f32) continue ;; matrix*) ;; *split) continue ;; esac
        for images in $counts; do
          for prompts in $asked; do
            if legrad benchmark --arch "$arch" --images "$images" --batch-size "$images" --prompts "$prompts" \
              --precision $precision --kernel-variant "$variant" --device "$device" --repetitions $repetitions \
              >"$work/row" 2>"$work/row.err"; then
              if [ -z "${header:-}" ]; then header=1; sed -n '1,2p' "$work/row"; fi
              sed -n '3p' "$work/row"
            else
              status=1
              echo "- $arch $precision $variant, $images images, $prompts prompts: $(tail -1 "$work/row.err")" >>"$work/failed"
            fi
          done
        done
      done
    done
  done
  [ ! -e "$work/failed" ] || { echo; cat "$work/failed"; }
  return $status
}

# Launches and time of each kernel.
launches() {
  local arch status=0
  for arch in $([ -z "$quick" ] && echo ViT-B-16 ViT-L-14 || echo ViT-B-32); do
    legrad benchmark --arch "$arch" --device "$device" --repetitions 3 --profile | sed '1,3d' || status=1
  done
  return $status
}

predictions() {
  local arch images status=0
  for arch in $([ -z "$quick" ] && echo ViT-B-16 ViT-L-14 || echo ViT-B-32); do
    for images in 1 $([ -z "$quick" ] && echo 32); do
      legrad benchmark --arch "$arch" --images "$images" --batch-size "$images" --device "$device" --profile \
        --repetitions $([ -z "$quick" ] && echo 5 || echo 1) --predict $described | grep -A 99 'predicted for' || status=1
    done
  done
  return $status
}

peer() {
  local arch images status=0
  if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "Not run: $python has no torch."
    return
  fi
  for arch in $([ -z "$quick" ] && echo ViT-B-16 ViT-L-14 || echo ViT-B-32); do
    for images in 1 $([ -z "$quick" ] && echo 32); do
      "$python" "$peers/plain_pytorch.py" "$arch" --images "$images" --repetitions $([ -z "$quick" ] && echo 5 || echo 1) ||
        status=1
    done
  done
  return $status
}

system() {
  sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null
  uname -srm
  echo "load average $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) processors: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv
    nvidia-smi --query-compute-apps=pid,used_memory --format=csv
  fi
  if command -v rocm-smi >/dev/null; then rocm-smi --showproductname --showdriverversion; fi
}

say "# $name" "" \
  "- **Device**: $name, platform $platform" \
  "- **Driver**: $driver" \
  "- **Commit**: $commit (\`$(legrad --version)\`)" \
  "- **Date**: $(date -u +%Y-%m-%d)" \
  "- **Drivers found by**: $drivers" \
  "- **Command**: \`${DEVICE:+DEVICE=$DEVICE }${QUICK:+QUICK=$QUICK }$([ $kind = bundle ] && echo ./run.sh || echo make gpu)\`"
step "System" system
step "Devices" legrad devices
step "Self-check" legrad doctor --device "$device"
step "Conformance tests" conformance
plain=1 step "Stored answers" golden
plain=1 step "Times" table
step "Kernels by time" launches
step "Predicted and measured" predictions
step "PyTorch" peer
say "" "Load average afterwards: $(cut -d' ' -f1-3 /proc/loadavg)."
echo "$report"
if [ $failures -gt 0 ]; then
  echo "gpu: $failures of 9 steps failed; $report says which" >&2
  exit 1
fi
