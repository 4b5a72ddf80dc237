"""Trainings in processes of their own: sweeps through a launcher, one bar over their epochs, their errors said last."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from regbench.plan.deadline import VARIABLE as DEADLINE
from regbench.plan.experiments import Sweep
from regbench.plan.jobs import Member
from regbench.rows.files import check_writable
from regbench.rows.store import Store

POLL_SECONDS = 2.0
SAY_SECONDS = 60.0


def seed_parts(seeds: list[int], together: int) -> str:
    """The values of a sweep over seeds, so many to a job: "[0,1],[2,3]"."""
    parts = [seeds[i : i + together] for i in range(0, len(seeds), together)]
    return ",".join(str(part).replace(" ", "") for part in parts)


def default_workers() -> int:
    """One process a core; on a GPU machine a few, which share the GPU."""
    cores = os.cpu_count() or 1
    return min(cores, 4) if shutil.which("nvidia-smi") else cores


class Runner:
    """Runs sweeps through Hydra's launcher for joblib or Slurm, with one bar over all epochs.

    Args:
        name: of the bar and the log. fixed: overrides of all sweeps. seeds: as `seed_parts` parts them.
        deadline: in seconds since 1970, for trainings to end by.
    """

    def __init__(self, name: str, fixed: list[str], outputs: Path, seeds: str, deadline: float | None = None):
        self.name, self.fixed, self.outputs, self.seeds = name, fixed, outputs, seeds
        self.deadline, self.said = deadline, time.monotonic()
        self.errors: list[str] = []
        self.log = outputs / "logs" / f"{name}-{time.strftime('%Y-%m-%d_%H-%M-%S')}.log"

    def all(self, plan: list[Sweep], missing: list[Member], store: Store) -> int:
        """Run the sweeps one after the other; returns the last exit status that was not 0."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        print(f"  log: {self.log}", flush=True)
        total = sum(member.config["epochs"] for member in missing)
        status = 0
        with tqdm(total=total, unit="epoch", desc=self.name, smoothing=0.05, disable=None) as bar:
            bar.total = total  # of a bar that is not shown, too
            for sweep in plan:
                if self.deadline is None or time.time() < self.deadline:
                    status = self.one(sweep, missing, store, bar) or status
        for error in self.errors:
            print(error, file=sys.stderr)
        return status

    def one(self, sweep: Sweep, missing: list[Member], store: Store, bar: tqdm) -> int:
        """One sweep in a process group of its own, so that an interrupt ends all of its workers."""
        command = [sys.executable, "-m", "regbench.train", "-m"]
        command += [text for text in self.fixed if not text.startswith("seeds=")]
        # Seeds outermost: an interrupted sweep has few seeds of every cell, not all seeds of a few (those that train
        # at once, seeds_per_job of them, go together).
        command.append(f"seeds={self.seeds}")
        command += [f"{key}={','.join(values)}" for key, values in sweep.items()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "REGBENCH_PARENT": str(os.getpid())}
        if self.deadline is not None:
            environment[DEADLINE] = str(self.deadline)
        with self.log.open("a") as log:
            start = log.tell()
            child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            try:
                while not ended(child, POLL_SECONDS):
                    self.show(missing, store, bar)
            except BaseException:
                end_group(child)
                raise
        self.show(missing, store, bar)
        if child.returncode:
            check_writable(self.outputs, "paths.outputs")  # a full one may have swallowed what was said
            self.errors += errors_in(self.log, start)
        return child.returncode

    def show(self, missing: list[Member], store: Store, bar: tqdm) -> None:
        """Move the bar to the epochs that are finished, as files tell; never back. A log has a line a minute."""
        known = store.ids()
        done = sum(member.config["epochs"] if member.id in known else self.epochs_done(member) for member in missing)
        bar.n = max(bar.n, done)
        if not bar.disable:
            bar.refresh()
        elif time.monotonic() - self.said >= SAY_SECONDS:
            self.said = time.monotonic()
            print(f"  {time.strftime('%H:%M')} {bar.n} of {bar.total} epochs", flush=True)

    def epochs_done(self, member: Member) -> int:
        """Finished epochs of a member in training."""
        try:
            return int((self.outputs / "checkpoints" / f"{member.id}.epoch").read_text())
        except (OSError, ValueError):
            return 0


def ended(child: subprocess.Popen, seconds: float) -> bool:
    """Whether a process ends within so many seconds; says so as soon as it does."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this process and its workers, as Ctrl-C does; one that nohup ignores stays ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda got, frame: sys.exit(128 + got))


def end_group(child: subprocess.Popen, patience: float = 10.0) -> None:
    """End a process and all of its workers, by force where they do not listen."""
    os.killpg(child.pid, signal.SIGTERM)
    if not ended(child, patience):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def errors_in(log: Path, start: int) -> list[str]:
    """What a sweep says that went wrong in its part of a log, from `start` on, or where the log is."""
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    said = [line for line in lines if line.startswith("error: ")]
    return said or [f"error: a training failed: {next((x for x in reversed(lines) if 'error' in x.lower()), log)}"]
