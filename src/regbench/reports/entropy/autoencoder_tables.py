"""Tables behind the entropy paper's Figures 3 to 6: error, stopping epoch, pairwise tests, epochs to a fixed error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from regbench.evidence.groups import Group
from regbench.evidence.notes import code
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.protocols import PROTOCOLS
from regbench.evidence.records import Record, cell, measured
from regbench.evidence.settings import title_settings
from regbench.evidence.tables import EN_DASH, MINUS, Cell, Table, to_csv, to_markdown, write_texts
from regbench.reports.entropy.autoencoder_findings import TARGET, findings
from regbench.reports.entropy.autoencoder_signs import ALPHA, sign_tables
from regbench.reports.entropy.autoencoders import (
    FIGURES,
    MEASURES,
    Page,
    cap_mark,
    epochs_to,
    served,
    short,
)

CSV_FIELDS = (
    *("budget", "dataset", "variant", "width", "strength", "protocol", "metric", "unit", "status", "mean", "low"),
    *("high", "n", "seeds", "failed_seeds", "note"),
)
GUIDE = f"""# Figures 3 to 6 of the entropy paper: autoencoders by latent width and lambda

How to read this:

- The question: does the dense entropy loss let an autoencoder converge "up to 4 times faster" to minima of nearly the
  same error? The paper measures the epoch at which early stopping (patience 7) ends the training.
- Early stopping watches a loss in float32. Where the determinant underflows, the reciprocal penalty is the constant
  lambda / eps: it has no gradient, and added to a small error it hides the error's progress. The *constant* variants
  add lambda / eps and nothing else: they are the control. Where a variant is like its constant, the stop says nothing
  about entropy. Where the determinant does not underflow (narrow layers, or late in training), the penalty is another
  number and has a gradient.
- On MNIST the square part of a narrow layer looks at the blank upper border: the penalty then moves weights that hardly
  reach the reconstruction.
- *Base loss watched*: early stopping sees the reconstruction error alone. *Epochs to a fixed error* do not depend on
  early stopping at all: they are the plain measure of speed.
- `n` counts independently seeded trainings, `±` is half a 95 % t-interval over them. Members whose penalty never had a
  gradient share their training with lambda = 0 of the same seed, number for number, and differ in their stop alone.
- Protocol `paper`: early stopping watches the test split, as the paper seems to do. Protocol `held-out`: it watches
  images held out of the training data. Both report the error on the test split, of the weights at the stop.
- The paper states no cap on epochs and no smallest change that counts as an improvement (here: 0). A `>` says that some
  trainings were ended by the cap and not by early stopping: their true stop is later.
- `not run`: no row yet; `make reproduce-entropy-figures` goes on there.
- Signs in the pairwise tests: `+` higher, `{MINUS}` lower in the row's lambda than in the column's, two-sided Welch
  t-test at alpha = {ALPHA}; 0: no significant difference. Values that do not vary at all and differ count as different.
"""


def write_autoencoders(found: Sequence[Page], numbers: PaperNumbers, folder: Path) -> list[Path]:
    """Write `entropy-figures.md` and `.csv` into `folder`."""
    parts, tables = [GUIDE], []
    for page in found:
        own = [*value_tables(page, numbers), speed_table(page), penalty_table(page)]
        grids = [grid for measure in MEASURES for grid in sign_tables(page, measure, numbers)]
        tables += own
        parts.append(f"## {page.name}, budget `{page.budget}`\n\n{code(page.rows)}\n")
        parts.append(findings(page))
        parts += [to_markdown(table, level=3) for table in (*own, *grids)]
    texts = {"entropy-figures.md": "\n".join(parts), "entropy-figures.csv": to_csv(tables, CSV_FIELDS)}
    return write_texts(texts, folder)


def _title(page: Page, what: str) -> str:
    return f"{what}, {page.name}: {title_settings(page.rows, page.groups.values(), capped=True)}"


def value_tables(page: Page, numbers: PaperNumbers) -> list[Table]:
    """Error and stopping epoch: a line a variant and width, a column a lambda; one table a measure and protocol."""
    return [_value_table(page, measure, protocol, numbers) for measure in MEASURES for protocol in PROTOCOLS]


def _value_table(page: Page, measure: str, protocol: str, numbers: PaperNumbers) -> Table:
    unit, name, read = MEASURES[measure]
    lines, records = [], []
    most = max(len(group.done) for group in page.groups.values())
    for variant in page.variants:
        for width in page.widths:
            cells = [Cell(variant.label), Cell(str(width))]
            for strength in page.strengths:
                group = page.groups.get((variant, width, strength))
                blank = Record(variant.label, measure, protocol, unit, "done")
                record = measured(group, blank, lambda row: read(row, protocol))
                cells.append(_marked(record, group, measure, protocol, most))
                records.append(_csv_record(record, page, width, strength))
            lines.append(tuple(cells))
    number = FIGURES.get(page.dataset, {}).get(measure)
    title = _title(page, f"{name} (Figure {number}), protocol {protocol}" if number else f"{name}, protocol {protocol}")
    columns = ("Penalty", "Latent width", *(f"lambda {short(strength)}" for strength in page.strengths))
    notes = paper_texts(numbers, f"text on Figure {number}") if number else ()
    return Table(title, columns, tuple(lines), notes, tuple(records))


def paper_texts(numbers: PaperNumbers, table: str) -> tuple[str, ...]:
    """What the paper's text says about a figure, as one note; its curves are only drawn."""
    found = [number for number in numbers if number.table == table]
    said = "; ".join(f"{each.row}: {each.column} {each.value:g} {each.unit}" for each in found)
    return (f"The paper's text (its curves are only drawn): {said}.",) if found else ()


def _marked(record: Record, group: Group | None, measure: str, protocol: str, most: int) -> Cell:
    """The cell: a stopping epoch that the cap set is a lower bound, fewer trainings than `most` are counted below."""
    printed = cell(record)
    if group is None or group.failed:
        return printed
    few = (f"n = {len(group.done)}",) if len(group.done) < most else ()
    if measure != "stop":
        return Cell(printed.text, (*printed.footnotes, *few))
    return Cell(cap_mark(group, protocol) + printed.text.removesuffix(f" ± {EN_DASH}"), few)


def _csv_record(record: Record, page: Page, width: int, strength: float) -> dict:
    fields = record.as_dict()
    fields["variant"] = fields.pop("method")
    fields.pop("p")
    return fields | {"budget": page.budget, "dataset": page.dataset, "width": width, "strength": strength}


def speed_table(page: Page) -> Table:
    """Epochs until the test error is at most TARGET: the speed of learning, whatever early stopping does."""
    lines, records = [], []
    for variant in page.variants:
        for width in page.widths:
            cells = [Cell(variant.label), Cell(str(width))]
            for strength in page.strengths:
                group = page.groups.get((variant, width, strength))
                record = _speed(group, Record(variant.label, "epochs_to_target", "paper", "epochs", "done"))
                cells.append(cell(record))
                records.append(_csv_record(record, page, width, strength))
            lines.append(tuple(cells))
    columns = ("Penalty", "Latent width", *(f"lambda {short(strength)}" for strength in page.strengths))
    notes = (f"Over the trainings that reached it before they ended; {EN_DASH}: none did.",)
    return Table(_title(page, f"Epochs to a test MSE of {TARGET}"), columns, tuple(lines), notes, tuple(records))


def _speed(group: Group | None, blank: Record) -> Record:
    if group is None or group.failed:
        return measured(group, blank, lambda row: None)
    reached = Group(tuple(row for row in group.done if epochs_to(row, TARGET) is not None), ())
    if not reached.done:
        return replace(blank, status="absent", notes=("no training reached it before it ended",))
    record = measured(reached, blank, lambda row: float(epochs_to(row, TARGET)))
    missing = len(group.done) - len(reached.done)
    return replace(record, notes=(*record.notes, f"{missing} did not reach it") if missing else record.notes)


def penalty_table(page: Page) -> Table:
    """What the penalty did: its gradient and the change in entropy of the layer, at the first and the last epoch."""
    lines = []
    for variant in page.variants:
        for width in page.widths:
            rows = [
                row
                for (v, w, strength), group in page.groups.items()
                if (v, w) == (variant, width) and strength != 0
                for row in group.done
            ]
            lines.append(tuple(Cell(text) for text in (variant.label, str(width), *_penalty_texts(rows))))
    columns = ("Penalty", "Latent width", "Gradient norm, first epoch", "Gradient norm, last epoch")
    columns += ("log|det W|, first epoch", "log|det W|, last epoch", "Shared trainings")
    notes = ("Medians over all lambda above 0 and all seeds; the epoch is the one at whose end they were measured.",)
    return Table(_title(page, "The penalty's gradient"), columns, tuple(lines), notes)


def _penalty_texts(rows: list[dict]) -> list[str]:
    if not rows:
        return ["not run"] * 5
    norms = [[row["epochs"][place]["measures"]["train"]["gradient_norm"] for row in rows] for place in (0, -1)]
    changes = [
        [row["epochs"][place]["measures"]["steps"]["encoder/entropy_change"] for row in rows] for place in (0, -1)
    ]
    texts = [f"{median(values):.1e}" if median(values) else "0" for values in norms]
    texts += [f"{median(values):.0f}".replace("-", MINUS) for values in changes]
    return [*texts, f"{served(rows)} of {len(rows)}"]
