#!/usr/bin/env bash
# Builds and tries the project on a fresh Debian in a folder of its own, with nothing but what README names, this
# machine's Swift toolchain and this working tree. Needs root, debootstrap and apt's own mirror. Prints minutes a step.
#
#   Tests/Systems/debian.sh RELEASE [COMMAND ...]    RELEASE: bookworm, trixie, …; each COMMAND runs in the tree's copy;
#                                                    without any: demo, devices, doctor, all tests
#   Tests/Systems/debian.sh RELEASE --quick          of the tests only those that meet drivers and libraries
#   Tests/Systems/debian.sh RELEASE --bare TARBALL   what `make dist` made, before anything is installed
#
# LEGRAD_SYSTEMS=FOLDER keeps the systems there, to go on with them the next time.
set -euo pipefail
self=$(realpath "$0")
tree=$(realpath "$(dirname "$self")/../..")
release=${1:?a release of Debian, such as trixie}
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=PATH,LEGRAD_SYSTEMS "$self" "$@"

# The toolchain's own needs on a system without a compiler, as README lists them.
toolchain_packages="build-essential git libcurl4 libncurses6 libsqlite3-0 libxml2"
# In parallel: PoCL 6 bears several contexts at work, unlike 3.1. Compiled as `make test` does it.
optimised=$(make -C "$tree" -s --no-print-directory --eval 'optimised: ; @echo $(optimised)' optimised)
tests="LEGRAD_REQUIRE_OPENCL=1 LEGRAD_CACHE= swift test $optimised --disable-xctest"

step() {
  local seconds=$SECONDS status=0
  echo "== $release: $1"
  "${@:2}" || status=$?
  echo "== $release: $1: $(((SECONDS - seconds + 30) / 60)) min ($((SECONDS - seconds)) s), exit code $status"
  return $status
}

# Runs a command whose output matters only where it fails.
quietly() {
  "$@" >"$systems/log" 2>&1 || { tail -n 30 "$systems/log" >&2; return 1; }
}

inside() {
  chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
    PATH="$toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

# The tree as it is, without what git ignores, and the packages that it depends on: the system may have no network.
copy_tree() {
  mkdir -p "$root/legrad/.build"
  find "$root/legrad" -mindepth 1 -maxdepth 1 ! -name .build -exec rm -rf {} +
  git -C "$tree" ls-files -z --cached --others --exclude-standard |
    tar -C "$tree" --null --files-from=- --ignore-failed-read -c | tar -C "$root/legrad" --no-same-owner -x
  swift package --package-path "$tree" resolve
  cp -r "$tree"/.build/{checkouts,repositories,workspace-state.json} "$root/legrad/.build"
  cp "$tree/Package.resolved" "$root/legrad"
}

try_bare() {
  local folder
  folder=/$(basename "$tarball" .tar.gz)
  # Joined, since a step's commands do not end it one by one.
  tar xzf "$tarball" -C "$root" && cp -r "$tree/Tests/Fixtures/images" "$root/tmp" &&
    inside "$folder/legrad" --version && inside "$folder/legrad" demo -o /tmp/demo --overwrite &&
    inside "$folder/legrad" explain /tmp/images/color-444.jpg -p "a green cross" -o /tmp/out --overwrite &&
    inside "$folder/legrad" doctor
}

within() {
  local toolchain command
  toolchain=$(dirname "$(dirname "$(realpath "$(command -v swiftc)")")")
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  # PoCL asks it for memory and processors, and ends the process where it is missing.
  mount --rbind /sys "$root/sys"
  if [ "${1-}" = --bare ]; then
    tarball=$2
    step "$(basename "$tarball")" try_bare
    return
  fi
  [ "$toolchain" != /usr ] || { echo "expected a Swift toolchain in a folder of its own, found /usr" >&2; exit 1; }
  mkdir -p "$root$toolchain"
  mount --bind "$toolchain" "$root$toolchain"
  mount -o remount,bind,ro "$root$toolchain"
  copy_tree
  step "what the toolchain needs" quietly inside sh -c \
    "apt-get update -q && apt-get install -y -q --no-install-recommends $toolchain_packages"
  if [ "${1-}" = --quick ]; then
    shift
    tests+=" --filter '^(ComputeConformance|ComputeOpenCL|Files|ImageFiles|Tokenizers)Tests'"
  fi
  if [ $# = 0 ]; then
    set -- "make demo" "make setup-tests" ".build/release/legrad devices" ".build/release/legrad doctor" "$tests"
  fi
  for command; do step "$command" inside env "LEGRAD_COMMIT=$commit" sh -c "cd /legrad && $command"; done
}

if [ -n "${LEGRAD_SYSTEM_ROOT-}" ]; then
  root=$LEGRAD_SYSTEM_ROOT commit=$LEGRAD_COMMIT systems=$(dirname "$LEGRAD_SYSTEM_ROOT")
  within "${@:2}"
  exit
fi

command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends debootstrap; }
systems=${LEGRAD_SYSTEMS-}
if [ -z "$systems" ]; then
  systems=$(mktemp -d)
  # Nothing is mounted here: mounts belong to the process below, and go when it ends.
  trap 'rm -rf --one-file-system "$systems"' EXIT
fi
root=$systems/$release
if [ ! -e "$root/etc/debian_version" ]; then
  mkdir -p "$systems"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 'debian/*$')
  step "debootstrap" quietly debootstrap --variant=minbase "$release" "$root" "$mirror"
fi
commit=${LEGRAD_COMMIT-$(git -C "$tree" rev-parse --short=12 HEAD 2>/dev/null || true)}
arguments=("$release")
if [ "${2-}" = --bare ]; then
  arguments+=(--bare "$(realpath "${3:?a tarball}")")
else
  arguments+=("${@:2}")
fi
LEGRAD_SYSTEM_ROOT=$root LEGRAD_COMMIT=$commit unshare --mount --propagation private "$self" "${arguments[@]}"
