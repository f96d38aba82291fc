# A Slurm cluster of this machine alone, in a folder of its own: its own munged, slurmctld and slurmd, ports, keys and
# logs. Needs no systemd, no cgroups and no superuser, and leaves a Slurm that the machine may have alone. To be sourced.
#
#   slurm_start FOLDER   brings it up and waits for the node; SLURM_CONF then leads sbatch, srun and squeue to it
#   slurm_stop           ends what slurm_start started, by process id
#   slurm_logs           what the daemons say

slurm_processes=()

slurm_start() {
  slurm_folder=$1
  local node user port_ctld port_d
  node=$(hostname -s) user=$(id -un)
  read -r port_ctld port_d < <(free_ports)
  mkdir -p -m 700 "$slurm_folder"/{munge,state,spool}
  dd if=/dev/urandom of="$slurm_folder/munge/key" bs=1024 count=1 status=none
  chmod 600 "$slurm_folder/munge/key"
  cat > "$slurm_folder/slurm.conf" <<CONF
ClusterName=legrad
SlurmctldHost=$node(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$port_ctld
SlurmdPort=$port_d
AuthType=auth/munge
AuthInfo=socket=$slurm_folder/munge/socket
StateSaveLocation=$slurm_folder/state
SlurmdSpoolDir=$slurm_folder/spool
SlurmctldPidFile=$slurm_folder/slurmctld.pid
SlurmdPidFile=$slurm_folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=4
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE
CONF
  export SLURM_CONF=$slurm_folder/slurm.conf
  # Where daemons run as the superuser, munged wants to be told that this is meant.
  slurm_daemon munged --foreground --force --key-file="$slurm_folder/munge/key" \
    --socket="$slurm_folder/munge/socket" --pid-file="$slurm_folder/munge/pid" \
    --log-file="$slurm_folder/munged.file.log" --seed-file="$slurm_folder/munge/seed"
  slurm_wait "munged answers" munge --no-input --socket="$slurm_folder/munge/socket" --output=/dev/null
  slurm_daemon slurmctld -D
  slurm_daemon slurmd -D
  slurm_wait "the node is idle" eval '[ "$(sinfo --noheader --format=%T)" = idle ]'
}

slurm_daemon() {
  PATH=$PATH:/usr/sbin:/sbin "$@" > "$slurm_folder/$1.log" 2>&1 &
  slurm_processes+=($!)
}

# Waits up to a minute until the command after the first argument succeeds.
slurm_wait() {
  local what=$1 try
  shift
  for try in {1..300}; do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "after a minute it is not so that $what" >&2
  slurm_logs
  return 1
}

slurm_stop() {
  local index try
  [ ${#slurm_processes[@]} -gt 0 ] || return 0
  # Jobs outlive the daemons, so they go first; then the daemons, the last one first.
  timeout 10 scancel --quiet --user="$(id -un)" 2> /dev/null || true
  for try in {1..50}; do
    [ -n "$(timeout 10 squeue --noheader 2> /dev/null)" ] || break
    sleep 0.2
  done
  for ((index = ${#slurm_processes[@]} - 1; index >= 0; index--)); do
    slurm_end "${slurm_processes[index]}"
  done
  slurm_processes=()
}

# Ends a process that was started here, with patience for ten seconds.
slurm_end() {
  local try
  kill "$1" 2> /dev/null || return 0
  for try in {1..50}; do
    kill -0 "$1" 2> /dev/null || break
    sleep 0.2
  done
  kill -KILL "$1" 2> /dev/null || true
  wait "$1" 2> /dev/null || true
}

slurm_logs() { tail -n 20 "$slurm_folder"/*.log >&2; }

# Two ports that nobody listens to.
free_ports() {
  local port ports=()
  while [ ${#ports[@]} -lt 2 ]; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then ports+=("$port"); fi
  done
  echo "${ports[@]}"
}
