#!/usr/bin/env python3
"""What every open claim still takes to be decided, cheapest first; with --hours, train it in that order.

    python scripts/plan.py                       the plan, training nothing
    python scripts/plan.py --hours 3             train for three hours, then say how many claims are decided

`needed` are the seeds that find the effect looked for with 80 % power, the paper's or the margin; `as seen` those that
decide it, were the differences what they seem so far. Seeds are added up to the next look only; then the claims are
judged again. Each step is a call of reproduce.py, so that finished trainings are never run again and the same command
goes on where it was stopped.
"""

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.documents import load_documents
from regbench.evidence.planning import Plan, Planned, Planner, comparable
from regbench.evidence.publish import built_pages
from regbench.evidence.wording import number
from regbench.paths import ROOT
from regbench.plan.experiments import experiment_cells, unswept
from regbench.plan.runner import end_on_signals
from regbench.rows.budgets import BUDGETS, without_trials
from regbench.rows.store import Store

REPRODUCE = Path(__file__).with_name("reproduce.py")
RESULTS = "paths.results="
HEAD = ("claim", "effect", "scatter", "n", "needed", "as seen", "look", "trainings", "core-hours", "in all")
WIDTHS = (28, 12, 12, 3, 8, 8, 5, 10, 11, 8)
INTERRUPTED = 130


def main() -> int:
    """Print the plan or run it; wrong input is one line and exit status 2."""
    args = arguments()
    end_on_signals()
    try:
        if args.budget and args.budget not in BUDGETS[:2]:
            raise UserError(f"BUDGET={args.budget} is not allowed: allowed are {', '.join(BUDGETS[:2])}")
        if args.hours is None:
            print("\n".join(lines(planner(args).plan(claims(args)))))
            return 0
        return settle(args, hours(args.hours))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return INTERRUPTED


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", help="train for so long; without it the plan is printed")
    parser.add_argument("--claims", default="", help="only these, comma-separated")
    parser.add_argument("--budget", default="", help="quick or paper; default: that at which a claim stands")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, train nothing")
    parser.add_argument("--launch", default="joblib", help="as of reproduce.py")
    parser.add_argument("--workers", default="", help="as of reproduce.py")
    parser.add_argument("overrides", nargs="*", help="passed on to reproduce.py: paths.results=..., keys of the launch")
    return parser.parse_intermixed_args()


def hours(text: str) -> float:
    """A number of hours above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"HOURS={text} is not allowed: a number above 0")
    return value


def claims(args: argparse.Namespace) -> list[str]:
    return [name for name in args.claims.split(",") if name]


def planner(args: argparse.Namespace) -> Planner:
    """A planner over the rows as they are now."""
    stray = [each for each in args.overrides if "=" not in each]
    if stray:
        raise UserError(f"{stray[0]} is not allowed: further words are overrides, key=value")
    named = [each.removeprefix(RESULTS) for each in args.overrides if each.startswith(RESULTS)]
    store = Store(Path(named[-1] if named else ROOT / "results"))
    documents = list(load_documents().values())
    comparable(documents, claims(args))  # a wrong name is said before the pages are built
    experiments = [page.experiment for each in documents for page in each.pages]
    rows = without_trials(store.rows(loose=experiments))
    known = frozenset(store.ids())
    return Planner(documents, built_pages(rows), known, lambda name, b: experiment_cells(name, (b,)), args.budget)


def lines(plan: Plan) -> list[str]:
    """The plan as a table, one line a claim; the same claims by their words, and what runs them."""
    found = [row(HEAD)]
    for each, (in_all, whole) in zip(plan.claims, plan.cumulative, strict=True):
        need = each.need
        texts = [number(x, need.unit) if x is not None else "-" for x in (need.effect, need.scatter)]
        cells = [each.claim.id, *texts, need.n, need.seeds or "-", each.as_seen or "-", each.look or "-"]
        if not each.why:
            own = "unknown" if each.hours is None else f"{each.hours:.2f}"
            cells += [each.trainings, own, f"{'' if whole else '> '}{in_all:.2f}"]
        what = each.why or f"make settle CLAIMS={each.claim.id} BUDGET={each.budget}"
        found.append(f"{row(cells)}  {each.claim.short or each.claim.claim}: {what}")
    trained = sum(not each.why for each in plan.claims)
    settled = f"{trained} of the {len(plan.claims)} above can be settled"
    found.append(f"{plan.decided} of {plan.testable} claims that trainings can answer are decided; {settled}")
    return found


def row(cells: Sequence[object]) -> str:
    padded = [f"{cells[0]:{WIDTHS[0]}}", *(f"{cell!s:>{w}}" for cell, w in zip(cells[1:], WIDTHS[1:], strict=False))]
    return " ".join(padded).ljust(sum(WIDTHS) + len(WIDTHS) - 1)


def settle(args: argparse.Namespace, most: float) -> int:
    """Train claim by claim, each to its next look; a claim whose step trains nothing new is not tried again."""
    end, tried, status = time.time() + 3600 * most, set(), 0
    before = plan = planner(args).plan(claims(args))
    while time.time() < end:
        steps = (each.step for each in plan.claims if not each.why)
        step = next((each for each in steps if wanted(each) not in tried), None)
        if step is None:
            break
        tried.add(wanted(step))
        print(f"{step.claim.id}: {step.trainings} trainings to n = {step.look}", flush=True)
        for command in commands(step):
            left = (end - time.time()) / 60
            if left > 0:
                status = run([*command, *how(args), f"--minutes={left:.3f}"], args.dry_run) or status
        if not args.dry_run:
            plan = planner(args).plan(claims(args))
    print(f"{plan.decided} of {plan.testable} claims are decided, {before.decided} were before")
    return status


def wanted(step: Planned) -> tuple:
    """What a step trains: one that asks for the same again has met a failure, or the end of its time."""
    return step.claim.id, step.look, frozenset(each for part in step.missing for each in part.ids)


def how(args: argparse.Namespace) -> list[str]:
    return [f"--launch={args.launch}", *([f"--workers={args.workers}"] if args.workers else []), *args.overrides]


def run(command: list[str], dry: bool) -> int:
    print("  reproduce.py " + " ".join(command), flush=True)
    return 0 if dry else subprocess.run([sys.executable, str(REPRODUCE), *command]).returncode


def commands(step: Planned) -> list[list[str]]:
    """The calls of reproduce.py that train a step's cells, and no others."""
    experiment = step.claim.cases.page
    every = [
        dict(each.split("=", 1) for each in cell.overrides) for cell in experiment_cells(experiment, (step.budget,))
    ]
    chosen = [_alone(experiment, dict(o.split("=", 1) for o in part.cell.overrides), every) for part in step.missing]
    found = []
    for asked in merged(chosen):
        words = [f"--only={key}={','.join(values)}" for key, values in asked.items()]
        found.append([experiment, f"--budget={step.budget}", f"--seeds={step.look}", *words])
    return found


def _alone(experiment: str, own: dict[str, str], every: Sequence[dict[str, str]]) -> dict[str, str]:
    """The overrides of a cell, with what tells it from cells that have these and more: `seed_offset=0`."""
    further = {key for other in every if own.items() < other.items() for key in other.keys() - own.keys()}
    values = {key: unswept(experiment, {k: [v] for k, v in own.items()}, key) for key in sorted(further)}
    return own | {key: value for key, value in values.items() if value is not None}


def merged(cells: Sequence[dict[str, str]]) -> list[dict[str, list[str]]]:
    """Cells of the same keys as one product, where it has no further cell; else each by itself."""
    alike: dict[tuple, list[dict]] = {}
    for cell in cells:
        alike.setdefault(tuple(cell), []).append(cell)
    found = []
    for keys, several in alike.items():
        values = {key: list(dict.fromkeys(cell[key] for cell in several)) for key in keys}
        whole = len(list(product(*values.values()))) == len(several)
        found += [values] if whole else [{key: [value] for key, value in cell.items()} for cell in several]
    return found


if __name__ == "__main__":
    sys.exit(main())
