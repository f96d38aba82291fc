#!/bin/bash
# Runs the built tests in two processes at a time: those of the modules that are named, and all others. A test runs on
# one core for most of its time (a driver compiles, a process starts), and PoCL 3.1 does not bear several at a time in
# one process.
#
#   Tests/side_by_side.sh BUILD MODULE ...    BUILD: the folder of the built tests
#
# What the first says is printed as it comes, then what the other has said, then every line about a failure once more,
# so that a log's end says what failed. Fails where either does.
set -euo pipefail
tests=$(realpath "$1")/legradPackageTests.xctest
shift
modules="^($(IFS='|'; echo "$*"))\\."
logs=$(mktemp -d "${TMPDIR:-/tmp}/legrad-tests.XXXXXX")
trap 'kill $other 2>/dev/null || true; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

run() {
  "$tests" --disable-xctest --testing-library swift-testing --no-parallel "$@"
}

run --skip "$modules" >"$logs/others" 2>&1 &
other=$!
failed=0
run --filter "$modules" 2>&1 | tee "$logs/modules" || failed=$?
echo "== all tests but those of $*"
wait $other || failed=$?
cat "$logs/others"
if ((failed)); then
  echo "== what failed"
  # A mark may come in colour.
  grep -haE $'^(\e\\[[0-9;]*m)*✘|Fatal error' "$logs/modules" "$logs/others" || true
  tail -n 1 "$logs/modules" "$logs/others"
fi
exit $failed
