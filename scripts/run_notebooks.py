#!/usr/bin/env python3
"""Run the notebooks from start to end, headlessly: they draw the figures from the rows. Their files stay as they are.

python scripts/run_notebooks.py                 all of them
python scripts/run_notebooks.py pb_edropout     by name
"""

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from regbench.errors import FAILED, UserError, answered
from regbench.paths import ROOT
from regbench.rows.files import check_writable

FOLDER = ROOT / "notebooks"
CELL_SECONDS = 300


def main() -> int:
    """Run those named; a cell that fails is one line and exit status 1, an unknown name status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="notebook", help="default: all")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where rows and figures are")
    args = parser.parse_args()
    return answered(lambda: run_all(args.names, args.results))


def run_all(names: list[str], results: Path) -> int:
    """Run those named, or all."""
    paths = chosen(names)
    check_writable(results, "--results")
    for path in paths:
        print(f"running {path.name}", flush=True)
        try:
            run(path, results)
        except CellExecutionError as error:
            print(f"error: {path.name}: {error.ename}: {error.evalue}", file=sys.stderr)
            return FAILED
    return 0


def chosen(names: list[str]) -> list[Path]:
    """The notebooks of these names, or all."""
    known = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"notebook={unknown[0]} is not known: allowed are {', '.join(known)}")
    return [known[name] for name in names or known]


def run(path: Path, results: Path) -> nbformat.NotebookNode:
    """Run one notebook on the rows under `results`; returns it with its outputs, the file is left alone."""
    notebook = nbformat.read(path, as_version=4)
    os.environ["REGBENCH_RESULTS"] = str(results.resolve())
    return NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(path.parent)}}).execute()


if __name__ == "__main__":
    sys.exit(main())
