#!/bin/bash
# Runs what has to hold on every OpenCL driver on drivers of processors that need no hardware, each in processes of its
# own, and prints the minutes of each part.
#   Tests/Drivers/run.sh [--quick | --conformance] BUILD [DRIVER …]
# BUILD is the folder with the built tests and the command. DRIVER is intel, rusticl, oclgrind or pocl; all where none is
# named. --quick leaves the golden data and doctor out on all but Intel's runtime, --conformance on all.
#
# A part that takes more than LEGRAD_DRIVER_MINUTES (120) has failed: a driver may compile for long.
#
# The end of what a part says that fails is printed; all of it is kept where that says.
#
# Packages are kept in LEGRAD_DRIVERS, else in the user's cache folder. No driver is put where other programs find it:
# each has a folder of its own with one .icd file (OCL_ICD_VENDORS). Libraries that drivers need are installed.
set -euo pipefail
shopt -s nullglob
root=$(realpath "$(dirname "$0")/../..")
quick=
case ${1:-} in --quick | --conformance) quick=$1 && shift ;; esac
build=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- pocl intel rusticl oclgrind
folder=${LEGRAD_DRIVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/legrad-drivers}
mkdir -p "$folder"
folder=$(realpath "$folder")
work=$(mktemp -d "${TMPDIR:-/tmp}/legrad-drivers.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "make test-drivers: $*" >&2
  exit 1
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Fetches.

# Intel's runtime for processors, from PyPI; the .icd file in the package names a folder of another machine.
intel=intel-opencl-rt==2026.2.0
intel_needs="intel-cmplr-lib-rt==2026.2.0 tbb==2023.2.0 tcmlib==1.6.0 umf==1.2.0"
fetch_intel() {
  local venv=$folder/${intel//==/-}
  if [ ! -e "$venv/done" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps $intel $intel_needs
    touch "$venv/done"
  fi
  driver_library=$venv/lib/libintelocl.so
  driver_environment=("LD_LIBRARY_PATH=$venv/lib")
}

# A Debian package that would register its driver for every program: unpacked here. What it needs is installed.
unpack() {
  local package=$1 needs
  [ ! -e "$folder/$package/done" ] || return 0
  needs=$(apt-get install --simulate --no-install-recommends "$package" | awk -v own="$package" '/^Inst/ && $2 != own { print $2 }')
  [ -z "$needs" ] || as_root apt-get install -y -q --no-install-recommends $needs >"$work/apt" || fail "$(cat "$work/apt")"
  rm -rf "${folder:?}/$package"
  mkdir -p "$folder/$package"
  (cd "$folder/$package" && apt-get download -q "$package" >"$work/apt" 2>&1) || fail "$(cat "$work/apt")"
  dpkg -x "$folder/$package"/*.deb "$folder/$package"
  touch "$folder/$package/done"
}

# Mesa's rusticl on llvmpipe.
fetch_rusticl() {
  unpack mesa-opencl-icd
  driver_library=$(find "$folder/mesa-opencl-icd" -name 'libRusticlOpenCL.so.1' | head -1)
  driver_environment=(RUSTICL_ENABLE=llvmpipe)
}

# A simulator that watches races, accesses and what is read before it was written. Its intermediate language knows
# nothing of scopes of aliasing, which functions that are always inlined bring along.
fetch_oclgrind() {
  unpack oclgrind
  driver_library=$(find "$folder/oclgrind" -name 'liboclgrind-rt-icd.so' | head -1)
  cp -r "$root/Kernels" "$work/kernels"
  sed -i 's/__attribute__((always_inline)) //' "$work"/kernels/*.cl
  driver_environment=("LEGRAD_KERNELS=$work/kernels" OCLGRIND_BUILD_OPTIONS=-cl-opt-disable OCLGRIND_CHECK_API=1
    OCLGRIND_DATA_RACES=1)
}

fetch_pocl() {
  driver_library=$(cat /etc/OpenCL/vendors/pocl.icd)
  driver_environment=()
}

# Runs.

minutes() { awk -v seconds="$1" 'BEGIN { printf "%.1f", seconds / 60 }'; }

# part NAME COMMAND …: the minutes that it takes, and what it says where it fails.
part() {
  local name=$1 start=$SECONDS
  shift
  if env "OCL_ICD_VENDORS=$work/$driver" LEGRAD_CACHE="$work/cache" LEGRAD_REQUIRE_OPENCL=1 \
    LEGRAD_TEST_BACKENDS=opencl "${driver_environment[@]}" timeout "${LEGRAD_DRIVER_MINUTES:-120}m" "$@" \
    >"$work/log" 2>&1; then
    printf '%-9s %-12s %5s min\n' "$driver" "$name" "$(minutes $((SECONDS - start)))"
  else
    local log=$folder/logs/$driver-$name.log
    mkdir -p "$folder/logs"
    cp "$work/log" "$log"
    tail -n 60 "$log"
    printf '%-9s %-12s %5s min  FAILED, all of it in %s\n' "$driver" "$name" "$(minutes $((SECONDS - start)))" "$log"
    failed="$failed $driver:$name"
  fi
}

suite() {
  "$build/legradPackageTests.xctest" --disable-xctest --no-parallel --testing-library swift-testing --filter "$1"
}
export -f suite
export build

# What the simulator reports is a failure, whatever the command says.
simulated() {
  local variant=$1 log=$work/oclgrind.log
  rm -f "$log"
  OCLGRIND_LOG=$log "$build/legrad" explain "$root/Tests/Fixtures/clip/inputs/image_32x32.png" \
    -m "$root/Tests/Fixtures/clip/model" -p 'a red circle' --size 16 --layers last:1 --device opencl \
    --kernel-variant "$variant" --trial-seconds 1800 --format json --verify --overwrite -o "$work/explained" || return
  [ ! -s "$log" ] || { head -n 40 "$log" && return 1; }
}
export -f simulated
export root work

failed=
for driver in "$@"; do
  case $driver in intel | rusticl | oclgrind | pocl) ;; *) fail "there is no driver '$driver'" ;; esac
  "fetch_$driver"
  [ -n "$driver_library" ] || fail "$driver: its package has no driver"
  mkdir -p "$work/$driver"
  echo "$driver_library" >"$work/$driver/$driver.icd"
  rm -rf "$work/cache"
  part devices bash -c '"$build/legrad" devices && "$build/legrad" devices --json | grep -q "\"backend\" : \"OpenCL\""'
  cat "$work/log"
  if [ $driver = oclgrind ]; then
    for variant in portable cpu; do part "$variant" bash -c "simulated $variant"; done
    continue
  fi
  part conformance bash -c 'suite ComputeConformanceTests'
  [ -z "$quick" ] || [ "$quick$driver" = --quickintel ] || continue
  part golden bash -c 'suite "LeGradTests.*(GoldenTests|MethodTests)"'
  part doctor "$build/legrad" doctor --device opencl
done
[ -z "$failed" ] || fail "failed:$failed"
