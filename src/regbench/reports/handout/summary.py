"""The README's lines about the handout, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.records import count_cell
from regbench.reports.handout.methods import METHODS, Method
from regbench.reports.handout.readings import ACCURACY, GAP, SPEED
from regbench.reports.handout.table import measured_cell, measured_methods
from regbench.reports.sections import Section

SHOWN = (ACCURACY.metric, GAP.metric, SPEED)
COLUMNS = (
    "dataset, budget",
    "method",
    "n",
    "test accuracy, %",
    "training minus test, pp",
    "epochs to the fixed accuracy",
)


def summary(sections: Sequence[Section]) -> str:
    """Accuracy by protocol held-out, overfitting and speed: a line a dataset, budget and method, as markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| :--- | :--- |" + " ---: |" * (len(COLUMNS) - 2)]
    lines += [f"| {' | '.join(_texts(section, method))} |" for section in sections for method in METHODS]
    return "\n".join(lines if sections else [*lines, "| not run |" + " |" * (len(COLUMNS) - 1)])


def _texts(section: Section, method: Method) -> list[str]:
    records = measured_methods(section)[method.regularizer]
    shown = [
        next(record for (metric, protocol), record in records.items() if metric == name and protocol != "paper")
        for name in SHOWN
    ]
    count = count_cell(section.groups.get(method.regularizer)).text
    cells = [measured_cell(section, method, record).text for record in shown]
    return [f"{section.name}, {section.budget}", method.label, count, *cells]
