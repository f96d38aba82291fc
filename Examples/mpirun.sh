#!/bin/bash
# mpirun.sh N ARGUMENTS… DIR: `legrad evaluate ARGUMENTS… -o DIR` by N processes, then its merge.
set -euo pipefail
processes=$1 folder=${!#}
mpirun -n "$processes" legrad evaluate "${@:2:$#-2}" -o "$folder"
legrad merge "$folder"
