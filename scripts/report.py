#!/usr/bin/env python3
"""Tables, figures and the report on all claims from rows; no training, no torch.

python scripts/report.py                 write all tables and figures that have rows, results/REPORT.md and claims.csv
python scripts/report.py table1          write results/tables/table1.* and its figures
python scripts/report.py --check         rebuild every table and the report from the rows, fail on a difference
python scripts/report.py --collect       pack the loose rows into results/runs/<experiment>.jsonl
python scripts/report.py --stale         list rows that other code than today's has made
"""

import argparse
import filecmp
import gc
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from regbench.errors import answered
from regbench.evidence.documents import load_documents
from regbench.evidence.pages import Built
from regbench.evidence.publish import (
    by_hand_too,
    experiments,
    publish,
    publishable,
    write_block,
    write_overview,
)
from regbench.evidence.report import REPORT, answer_all, findings, write_report
from regbench.paths import ROOT
from regbench.plan.code_version import code_version
from regbench.plan.experiments import cells_by_experiment, known_budgets, rows_of_cells
from regbench.rows.budgets import TRIAL
from regbench.rows.files import naming
from regbench.rows.store import Store


def main() -> int:
    """Run one of the commands; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", help=f"of {', '.join(experiments())}; default: all that have rows")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--collect", action="store_true")
    parser.add_argument("--stale", action="store_true")
    args = parser.parse_args()
    gc.disable()  # a short process: looking for garbage takes a tenth of its time
    store = Store(args.results)
    if args.collect:
        return answered(lambda: collect(store))
    if args.stale:
        return answered(lambda: stale(store))
    if args.check:
        return answered(lambda: check(store, args.results))
    return answered(lambda: write(store, args.experiments, args.results))


def write(store: Store, asked: Sequence[str], results: Path) -> int:
    """Tables and figures of the experiments asked for; of none, of all that have rows, and the report."""
    found, pages, written = published(store, asked or experiments()), {}, []
    with naming(results):
        for experiment, rows in found.items():
            if rows or asked:
                pages[experiment], paths = publish(experiment, rows, results)
                written += paths
        for path in [*written, *([] if asked else report(pages, results))]:
            print(f"wrote {path}")
    return 0


def published(store: Store, experiments: Sequence[str]) -> dict[str, list[dict]]:
    """The rows that each experiment's tables are made of; says how many were left out."""
    stored = publishable(store)
    kept = {row["id"] for row in stored}
    left = [row for row in store.rows() if row["id"] not in kept]
    tried = sum(row["budget"] == TRIAL for row in left)
    if tried:
        print(f"{tried} rows are left out: of budget {TRIAL}")
    if len(left) > tried:
        print(f"{len(left) - tried} rows are left out: of trainings by hand (ADHOC=1 takes them in)")
    cells = cells_by_experiment(experiments, known_budgets(stored))
    return {experiment: rows_of_cells(of_one, stored) for experiment, of_one in cells.items()}


def report(pages: dict[str, Built], folder: Path, pictures: bool = True) -> list[Path]:
    """Write the report on all claims, both READMEs' blocks and the pictures of claims from the pages that have rows."""
    documents = load_documents()
    answers = answer_all(documents.values(), pages)
    own = ROOT / "README.md"
    target = own if folder.resolve() == ROOT / "results" else folder / "findings.md"
    written = [*write_report(documents, answers, folder), write_overview(pages, folder)]
    written.append(write_block("findings", findings(documents, answers), own, target))
    if pictures and any(answer.cases for found in answers.values() for answer in found.values()):
        from regbench.evidence.claims_figure import draw_claims  # here: matplotlib, which a check does not need

        (folder / "figures").mkdir(exist_ok=True)
        written += draw_claims(documents, answers, folder / "figures")
    return written


def collect(store: Store) -> int:
    """Pack every experiment's loose rows."""
    known = experiments()
    for experiment in store.experiments():
        if experiment in known or by_hand_too():
            print(f"packed {store.pack(experiment)}")
        elif any(store.loose_files(experiment)):
            print(f"left loose: {experiment}, trainings by hand (ADHOC=1 packs them, too)")
    return 0


def stale(store: Store) -> int:
    """List rows whose code is not today's; they are kept, and never trained again unasked."""
    rows = [row for row in store.rows() if row["provenance"]["code"] != code_version(row["config"])]
    for row in rows:
        config = row["config"]
        name = f"{config['dataset']['name']}/{config['model']['name']}/{config['regularizer']['name']}"
        print(f"{row['experiment']} {row['id']} {name} seed {row['seed']}: code {row['provenance']['code']}")
    print(f"{len(rows)} rows of other code than {code_version()}")
    return 0


def check(store: Store, results: Path) -> int:
    """Rebuild the tables elsewhere and compare them byte by byte with those that stand."""
    different = []
    with tempfile.TemporaryDirectory() as folder, naming(Path(folder)):
        pages = {}
        for experiment, rows in published(store, experiments()).items():
            table = results / "tables" / f"{experiment}.md"
            if not table.exists():  # rows may serve an experiment whose tables nobody has asked for yet
                continue
            if not rows:
                different.append(f"{table} (there is no row)")
                continue
            pages[experiment], rebuilt = publish(experiment, rows, Path(folder), pictures=False)
            different += differing([(path, standing_file(path.relative_to(folder), results)) for path in rebuilt])
        if (results / REPORT).exists() or results.resolve() == ROOT / "results":
            rebuilt = report(pages, Path(folder), pictures=False)
            different += differing([(path, standing_file(path.relative_to(folder), results)) for path in rebuilt])
    if different:
        names = ", ".join(dict.fromkeys(different))
        print(f"error: not what the rows say: {names}; run `make tables`", file=sys.stderr)
        loose = store.loose_files(loose=experiments())
        if loose:
            more = f" and {len(loose) - 3} more" if len(loose) > 3 else ""
            print(f"rows that no commit holds: {', '.join(map(str, loose[:3]))}{more}", file=sys.stderr)
        return 1
    print("tables agree with the rows")
    return 0


def differing(pairs: list[tuple[Path, Path]]) -> list[str]:
    """The standing files that are not what was rebuilt, byte by byte."""
    return [str(old) for new, old in pairs if not old.exists() or not filecmp.cmp(new, old, shallow=False)]


def standing_file(path: Path, results: Path) -> Path:
    """Where a rebuilt file stands; the findings of the repository's own results are in its README."""
    own = path.name == "findings.md" and results.resolve() == ROOT / "results"
    return ROOT / "README.md" if own else results / path


if __name__ == "__main__":
    sys.exit(main())
