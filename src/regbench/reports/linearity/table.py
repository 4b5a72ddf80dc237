"""The linearity essay's claim as a table: the additivity gap Z by dropout rate, beside L1 and L2.

Two tables a budget and dataset: every line's measures with the difference of Z to no regularizer, and the trends over
the strengths. What the polynomials of the essay show stands below them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regbench.evidence.groups import Group
from regbench.evidence.records import Record, cell, compared, corrected, count_cell, measured, p_text
from regbench.evidence.tables import EN_DASH, Cell, Table, to_csv, to_markdown, write_texts
from regbench.evidence.trends import Trend, corrected_trends, find_trend
from regbench.reports.linearity.lines import (
    ACCURACY,
    BASELINE,
    DROPOUT,
    KINDS,
    L1,
    L2,
    NORM,
    READINGS,
    SPARSITY,
    SUBNETWORKS,
    SWEPT,
    Kind,
    Line,
    Reading,
    Z,
    linearity_sections,
    reading_at,
    swept,
)
from regbench.reports.linearity.notes import GUIDE, family_note, pairs_note, placement_note, trends_note
from regbench.reports.linearity.polynomials import polynomial_table
from regbench.reports.notes import page
from regbench.reports.sections import Section, by_budget

DIFFERENCE = "difference_in_additivity_gap"
COLUMNS = ("Regularizer", "n", *(reading.column for reading in READINGS), "Difference of Z to none")
TREND_COLUMNS = (
    "Trend over",
    "of",
    "n",
    "Strengths",
    "Tested",
    "Spearman's rho, mean over seeds (t-test)",
    "Page's test",
    "Accuracy: rho",
)
CSV_FIELDS = (
    *("budget", "dataset", "table", "method", "metric", "protocol", "unit", "status", "mean", "low", "high", "n"),
    *("seeds", "failed_seeds", "alternative", "p", "p_holm", "p_opposite_holm"),
    *("p_page", "p_page_holm", "p_page_opposite_holm", "note"),
)


@dataclass(frozen=True)
class Question:
    """A trend that is looked for: of what, over which strength, in which direction (`stats` names it)."""

    kind: Kind
    reading: Reading
    alternative: str
    words: str


FALLS, RISES, EITHER = "falls (essay)", "rises (essay)", "either way"
QUESTIONS = (
    Question(DROPOUT, Z, "less", FALLS),
    Question(DROPOUT, SUBNETWORKS, "less", FALLS),
    Question(L1, SPARSITY, "greater", RISES),
    Question(L1, Z, "two-sided", EITHER),
    Question(L2, NORM, "less", FALLS),
    Question(L2, Z, "two-sided", EITHER),
)


def write_linearity(rows: Sequence[dict], folder: str | Path) -> list[Path]:
    """Write `linearity.md` and `.csv` into `folder`. The order of `rows` changes no byte. Returns the paths."""
    sections = by_budget(linearity_sections(rows), linearity_tables)
    polynomials = polynomial_table()
    tables = [table for found in sections.values() for table in found]
    texts = {
        "linearity.md": "\n".join([page(sections, rows, GUIDE), to_markdown(polynomials)]),
        "linearity.csv": to_csv([*tables, polynomials], CSV_FIELDS),
    }
    return write_texts(texts, folder)


def linearity_tables(section: Section) -> list[Table]:
    """The measures of every line, and the trends."""
    return [_measures_table(section), _trends_table(section)]


def measured_lines(section: Section) -> dict[Line, dict[str, Record]]:
    """Records by line and column; a regularizer without rows has one line that says so."""
    lines = [*section.groups, *(Line(kind, 0.0) for kind in KINDS if not _has(section, kind))]
    return {line: _measured(line, section.groups.get(line)) for line in sorted(lines, key=_order)}


def differences(section: Section) -> dict[Line, Record]:
    """Z minus that of no regularizer, paired by seed, two-sided; one Holm family."""
    lines = [line for line in section.groups if line != BASELINE]
    found = [
        compared(
            section.groups[line],
            section.groups.get(BASELINE),
            Record(line.label, DIFFERENCE, Z.protocol, Z.unit, "done"),
            Z.read,
            Z.read,
            BASELINE.label,
        )
        for line in lines
    ]
    return dict(zip(lines, corrected(found), strict=True))


def trends(section: Section) -> dict[Question, Trend]:
    """The answers to all questions; one Holm family."""
    return dict(zip(QUESTIONS, corrected_trends([_trend(section, each) for each in QUESTIONS]), strict=True))


def accuracy_trend(section: Section, kind: Kind) -> Record:
    """How the test accuracy goes with the strength: rho, not tested."""
    record = _trend(section, Question(kind, ACCURACY, "two-sided", EITHER)).record
    return replace(record, comparison=None, notes=())


def _has(section: Section, kind: Kind) -> bool:
    return any(line.kind is kind for line in section.groups)


def _order(line: Line) -> tuple[int, float]:
    return KINDS.index(line.kind), line.strength


def _name(line: Line, group: Group | None) -> str:
    return line.kind.label if group is None else line.label


def _measured(line: Line, group: Group | None) -> dict[str, Record]:
    found = {}
    for reading in READINGS:
        blank = Record(_name(line, group), reading.metric, reading.protocol, reading.unit, "done")
        if reading is SUBNETWORKS and line.kind is not DROPOUT:
            found[reading.column] = replace(blank, status="absent")
        else:
            found[reading.column] = measured(group, blank, reading.read)
    return found


def _measures_table(section: Section) -> Table:
    lines, tested = measured_lines(section), differences(section)
    notes = (
        section.held_out_note,
        pairs_note(section),
        placement_note(section, DROPOUT),
        family_note(list(tested.values())),
    )
    return Table(
        title=section.title("Linearity"),
        columns=COLUMNS,
        rows=tuple(
            (
                Cell(_name(line, section.groups.get(line))),
                count_cell(section.groups.get(line), section.most),
                *(cell(record) for record in records.values()),
                _difference_cell(section, line, tested),
            )
            for line, records in lines.items()
        ),
        notes=tuple(note for note in notes if note),
        records=tuple(
            _csv(section, "measures", record)
            for line, records in lines.items()
            for record in [*records.values(), *([tested[line]] if line in tested else [])]
        ),
    )


def _difference_cell(section: Section, line: Line, tested: dict[Line, Record]) -> Cell:
    if line in tested:
        return cell(tested[line])
    return Cell("reference" if line in section.groups else "not run")


def _trend(section: Section, question: Question) -> Trend:
    kind, reading = question.kind, question.reading
    blank = Record(kind.title, f"trend_of_{reading.metric}", reading.protocol, "ratio", "done")
    groups = swept(section, kind)
    if not groups:
        return Trend(replace(blank, status="not run"), question.alternative)
    if BASELINE not in section.groups:
        notes = ("strength 0, no regularizer, was not run",)
        return Trend(replace(blank, status="absent", notes=notes), question.alternative)
    failures = [
        f"{Line(kind, strength).label if strength else BASELINE.label}: {group.failure}"
        for strength, group in groups.items()
        if group.failed
    ]
    if failures:
        return Trend(replace(blank, status="failed", notes=tuple(failures)), question.alternative)
    series: dict[int, dict[float, float]] = {}
    for strength, group in groups.items():
        for seed, value in group.per_seed(reading_at(reading, strength).read).items():
            series.setdefault(seed, {})[strength] = value
    return find_trend(series, blank, question.alternative)


def _trends_table(section: Section) -> Table:
    found = trends(section)
    beside = {kind: accuracy_trend(section, kind) for kind in SWEPT}
    return Table(
        title=section.title("Linearity, trends over the strengths"),
        columns=TREND_COLUMNS,
        rows=tuple(_trend_cells(section, question, trend, beside) for question, trend in found.items()),
        notes=(trends_note(list(found.values())),),
        records=(
            *(_trend_csv(section, trend) for trend in found.values()),
            *(_csv(section, "trends", record) for record in beside.values()),
        ),
    )


def _trend_cells(section: Section, question: Question, trend: Trend, beside: dict[Kind, Record]) -> tuple[Cell, ...]:
    record = trend.record
    return (
        Cell(question.kind.title),
        Cell(question.reading.column),
        Cell(str(len(record.seeds)) if record.status == "done" else "0"),
        Cell(str(len(swept(section, question.kind)))),
        Cell(question.words),
        cell(record),
        Cell(p_text(trend.page_holm) if record.status == "done" else EN_DASH),
        cell(beside[question.kind]),
    )


def _trend_csv(section: Section, trend: Trend) -> dict:
    return _csv(section, "trends", trend.record) | {
        "alternative": trend.alternative,
        "p_opposite_holm": trend.opposite_holm,
        "p_page": trend.page,
        "p_page_holm": trend.page_holm,
        "p_page_opposite_holm": trend.page_opposite_holm,
    }


def _csv(section: Section, table: str, record: Record) -> dict:
    names = {"budget": section.budget, "dataset": section.dataset, "table": table}
    return names | record.as_dict() | {"p_holm": record.p_holm}
