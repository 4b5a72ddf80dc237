#!/bin/bash
# End the jobs and the daemons that `up.sh DIR` started, and no others: by their pid files. Usage: down.sh DIR
set -u
dir=$(realpath -m "${1:?usage: down.sh DIR}")
export SLURM_CONF=$dir/slurm.conf
[ -e "$SLURM_CONF" ] || { echo "down.sh: $dir has no slurm.conf: up.sh started nothing there" >&2; exit 2; }
# Jobs first: they outlive slurmd, which only starts them. By force, for submitit's jobs ignore SIGTERM.
if timeout 5 sinfo >/dev/null 2>&1; then
    timeout 5 squeue --noheader --format=%A | sort -u | while read -r job; do
        scancel --signal=KILL --full "$job" 2>/dev/null
        scancel "$job"
    done
    for _ in $(seq 30); do
        [ -z "$(timeout 5 squeue --noheader)" ] && break
        sleep 0.5
    done
fi
pids=()
for name in slurmd slurmctld munged; do
    pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] || continue  # the pid may be another's by now
    kill "$pid" && pids+=("$pid")
done
for _ in $(seq 50); do
    kill -0 "${pids[@]}" 2>/dev/null || exit 0  # kill -0 fails once none is left
    sleep 0.2
done
kill -KILL "${pids[@]}" 2>/dev/null
