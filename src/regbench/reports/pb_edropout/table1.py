"""PB-EDropout's Table 1 beside the paper's own numbers, with the controls the paper lacks.

Accuracy in percent and mean cross entropy in nats, both on the test split; differences in percentage points
over trainings paired by seed; p-values two-sided, Holm-corrected over all differences printed in one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regbench.evidence import protocols, stats
from regbench.evidence.groups import Group, check_same, make_group
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.records import Record, cell, compared, corrected, count_cell, measured, number
from regbench.evidence.settings import budgets_of, title_settings
from regbench.evidence.tables import EN_DASH, Cell, Table, to_csv, to_tex, write_texts
from regbench.reports.methods import (
    BASELINE,
    DATASETS,
    METHODS,
    RANDOM,
    SITE,
    Method,
    dataset_of,
    regularizer_of,
)
from regbench.reports.notes import gap_note, images_note, masks_note, page, power_note

COLUMNS = (
    "Method",
    "n",
    "Acc %, paper's number",
    "Acc %, protocol paper",
    "Acc %, protocol held-out",
    "Difference to baseline, pp (held-out)",
    "Difference to random patches, pp (held-out)",
    "Loss, paper's number",
    "Loss, protocol paper",
    "Loss, protocol held-out",
    "Mask %, paper's number",
    "Mask %, counted",
)
CSV_FIELDS = (
    *("budget", "dataset", "method", "protocol", "metric", "unit", "status", "mean", "low", "high", "n"),
    *("seeds", "failed_seeds", "paper_value", "p", "p_baseline_holm", "p_random_holm", "note"),
)
# The records of a line, in the order of the CSV: (metric, protocol).
MEASURED = (("accuracy", "%", "Acc"), ("loss", "nats", "Loss"))
TO_BASELINE = ("difference_to_baseline", "held-out")
TO_RANDOM = ("difference_to_random", "held-out")
MASKED = ("masked", "held-out")


@dataclass(frozen=True)
class Line:
    """One line of the table: a method, its trainings (None: not run), its records by (metric, protocol)."""

    method: Method
    group: Group | None
    records: dict[tuple[str, str], Record]


def build_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, budget: str) -> list[Table]:
    """One Table per dataset that has rows with this budget; digits, MNIST, CIFAR-10, CIFAR-100.

    Rows with the same regularizer must share every setting but the seed, and all rows of a dataset every
    setting but the regularizer's. Raises UserError naming the key and both values where they do not.
    """
    chosen = sorted((row for row in rows if row["budget"] == budget), key=lambda row: str(row["id"]))
    by_dataset: dict[str, list[dict]] = {}
    for row in chosen:
        by_dataset.setdefault(dataset_of(row), []).append(row)
    return [_table(name, by_dataset[name], paper_numbers) for name in DATASETS if name in by_dataset]


def build_sections(rows: Sequence[dict], paper_numbers: PaperNumbers) -> dict[str, list[Table]]:
    """The tables of every budget that has rows: paper first, then quick, then smoke."""
    return {budget: build_table1(rows, paper_numbers, budget) for budget in budgets_of(rows)}


def write_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `table1.md`, `table1.csv`, `table1.tex` into `folder`, one section per budget that has rows.

    The order of `rows` changes no byte. Returns the three paths.
    """
    sections = build_sections(rows, paper_numbers)
    tables = [table for section in sections.values() for table in section]
    texts = {
        "table1.md": page(sections, rows),
        "table1.csv": to_csv(tables, CSV_FIELDS),
        "table1.tex": "\n".join(to_tex(table) for table in tables),
    }
    return write_texts(texts, folder)


def _table(dataset: str, rows: list[dict], paper_numbers: PaperNumbers) -> Table:
    check_same(rows, f"Table 1, {dataset}", ignore=("seed", "regularizer"))
    groups = _groups(dataset, rows)
    differences = _differences(groups)
    lines = [
        Line(method, group, _measured(method, group, dataset, paper_numbers) | differences[method])
        for method in METHODS
        for group in [groups.get(method.regularizer)]
    ]
    most = max(len(group.done) for group in groups.values())
    return Table(
        title=f"Table 1, {DATASETS[dataset]}: {title_settings(rows, groups.values())}",
        columns=COLUMNS,
        rows=tuple(_cells(line, most) for line in lines),
        notes=_notes(dataset, rows[0]["config"]["dataset"], lines, groups),
        records=tuple(_csv_record(record, dataset, rows[0]["budget"]) for line in lines for record in _csv_order(line)),
    )


def _groups(dataset: str, rows: Iterable[dict]) -> dict[str, Group]:
    by_regularizer: dict[str, list[dict]] = {}
    for row in rows:
        by_regularizer.setdefault(regularizer_of(row), []).append(row)
    return {name: make_group(members, f"Table 1, {dataset}, {name}") for name, members in by_regularizer.items()}


def _measured(
    method: Method, group: Group | None, dataset: str, paper_numbers: PaperNumbers
) -> dict[tuple[str, str], Record]:
    records = {}
    for metric, unit, column in MEASURED:
        printed = _printed(paper_numbers, method, dataset, column)
        for protocol in protocols.PROTOCOLS:
            blank = Record(method.label, metric, protocol, unit, "done")
            reader = _reader(protocol, method.mode, metric)
            records[metric, protocol] = measured(group, blank, reader, printed)
    blank = Record(method.label, *MASKED, "%", "done")
    printed = _printed(paper_numbers, method, dataset, "Mask%")
    records[MASKED] = measured(group, blank, lambda row: _masked(row, method.mode), printed)
    return records


def _reader(protocol: str, mode: str, metric: str) -> Callable[[dict], float]:
    scale = 100 if metric == "accuracy" else 1
    return lambda row: scale * protocols.reported(row, protocol, mode, metric)


def _masked(row: dict, mode: str) -> float | None:
    entry = protocols.selected(row, "held-out", mode)
    share = entry.get("measures", {}).get(mode, {}).get(f"{SITE}/masked")
    return None if share is None else 100 * share


def _printed(paper_numbers: PaperNumbers, method: Method, dataset: str, column: str) -> str | None:
    if method.paper_row is None:
        return None
    found = paper_numbers.find("1", method.paper_row, f"{DATASETS[dataset]} {column}")
    return found.printed if found else None


def _differences(groups: dict[str, Group]) -> dict[Method, dict[tuple[str, str], Record]]:
    pairs = [(method, reference) for method in METHODS for reference in (BASELINE, RANDOM)]
    records = corrected([_difference(method, reference, groups) for method, reference in pairs])
    found: dict[Method, dict[tuple[str, str], Record]] = {method: {} for method in METHODS}
    for (method, _), record in zip(pairs, records, strict=True):
        found[method][record.metric, record.protocol] = record
    return found


def _difference(method: Method, reference: Method, groups: dict[str, Group]) -> Record:
    blank = Record(method.label, *(TO_BASELINE if reference is BASELINE else TO_RANDOM), "pp", "done")
    if method is reference:
        return replace(blank, status="reference" if reference.regularizer in groups else "not run")
    if method is BASELINE:
        # The mirror image of the random row's difference to the baseline: one hypothesis is tested once.
        return replace(blank, status="absent", notes=(f"see {RANDOM.label}, difference to baseline",))
    return compared(
        groups.get(method.regularizer),
        groups.get(reference.regularizer),
        blank,
        _reader("held-out", method.mode, "accuracy"),
        _reader("held-out", reference.mode, "accuracy"),
        reference.label,
    )


def _cells(line: Line, most: int) -> tuple[Cell, ...]:
    records, masked = line.records, line.records[MASKED]
    return (
        Cell(line.method.label),
        count_cell(line.group, most),
        _paper_cell(records["accuracy", "paper"]),
        *(cell(records["accuracy", protocol]) for protocol in protocols.PROTOCOLS),
        cell(records[TO_BASELINE]),
        cell(records[TO_RANDOM]),
        _paper_cell(records["loss", "paper"]),
        *(cell(records["loss", protocol]) for protocol in protocols.PROTOCOLS),
        _paper_cell(masked),
        # Counted, and the same in every training: an interval would say nothing.
        Cell(number(masked.mean, "%")) if masked.status == "done" else cell(masked),
    )


def _paper_cell(record: Record) -> Cell:
    return Cell(record.paper_value or EN_DASH)


def _notes(dataset: str, settings: dict, lines: Sequence[Line], groups: dict[str, Group]) -> tuple[str, ...]:
    accuracies = [tuple(line.records["accuracy", name] for name in protocols.PROTOCOLS) for line in lines]
    tests = sum(line.records[key].p is not None for line in lines for key in (TO_BASELINE, TO_RANDOM))
    power = power_note([line.records[TO_BASELINE] for line in lines], tests)
    notes = (images_note(dataset, settings), gap_note(accuracies), power, masks_note(groups))
    return tuple(note for note in notes if note)


def _csv_order(line: Line) -> list[Record]:
    """The line's records, and after them what its difference to the baseline could have shown."""
    records = list(line.records.values())
    difference = line.records[TO_BASELINE]
    if difference.p is None:
        return records
    smallest = stats.smallest_effect(difference.comparison)
    shape = Record(line.method.label, "smallest_difference_80", "held-out", "pp", "done")
    return [*records, replace(shape, mean=smallest, seeds=difference.seeds)]


def _csv_record(record: Record, dataset: str, budget: str) -> dict:
    fields = {"budget": budget, "dataset": dataset, **record.as_dict(), "paper_value": record.paper_value}
    name = {TO_BASELINE[0]: "p_baseline_holm", TO_RANDOM[0]: "p_random_holm"}.get(record.metric)
    return fields | ({name: record.p_holm} if name else {})
