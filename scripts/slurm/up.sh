#!/bin/bash
# Start a Slurm of one node, this machine, with all its files under DIR: to try `launch=slurm` without a cluster.
# Needs root and Debian's packages: apt-get install --no-install-recommends slurm-wlm munge
# Usage: up.sh DIR [PORT], then `export SLURM_CONF=DIR/slurm.conf`; `down.sh DIR` stops it. Uses PORT and PORT + 1.
set -eu
dir=$(realpath -m "${1:?usage: up.sh DIR [PORT]}")
port=${2:-6817}
[ "$(id -u)" = 0 ] || { echo "up.sh needs root: slurmd starts jobs as other users" >&2; exit 2; }
for command in munged slurmctld slurmd sinfo; do
    command -v $command >/dev/null || { echo "$command is not installed: apt-get install slurm-wlm munge" >&2; exit 2; }
done
host=$(uname -n)
host=${host%%.*}
cores=$(env -u OMP_NUM_THREADS nproc)  # nproc would take that for the number of cores
mkdir -p "$dir"/{state,spool,log,munge}
chmod 755 "$dir"
chmod 700 "$dir"/{state,spool,log,munge}  # munged and slurmctld refuse folders that others may write to
[ -e "$dir/munge/munge.key" ] || head -c 128 /dev/urandom >"$dir/munge/munge.key"
chmod 400 "$dir/munge/munge.key"
# No cgroups and no accounting: a container has neither. KillWait: a cancelled job is gone after 2 s, not 30.
cat >"$dir/slurm.conf" <<CONF
ClusterName=one-node
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores Boards=1 SocketsPerBoard=1 CoresPerSocket=$cores ThreadsPerCore=1 \
RealMemory=$(awk '/MemTotal/ {printf "%d", $2 / 1024 * 0.8}' /proc/meminfo) State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf
munged --key-file="$dir/munge/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/munge/munged.seed"
slurmctld -c  # -c: forget the jobs of an earlier start
slurmd
for _ in $(seq 60); do
    if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then
        sinfo
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 0.5
done
echo "the node did not come up in 30 s: see $dir/log" >&2
exit 1
