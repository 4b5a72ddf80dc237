"""The papers' printed numbers beside ours, cell by cell, as a page's tables have them. It recomputes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from regbench.evidence.estimates import Estimate
from regbench.evidence.pages import Built, printed_text, shown_cell
from regbench.evidence.sections import Section
from regbench.evidence.spec import PRINTED, TableSpec
from regbench.evidence.wording import MINUS, number
from regbench.rows.protocols import PROTOCOLS

#: where our number lies beside the paper's
WITHIN, ABOVE, BELOW, UNTOLD = "within", "above", "below", "untold"
#: units of numbers that rest on an extractor of features; those of different extractors are never compared
EXTRACTED = ("FID", "IS")


@dataclass(frozen=True)
class Pair:
    """One cell: the paper's number, ours, our seeds and the difference.

    `place`: the paper's number is within our 95 % interval, ours is above or below it, or it cannot be told: no
    interval, another extractor.
    """

    paper: str
    ours: str
    n: int
    difference: str = ""
    place: str = UNTOLD


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper's columns; a row is a line's label with a Pair, or None, for each of `columns`."""

    title: str
    budget: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Pair | None, ...]], ...]


def paper_tables(built: Built) -> list[PaperTable]:
    """Every table of a page that prints the paper's numbers, in the page's order."""
    made = (
        _paper_table(built, section, spec)
        for section in built.sections
        for spec in built.page.tables
        if section.shows(spec) and not spec.tests
    )
    return [table for table in made if table.rows]


def _paper_table(built: Built, section: Section, spec: TableSpec) -> PaperTable:
    lines = section.lines(spec)
    places = [place for place, column in enumerate(section.columns(spec)) if column.paper and column.metric]
    rows = [
        (line.label, tuple(_pair(built, section, spec, row, place) for place in places))
        for row, line in enumerate(lines)
    ]
    kept = [number for number in range(len(places)) if any(pairs[number] for _, pairs in rows)]
    return PaperTable(
        section.title(spec.title, section.shown_groups(spec)),
        section.budget,
        tuple(_head(section, spec, places[number]) for number in kept),
        tuple((label, tuple(pairs[n] for n in kept)) for label, pairs in rows if any(pairs)),
    )


def _head(section: Section, spec: TableSpec, place: int) -> str:
    head = section.columns(spec)[place].head
    for end in (", paper's number", ", the paper's number", ", paper's numbers"):
        head = head.removesuffix(end)
    return head


def _pair(built: Built, section: Section, spec: TableSpec, row: int, place: int) -> Pair | None:
    """The paper's number of a cell with ours; None where the paper prints none."""
    line, column = section.lines(spec)[row], section.columns(spec)[place]
    theirs = printed_text(section, line, column)
    if not theirs:
        return None
    found = next(_ours(built, section, spec, row, place), None)
    if found is None or not found[0].done:
        status = found[0].status if found else "not run"
        return Pair(theirs, {"absent": "not measured"}.get(status, status), 0)
    estimate, shown = found
    if estimate.unit in EXTRACTED:
        return Pair(theirs, shown, len(estimate.seeds))
    value = float(theirs.split()[0].rstrip("%,").replace(MINUS, "-"))
    difference = number(estimate.mean - value, estimate.unit, signed=True)
    return Pair(theirs, shown, len(estimate.seeds), difference, where(estimate, value))


def where(estimate: Estimate, paper: float) -> str:
    """Where our number lies beside the paper's."""
    if estimate.bounded or estimate.low is None or estimate.high is None:
        return UNTOLD
    if estimate.low <= paper <= estimate.high:
        return WITHIN
    return ABOVE if estimate.low > paper else BELOW


def _ours(built: Built, section: Section, spec: TableSpec, row: int, place: int) -> Iterator[tuple[Estimate, str]]:
    """Our estimates for a paper's cell, its own protocol first: of the same column, or of the next of its metric."""
    columns, found = section.columns(spec), built.estimates[section.budget].table(section, spec)
    if spec.sources:
        sources = sorted((each for each in spec.sources if each != PRINTED), key=list(PROTOCOLS).index)
        candidates = [(place, source) for source in sources]
    else:
        wanted = columns[place].metric
        candidates = [
            (n, "") for n in range(place + 1, len(columns)) if columns[n].metric == wanted and not columns[n].paper
        ]
    for number_, source in candidates:
        estimate = found.get((row, number_, source))
        if estimate is not None:
            yield estimate, shown_cell(estimate, replace(columns[number_], counted=False)).text
