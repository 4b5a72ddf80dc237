"""The entropy paper's Table 1 beside the paper's own numbers, with the null control that the paper lacks.

Accuracies in percent, gains in percentage points. The best of k strengths is taken as the paper takes it and on
held-out images; the same table of further trainings without penalty says what such a choice gains by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regbench.evidence import protocols, stats
from regbench.evidence.cells import count_cell, p_text
from regbench.evidence.notes import code
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.records import Record, cell
from regbench.evidence.settings import budgets_of, title_settings
from regbench.evidence.tables import EN_DASH, Cell, Table, to_csv, to_tex, write_texts
from regbench.reports.entropy.cnn_gains import GAINS, TRAIN_GAIN, Choice, Result, choice_records, results
from regbench.reports.entropy.cnn_groups import (
    NULL,
    PLACEMENTS,
    SEEDS_APART,
    Line,
    check_rows,
    null_lines,
    placement_of,
    strength_lines,
)
from regbench.reports.entropy.cnn_notes import (
    GUIDE,
    gains_note,
    gradient_medians,
    gradient_note,
    likeness_note,
    null_note,
    paper_share_note,
    settings_note,
    shares_note,
)
from regbench.reports.entropy.printed import percent
from regbench.reports.methods import DATASETS, dataset_of
from regbench.reports.notes import gap_note, images_note, page, power_note

PRINTED_FOR = "cifar10"  # the one dataset that the paper prints numbers for
COLUMNS = (
    "Architecture",
    "n",
    "Base train acc %, paper's number",
    "Base train acc %, protocol paper",
    "Base val acc %, paper's number",
    "Base val acc %, protocol paper",
    "Base val acc %, protocol held-out",
    "k",
    "Gain in train acc, pp, paper's number",
    "Gain in train acc, pp, protocol paper (uncorrected p)",
    "Gain in val acc, pp, paper's number",
    "Gain in val acc, pp, protocol paper (uncorrected p)",
    "Best lambda, protocol paper",
    "p for the best of k, protocol paper (Holm)",
    "Gain in val acc, pp, protocol held-out (Holm's p)",
    "Best lambda, protocol held-out",
    "p for the best of k, protocol held-out (Holm)",
)
CSV_FIELDS = (
    *("budget", "dataset", "placement", "architecture", "choice", "protocol", "metric", "unit", "status", "mean"),
    *("low", "high", "n", "seeds", "failed_seeds", "paper_value", "paper_p", "k", "p", "p_holm", "p_best_of_k"),
    *("p_best_of_k_holm", "note"),
)
# record -> the paper's columns of its number and of its p
PRINTED = {
    ("train_accuracy", "paper"): ("Mean Base Train Acc.", None),
    ("accuracy", "paper"): ("Mean Base Val. Acc.", None),
    TRAIN_GAIN: ("Mean Delta Train Acc.", "Delta Train Acc., p"),
    GAINS["paper"]: ("Mean Delta Val. Acc.", "Delta Val. Acc., p"),
}


@dataclass(frozen=True)
class Part:
    """What one table is made of: a placement of the penalty, or the null control."""

    dataset: str
    placement: str
    rows: list[dict]
    results: list[Result]

    @property
    def is_null(self) -> bool:
        return self.placement == NULL

    @property
    def word(self) -> str:
        """What is chosen among."""
        return "null group" if self.is_null else "lambda"

    @property
    def lines(self) -> list[Line]:
        return [result.line for result in self.results]


def build_entropy_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, budget: str) -> list[Table]:
    """For each dataset with rows of this budget one Table a placement, then one of the null control.

    Rows of one table must share every setting but the seed, the widths and the strength. Raises UserError naming
    the key and both values where they do not.
    """
    chosen = sorted((row for row in rows if row["budget"] == budget), key=lambda row: str(row["id"]))
    check_rows(chosen)
    by_dataset: dict[str, list[dict]] = {}
    for row in chosen:
        by_dataset.setdefault(dataset_of(row), []).append(row)
    return [
        table
        for name in DATASETS
        if name in by_dataset
        for table in _dataset_tables(name, by_dataset[name], paper_numbers)
    ]


def write_entropy_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `entropy-table1.md`, `.csv` and `.tex` into `folder`, one section per budget that has rows.

    The order of `rows` changes no byte. Returns the three paths.
    """
    sections = {budget: build_entropy_table1(rows, paper_numbers, budget) for budget in budgets_of(rows)}
    tables = [table for section in sections.values() for table in section]
    texts = {
        "entropy-table1.md": page(sections, rows, GUIDE),
        "entropy-table1.csv": to_csv(tables, CSV_FIELDS),
        "entropy-table1.tex": "\n".join(to_tex(table) for table in tables),
    }
    return write_texts(texts, folder)


def _dataset_tables(dataset: str, rows: list[dict], paper_numbers: PaperNumbers) -> list[Table]:
    plain = [row for row in rows if placement_of(row) is None]
    found = {placement_of(row) for row in rows} - {None}
    # The baselines have a table even before the first penalized training.
    placements = [name for name in PLACEMENTS if name in found] or list(PLACEMENTS)[:1]
    parts = []
    for name in placements:
        used = [row for row in plain if row["seed"] < SEEDS_APART] + [r for r in rows if placement_of(r) == name]
        if used:
            parts.append(Part(dataset, name, used, results(strength_lines(used, name), "lambda")))
    control = [row for row in plain if row["seed"] >= SEEDS_APART]
    null = Part(dataset, NULL, plain, results(null_lines(plain), "null group")) if control else None
    expected = _expected(parts, null)
    tables = [_table(part, null, expected[part.placement], paper_numbers) for part in parts]
    return tables + ([_table(null, null, expected[NULL], paper_numbers)] if null else [])


def _expected(parts: Sequence[Part], null: Part | None) -> dict[str, list[str]]:
    """By table, the names of the choices that every line should have: those that any line has.

    Every strength of the dataset should have its null group.
    """
    names = {part.placement: _names(part) for part in parts}
    if null:
        highest = max([*map(int, _names(null)), *map(len, names.values())])
        names[NULL] = [str(group) for group in range(1, highest + 1)]
    return names


def _names(part: Part) -> list[str]:
    return sorted({name for line in part.lines for name in line.choices}, key=float)


def _table(part: Part, null: Part | None, expected: list[str], paper_numbers: PaperNumbers) -> Table:
    most = max(len(line.baseline.done) if line.baseline else 0 for line in part.lines)
    missing = {line.architecture: [name for name in expected if name not in line.choices] for line in part.lines}
    groups = [group for line in part.lines for group in line.groups]
    what = f"{NULL}, lambda = 0 in all groups" if part.is_null else PLACEMENTS[part.placement]
    printed = {result.line.architecture: _printed(part, result, paper_numbers) for result in part.results}
    return Table(
        title=f"Entropy guidance, Table 1, {DATASETS[part.dataset]}, {what}: {title_settings(part.rows, groups)}",
        columns=tuple(column.replace("lambda", part.word) for column in COLUMNS),
        rows=tuple(
            _cells(result, part, printed[result.line.architecture], missing[result.line.architecture], most)
            for result in part.results
        ),
        notes=_notes(part, null, missing, paper_numbers),
        records=tuple(
            record
            for result in part.results
            for record in _csv_records(part, result, printed[result.line.architecture])
        ),
    )


def _printed(part: Part, result: Result, paper_numbers: PaperNumbers) -> dict[tuple[str, str], tuple[str, str | None]]:
    """The paper's number in percent or pp and its printed p, by record; it prints gains of the first placement only."""
    found = {}
    if part.dataset != PRINTED_FOR:
        return found
    for key, (column, p_column) in PRINTED.items():
        number = paper_numbers.find("1", result.line.architecture, column)
        if number is None or (p_column and part.placement != "first"):
            continue
        p = paper_numbers.find("1", result.line.architecture, p_column) if p_column else None
        found[key] = (percent(number, signed=p_column is not None), p.printed if p else None)
    return found


def _cells(
    result: Result, part: Part, printed: dict[tuple[str, str], tuple[str, str | None]], missing: list[str], most: int
) -> tuple[Cell, ...]:
    line, records = result.line, result.records
    paper = {key: _paper_cell(printed.get(key)) for key in PRINTED}
    train, base = ("train_accuracy", "paper"), ("accuracy", "paper")
    picked = {protocol: _picked(result, protocol) for protocol in protocols.PROTOCOLS}
    return (
        Cell(line.architecture),
        count_cell(line.baseline, most),
        paper[train],
        cell(records[train]),
        paper[base],
        *(cell(records["accuracy", protocol]) for protocol in protocols.PROTOCOLS),
        _k_cell(line, part, missing),
        paper[TRAIN_GAIN],
        cell(records[TRAIN_GAIN], uncorrected=True),
        paper[GAINS["paper"]],
        cell(records[GAINS["paper"]], uncorrected=True),
        *picked["paper"],
        cell(records[GAINS["held-out"]]),
        *picked["held-out"],
    )


def _paper_cell(printed: tuple[str, str | None] | None) -> Cell:
    if printed is None:
        return Cell(EN_DASH)
    value, p = printed
    return Cell(value if p is None else f"{value}, p = {p}")


def _picked(result: Result, protocol: str) -> tuple[Cell, Cell]:
    """What was chosen, and the p-value that allows for the choice."""
    if not result.chosen:
        status = cell(result.records[GAINS[protocol]])
        return status, status
    choice = result.chosen[protocol]
    return Cell(choice.name), Cell(f"{p_text(choice.p)} ({_bare(choice)})")


def _bare(choice: Choice) -> str:
    return p_text(choice.p_holm).removeprefix("p ").removeprefix("= ")


def _k_cell(line: Line, part: Part, missing: list[str]) -> Cell:
    if not part.is_null and part.placement == "convolutions" and line.depth == 1:
        return Cell(str(len(line.choices)), ("one block: its first convolution is all of them, see placement first",))
    notes = []
    if missing and line.choices:
        notes.append(f"{line.architecture}: no rows of {part.word} {', '.join(missing)}")
    most = len(line.baseline.done) if line.baseline else 0
    few = [
        f"{name} (n = {len(group.done)})"
        for name, group in line.choices.items()
        if not group.failed and len(group.done) < most
    ]
    if few:
        notes.append(f"{line.architecture}: fewer seeds than the baseline's {most}: {part.word} {', '.join(few)}")
    return Cell(str(len(line.choices)), tuple(notes))


def _notes(
    part: Part, null: Part | None, missing: dict[str, list[str]], paper_numbers: PaperNumbers
) -> tuple[str, ...]:
    control = null.results if null else []
    held_out = [result.records[GAINS["held-out"]] for result in part.results]
    tests = sum(record.p is not None for record in held_out)
    base = [tuple(result.records["accuracy", name] for name in protocols.PROTOCOLS) for result in part.results]
    what = "the baseline by protocol held-out"
    notes = (
        null_note(part.lines, missing, part.rows) if part.is_null else settings_note(_penalized(part)),
        images_note(part.dataset, part.rows[0]["config"]["dataset"]),
        shares_note(part.results, control, part.is_null),
        paper_share_note(paper_numbers) if part.dataset == PRINTED_FOR and part.placement == "first" else None,
        likeness_note(part.lines),
        gains_note(part.results, control, part.is_null),
        gap_note(base),
        power_note(held_out, tests, what, "greater"),
        gradient_note(part.lines),
        code(part.rows),
    )
    return tuple(note for note in notes if note)


def _penalized(part: Part) -> list[dict]:
    return [row for row in part.rows if placement_of(row) is not None]


def _csv_records(part: Part, result: Result, printed: dict[tuple[str, str], tuple[str, str | None]]) -> list[dict]:
    """The line's printed records, what its gains could have shown, then every choice by itself."""
    found = []
    for key, record in result.records.items():
        choice = result.chosen.get(key[1]) if key in (TRAIN_GAIN, *GAINS.values()) else None
        value, p = printed.get(key, (None, None))
        found.append(_csv(part, record, choice.name if choice else None) | {"paper_value": value, "paper_p": p})
        if key in GAINS.values() and choice:
            found[-1] |= {"k": len(result.line.choices), "p_best_of_k": choice.p, "p_best_of_k_holm": choice.p_holm}
            found += _smallest(part, record, choice)
    found += [_csv(part, record, name) for name, record in choice_records(result.line)]
    return found + _gradients(part, result.line)


def _csv(part: Part, record: Record, choice: str | None) -> dict:
    fields = record.as_dict() | {"p_holm": record.p_holm}
    architecture = fields.pop("method")
    shared = {"budget": part.rows[0]["budget"], "dataset": part.dataset, "placement": part.placement}
    return shared | {"architecture": architecture, "choice": choice} | fields


def _smallest(part: Part, gain: Record, choice: Choice) -> list[dict]:
    """The smallest true gain that this one-sided comparison would have found with 80 % power."""
    if gain.p is None:
        return []
    shape = Record(gain.method, "smallest_gain_80", gain.protocol, "pp", "done", seeds=gain.seeds)
    smallest = stats.smallest_effect(gain.comparison, alternative="greater")
    return [_csv(part, replace(shape, mean=smallest), choice.name)]


def _gradients(part: Part, line: Line) -> list[dict]:
    found = []
    for name, group in line.choices.items():
        for epoch, value in zip(("first epoch", "last epoch"), gradient_medians(group) or (), strict=False):
            shape = Record(line.architecture, "gradient_norm_median", epoch, "", "done", mean=value, seeds=group.seeds)
            found.append(_csv(part, shape, name))
    return found
