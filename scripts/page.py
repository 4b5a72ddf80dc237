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
from regbench.evidence.documents import load_documents
from regbench.evidence.publish import built_pages, publishable
from regbench.evidence.report import answer_all
from regbench.evidence.web import write_web
from regbench.paths import ROOT
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
    documents, pages = load_documents(), built_pages(publishable(Store(results)))
    with naming(results):
        for path in write_web(documents, answer_all(documents.values(), pages), pages, results):
            print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
