"""PB-EDropout's Table 1 beside the paper's own numbers, with the controls the paper lacks.

Accuracy in percent and mean cross entropy in nats, both on the test split; differences in percentage points over
trainings paired by seed; p-values two-sided, Holm-corrected over all differences printed in one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from regbench.reports import protocols, stats
from regbench.reports.groups import Group, check_same, make_group
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
from regbench.reports.paper import PaperNumbers
from regbench.reports.records import Record, cell, compared, corrected, measured, number
from regbench.reports.settings import devices, image_count, title_settings
from regbench.reports.tables import EN_DASH, Cell, Table, to_csv, to_markdown, to_tex

BUDGETS = ("paper", "quick", "smoke")
STANDARD_TRAIN_IMAGES = {"mnist": 60_000, "cifar10": 50_000, "cifar100": 50_000}
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
    *("budget", "dataset", "method", "protocol", "metric", "unit", "status", "mean", "low", "high", "n", "seeds"),
    *("failed_seeds", "paper_value", "p", "p_baseline_holm", "p_random_holm", "note"),
)
BUDGET_NOTES = {
    "paper": "The full-size runs. The paper leaves epochs and optimizer unsaid, so these are our choice of them.",
    "quick": "`quick` is not a reproduction: it trains for less than is needed to compare with the paper's numbers. "
    "It shows how the methods compare with each other after the same short training.",
    "smoke": "`smoke` only shows that everything runs. Its numbers say nothing about a method.",
}
GUIDE = """# Table 1: PB-EDropout and its controls

How to read this:

- The question: does PB-EDropout help a five-layer CNN, and is it the *energy* that helps? Random patches is the
  control: it drops as many patches, chosen at random. Only a difference to it speaks for energies.
- `n` counts independently seeded trainings. `±` and `[ , ]` are 95 % t-intervals over them.
- Protocol `paper` reports the epoch with the best test accuracy, as the paper seems to do; protocol `held-out` reports
  the epoch with the best accuracy on held-out images. Both print the test split. Each mode picks its own epoch.
- The loss is the test loss at that same epoch. The paper does not say at which epoch its loss is taken; its baseline's
  1.195 on CIFAR-10 looks like the loss at the best-accuracy epoch.
- The held-out images never train, so every row trains on fewer images than the paper did.
- The paper states neither epochs, batch size, optimizer, learning rate, widths nor a number of trainings.
- Differences are in percentage points (pp), paired by seed; p is two-sided and Holm-corrected over all differences of
  its own table. Mask and Full are two readings of the same trainings.
- Mask % is counted on the masks applied in that evaluation mode.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


@dataclass(frozen=True)
class Line:
    """One line of the table: a method, its trainings (None: not run) and its records by (metric, protocol)."""

    method: Method
    group: Group | None
    records: dict[tuple[str, str], Record]


def build_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, budget: str) -> list[Table]:
    """One Table per dataset that has rows with this budget, in the paper's order, digits first.

    Rows with the same regularizer must share every setting but the seed, and all rows of a dataset every setting but
    the regularizer's. Raises UserError naming the key and both values where they do not.
    """
    chosen = sorted((row for row in rows if row["budget"] == budget), key=lambda row: str(row["id"]))
    by_dataset: dict[str, list[dict]] = {}
    for row in chosen:
        by_dataset.setdefault(dataset_of(row), []).append(row)
    return [_table(name, by_dataset[name], paper_numbers) for name in DATASETS if name in by_dataset]


def write_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `table1.md`, `table1.csv` and `table1.tex` into `folder`: one section per budget that has rows."""
    sections = {budget: build_table1(rows, paper_numbers, budget) for budget in _budgets(rows)}
    tables = [table for section in sections.values() for table in section]
    texts = {
        "table1.md": _markdown(sections, rows),
        "table1.csv": to_csv(tables, CSV_FIELDS),
        "table1.tex": "\n".join(to_tex(table) for table in tables),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def _budgets(rows: Iterable[dict]) -> list[str]:
    found = {row["budget"] for row in rows}
    return [budget for budget in BUDGETS if budget in found] + sorted(found - set(BUDGETS))


def _markdown(sections: dict[str, list[Table]], rows: Sequence[dict]) -> str:
    parts = [GUIDE]
    for budget, tables in sections.items():
        names = ", ".join(devices(row for row in rows if row["budget"] == budget))
        parts.append(f"## Budget `{budget}`\n\n{BUDGET_NOTES.get(budget, '')}\n\nDevices: {names}.\n")
        parts += [to_markdown(table, level=3) for table in tables]
    if not sections:
        parts.append("Not run: there is no row yet (n = 0).\n")
    return "\n".join(parts)


def _table(dataset: str, rows: list[dict], paper_numbers: PaperNumbers) -> Table:
    check_same(rows, f"Table 1, {dataset}", ignore=("seed", "regularizer"))
    groups = _groups(dataset, rows)
    lines = [_line(method, groups, dataset, paper_numbers) for method in METHODS]
    lines = _with_differences(lines, groups)
    most = max(len(group.done) for group in groups.values())
    return Table(
        title=f"{DATASETS[dataset]}: {title_settings(rows, groups.values())}",
        columns=COLUMNS,
        rows=tuple(_cells(line, most) for line in lines),
        notes=(_images_note(dataset, rows[0]["config"]["dataset"]), _gap_note(lines), _power_note(lines)),
        records=tuple(_csv_record(r, dataset, rows[0]["budget"]) for line in lines for r in _in_order(line, lines)),
    )


def _groups(dataset: str, rows: Iterable[dict]) -> dict[str, Group]:
    by_regularizer: dict[str, list[dict]] = {}
    for row in rows:
        by_regularizer.setdefault(regularizer_of(row), []).append(row)
    return {name: make_group(members, f"Table 1, {dataset}, {name}") for name, members in by_regularizer.items()}


def _line(method: Method, groups: dict[str, Group], dataset: str, paper_numbers: PaperNumbers) -> Line:
    group = groups.get(method.regularizer)
    records = {}
    for metric, unit, column in (("accuracy", "%", "Acc"), ("loss", "nats", "Loss")):
        printed = _printed(paper_numbers, method, dataset, column)
        for protocol in protocols.PROTOCOLS:
            blank = Record(method.label, metric, protocol, unit, "done")
            value = _reader(protocol, method.mode, metric)
            records[metric, protocol] = measured(group, blank, value, printed)
    blank = Record(method.label, "masked", "held-out", "%", "done")
    printed = _printed(paper_numbers, method, dataset, "Mask%")
    records["masked", "held-out"] = measured(group, blank, lambda row: _masked(row, method.mode), printed)
    return Line(method, group, records)


def _reader(protocol: str, mode: str, metric: str):
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


def _with_differences(lines: list[Line], groups: dict[str, Group]) -> list[Line]:
    places = [(i, reference) for i in range(len(lines)) for reference in (BASELINE, RANDOM)]
    records = corrected([_difference(lines[i].method, reference, groups) for i, reference in places])
    for (i, _), record in zip(places, records, strict=True):
        lines[i].records[record.metric, record.protocol] = record
    return lines


def _difference(method: Method, reference: Method, groups: dict[str, Group]) -> Record:
    metric = "difference_to_baseline" if reference is BASELINE else "difference_to_random"
    blank = Record(method.label, metric, "held-out", "pp", "done")
    if method is reference:
        return replace(blank, status="reference" if reference.regularizer in groups else "not run")
    if method is BASELINE:
        # The mirror image of the random row's difference to the baseline: one hypothesis is tested once.
        return replace(blank, status="absent", notes=(f"see the row {RANDOM.label}, difference to baseline",))
    return compared(
        groups.get(method.regularizer),
        groups.get(reference.regularizer),
        blank,
        _reader("held-out", method.mode, "accuracy"),
        _reader("held-out", reference.mode, "accuracy"),
        reference.label,
    )


def _cells(line: Line, most: int) -> tuple[Cell, ...]:
    records = line.records
    masked = records["masked", "held-out"]
    return (
        Cell(line.method.label),
        _count_cell(line.group, most),
        _paper_cell(records["accuracy", "paper"]),
        *(cell(records["accuracy", protocol]) for protocol in ("paper", "held-out")),
        *(cell(records[f"difference_to_{name}", "held-out"]) for name in ("baseline", "random")),
        _paper_cell(records["loss", "paper"]),
        *(cell(records["loss", protocol]) for protocol in ("paper", "held-out")),
        _paper_cell(masked),
        Cell(number(masked.mean, "%")) if masked.status == "done" else cell(masked),
    )


def _count_cell(group: Group | None, most: int) -> Cell:
    if group is None:
        return Cell("0")
    text = str(len(group.done)) + (f" (+ {len(group.failed)} failed)" if group.failed else "")
    fewer = len(group.done) < most and not group.failed
    return Cell(text, (f"fewer seeds than the best-covered row, which has {most}",) if fewer else ())


def _paper_cell(record: Record) -> Cell:
    return Cell(record.paper_value or EN_DASH)


def _images_note(dataset: str, settings: dict) -> str:
    held_out = image_count(settings.get("heldout_images"))
    note = f"Trained on {image_count(settings.get('train_images'))} images, {held_out} held out"
    standard = STANDARD_TRAIN_IMAGES.get(dataset)
    if standard is None:
        return f"{note}; the paper has no numbers for this dataset."
    return f"{note}; the standard training split has {standard:,}, and the paper holds out none that it mentions."


def _gap_note(lines: Iterable[Line]) -> str:
    gaps = {}
    for line in lines:
        paper, held_out = (line.records["accuracy", protocol] for protocol in ("paper", "held-out"))
        if paper.status == "done":
            gaps[line.method.label] = paper.mean - held_out.mean
    if not gaps:
        return f"Selection gap: {EN_DASH} (no row has a mean)."
    mean = number(fmean(gaps.values()), "pp", signed=True)
    return f"Selection gap (accuracy of protocol paper minus held-out): {mean} pp, mean over {len(gaps)} rows."


def _power_note(lines: Iterable[Line]) -> str:
    lines = list(lines)
    records = {line.method.label: line.records["difference_to_baseline", "held-out"] for line in lines}
    tests = _tests(lines)
    parts = []
    for label, record in records.items():
        if record.p is not None:
            single = stats.smallest_effect(record.comparison)
            first = stats.smallest_effect(record.comparison, alpha=0.05 / tests)
            parts.append(f"{label} {number(single, 'pp')} ({number(first, 'pp')})")
    return (
        "Smallest difference to the baseline that these runs could have shown at 80 % power, in pp, at p < 0.05 "
        f"uncorrected (and at Holm's first step over {tests} tests): {', '.join(parts) or EN_DASH}."
    )


def _tests(lines: Iterable[Line]) -> int:
    return sum(record.p is not None for line in lines for record in line.records.values())


def _in_order(line: Line, lines: Sequence[Line]) -> list[Record]:
    difference = line.records["difference_to_baseline", "held-out"]
    if difference.p is None:
        return list(line.records.values())
    smallest = stats.smallest_effect(difference.comparison)
    power = Record(line.method.label, "smallest_difference_80", "held-out", "pp", "done", smallest)
    return [*line.records.values(), replace(power, seeds=difference.seeds)]


def _csv_record(record: Record, dataset: str, budget: str) -> dict:
    reference = record.metric.removeprefix("difference_to_")
    p_holm = {f"p_{reference}_holm": record.p_holm} if reference != record.metric else {}
    return {"budget": budget, "dataset": dataset, **record.as_dict(), "paper_value": record.paper_value, **p_holm}
