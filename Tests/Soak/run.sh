#!/bin/bash
# Explanations and evaluations for long, under faults of the system, and whether memory, descriptors and threads stay the
# same: the library in one process on the CPU, on OpenCL, and an evaluation of many rows by the command, in turn.
#
#   Tests/Soak/run.sh BUILD [MINUTES]     BUILD: the folder of the built tests; 60 minutes if not said
#
# Prints a Markdown table. Fails where something grows by more than 2 %, or ends otherwise than it should.
set -euo pipefail
build=$(realpath "$1")
seconds=$((${2:-60} * 20))
tests=$(realpath "$(dirname "$0")/..")
model=$tests/Fixtures/clip/model
pictures=$tests/Fixtures/evaluation/mask-folder
scratch=$(mktemp -d "${TMPDIR:-/tmp}/legrad-soak.XXXXXX")
command=
trap '[ -z "$command" ] || kill "$command" 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cc -O1 -std=gnu2x -Wall -Wextra -Werror -shared -fPIC -o "$scratch/system.so" "$tests/CFaultySystem/system.c" -ldl
cd "$scratch"
mkdir soak
export SWIFT_BACKTRACE=enable=no LEGRAD_CACHE=
failed=0

# Errors that end what is being done, interruptions, and calls that come short; from the first round on.
rules() {
  local rule
  for rule in "$@"; do
    IFS=: read -r kind step error <<<"$rule"
    echo -n "$kind:$((step * 7))-1000000000000/$step:$error "
  done
}
all=$(rules open:211:24 read:307:5 read:97:4 read:101:0 write:61:28 write:17:0 write:19:4 rename:41:5 sync:67:5 \
  mmap:3:12 memory:997:12 thread:37:11 status:1999:5 cut:13:4)
mild=$(rules open:211:4 read:97:4 read:101:0 write:17:0 write:19:4 sync:7:4 mmap:7:12 thread:37:11)

echo "| what | minutes | rounds | failed and told | memory KB | device bytes | descriptors | threads | flat |"
echo "|---|---|---|---|---|---|---|---|---|"
LD_PRELOAD=$scratch/system.so FAULTY_SYSTEM=$all "$build/Soak" "$model" "$pictures/images/a-2.png" cpu $seconds || failed=1
# The library's own calls alone: a driver ends the process when its compiler cannot write.
if ldconfig -p | grep -q libOpenCL.so.1; then
  LD_PRELOAD=$scratch/system.so FAULTY_SYSTEM=$all FAULTY_SYSTEM_CALLER=program \
    "$build/Soak" "$model" "$pictures/images/a-2.png" opencl $seconds || failed=1
fi

# More pictures than there is time for, which are one file by many names.
count=$((seconds * 50 < 60000 ? seconds * 50 : 60000))
mkdir -p many/images many/masks
cp "$pictures/images/a-2.png" image.png
cp "$pictures/masks/a-2.png" mask.png
python3 - $count <<'LINKS'
import json, os, sys
names = [str(number) for number in range(int(sys.argv[1]))]
for name in names:
    os.link("image.png", f"many/images/{name}.png")
    os.link("mask.png", f"many/masks/{name}.png")
json.dump({name: "cat" for name in names}, open("many/classes.json", "w"))
LINKS

# Pictures that cannot be read, once they have been listed and hashed, which takes six calls for each.
LD_PRELOAD=$scratch/system.so FAULTY_SYSTEM="$mild read:$((count * 25 / 4))-1000000000000/499:5" "$build/legrad" evaluate segmentation --dataset many -m "$model" --device cpu \
  --threads 2 --method all -o rows --sync row >command.out 2>command.err &
command=$!
# From the first row on.
while [ ! -s rows/shards/0-of-1.jsonl.part ] && kill -0 $command 2>/dev/null; do sleep 0.2; done
"$build/Soak" watch $command $seconds "command, evaluate" || failed=1
kill $command 2>/dev/null || true
status=0
wait $command || status=$?
command=
file=rows/shards/0-of-1.jsonl.part
if [ $status != 143 ] || [ ! -s $file ]; then
  echo "The command ended by status $status:"
  tail -5 command.err
  exit 1
fi
echo
echo "The command wrote $(($(wc -l <$file) - 1)) rows, $(grep -c failure $file || true) of them failed and told."
exit $failed
