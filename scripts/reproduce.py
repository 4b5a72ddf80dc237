#!/usr/bin/env python3
"""Reproduce one experiment: say what is done and what is missing, run what is missing, write tables and figures.

    python scripts/reproduce.py table1 --budget quick --datasets mnist,cifar10 --seeds 3

    python scripts/reproduce.py table1 --launch slurm partition=gpu gpus=1 minutes=120

Finished trainings are never run again; an interrupted one goes on from its last epoch. Rows, tables and figures go to
results/; those of budget smoke to outputs/smoke/. The table is printed last.
"""

import argparse
import math
import re
import subprocess
import sys
import time
from pathlib import Path

from omegaconf import OmegaConf

from regbench.cluster import slurm
from regbench.errors import UserError, answered
from regbench.paths import CONFIGS, ROOT
from regbench.plan.costs import Costs, words
from regbench.plan.experiments import Cell, cells, load_config, sweeps
from regbench.plan.jobs import Member
from regbench.plan.runner import Runner, default_workers, end_on_signals, seed_parts
from regbench.rows.budgets import TRIAL
from regbench.rows.files import check_writable
from regbench.rows.store import Store

RUN_KEYS = ("paths", "tracking", "device", "download", "retry_failed", "retrain", "keep_weights", "share", "stack")
LAUNCHES = ("joblib", "slurm")


def main() -> int:
    """Parse, run, report; wrong input is one line and exit status 2."""
    args = arguments()
    end_on_signals()
    going_on = "the same command goes on from each training's last epoch"
    if args.launch == "slurm":
        going_on += f"; jobs in Slurm go on: `scancel --name=regbench-{args.experiment}` ends them"
    return answered(lambda: reproduce(args), going_on)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", help="a file of configs/experiment")
    parser.add_argument("--budget", default="paper", help="paper, the full size (the default), quick or smoke")
    parser.add_argument("--datasets", default="", help="only these, comma-separated")
    parser.add_argument("--regularizers", default="", help="only these, comma-separated")
    parser.add_argument("--only", action="append", default=[], metavar="KEY=A,B", help="only these of any swept key")
    parser.add_argument("--seeds", default="", help="how many (5) or which (0,1,2); default: the budget's")
    parser.add_argument("--launch", default="joblib", help="joblib, processes of this machine, or slurm")
    parser.add_argument("--workers", type=int, default=0, help="processes at once, of joblib; default: one a core")
    parser.add_argument("--minutes", default="", help="end cleanly after so many, with the last epoch that fits")
    parser.add_argument("--dry-run", action="store_true", help="say what is missing, run nothing")
    parser.add_argument("overrides", nargs="*", help="further Hydra overrides: device=cpu, or keys of the launch")
    return parser.parse_intermixed_args()


def reproduce(args: argparse.Namespace) -> int:
    """Run the missing members of the experiment, write its reports and print its table."""
    check_overrides(args.overrides, args.launch)
    deadline = deadline_of(args.minutes)
    budgets = sorted(path.stem for path in (CONFIGS / "budget").glob("*.yaml"))
    if args.budget not in budgets:
        raise UserError(f"BUDGET={args.budget} is not allowed: allowed are {', '.join(budgets)}")
    if args.budget == TRIAL and not any(word.startswith("paths.results=") for word in args.overrides):
        args.overrides.append(f"paths.results={ROOT / 'outputs' / TRIAL}")
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
        check_writable(Path(paths.outputs), "paths.outputs")
        seeds = seed_parts(list(cfg.seeds), cfg.seeds_per_job)
        run = Runner(args.experiment, [f"experiment={args.experiment}", *fixed], Path(paths.outputs), seeds, deadline)
        wanted = {member.id for member in missing}
        with_missing = [sweep for sweep, found in todo if any(m.id in wanted for cell in found for m in cell.members)]
        status = run.all(with_missing, missing, store)
        left = {member.id: member for _, found in todo for member in missing_of(found, store)}
        if left:
            print(f"{len(left)} trainings are still missing: run the same command again, or see the log")
            for label in dict.fromkeys(without_seed(member) for member in left.values()):
                print(f"  missing: {label}")
    known = store.ids()
    if not args.dry_run and any(m.id in known for _, found in todo for cell in found for m in cell.members):
        report = [sys.executable, str(Path(__file__).with_name("report.py")), args.experiment]
        status = subprocess.run([*report, "--results", paths.results]).returncode or status
        print_table(Path(paths.results) / "tables" / f"{args.experiment}.md", args.budget)
    return status


def deadline_of(minutes: str) -> float | None:
    """When a command of so many minutes ends, in seconds since 1970; None: when it is through."""
    if not minutes:
        return None
    try:
        value = float(minutes)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"MINUTES={minutes} is not allowed: a number above 0")
    return time.time() + 60 * value


def without_seed(member: Member) -> str:
    """A member's label for all seeds of its cell."""
    return member.label.partition(" seed ")[0]


def print_table(path: Path, budget: str) -> None:
    """The sections of a table's file that are about this budget; all of them where none says so."""
    if not path.exists():
        return
    sections = re.split(r"(?m)^(?=##+ )", path.read_text())
    print("\n" + "".join([part for part in sections if f"budget {budget}" in part.partition("\n")[0]] or sections))
    print(f"this table, and all that belongs to it: {path}")


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
        said = estimate(args, found, missing, Costs(rows, timed), at_once)
        print(f"  estimate for the missing {len(missing)}: {said}", flush=True)
    return missing


def timed(overrides: tuple[str, ...]) -> float | None:
    """Seconds for an image of a training of which nothing like it was trained before."""
    from regbench.training.timing import seconds_of_an_image  # here: torch, which a plan from rows need not load

    return seconds_of_an_image(overrides)


def estimate(args: argparse.Namespace, found: list[Cell], missing: list[Member], costs: Costs, at_once: int) -> str:
    """Time for the missing members, and what fewer images and epochs would cost."""
    overrides = {member.id: cell.overrides for cell in found for member in cell.members}
    base = (f"experiment={args.experiment}", f"budget={args.budget}")
    times = [costs.seconds(member, (*base, *overrides[member.id])) for member in missing]
    known = [seconds for seconds in times if seconds is not None]
    if not known:
        return "unknown: no such training is done, and its images are not prepared here"
    said = f"about {words(sum(known) / min(at_once, len(known)))} with {min(at_once, len(known))} processes"
    if len(known) < len(missing):
        said += f" for {len(known)} of them, unknown for those of which none is done"
    quick = [_quick(costs, member) for member in missing] if args.budget == "paper" else [None]
    if all(seconds is not None for seconds in quick):
        said += f"; BUDGET=quick about {words(sum(quick) / min(at_once, len(quick)))}"
    return said


def _quick(costs: Costs, member: Member) -> float | None:
    """Seconds of a member of budget quick in this one's place."""
    dataset = OmegaConf.load(CONFIGS / "dataset" / f"{member.config['dataset']['name']}.yaml").budgets.quick
    images = {
        **member.config["dataset"],
        "train_images": dataset.train_images,
        "heldout_images": dataset.heldout_images,
    }
    config = {**member.config, "dataset": images, "budget": "quick", "epochs": dataset.epochs}
    return costs.seconds(Member(member.id, member.seed, member.strength, config))


if __name__ == "__main__":
    sys.exit(main())
