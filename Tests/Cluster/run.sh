#!/bin/bash
# Runs the scripts of Examples/ on a Slurm of this machine alone, Open MPI and GNU parallel, and compares their reports
# with that of a single process, byte by byte.
#   Tests/Cluster/run.sh FOLDER_OF_THE_BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")"
. ./one-node-slurm.sh
examples=$(realpath ../../Examples)
export PATH=$binary:$PATH
# What Open MPI wants to be told where a container runs as the superuser and has fewer cores than processes.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
run=(shapes --method all --scenes 24)

folder=$(mktemp -d "${TMPDIR:-/tmp}/legrad-cluster.XXXXXX")
finish() {
  local status=$?
  slurm_stop
  if [ $status = 0 ]; then
    rm -rf "$folder"
  else
    tail -n 20 "$folder"/*.out >&2 || true
    echo "failed; logs and results are kept in $folder" >&2
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$folder"

# Fails unless the folder's report has the bytes of the single run's.
compare() {
  local file
  for file in report.md report.csv report.json; do cmp "single/$file" "$1/$file"; done
  echo "$1: the report of a single run"
}

# Waits up to five minutes for a job to end well.
job_done() {
  local state try
  for try in {1..600}; do
    state=$(scontrol show job "$1" --oneliner | grep -o 'JobState=[A-Z_]*' | sort -u)
    case $state in
      JobState=COMPLETED) return ;;
      *FAILED* | *CANCELLED* | *TIMEOUT* | *NODE_FAIL*) break ;;
    esac
    sleep 0.5
  done
  echo "job $1: $state" >&2
  slurm_logs
  return 1
}

submitted() { grep -o '[0-9]*$'; }

legrad evaluate "${run[@]}" -o single > single.out 2>&1

slurm_start "$folder/cluster"

merge=$(SBATCH_ARRAY_INX=0-3%2 "$examples/slurm.sh" "${run[@]}" array | submitted)
job_done "$merge"
compare array

# A task is taken away while it works and starts again; the merge waits for it.
merge=$(SBATCH_ARRAY_INX=0-1 "$examples/slurm.sh" "${run[@]}" requeue | submitted)
slurm_wait "a shard has rows" eval 'cat requeue/shards/0-of-2.jsonl* | grep -q index'
task=$((merge - 1))_0
scontrol requeue "$task"
# Slurm lets two minutes pass before a requeued task starts, unless it is told otherwise.
slurm_wait "the task waits again" eval 'scontrol show job "$task" | grep -q JobState=PENDING'
scontrol update "JobId=$task" StartTime=now
job_done "$merge"
compare requeue

# Two tasks of one job, without an array.
srun --ntasks=2 legrad evaluate "${run[@]}" -o srun > srun.out 2>&1
legrad merge srun > merge.out 2>&1
compare srun

slurm_stop

"$examples/mpirun.sh" 3 "${run[@]}" mpirun > mpirun.out 2>&1
compare mpirun

"$examples/parallel.sh" 5 "${run[@]}" parallel > parallel.out 2>&1
compare parallel

# There is no Kubernetes here; what it sets is.
completions=$(sed -n 's/^ *completions: //p' "$examples/kubernetes.yaml")
for ((index = 0; index < completions; index++)); do
  JOB_COMPLETION_INDEX=$index LEGRAD_SHARD_COUNT=$completions legrad evaluate "${run[@]}" -o kubernetes \
    >> kubernetes.out 2>&1
done
legrad merge kubernetes > merge.out 2>&1
compare kubernetes
