#!/bin/bash
# parallel.sh N ARGUMENTS… DIR: `legrad evaluate ARGUMENTS… -o DIR` in N shards, as many at once as there are cores, then
# its merge. With `--sshlogin` in PARALLEL, on other machines that have the same folder.
set -euo pipefail
shards=$1 folder=${!#}
seq 0 $((shards - 1)) | parallel --quote legrad evaluate "${@:2:$#-2}" -o "$folder" --threads 1 --shard "{}/$shards"
legrad merge "$folder"
