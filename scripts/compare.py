#!/usr/bin/env python3
"""Does my regularizer help? Trains it beside none, classic dropout and its control, and gives a verdict.

python scripts/compare.py mine --datasets digits,mnist --seeds 5 --configs my/configs
python scripts/compare.py pb_edropout --datasets digits --until decided --max-seeds 20

Trainings that exist are used. Table, figure and page go to outputs/compare/<name>/; nothing published is touched.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from regbench.errors import UserError, answered
from regbench.evidence import looks
from regbench.evidence.answers import answer_document, value_text
from regbench.evidence.documents import load_documents
from regbench.evidence.metrics import METRICS
from regbench.evidence.publish import publish_page
from regbench.evidence.settings import BUDGETS
from regbench.evidence.web import write_web
from regbench.paths import ROOT
from regbench.plan.comparison import EXPERIMENT, Method, checked_folder, find_methods, verdict_text, write_paper
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.store import Store

DATASETS = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


def main() -> int:
    """Compare; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("regularizer")
    parser.add_argument("--datasets", default="digits")
    parser.add_argument("--seeds", default="5")
    parser.add_argument("--budget", default="quick", choices=("smoke", "quick", "paper"))
    parser.add_argument("--configs", type=Path, help="a folder of your own with regularizer/NAME.yaml")
    parser.add_argument("--control", default="", help="a further regularizer to compare with")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--name", default="", help="of the folder in outputs/compare (default: the regularizer's)")
    parser.add_argument("--until", default="", choices=("", "decided"))
    parser.add_argument("--max-seeds", default=str(looks.LOOKS[-1]))
    parser.add_argument("--workers", default=str(os.cpu_count() or 1))
    parser.add_argument("--set", default="", help="further overrides for all, such as 'model=cnn5 epochs=3'")
    args = parser.parse_args()
    return answered(lambda: compare(args))


def compare(args: argparse.Namespace) -> int:
    """Train what is missing, write the comparison and print its verdicts; with `until` at every look."""
    seeds, most = whole("SEEDS", args.seeds), whole("MAX_SEEDS", args.max_seeds)
    if args.until and most < seeds:
        raise UserError(f"MAX_SEEDS={most} is below SEEDS={seeds}")
    datasets = {name: DATASETS.get(name, name) for name in args.datasets.split(",")}
    if args.metric not in METRICS or METRICS[args.metric].margin is None:
        known = [name for name, each in METRICS.items() if each.margin is not None]
        raise UserError(f"METRIC={args.metric} is not allowed: allowed are {', '.join(known)}, which have a margin")
    methods = find_methods(args.regularizer, args.control, args.configs)
    folder = checked_folder(args.name or args.regularizer, ROOT / "outputs" / "compare")
    write_paper(folder / "paper" / folder.name, methods, datasets, args.metric)
    steps = [n for n in looks.LOOKS if seeds < n <= most] if args.until else []
    for n in [seeds, *steps]:
        rows = trained(args, methods, list(datasets), n)
        decided, failed = published(folder, rows, args.metric)
        if decided or failed:
            break
    return int(failed)


def trained(args: argparse.Namespace, methods: Sequence[Method], datasets: Sequence[str], n: int) -> list[dict]:
    """The rows of all methods with n seeds; what is missing of them is trained first."""
    shared = [f"budget={args.budget}", *args.set.split()]
    found: list[dict] = []
    for method in methods:
        overrides = [*shared, *method.overrides]
        search = [f"hydra.searchpath=[file://{args.configs.resolve()}]"] if args.configs else []
        command = [sys.executable, "-m", "regbench.train", "-m", *overrides, *search, "tracking=off"]
        command += [f"dataset={','.join(datasets)}", f"seeds={','.join(f'[{seed}]' for seed in range(n))}"]
        print(f"{method.label}: {n} seeds on {', '.join(datasets)}", flush=True)
        done = subprocess.run([*command, "launch=joblib", f"workers={args.workers}"], capture_output=True, text=True)
        if done.returncode == 2:
            raise UserError((done.stderr or done.stdout).strip().splitlines()[-1].removeprefix("error: "))
        found += rows_of(datasets, overrides, search, n)
    return [{**row, "experiment": EXPERIMENT} for row in found]


def rows_of(datasets: Sequence[str], overrides: Sequence[str], search: Sequence[str], n: int) -> list[dict]:
    """The rows of a method by the identities of its members."""
    found = []
    for dataset in datasets:
        cfg = load_config([*overrides, *search, f"dataset={dataset}", f"seeds={list(range(n))}"])
        store = Store(Path(cfg.paths.results))
        found += [row for member in members(cfg) if (row := store.find(member.id)) is not None]
    return found


def published(folder: Path, rows: list[dict], metric: str) -> tuple[bool, bool]:
    """Write table, figure and page, print the table and the verdicts; whether all are decided, and any row failed."""
    if not rows:
        raise UserError("no training gave a row: see the lines above")
    for row in rows:
        if row["status"] == "done" and metric not in row["epochs"][-1]["test"].get("full", {}):
            raise UserError(f"METRIC={metric}: {row['config']['dataset']['name']} has no {metric} in its rows")
    (document,) = load_documents([folder / "paper"]).values()
    for part in ("tables", "figures"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    built, files = publish_page(document, document.pages[0], rows, folder)
    answers = answer_document(document, {EXPERIMENT: built}, BUDGETS)
    files += write_web({document.name: document}, {document.name: answers}, {EXPERIMENT: built}, folder)
    print("\n" + (folder / "tables" / f"{EXPERIMENT}.md").read_text(encoding="utf-8").split("\n### ", 1)[-1])
    cases = [case for answer in answers.values() for case in answer.cases]
    for case in cases:
        print(f"{case.label}: {value_text(case)}: {verdict_text(case)}")
    print(f"written to {folder}")
    failed = any(row["status"] != "done" for row in rows)
    return bool(cases) and all(case.word != "undecided" for case in cases), failed


def whole(key: str, text: str) -> int:
    """A whole number from 1. Raises UserError."""
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{key}={text} is not allowed: a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
