"""The handout's comparison of dropout and batch norm as a table: none, dropout, batch norm, both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from regbench.evidence.groups import Group
from regbench.evidence.records import Record, cell, compared, corrected, count_cell, measured, number
from regbench.evidence.stats import holm
from regbench.evidence.tables import Cell, Table, to_csv, write_texts
from regbench.reports.handout.methods import METHODS, NONE, Method, handout_sections, layers_note
from regbench.reports.handout.notes import GUIDE
from regbench.reports.handout.readings import ACCURACY, GAP, READINGS, RISE, SPEED, Reading, fixed_level, never, speed
from regbench.reports.notes import gap_note, page, power_note
from regbench.reports.sections import Section, by_budget

CSV_FIELDS = (
    *("budget", "dataset", "table", "method", "metric", "protocol", "unit", "status", "mean", "low", "high", "n"),
    *("seeds", "failed_seeds", "alternative", "p", "p_holm", "p_opposite_holm", "note"),
)
UNTESTED = "a test that gains by this is not made"
NO_LEVEL = f"no finished training of {NONE.label} sets the fixed accuracy"
Key = tuple[str, str]


def write_handout(rows: Sequence[dict], folder: str | Path) -> list[Path]:
    """Write `handout.md` and `.csv` into `folder`. The order of `rows` changes no byte. Returns the paths."""
    sections = by_budget(handout_sections(rows), handout_tables)
    tables = [table for found in sections.values() for table in found]
    texts = {"handout.md": page(sections, rows, GUIDE), "handout.csv": to_csv(tables, CSV_FIELDS)}
    return write_texts(texts, folder)


def handout_tables(section: Section) -> list[Table]:
    """The measures of the four methods, and their differences to none."""
    return [_measures_table(section), _differences_table(section)]


def measured_methods(section: Section) -> dict[str, dict[Key, Record]]:
    """Records by the name of the regularizer and by (metric, protocol), in the order of the columns."""
    return {method.regularizer: _measured(section, method) for method in METHODS}


def differences(section: Section) -> dict[tuple[str, str], Record]:
    """Differences to none by (regularizer, metric); tested where the handout names a direction, one Holm family."""
    places = [(method, reading) for method in METHODS if method is not NONE for reading in compared_readings(section)]
    records = corrected([_difference(section, method, reading) for method, reading in places])
    return {
        (method.regularizer, reading.metric): record for (method, reading), record in zip(places, records, strict=True)
    }


def compared_readings(section: Section) -> tuple[Reading, ...]:
    """The measures whose differences are printed."""
    return ACCURACY, GAP, RISE, speed(level_of(section))


def level_of(section: Section) -> float | None:
    """The fixed held-out accuracy of this section, in percent."""
    return fixed_level(section.groups.get(NONE.regularizer))


def _measured(section: Section, method: Method) -> dict[Key, Record]:
    group = section.groups.get(method.regularizer)
    found = {
        (each.metric, each.protocol): measured(
            group, Record(method.label, each.metric, each.protocol, each.unit, "done"), each.read
        )
        for each in READINGS
    }
    reading = speed(level_of(section))
    return found | {(SPEED, reading.protocol): _speed(section, method, group, reading)}


def _speed(section: Section, method: Method, group: Group | None, reading: Reading) -> Record:
    blank, level = Record(method.label, SPEED, reading.protocol, reading.unit, "done"), level_of(section)
    if level is None and group and not group.failed:
        return replace(blank, status="absent", notes=(NO_LEVEL,))
    record = measured(group, blank, reading.read)
    if record.status != "done" or not never(group, level):
        return record
    return replace(record, low=None, high=None, notes=(_capped_note(method.label, group, level, group.seeds),))


def _capped_note(name: str, group: Group, level: float, seeds: Sequence[int]) -> str:
    missing = set(never(group, level)) & set(seeds)
    return (
        f"{len(missing)} of {len(seeds)} trainings of {name} never reach {level:.2f} % and count with their last epoch"
    )


def _difference(section: Section, method: Method, reading: Reading) -> Record:
    blank = Record(method.label, f"difference_in_{reading.metric}", reading.protocol, reading.unit, "done")
    blank = replace(blank, unit="pp" if reading.unit == "%" else reading.unit)
    alternative = method.claims.get(reading.metric)
    groups = {each: section.groups.get(each.regularizer) for each in (method, NONE)}
    if reading.metric == SPEED and level_of(section) is None:
        started = groups[method] is not None
        return replace(blank, status="absent" if started else "not run", notes=(NO_LEVEL,) if started else ())
    record = compared(*groups.values(), blank, reading.read, reading.read, NONE.label, alternative or "two-sided")
    if record.status == "done" and reading.metric == SPEED:
        record = _bounded(record, groups, level_of(section), alternative)
    if alternative is None and record.comparison is not None:
        record = replace(record, comparison=replace(record.comparison, p=None))
    return record


def _bounded(record: Record, groups: dict[Method, Group], level: float, alternative: str | None) -> Record:
    """A training that never reaches the level counts with its last epoch: no test may gain by that."""
    missing = {
        method: notes
        for method, group in groups.items()
        if set(never(group, level)) & set(record.seeds)
        for notes in [_capped_note(method.label, group, level, record.seeds)]
    }
    if not missing:
        return record
    # fewer epochs are claimed: a bound on the method's own epochs would flatter it
    flattered = alternative is not None and any(method is not NONE for method in missing)
    p = None if flattered else record.p
    bound = replace(record.comparison, half_width=None, standard_error=None, degrees=None, p=p)
    notes = (*record.notes, *missing.values(), *([UNTESTED] if flattered and record.p is not None else []))
    return replace(record, low=None, high=None, comparison=bound, notes=notes)


def _measures_table(section: Section) -> Table:
    found = measured_methods(section)
    columns = [*(reading.column for reading in READINGS), speed(level_of(section)).column]
    protocols = [
        (found[m.regularizer]["accuracy", "paper"], found[m.regularizer]["accuracy", "held-out"]) for m in METHODS
    ]
    notes = (
        section.held_out_note,
        layers_note(section),
        gap_note(protocols),
    )
    return Table(
        title=section.title("Handout"),
        columns=("Method", "n", *columns),
        rows=tuple(
            (
                Cell(method.label),
                count_cell(section.groups.get(method.regularizer), section.most),
                *(measured_cell(section, method, record) for record in found[method.regularizer].values()),
            )
            for method in METHODS
        ),
        notes=tuple(note for note in notes if note),
        records=tuple(_csv(section, "measures", record) for records in found.values() for record in records.values()),
    )


def measured_cell(section: Section, method: Method, record: Record) -> Cell:
    """How a measure is printed; a mean over trainings of which some never arrive is a lower bound."""
    group = section.groups.get(method.regularizer)
    if record.metric != SPEED or record.status != "done" or not never(group, level_of(section)):
        return cell(record)
    return Cell(f"> {number(record.mean, record.unit)}", record.notes)


def _differences_table(section: Section) -> Table:
    found, readings = differences(section), compared_readings(section)
    opposite = holm([None if record.p is None else 1 - record.p for record in found.values()])
    tests = sum(record.p is not None for record in found.values())
    accuracies = [found[method.regularizer, ACCURACY.metric] for method in METHODS if method is not NONE]
    return Table(
        title=section.title(f"Handout, differences to {NONE.label.lower()}"),
        columns=("Method", *(_column(reading) for reading in readings)),
        rows=tuple(
            (Cell(method.label), *(cell(found[method.regularizer, reading.metric]) for reading in readings))
            for method in METHODS
            if method is not NONE
        ),
        notes=(power_note(accuracies, tests, NONE.label.lower(), "greater"),),
        records=tuple(
            _csv(section, "differences", record)
            | {"alternative": _alternative(*place), "p_holm": record.p_holm, "p_opposite_holm": p}
            for (place, record), p in zip(found.items(), opposite, strict=True)
        ),
    )


def _column(reading: Reading) -> str:
    """The column with what the handout says of it, by method."""
    said = {method.claims[reading.metric] for method in METHODS if reading.metric in method.claims}
    words = {"greater": "higher", "less": "fewer" if reading.metric == SPEED else "lower"}
    return reading.column + "".join(f" (p: {words[direction]})" for direction in sorted(said))


def _alternative(regularizer: str, metric: str) -> str | None:
    return next(method.claims.get(metric) for method in METHODS if method.regularizer == regularizer)


def _csv(section: Section, table: str, record: Record) -> dict:
    return {"budget": section.budget, "dataset": section.dataset, "table": table} | record.as_dict()
