#!/bin/bash
# slurm.sh ARGUMENTS… DIR: `legrad evaluate ARGUMENTS… -o DIR` as a Slurm array, then its merge.
# SBATCH_ARRAY_INX=0-3 in the environment chooses another size; jobs inherit the environment.
set -euo pipefail
folder=${!#}
set -- "${@:1:$#-1}" -o "$folder"
array=$(sbatch --parsable "$(dirname "$0")/slurm-array.sbatch" "$@")
sbatch --dependency=afterok:"$array" --kill-on-invalid-dep=yes --job-name=legrad-merge \
  --wrap "legrad merge $(printf %q "$folder")"
