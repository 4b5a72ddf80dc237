"""What Slurm says: whether it is here, its partitions, the state of jobs. No torch in here."""

import shutil
import subprocess

from regbench.errors import UserError
from regbench.paths import CONFIGS

COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scontrol")


def check(partition: str | None) -> None:
    """Say before anything is submitted that it cannot be.

    Raises:
        UserError: no Slurm on this machine, none that answers, or no such partition.
    """
    absent = [command for command in COMMANDS if shutil.which(command) is None]
    if absent:
        others = sorted({path.stem for path in (CONFIGS / "launch").glob("*.yaml")} - {"slurm"})
        raise UserError(
            f"launch=slurm is not allowed on a machine without Slurm ({', '.join(absent)} not found): "
            f"allowed are {', '.join(others)}"
        )
    said = _ask("sinfo", "--all", "--noheader", "--format=%R")
    if said.returncode:
        raise UserError(f"launch=slurm: no Slurm answers on this machine ({_first_line(said.stderr)})")
    known = sorted(set(said.stdout.split()))
    if partition and not set(partition.split(",")) <= set(known):
        raise UserError(f"partition={partition} is not allowed: allowed are {', '.join(known)} (or null, the default)")


def states(job: str, ended: bool = False) -> dict[str, str] | None:
    """State by task of an array job, or of a job alone: {"12_0": "running", "12_1": "pending (Resources)"}.

    Only of those that wait or run; with `ended` also of those that ended in the last minutes. None where Slurm does not
    answer. Asked of squeue and not of sacct: a cluster may keep no accounts.
    """
    chosen = ["--states=all"] if ended else []
    said = _ask("squeue", "--noheader", "--array", f"--jobs={job}", "--format=%i|%T|%r", *chosen)
    if said.returncode:
        return {} if "Invalid job id" in said.stderr else None  # Slurm has forgotten the job: it ended a while ago
    found = {}
    for line in said.stdout.splitlines():
        task, state, reason = line.split("|", 2)
        why = f" ({reason})" if state == "PENDING" and reason != "None" else ""
        found[task] = state.lower() + why
    return found


def _ask(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True)


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no reason given")
