"""The README's lines about linearity, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.records import cell
from regbench.reports.entropy.autoencoders import short
from regbench.reports.linearity.lines import BASELINE, DROPOUT, Line, Z, swept
from regbench.reports.linearity.table import QUESTIONS, measured_lines, trends
from regbench.reports.sections import Section

ASKED = tuple(question for question in QUESTIONS if question.reading is Z)
COLUMNS = (
    "dataset, budget",
    "n",
    "Z, none",
    "Z, highest dropout rate",
    *(f"rho of Z, {question.kind.title}" for question in ASKED),
)


def summary(sections: Sequence[Section]) -> str:
    """Z without and with the most dropout, and its trends: a line a dataset and budget, as markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| :--- |" + " ---: |" * (len(COLUMNS) - 1)]
    lines += [f"| {' | '.join(_texts(section))} |" for section in sections]
    return "\n".join(lines if sections else [*lines, "| not run |" + " |" * (len(COLUMNS) - 1)])


def _texts(section: Section) -> list[str]:
    found = trends(section)
    counts = sorted({len(group.done) for group in section.groups.values()})
    return [
        f"{section.name}, {section.budget}",
        str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}",
        _gap(section, BASELINE),
        _highest(section),
        *(cell(found[question].record).text for question in ASKED),
    ]


def _gap(section: Section, line: Line) -> str:
    records = measured_lines(section).get(line)
    return cell(records[Z.column]).text if records else "not run"


def _highest(section: Section) -> str:
    rates = [strength for strength in swept(section, DROPOUT) if strength]
    if not rates:
        return "not run"
    return f"{_gap(section, Line(DROPOUT, max(rates)))} (rate {short(max(rates))})"
