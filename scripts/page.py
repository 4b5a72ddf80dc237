#!/usr/bin/env python3
"""The page of all results, `results/page/index.html`, from the rows; no training, no torch, no network.

python scripts/page.py                       write results/page/index.html
python scripts/page.py --results outputs/x   of other results
"""

import argparse
import gc
import sys
from pathlib import Path

from regbench.errors import UserError, answered
from regbench.evidence.documents import load_all_pages, load_documents
from regbench.evidence.pages import Built, build
from regbench.evidence.published import publishable
from regbench.evidence.report import answer_all
from regbench.evidence.web import write_web
from regbench.paths import ROOT
from regbench.plan.experiments import cells_by_experiment, known_budgets, rows_of_cells
from regbench.rows.files import naming
from regbench.rows.store import Store


def main() -> int:
    """Write the page; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    args = parser.parse_args()
    gc.disable()  # a short process: looking for garbage takes a tenth of its time
    return answered(lambda: write(args.results))


def write(results: Path) -> int:
    """Write the page of these results."""
    if not results.is_dir():
        raise UserError(f"--results={results} is no folder: it holds runs/, as `make reproduce-...` writes it")
    documents, pages = load_documents(), built_pages(Store(results))
    with naming(results):
        for path in write_web(documents, answer_all(documents.values(), pages), pages, results):
            print(f"wrote {path}")
    return 0


def built_pages(store: Store) -> dict[str, Built]:
    """The pages that have rows, by experiment."""
    stored, known = publishable(store), load_all_pages()
    cells = cells_by_experiment(list(known), known_budgets(stored))
    rows = {experiment: rows_of_cells(of_one, stored) for experiment, of_one in cells.items()}
    return {
        experiment: build(page, rows[experiment], document.numbers)
        for experiment, (document, page) in known.items()
        if rows[experiment]
    }


if __name__ == "__main__":
    sys.exit(main())
