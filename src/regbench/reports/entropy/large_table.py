"""The entropy paper's Table 2 beside the paper's own numbers: accuracies, the best lambda of each line, epochs.

Accuracies in percent, gains in percentage points, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regbench.evidence.cells import number, p_text
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.protocols import PROTOCOLS
from regbench.evidence.records import Record, cell, measured
from regbench.evidence.stops import seconds_per_epoch
from regbench.evidence.tables import EN_DASH, Cell, Table, to_csv, to_tex, write_texts
from regbench.evidence.training_words import settings_words
from regbench.reports.entropy.large_best import Gain, accuracy, best, count, gains, treated
from regbench.reports.entropy.large_notes import (
    GUIDE,
    bold_note,
    count_note,
    coverage_note,
    spread_note,
)
from regbench.reports.entropy.large_paper import gain as paper_gain
from regbench.reports.entropy.large_paper import highest, paper_count, printed
from regbench.reports.entropy.large_rows import LINES, Line, Page, pages
from regbench.reports.entropy.printed import in_bold, percent
from regbench.reports.notes import gap_note, page

NAMES = ("Model", "Strategy", "Layers")
CSV_FIELDS = (
    *("budget", "model", "strategy", "layers", "strength", "metric", "protocol", "unit", "status", "mean", "low"),
    *("high", "n", "seeds", "failed_seeds", "paper_value", "paper_bold", "k", "p", "p_best_of_k", "p_best_of_k_holm"),
    "note",
)
MEASURES = {"epochs": ("epochs", lambda row: float(len(row["epochs"]))), "epoch_seconds": ("s", seconds_per_epoch)}


def write_entropy_table2(rows: Sequence[dict], numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `entropy-table2.md`, `.csv` and `.tex` into `folder`, one section per budget that has rows.

    The order of `rows` changes no byte. Returns the three paths.
    """
    sections = {found.budget: large_tables(found, numbers) for found in pages(rows)}
    tables = [table for section in sections.values() for table in section]
    texts = {
        "entropy-table2.md": page(sections, rows, GUIDE),
        "entropy-table2.csv": to_csv(tables, CSV_FIELDS),
        "entropy-table2.tex": "\n".join(to_tex(table) for table in tables),
    }
    return write_texts(texts, folder)


def large_tables(found: Page, numbers: PaperNumbers) -> list[Table]:
    """Accuracies by lambda; the best lambda of each line; epochs run and seconds per epoch."""
    return [_accuracies(found, numbers), _bests(found, numbers), _epochs(found)]


def run(found: Page) -> tuple[Line, ...]:
    """The lines with any row, lambda 0 included."""
    return tuple(line for line in LINES if any(found.group(line, strength) for strength in found.strengths))


def accuracy_record(found: Page, line: Line, strength: float, protocol: str) -> Record:
    """The test accuracy of one cell."""
    blank = Record(f"{line.name}, lambda {strength:g}", "accuracy", protocol, "%", "done")
    return measured(found.group(line, strength), blank, accuracy(protocol))


def _accuracies(found: Page, numbers: PaperNumbers) -> Table:
    records = {
        (line, strength, protocol): accuracy_record(found, line, strength, protocol)
        for line in LINES
        for strength in found.strengths
        for protocol in PROTOCOLS
    }
    rows = []
    for line in LINES:
        names = tuple(map(Cell, line.texts))
        shown = (_printed_cell(printed(numbers, line, strength)) for strength in found.strengths)
        rows.append((*names, Cell("the paper's number"), *shown))
        if line not in run(found):
            rows.append((*names, Cell("both protocols"), *[Cell("not run")] * len(found.strengths)))
            continue
        for protocol in PROTOCOLS:
            ours = (counted(records[line, strength, protocol]) for strength in found.strengths)
            rows.append((*names, Cell(f"protocol {protocol}"), *ours))
    notes = (
        settings_words(found.rows),
        coverage_note(found),
        count_note(found, numbers),
        bold_note(numbers),
        spread_note(found, numbers),
        _gap_note(found, records),
    )
    return Table(
        title=found.title("Entropy guidance, Table 2, test accuracy in %"),
        columns=(*NAMES, "Source", *(f"lambda {strength:g}" for strength in found.strengths)),
        rows=tuple(rows),
        notes=notes,
        records=tuple(
            _csv(found, line, strength, record) | _csv_paper(printed(numbers, line, strength))
            for (line, strength, _), record in records.items()
        ),
    )


def _gap_note(found: Page, records: dict[tuple[Line, float, str], Record]) -> str:
    """Over the different cells: lambda 0 is in the records of several lines."""
    seen = {}
    for line in LINES:
        for strength in found.strengths:
            key = (line, strength) if strength else line.family
            seen[key] = tuple(records[line, strength, protocol] for protocol in PROTOCOLS)
    return gap_note(seen.values()).replace(" row", " cell")


def counted(record: Record) -> Cell:
    """`71.20 ± 1.10 (n = 3)`."""
    made = cell(record)
    return Cell(f"{made.text} (n = {len(record.seeds)})", made.footnotes) if record.status == "done" else made


def _printed_cell(number: PaperNumber | None) -> Cell:
    return Cell(EN_DASH) if number is None else Cell(percent(number) + " (bold)" * in_bold(number))


def _bests(found: Page, numbers: PaperNumbers) -> Table:
    all_gains = gains(found)
    columns = ("k", "Best lambda, the paper's number", "Gain, pp, the paper's number")
    for protocol in PROTOCOLS:
        columns += (
            f"Best lambda, protocol {protocol}",
            f"Gain of the best lambda above 0, pp, protocol {protocol}",
            f"p for the best of k, protocol {protocol} (Holm)",
        )
    return Table(
        title=found.title("Entropy guidance, Table 2, the best lambda"),
        columns=(*NAMES, *columns),
        rows=(*(_best_row(found, numbers, line, all_gains) for line in LINES), _sum_row(found, numbers)),
        notes=("k: lambdas above 0 to choose among.", _tests_note(all_gains)),
        records=tuple(_csv_gain(found, numbers, gain) for gain in all_gains.values()),
    )


def _best_row(found: Page, numbers: PaperNumbers, line: Line, all_gains: dict) -> tuple[Cell, ...]:
    top, printed_gain = highest(numbers, line), paper_gain(numbers, line)
    cells = [
        Cell(str(treated(found, line))),
        Cell(EN_DASH if top is None else top.column),
        Cell(EN_DASH if printed_gain is None else number(printed_gain, "pp", signed=True)),
    ]
    for protocol in PROTOCOLS:
        cells += _gain_cells(best(found, line, protocol), all_gains[line, protocol])
    return (*map(Cell, line.texts), *cells)


def _gain_cells(top: float | None, gain: Gain) -> list[Cell]:
    record = gain.record
    if record.status != "done":
        return [cell(record)] * 3
    text = number(record.mean, "pp", signed=True)
    if record.low is not None:
        text += f" [{number(record.low, 'pp', True)}, {number(record.high, 'pp', True)}]"
    holm = "" if gain.p_holm is None else f" ({p_text(gain.p_holm).removeprefix('p ').removeprefix('= ')})"
    return [
        Cell(EN_DASH if top is None else f"{top:g}"),
        Cell(f"{text} at {gain.strength:g}", record.notes),
        Cell(EN_DASH if gain.p is None else p_text(gain.p) + holm),
    ]


def _sum_row(found: Page, numbers: PaperNumbers) -> tuple[Cell, ...]:
    """How many of the best have the loss on."""
    theirs = paper_count(numbers)
    cells = [Cell(""), Cell(f"{theirs.with_loss} of {theirs.lines} above 0"), Cell("")]
    for protocol in PROTOCOLS:
        ours = count(found, protocol)
        text = f"{ours.with_loss} of {ours.lines} above 0 (chance: {ours.expected:.1f})" if ours.lines else EN_DASH
        cells += [Cell(text), Cell(""), Cell("")]
    return (Cell("all lines"), Cell(""), Cell(""), *cells)


def _tests_note(all_gains: dict[tuple[Line, str], Gain]) -> str:
    tested = {
        protocol: sum(gain.p is not None for (_, found), gain in all_gains.items() if found == protocol)
        for protocol in PROTOCOLS
    }
    shown = ", ".join(f"{number} lines by protocol {protocol}" for protocol, number in tested.items())
    return f"Tested: {shown}; a line is tested where lambda 0 and every other of its cells have two or more trainings."


def _epochs(found: Page) -> Table:
    records = {
        (line, strength, metric): measured(
            found.group(line, strength), Record(f"{line.name}, lambda {strength:g}", metric, "", unit, "done"), read
        )
        for line in run(found)
        for strength in found.strengths
        for metric, (unit, read) in MEASURES.items()
    }
    rows = tuple(
        (*map(Cell, line.texts), *(_epochs_cell(records, line, strength) for strength in found.strengths))
        for line in run(found)
    )
    return Table(
        title=found.title("Entropy guidance, Table 2, mean epochs run and seconds per epoch"),
        columns=(*NAMES, *(f"lambda {strength:g}" for strength in found.strengths)),
        rows=rows,
        notes=(
            "Lines without any row are left out. A training runs until early stopping has ended it on "
            "held-out and on test images, or to the cap on epochs. Seconds include the evaluations, on whatever else "
            "the machine was doing: rough.",
        ),
        records=tuple(_csv(found, line, strength, record) for (line, strength, _), record in records.items()),
    )


def _epochs_cell(records: dict, line: Line, strength: float) -> Cell:
    epochs, seconds = (records[line, strength, metric] for metric in MEASURES)
    if epochs.status != "done":
        return cell(epochs)
    return Cell(f"{number(epochs.mean, epochs.unit)}, {number(seconds.mean, seconds.unit)} s")


def _csv(found: Page, line: Line, strength: float | None, record: Record) -> dict:
    fields = record.as_dict()
    fields.pop("method")
    model, strategy, layers = line.texts
    shared = {"budget": found.budget, "model": model, "strategy": strategy, "layers": layers}
    return shared | {"strength": None if strength is None else f"{strength:g}"} | fields


def _csv_paper(number: PaperNumber | None) -> dict:
    return {} if number is None else {"paper_value": percent(number), "paper_bold": "yes" if in_bold(number) else "no"}


def _csv_gain(found: Page, numbers: PaperNumbers, gain: Gain) -> dict:
    theirs = paper_gain(numbers, gain.line)
    extra = {"k": treated(found, gain.line), "p_best_of_k": gain.p, "p_best_of_k_holm": gain.p_holm}
    extra |= {"paper_value": None if theirs is None else f"{theirs:+.1f}"}
    return _csv(found, gain.line, gain.strength, gain.record) | extra
