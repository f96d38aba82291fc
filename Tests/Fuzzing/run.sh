#!/bin/bash
# usage: Tests/Fuzzing/run.sh [-t SECONDS] RUNS [HARNESS]...
# Builds the harnesses with libFuzzer and sanitizers, runs each RUNS times from its seeds and from what earlier runs
# found, or until its SECONDS are over (then RUNS may be -1: as many as come), and prints a table. An input that breaks
# a reader is kept in .build/fuzz-work/artifacts, and makes the script fail.
set -euo pipefail

limits=()
if [ "$1" = -t ]; then
  limits+=(-max_total_time="$2")
  shift 2
fi
limits+=(-runs="$1")
shift
# AddressSanitizer for all; UndefinedBehaviorSanitizer for C and C++, as Swift has none on Linux ("unsupported option
# '-sanitize=undefined'") and traps by itself on overflow and bounds. Its check of C++'s dynamic types needs a runtime
# that Swift does not link. SwiftPM's --sanitize is not used: of two, swiftc takes the last, and SwiftPM's order of them
# changes from run to run. gold, the linker that Swift takes by itself, does not survive libFuzzer's sections. Of the two
# libraries of libFuzzer the one without a `main` is linked: Fuzz has its own.
clang=$(dirname "$(realpath "$(command -v swiftc)")")/clang
fuzzer=$("$clang" -print-resource-dir)/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a
flags=(-c release --product Fuzz --scratch-path .build/fuzz --disable-index-store -Xswiftc -sanitize=address,fuzzer
  -Xswiftc -use-ld=lld -Xswiftc -Xclang-linker -Xswiftc -fno-sanitize=fuzzer -Xlinker "$fuzzer")
for language in -Xcc -Xcxx; do
  flags+=("$language" -fsanitize=address,fuzzer-no-link,undefined "$language" -fno-sanitize-recover=undefined)
done
flags+=(-Xcxx -fno-sanitize=vptr)
swift build "${flags[@]}"
fuzz=$(swift build "${flags[@]}" --show-bin-path)/Fuzz
# Swift's own report of a crash would come instead of libFuzzer's, which keeps the input. Leaks are not looked for:
# LeakSanitizer reports what tokenizers hold that a harness still has.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0

work=$PWD/.build/fuzz-work
mkdir -p "$work/artifacts" "$work/logs"
list=("$@")
[ $# -gt 0 ] || mapfile -t list < <("$fuzz" list)
failed=0
printf '| harness | executions | edges | inputs kept | seconds | faults |\n|---|---:|---:|---:|---:|---:|\n'
for harness in "${list[@]}"; do
  corpus=$work/$harness
  scratch=$(mktemp -d "${TMPDIR:-/dev/shm}/legrad-fuzz.XXXXXX")
  mkdir -p "$corpus" "$corpus.seeds"
  "$fuzz" seeds "$harness" "$corpus.seeds"
  started=$SECONDS
  status=0
  # No input is longer than 40 KB, so that none has a reason to ask for half a gigabyte at once.
  TMPDIR=$scratch "$fuzz" "$harness" "$corpus" "$corpus.seeds" -dict="$corpus.seeds.dict" "${limits[@]}" \
    -max_len="$(cat "$corpus.seeds.length")" -timeout=60 -detect_leaks=0 -rss_limit_mb=3000 -malloc_limit_mb=512 \
    -artifact_prefix="$work/artifacts/$harness-" > "$work/logs/$harness" 2>&1 || status=$?
  rm -rf "$scratch"
  # libFuzzer's last line of state: #100000 DONE cov: 528 ft: 1364 corp: 256/31Kb …
  awk -v harness="$harness" -v seconds=$((SECONDS - started)) -v faults=$((status != 0)) '
    /^#[0-9]+/ {
      count = substr($1, 2)
      for (i = 1; i < NF; i++) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") kept = $(i + 1) }
    }
    END {
      sub("/.*", "", kept)
      printf "| %s | %d | %d | %d | %d | %d |\n", harness, count, edges, kept, seconds, faults
    }' "$work/logs/$harness"
  if [ $status -ne 0 ]; then
    failed=1
    grep -m 3 -E 'ERROR|Fatal error|SUMMARY' "$work/logs/$harness" || tail -3 "$work/logs/$harness"
  fi
done
exit $failed
