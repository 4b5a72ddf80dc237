"""What the notebooks use: every figure of an experiment, drawn from its rows."""

from __future__ import annotations

import os
from pathlib import Path

from regbench.evidence.publish import publish, publishable
from regbench.paths import ROOT
from regbench.plan.experiments import experiment_rows
from regbench.rows.store import Store


def draw(experiment: str, results: str | Path | None = None) -> dict[str, Path]:
    """Draw all figures of an experiment, and write its tables, from its rows; returns the figures by name.

    Args:
        results: the folder with `runs/`, default: REGBENCH_RESULTS, or the repository's own.

    Raises:
        UserError: an unknown experiment, or one without rows.
    """
    folder = Path(results or os.environ.get("REGBENCH_RESULTS") or ROOT / "results")
    written = publish(experiment, experiment_rows(experiment, publishable(Store(folder))), folder)[1]
    return {path.stem: path for path in written if path.suffix == ".png"}


def show(figures: dict[str, Path], *beginnings: str) -> None:
    """Display, in a notebook, the figures whose names begin with one of these; says so where there is none."""
    for beginning in beginnings:
        found = [path for name, path in figures.items() if name.startswith(beginning)]
        if not found:
            print(f"{beginning}: no rows yet, see `make help` for the command that trains them")
        for path in found:
            _display(path)


def _display(path: Path) -> None:
    from IPython.display import Image, display

    display(Image(filename=str(path)))
