"""The entropy paper's Table 3 beside the paper's own numbers, a part a dataset, and differences to lambda 0.

Accuracy and IoU in percent, differences in percentage points, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from regbench.evidence.cells import count_cell, number
from regbench.evidence.groups import Group
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.protocols import HELD_OUT, PROTOCOLS
from regbench.evidence.records import Record, cell, compared, corrected, measured
from regbench.evidence.tables import EN_DASH, Cell, Table, to_csv, to_tex, write_texts
from regbench.reports.entropy.training_words import settings_words
from regbench.reports.entropy.unet_notes import GUIDE, own_note, time_note
from regbench.reports.entropy.unet_paper import better_note, difference, printed, speed_note
from regbench.reports.entropy.unet_readings import COMPARED, READINGS, Reading
from regbench.reports.entropy.unet_rows import PLAIN, Line, Part, parts
from regbench.reports.notes import page

NAMES = ("Loss", "lambda", "Layers", "Watched")
CSV_FIELDS = (
    *("budget", "dataset", "table", "loss", "strength", "layers", "watch", "metric", "protocol", "unit", "status"),
    *("mean", "low", "high", "n", "seeds", "failed_seeds", "bound", "paper_value", "p", "p_holm", "note"),
)
CAPPED = "the cap on epochs ended some of these trainings: a bound, no interval and no test"


def write_entropy_table3(rows: Sequence[dict], numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `entropy-table3.md`, `.csv` and `.tex` into `folder`, a section a budget, a part a dataset.

    The order of `rows` changes no byte. Returns the three paths.
    """
    sections: dict[str, list[Table]] = {}
    for part in parts(rows):
        sections.setdefault(part.budget, []).extend(unet_tables(part, numbers))
    tables = [table for section in sections.values() for table in section]
    texts = {
        "entropy-table3.md": page(sections, rows, GUIDE),
        "entropy-table3.csv": to_csv(tables, CSV_FIELDS),
        "entropy-table3.tex": "\n".join(to_tex(table) for table in tables),
    }
    return write_texts(texts, folder)


def unet_tables(part: Part, numbers: PaperNumbers) -> list[Table]:
    """The measures of all lines, and their differences to lambda 0."""
    return [_measures(part, numbers), _differences(part, numbers)]


def record(part: Part, line: Line, reading: Reading, protocol: str) -> Record:
    """One measure of one line; without an interval where it is a bound."""
    group = part.groups.get(line)
    blank = Record(line.name, reading.metric, protocol, reading.unit, "done")
    found = measured(group, blank, lambda row: reading.read(row, protocol))
    return replace(found, low=None, high=None, notes=()) if _is_bound(group, reading, protocol) else found


def measured_cell(part: Part, line: Line, reading: Reading, protocol: str) -> Cell:
    """`21.3 ± 2.0`; a lower bound as `> 30.0`."""
    found = record(part, line, reading, protocol)
    if found.status == "done" and _is_bound(part.groups.get(line), reading, protocol):
        return Cell(f"> {number(found.mean, found.unit)}")
    return cell(found)


def _is_bound(group: Group | None, reading: Reading, protocol: str) -> bool:
    return group is not None and any(reading.bound(row, protocol) for row in group.done)


def _names(line: Line) -> tuple[Cell, ...]:
    return tuple(map(Cell, (line.loss, f"{line.strength:g}", line.layers or EN_DASH, line.watch)))


def _measures(part: Part, numbers: PaperNumbers) -> Table:
    rows = []
    for line in part.lines:
        if line.paper_row:
            shown = (Cell(printed(numbers, line, reading)) for reading in READINGS)
            rows.append((*_names(line), Cell("the paper's number"), Cell("1"), *shown))
        if line not in part.groups:
            rows.append((*_names(line), Cell("both protocols"), Cell("0"), *[Cell("not run")] * len(READINGS)))
            continue
        count = count_cell(part.groups[line], part.most)
        for protocol in PROTOCOLS:
            ours = (measured_cell(part, line, reading, protocol) for reading in READINGS)
            rows.append((*_names(line), Cell(f"protocol {protocol}"), count, *ours))
    return Table(
        title=part.title("Entropy guidance, Table 3"),
        columns=(*NAMES, "Source", "n", *(reading.column for reading in READINGS)),
        rows=tuple(rows),
        notes=(
            settings_words(part.rows),
            speed_note(numbers),
            better_note(numbers),
            own_note(part),
            time_note(part),
        ),
        records=tuple(_measure_csv(part, numbers, *each) for each in product(part.lines, READINGS, PROTOCOLS)),
    )


def _measure_csv(part: Part, numbers: PaperNumbers, line: Line, reading: Reading, protocol: str) -> dict:
    theirs = printed(numbers, line, reading)
    bound = "lower" if _is_bound(part.groups.get(line), reading, protocol) else None
    extra = {"paper_value": None if theirs == EN_DASH else theirs, "bound": bound}
    return _csv(part, "measures", line, record(part, line, reading, protocol)) | extra


def differences(part: Part) -> dict[tuple[Line, str], Record]:
    """Differences to lambda 0 by (line, metric), protocol held-out; all tests are one Holm family."""
    places = [(line, reading) for line in part.lines if line != PLAIN for reading in COMPARED]
    records = corrected([_difference(part, line, reading) for line, reading in places])
    return {(line, reading.metric): each for (line, reading), each in zip(places, records, strict=True)}


def _difference(part: Part, line: Line, reading: Reading) -> Record:
    groups = part.groups.get(line), part.groups.get(PLAIN)
    blank = Record(line.name, f"difference_in_{reading.metric}", HELD_OUT, reading.difference, "done")

    def read(row: dict) -> float:
        return reading.read(row, HELD_OUT)

    found = compared(*groups, blank, read, read, "lambda 0", reading.claimed)
    if found.status != "done" or not any(_is_bound(group, reading, HELD_OUT) for group in groups):
        return found
    bare = replace(found.comparison, half_width=None, standard_error=None, degrees=None, p=None)
    return replace(found, low=None, high=None, comparison=bare, notes=(CAPPED,))


def _differences(part: Part, numbers: PaperNumbers) -> Table:
    found = differences(part)
    columns, words = [], {"less": "fewer", "greater": "higher"}
    for reading in COMPARED:
        name = f"{reading.column.split(',')[0]}, {reading.difference}"
        columns += [f"{name}, the paper's number", f"{name}, ours (p: {words[reading.claimed]})"]
    rows = []
    for line in part.lines[1:]:
        cells = []
        for reading in COMPARED:
            theirs = difference(numbers, line, reading)
            cells.append(Cell(EN_DASH if theirs is None else number(theirs, reading.difference, signed=True)))
            cells.append(cell(found[line, reading.metric]))
        rows.append((*_names(line), *cells))
    tests = sum(each.p is not None for each in found.values())
    return Table(
        title=part.title(f"Entropy guidance, Table 3, differences to lambda 0, protocol {HELD_OUT}"),
        columns=(*NAMES, *columns),
        rows=tuple(rows),
        notes=(f"Tests in this table: {tests}.",),
        records=tuple(
            _csv(part, "differences", line, each) | {"p_holm": each.p_holm} for (line, _), each in found.items()
        ),
    )


def _csv(part: Part, table: str, line: Line, found: Record) -> dict:
    fields = found.as_dict()
    fields.pop("method")
    named = {"loss": line.loss, "strength": f"{line.strength:g}", "layers": line.layers, "watch": line.watch}
    return {"budget": part.budget, "dataset": part.dataset, "table": table} | named | fields
