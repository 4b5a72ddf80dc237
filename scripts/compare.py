#!/usr/bin/env python3
"""Does my regularizer help? Trains it beside none, classic dropout and its control, and gives a verdict.

python scripts/compare.py mine --datasets digits,mnist --seeds 5 --configs my/configs
python scripts/compare.py pb_edropout --datasets digits --until decided --max-seeds 20

Trainings that exist are used. Table, figure and page go to outputs/compare/<name>/; nothing published is touched.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from regbench.errors import WRONG_INPUT, UserError, answered
from regbench.evidence import looks
from regbench.evidence.answers import answer_document, value_text
from regbench.evidence.comparison import (
    EXPERIMENT,
    Method,
    checked_folder,
    find_methods,
    search_path,
    verdict_text,
    write_paper,
)
from regbench.evidence.documents import load_documents
from regbench.evidence.metrics import METRICS
from regbench.evidence.publish import publish_page
from regbench.evidence.web import write_web
from regbench.paths import ROOT
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.plan.overrides import check_overrides
from regbench.plan.runner import Runner, default_workers, end_on_signals, seed_parts
from regbench.rows.budgets import BUDGETS
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
    parser.add_argument("--workers", default=str(default_workers()))
    parser.add_argument(
        "--set",
        default="",
        help="further overrides, as 'model=cnn5 regularizer.method.beta=1'; regularizer.* for one's own",
    )
    args = parser.parse_args()
    end_on_signals()
    return answered(lambda: compare(args))


def compare(args: argparse.Namespace) -> int:
    """Train what is missing, write the comparison and print its verdicts; with `until` at every look."""
    seeds, most, workers = (whole(key, getattr(args, key.lower())) for key in ("SEEDS", "MAX_SEEDS", "WORKERS"))
    if args.until and most < seeds:
        raise UserError(f"MAX_SEEDS={most} is below SEEDS={seeds}")
    datasets = {name: DATASETS.get(name, name) for name in args.datasets.split(",")}
    if args.metric not in METRICS or METRICS[args.metric].margin is None:
        known = [name for name, each in METRICS.items() if each.margin is not None]
        raise UserError(f"METRIC={args.metric} is not allowed: allowed are {', '.join(known)}, which have a margin")
    given = args.set.split()
    own = [word for word in given if word.lstrip("+").startswith("regularizer.")]
    methods = find_methods(args.regularizer, args.control, args.configs, own)
    if methods[0].name == "none":
        print(
            f"{args.regularizer}: no effect: at strength 0 it is no regularizer, and its trainings are the baseline's"
        )
        return 0
    folder = checked_folder(args.name or args.regularizer, ROOT / "outputs" / "compare")
    shared = [*search_path(args.configs), f"budget={args.budget}", *(word for word in given if word not in own)]
    check_overrides([*shared, *(f"dataset={name}" for name in datasets)])
    write_paper(folder / "paper" / folder.name, methods, datasets, args.metric)
    steps = [n for n in looks.LOOKS if seeds < n <= most] if args.until else []
    settled: dict[str, str] = {}
    for n in [seeds, *steps]:
        status, rows = trained(methods, shared, list(datasets), n, args.metric, workers)
        decided = published(folder, rows, args.metric, settled)
        if decided or status:
            break
    return status


def trained(
    methods: Sequence[Method], shared: list[str], datasets: Sequence[str], n: int, metric: str, workers: int
) -> tuple[int, list[dict]]:
    """The exit status of what was missing and is trained first, and the rows of all methods with n seeds."""
    found, status = {}, 0
    for method in methods:
        seeds = f"seeds={list(range(n))}".replace(" ", "")
        configs = {name: load_config([*shared, *method.overrides, f"dataset={name}", seeds]) for name in datasets}
        paths = next(iter(configs.values())).paths
        store = Store(Path(paths.results))
        wanted = {name: members(cfg) for name, cfg in configs.items()}
        missing = [member for several in wanted.values() for member in several if store.find(member.id) is None]
        print(f"{method.label}: {len(missing)} of {n * len(datasets)} trainings are missing", flush=True)
        if missing:
            fixed = [*shared, "tracking=off", "launch=joblib", f"workers={workers}"]
            names = [name for name, several in wanted.items() if {m.id for m in several} & {m.id for m in missing}]
            sweep = {"dataset": names} | {
                key: [value] for key, _, value in (o.partition("=") for o in method.overrides)
            }
            run = Runner(f"compare-{method.label}", fixed, Path(paths.outputs), seed_parts(list(range(n)), 1))
            status = run.all([sweep], missing, store) or status
            if status == WRONG_INPUT:
                return status, []
        rows = [row for several in wanted.values() for member in several if (row := store.find(member.id))]
        if status and not any(row["status"] == "done" for row in rows):
            return status, []  # nothing to compare, or to compare with
        check_metric(rows, metric)
        found |= {row["id"]: {**row, "experiment": EXPERIMENT} for row in rows}
    return status or int(any(row["status"] != "done" for row in found.values())), list(found.values())


def check_metric(rows: Sequence[dict], metric: str) -> None:
    """Raise UserError for a row that lacks the metric."""
    for row in rows:
        if row["status"] == "done" and metric not in row["epochs"][-1]["test"].get("full", {}):
            raise UserError(f"METRIC={metric}: {row['config']['dataset']['name']} has no {metric} in its rows")


def published(folder: Path, rows: list[dict], metric: str, settled: dict[str, str]) -> bool:
    """Write table, figure and page, print the table and the verdicts; whether all of them have fallen.

    `settled`: by comparison the verdicts that fell at an earlier look, which stand; those that fall now are added.
    """
    if not rows:
        return False
    check_metric(rows, metric)
    (document,) = load_documents([folder / "paper"]).values()
    for part in ("tables", "figures"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    built, files = publish_page(document, document.pages[0], rows, folder)
    answers = answer_document(document, {EXPERIMENT: built}, BUDGETS)
    files += write_web({document.name: document}, {document.name: answers}, {EXPERIMENT: built}, folder)
    print("\n" + (folder / "tables" / f"{EXPERIMENT}.md").read_text(encoding="utf-8").split("\n### ", 1)[-1])
    print(document.pages[0].guide)
    cases = [case for answer in answers.values() for case in answer.cases]
    for case in cases:
        if case.word != "undecided":
            settled.setdefault(case.label, verdict_text(case))
        value = "" if case.identical else f"{value_text(case)}: "
        print(f"{case.label}: {value}{settled.get(case.label) or verdict_text(case)}")
    print(f"written to {folder}")
    return bool(cases) and all(case.label in settled for case in cases)


def whole(key: str, text: str) -> int:
    """A whole number from 1. Raises UserError."""
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{key}={text} is not allowed: a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
