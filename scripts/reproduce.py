#!/usr/bin/env python3
"""Reproduce one experiment: say what is done and what is missing, run what is missing, write tables and figures.

    python scripts/reproduce.py table1 --budget quick --datasets mnist,cifar10 --seeds 3

    python scripts/reproduce.py table1 --launch slurm partition=gpu gpus=1 minutes=120

Finished trainings are never run again; an interrupted one goes on from its last epoch.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from regbench import slurm
from regbench.errors import UserError, one_line
from regbench.experiments import Cell, Sweep, cells, load_config, sweeps
from regbench.jobs import Member
from regbench.paths import CONFIGS
from regbench.reports.store import Store

POLL_SECONDS = 2.0
RUN_KEYS = ("paths", "tracking", "device", "download", "retry_failed", "retrain", "keep_weights", "share", "stack")
LAUNCHES = ("joblib", "slurm")


def main() -> int:
    """Parse, run, report; wrong input is one line and exit status 2."""
    args = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C does, they end the workers, too
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores the second
            signal.signal(number, lambda got, frame: sys.exit(128 + got))
    try:
        return reproduce(args)
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from each training's last epoch", file=sys.stderr)
        if args.launch == "slurm":
            print(f"jobs in Slurm go on: `scancel --name=regbench-{args.experiment}` ends them", file=sys.stderr)
        return 130


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", help="a file of configs/experiment")
    parser.add_argument("--budget", default="quick", help="smoke, quick or paper")
    parser.add_argument("--datasets", default="", help="only these, comma-separated")
    parser.add_argument("--regularizers", default="", help="only these, comma-separated")
    parser.add_argument("--only", action="append", default=[], metavar="KEY=A,B", help="only these of any swept key")
    parser.add_argument("--seeds", default="", help="how many (5) or which (0,1,2); default: the budget's")
    parser.add_argument("--launch", default="joblib", help="joblib, processes of this machine, or slurm")
    parser.add_argument("--workers", type=int, default=0, help="processes at once, of joblib; default: one a core")
    parser.add_argument("--dry-run", action="store_true", help="say what is missing, run nothing")
    parser.add_argument("overrides", nargs="*", help="further Hydra overrides: device=cpu, or keys of the launch")
    return parser.parse_intermixed_args()


def reproduce(args: argparse.Namespace) -> int:
    """Run the missing members of the experiment and write its reports."""
    check_overrides(args.overrides, args.launch)
    if args.workers < 0:
        raise UserError(f"--workers {args.workers} is not allowed: 1 or more (0, the default: one a core)")
    launch = [f"launch={args.launch}"]
    if args.launch == "joblib":
        launch.append(f"workers={args.workers or default_workers()}")
    scientific = [f"budget={args.budget}", *([f"seeds={seed_list(args.seeds)}"] if args.seeds else [])]
    fixed = [*launch, *scientific, *args.overrides]
    plan = sweeps(args.experiment, narrowed(args))
    cfg = load_config([f"experiment={args.experiment}", *fixed])
    paths = cfg.paths
    store = Store(Path(paths.results))
    todo = [(sweep, cells(args.experiment, sweep, scientific)) for sweep in plan]
    at_once = cfg.workers if args.launch == "joblib" else cfg.at_once
    missing = show_plan(args, [cell for _, found in todo for cell in found], store, at_once, cfg.retry_failed)
    status = 0
    if missing and not args.dry_run:
        if args.launch == "slurm":
            slurm.check(cfg.partition)  # here, too: once, and not by each sweep
        run = Runner(args.experiment, fixed, Path(paths.outputs), seed_parts(list(cfg.seeds), cfg.seeds_per_job))
        wanted = {member.id for member in missing}
        with_missing = [sweep for sweep, found in todo if any(m.id in wanted for cell in found for m in cell.members)]
        status = run.all(with_missing, missing, store)
        left = sum(len(missing_of(found, store)) for _, found in todo)
        if left:
            print(f"{left} trainings are still missing: run the same command again, or see the log")
    if not args.dry_run:
        report = [sys.executable, str(Path(__file__).with_name("report.py")), args.experiment]
        status = subprocess.run([*report, "--results", paths.results]).returncode or status
    return status


def narrowed(args: argparse.Namespace) -> dict[str, list[str]]:
    """The values that the command line cuts swept keys down to."""
    texts = {"dataset": args.datasets, "regularizer": args.regularizers}
    for only in args.only:
        key, equals, text = only.partition("=")
        if not (key and equals and text):
            raise UserError(f"--only {only} is not allowed: a swept key and its values, such as model.width=20,60")
        texts[key] = text
    # A value may be a list, such as [32,32]: commas in brackets do not part values.
    return {key: re.split(r",(?![^\[]*\])", text) for key, text in texts.items() if text}


def check_overrides(overrides: list[str], launch: str) -> None:
    """Only how it runs may be overridden: a table of the experiment has the experiment's settings.

    Raises:
        UserError: any other key, or a launch that is not known.
    """
    if launch not in LAUNCHES:
        raise UserError(f"--launch {launch} is not allowed: allowed are {', '.join(LAUNCHES)}")
    own = [key for key in OmegaConf.load(CONFIGS / "launch" / f"{launch}.yaml") if key != "defaults"]
    allowed = list(dict.fromkeys([*RUN_KEYS, *own]))
    for override in overrides:
        key = override.split("=")[0].lstrip("+")
        if key.split(".")[0] not in allowed:
            raise UserError(
                f"{override} would change what is trained: allowed here are {', '.join(allowed)}; "
                "for other settings call `python -m regbench.train`"
            )


def seed_list(text: str) -> str:
    """A count "5" -> [0,1,2,3,4]; a list "0,3" -> [0,3]."""
    try:
        numbers = [int(part) for part in text.strip("[]").split(",")]
    except ValueError as error:
        raise UserError(f"SEEDS={text} is not allowed: a number of seeds, or a list such as 0,1,2") from error
    seeds = list(range(numbers[0])) if len(numbers) == 1 and "[" not in text else numbers
    if not seeds:
        raise UserError(f"SEEDS={text} is not allowed: 1 or more")
    return str(seeds).replace(" ", "")


def seed_parts(seeds: list[int], together: int) -> str:
    """The values of a sweep over seeds, so many to a job: "[0,1],[2,3]"."""
    parts = [seeds[i : i + together] for i in range(0, len(seeds), together)]
    return ",".join(str(part).replace(" ", "") for part in parts)


def default_workers() -> int:
    """One process a core; on a GPU machine a few, which share the GPU."""
    cores = os.cpu_count() or 1
    return min(cores, 4) if shutil.which("nvidia-smi") else cores


def missing_of(found: list[Cell], store: Store) -> list[Member]:
    """Members without a row, each once."""
    unique = {member.id: member for cell in found for member in cell.members}
    known = store.ids()
    return [member for member in unique.values() if member.id not in known]


def show_plan(
    args: argparse.Namespace, found: list[Cell], store: Store, at_once: int, retry_failed: bool
) -> list[Member]:
    """Print what is done, what is missing and how long that may take; returns the missing members."""
    rows = store.rows()
    failed = {row["id"] for row in rows if row["status"] == "failed"}
    known = {row["id"] for row in rows} - (failed if retry_failed else set())
    wanted = {member.id: member for cell in found for member in cell.members}
    missing = [member for member in wanted.values() if member.id not in known]
    print(f"{args.experiment}, budget {args.budget}: {len(wanted) - len(missing)} of {len(wanted)} trainings are done")
    if failed & wanted.keys() & known:
        print(f"  {len(failed & wanted.keys())} of these failed: add retry_failed=true to train them again")
    for cell in found:
        done = sum(member.id in known for member in cell.members)
        if done < len(cell.members):
            print(f"  missing {len(cell.members) - done} of {len(cell.members)}: {' '.join(cell.overrides)}")
    if missing:
        print(f"  estimate for the missing {len(missing)}: {estimate(missing, rows, at_once)}", flush=True)
    return missing


def estimate(missing: list[Member], rows: list[dict], at_once: int) -> str:
    """Time for the missing members, from rows of the same dataset and budget."""
    total, known = 0.0, 0
    for member in missing:
        like = [row for row in rows if same(row, member, ("dataset", "budget", "epochs", "model"))]
        closer = [row for row in like if row["config"]["regularizer"]["name"] == member.config["regularizer"]["name"]]
        times = [row["provenance"]["seconds"] for row in closer or like if takes_time(row)]
        if times:
            total, known = total + sum(times) / len(times), known + 1
    if not known:
        return "unknown until a first training is done"
    workers = min(at_once, known)
    least = f"about {total / workers / 60:.0f} min with {workers} processes"
    return least if known == len(missing) else f"{least} for {known} of them, unknown for those of which none is done"


def takes_time(row: dict) -> bool:
    """Whether a row was trained to its end, and not served by another one's training."""
    return row["status"] == "done" and "served_by" not in row["provenance"]


def same(row: dict, member: Member, keys: tuple[str, ...]) -> bool:
    """Whether row and member agree in these parts of their configs."""
    return all(row["config"].get(key) == member.config[key] for key in keys)


class Runner:
    """Runs sweeps through Hydra's launcher for joblib or Slurm, with one bar over all epochs."""

    def __init__(self, experiment: str, fixed: list[str], outputs: Path, seeds: str):
        self.experiment, self.fixed, self.outputs, self.seeds = experiment, fixed, outputs, seeds
        self.errors: list[str] = []
        self.log = outputs / "logs" / f"{experiment}-{time.strftime('%Y-%m-%d_%H-%M-%S')}.log"

    def all(self, plan: list[Sweep], missing: list[Member], store: Store) -> int:
        """Run the sweeps one after the other; returns the last exit status that was not 0."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        print(f"  log: {self.log}", flush=True)
        total = sum(member.config["epochs"] for member in missing)
        status = 0
        with tqdm(total=total, unit="epoch", desc=self.experiment, smoothing=0.05) as bar:
            for sweep in plan:
                status = self.one(sweep, missing, store, bar) or status
        for error in self.errors:
            print(error, file=sys.stderr)
        return status

    def one(self, sweep: Sweep, missing: list[Member], store: Store, bar: tqdm) -> int:
        """One sweep in a process group of its own, so that an interrupt ends all of its workers."""
        command = [sys.executable, "-m", "regbench.train", "-m", f"experiment={self.experiment}"]
        command += [text for text in self.fixed if not text.startswith("seeds=")]
        # Seeds outermost: an interrupted sweep has few seeds of every cell, not all seeds of a few (those that train
        # at once, seeds_per_job of them, go together).
        command.append(f"seeds={self.seeds}")
        command += [f"{key}={','.join(values)}" for key, values in sweep.items()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self.log.open("a") as log:
            start = log.tell()
            child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            try:
                while child.poll() is None:
                    self.show(missing, store, bar)
                    time.sleep(POLL_SECONDS)
            except BaseException:
                end_group(child)
                raise
        self.show(missing, store, bar)
        if child.returncode:
            self.errors += errors_in(self.log, start)
        return child.returncode

    def show(self, missing: list[Member], store: Store, bar: tqdm) -> None:
        """Move the bar to the epochs that are finished, as files tell."""
        known = store.ids()
        bar.n = sum(member.config["epochs"] if member.id in known else self.epochs_done(member) for member in missing)
        bar.refresh()

    def epochs_done(self, member: Member) -> int:
        """Finished epochs of a member in training."""
        try:
            return int((self.outputs / "checkpoints" / f"{member.id}.epoch").read_text())
        except (OSError, ValueError):
            return 0


def end_group(child: subprocess.Popen, patience: float = 10.0) -> None:
    """End a process and all of its workers, by force where they do not listen."""
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def errors_in(log: Path, start: int) -> list[str]:
    """What a sweep says that went wrong in its part of a log, from `start` on, or where the log is."""
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    said = [line for line in lines if line.startswith("error: ")]
    return said or [f"error: a training failed: {next((x for x in reversed(lines) if 'error' in x.lower()), log)}"]


if __name__ == "__main__":
    sys.exit(main())
