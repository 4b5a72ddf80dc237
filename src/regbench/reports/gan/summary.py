"""The README's lines about GANs, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import count_cell, number
from regbench.evidence.records import cell
from regbench.evidence.tables import EN_DASH
from regbench.reports.gan.methods import DATASETS, METHODS, PAPER_DATASETS, Variant
from regbench.reports.gan.sections import Section
from regbench.reports.gan.table1 import scores_of

COLUMNS = ("dataset, budget", "method", "n", "FID", "IS", "FID of real images")


def summary(sections: Sequence[Section]) -> str:
    """FID and IS by protocol held-out: a line a dataset, budget and method or control with rows, as markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| :--- | :--- |" + " ---: |" * (len(COLUMNS) - 2)]
    lines += [line for section in sections for line in _lines(section)]
    run = {section.dataset for section in sections}
    missing = [DATASETS[name] for name in PAPER_DATASETS if name not in run]
    return "\n".join([*lines, *(f"| {name} | not run |" + " |" * (len(COLUMNS) - 2) for name in missing)])


def _lines(section: Section) -> list[str]:
    scores = scores_of(section)
    floor = section.floor("fid")
    real = EN_DASH if floor is None else number(floor, "FID")
    lines = []
    for method in METHODS:
        records, group = scores.get(Variant(method).label), section.group(method)
        if records:
            values = [cell(records[metric, "held-out"]).text for metric in ("fid", "inception_score")]
            texts = [f"{section.name}, {section.budget}", method.label, count_cell(group).text, *values, real]
            lines.append(f"| {' | '.join(texts)} |")
    return lines
