"""The adaptive-dropout paper's Table 1 beside the paper's own numbers, with the controls that the paper lacks.

Three parts a dataset: the scores of every method, AGNN-ADR against the others with a verdict on each claim (the
controls in a table of their own), and the stability of the trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from regbench.evidence import protocols
from regbench.evidence.cells import count_cell, number
from regbench.evidence.groups import Group
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.readings import last
from regbench.evidence.records import Record, cell, measured
from regbench.evidence.settings import budgets_of
from regbench.evidence.tables import EN_DASH, MINUS, Cell, Table, to_csv, to_tex, write_texts
from regbench.reports.gan.claims import MEASURES, NO_LEVEL, SPEED, Tested, tested, verdicts
from regbench.reports.gan.methods import AGNN, BASELINES, CONTROLS, FIXED, PAPER_METHODS, GanMethod, Variant
from regbench.reports.gan.notes import (
    chance_note,
    family_note,
    gap_note,
    guide,
    level_note,
    rank_note,
    settings_note,
    speed_note,
    variants_note,
)
from regbench.reports.gan.readings import capped_epochs_to, epochs_to, final_rate, score
from regbench.reports.gan.sections import Section, gan_sections
from regbench.reports.gan.stability import collapsed_cell, diverged_cell, stability_table
from regbench.reports.notes import images_note, page

REAL = "Real images"
COLUMNS = (
    "Method",
    "n",
    "FID, paper's number",
    "FID, protocol paper",
    "FID, protocol held-out",
    "FID, last epoch",
    "IS, paper's number",
    "IS, protocol paper",
    "IS, protocol held-out",
    "Effective classes (held-out)",
    "Diversity (held-out)",
    "Diverged",
    "Collapsed",
    "Epochs to the fixed FID",
    "Dropout rate, last epoch",
)
DIFFERENCES = (
    "AGNN-ADR minus",
    "n",
    "FID, paper's numbers",
    "FID (p: lower)",
    "IS, paper's numbers",
    "IS (p: higher)",
    "Epochs to the fixed FID (p: fewer)",
)
CSV_FIELDS = (
    *("budget", "dataset", "table", "method", "reference", "metric", "protocol", "unit", "status", "mean", "low"),
    *("high", "n", "seeds", "failed_seeds", "paper_value", "p", "p_holm", "p_opposite_holm", "note"),
)
#: (metric, unit) that both protocols print, and (metric, unit) of protocol held-out alone
SCORES = (("fid", "FID"), ("inception_score", "IS"))
VARIETY = (("effective_classes", "classes"), ("diversity", "ratio"))
PRINTED = {"fid": "FID", "inception_score": "IS"}  # metric -> the paper's word
FLOORS = (("fid", "FID"), ("inception_score", "IS"), ("effective_classes", "classes"))
Key = tuple[str, str]


def build_gan_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, budget: str) -> list[Table]:
    """For each dataset with rows of this budget the scores, the claims, the controls (where run) and the stability.

    Raises UserError where rows of one dataset cannot stand beside each other: see `gan_sections`.
    """
    return [table for section in gan_sections(rows, budget) for table in _tables(section, paper_numbers)]


def write_gan_table1(rows: Sequence[dict], paper_numbers: PaperNumbers, folder: str | Path) -> list[Path]:
    """Write `gan-table1.md`, `.csv` and `.tex` into `folder`, one section per budget that has rows.

    The order of `rows` changes no byte. Returns the three paths.
    """
    sections = {budget: build_gan_table1(rows, paper_numbers, budget) for budget in budgets_of(rows)}
    tables = [table for section in sections.values() for table in section]
    texts = {
        "gan-table1.md": page(sections, rows, guide(rows)),
        "gan-table1.csv": to_csv(tables, CSV_FIELDS),
        "gan-table1.tex": "\n".join(to_tex(table) for table in tables),
    }
    return write_texts(texts, folder)


def scores_of(section: Section) -> dict[str, dict[Key, Record]]:
    """Records by line and (metric, protocol); the line of the real images last."""
    found = {variant.label: _measured(section, variant, group) for variant, group in section.lines}
    return found | {REAL: _floors(section)}


def _tables(section: Section, paper_numbers: PaperNumbers) -> list[Table]:
    scores = scores_of(section)
    controls = [method for method in CONTROLS if method is not FIXED and section.group(method)]
    return [
        _scores_table(section, scores, paper_numbers),
        _claims_table(section, scores, paper_numbers),
        *([_controls_table(section, controls, paper_numbers)] if controls else []),
        stability_table(section),
    ]


def _measured(section: Section, variant: Variant, group: Group | None) -> dict[Key, Record]:
    readers: dict[Key, tuple[str, Callable[[dict], float | None]]] = {}
    for metric, unit in SCORES:
        readers |= {(metric, protocol): (unit, score(protocol, metric)) for protocol in protocols.PROTOCOLS}
    readers["fid", "last epoch"] = ("FID", last("fid"))
    readers |= {(metric, "held-out"): (unit, score("held-out", metric)) for metric, unit in VARIETY}
    readers["rate", "last epoch"] = ("ratio", final_rate)
    found = {
        key: measured(group, Record(variant.label, *key, unit, "done"), reader)
        for key, (unit, reader) in readers.items()
    }
    if found["rate", "last epoch"].status == "absent":  # most methods have none: no footnote
        found["rate", "last epoch"] = replace(found["rate", "last epoch"], notes=())
    return found | {(SPEED, "test"): _speed(section, variant, group)}


def _speed(section: Section, variant: Variant, group: Group | None) -> Record:
    blank, level = Record(variant.label, SPEED, "test", "epochs", "done"), section.level
    if level is None and group and not group.failed:
        return replace(blank, status="absent", notes=(NO_LEVEL,))
    record = measured(group, blank, lambda row: capped_epochs_to(row, level))
    missing = _never(group, level) if record.status == "done" else 0
    if not missing:
        return record
    note = f"{missing} of {len(group.done)} trainings never reach the fixed FID and count with their last epoch"
    return replace(record, low=None, high=None, notes=(note,))


def _never(group: Group, level: float) -> int:
    return sum(epochs_to(row, level) is None for row in group.done)


def _floors(section: Section) -> dict[Key, Record]:
    """What real images score."""
    return {
        (metric, "last epoch"): Record(REAL, metric, "last epoch", unit, "done", mean=mean)
        for metric, unit in FLOORS
        if (mean := section.floor(metric)) is not None
    }


def _scores_table(section: Section, scores: dict[str, dict[Key, Record]], paper_numbers: PaperNumbers) -> Table:
    most = max(len(group.done) for group in section.groups.values())
    lines = [_score_cells(section, variant, group, scores, paper_numbers, most) for variant, group in section.lines]
    pairs = [
        tuple(scores[variant.label]["fid", protocol] for protocol in protocols.PROTOCOLS)
        for variant, _ in section.lines
    ]
    untested = [variant.label for variant in section.groups if variant.changes]
    notes = (
        images_note(section.dataset, section.rows[0]["config"]["dataset"]),
        settings_note(section),
        level_note(section),
        gap_note(pairs),
        variants_note(untested),
    )
    return Table(
        title=section.title("GANs, Table 1"),
        columns=COLUMNS,
        rows=(*lines, _floor_cells(scores[REAL])),
        notes=tuple(note for note in notes if note),
        records=tuple(_score_csv(section, scores, paper_numbers)),
    )


def _score_cells(
    section: Section,
    variant: Variant,
    group: Group | None,
    scores: dict[str, dict[Key, Record]],
    paper_numbers: PaperNumbers,
    most: int,
) -> tuple[Cell, ...]:
    records = scores[variant.label]
    return (
        Cell(variant.label),
        count_cell(group, most),
        _paper_cell(section, variant, "fid", paper_numbers),
        *(cell(records["fid", protocol]) for protocol in (*protocols.PROTOCOLS, "last epoch")),
        _paper_cell(section, variant, "inception_score", paper_numbers),
        *(cell(records["inception_score", protocol]) for protocol in protocols.PROTOCOLS),
        *(cell(records[metric, "held-out"]) for metric, _ in VARIETY),
        diverged_cell(group),
        collapsed_cell(group),
        _speed_cell(records[SPEED, "test"], group, section.level),
        cell(records["rate", "last epoch"]),
    )


def _speed_cell(record: Record, group: Group | None, level: float | None) -> Cell:
    """A mean over trainings of which some never arrive is a lower bound."""
    if record.status != "done" or not _never(group, level):
        return cell(record)
    return Cell(f"> {number(record.mean, record.unit)}", record.notes)


def _floor_cells(floors: dict[Key, Record]) -> tuple[Cell, ...]:
    nothing = Cell(EN_DASH)
    texts = {metric: Cell(number(record.mean, record.unit)) for (metric, _), record in floors.items()}
    fid, inception, classes = (texts.get(metric, nothing) for metric, _ in FLOORS)
    return (
        Cell(REAL),
        *(nothing, nothing, fid, fid, fid, nothing, inception, inception, classes),
        *[nothing] * (len(COLUMNS) - 10),
    )


def _printed(section: Section, method: GanMethod, metric: str, paper_numbers: PaperNumbers) -> str | None:
    if method.paper_row is None or metric not in PRINTED:
        return None
    found = paper_numbers.find("1", method.paper_row, f"{section.name} {PRINTED[metric]}")
    return found.printed if found else None


def _paper_cell(section: Section, variant: Variant, metric: str, paper_numbers: PaperNumbers) -> Cell:
    return Cell((None if variant.changes else _printed(section, variant.method, metric, paper_numbers)) or EN_DASH)


def _claims_table(section: Section, scores: dict[str, dict[Key, Record]], paper_numbers: PaperNumbers) -> Table:
    found = tested(section, (*BASELINES, FIXED))
    judged = verdicts(section, found)
    means = {
        metric: {
            method.label: record.mean
            for method in PAPER_METHODS
            if (record := scores[method.label][metric, "held-out"]).mean is not None
        }
        for metric in PRINTED
    }
    notes = (
        *(verdict.sentence for verdict in judged),
        rank_note("FID", means["fid"], lowest_first=True),
        rank_note("IS", means["inception_score"], lowest_first=False),
        chance_note(),
        family_note(found.values()),
        speed_note(),
    )
    blank = {"budget": section.budget, "dataset": section.dataset, "table": "claims", "method": AGNN.label}
    lines = [blank | {"metric": v.claim, "status": v.word, "note": v.reason} for v in judged]
    table = _differences_table(section, "Claims", found, paper_numbers)
    return replace(table, notes=notes, records=(*table.records, *lines))


def _controls_table(section: Section, controls: Sequence[GanMethod], paper_numbers: PaperNumbers) -> Table:
    found = tested(section, controls)
    table = _differences_table(section, "Controls", found, paper_numbers)
    return replace(table, notes=("Not of the paper; no claim rests on these.", family_note(found.values())))


def _differences_table(
    section: Section, what: str, found: dict[tuple[GanMethod, str], Tested], paper_numbers: PaperNumbers
) -> Table:
    others = tuple(dict.fromkeys(other for other, _ in found))
    return Table(
        title=section.title(f"GANs, {what.lower()}"),
        columns=DIFFERENCES,
        rows=tuple(_difference_cells(section, other, found, paper_numbers) for other in others),
        records=tuple(
            _csv(section, what.lower(), pair.claimed)
            | {"reference": other.label, "p_holm": pair.claimed.p_holm, "p_opposite_holm": pair.opposite.p_holm}
            | {"paper_value": _paper_difference(section, other, metric, paper_numbers)}
            for (other, metric), pair in found.items()
        ),
    )


def _difference_cells(
    section: Section, other: GanMethod, found: dict[tuple[GanMethod, str], Tested], paper_numbers: PaperNumbers
) -> tuple[Cell, ...]:
    records = {measure.metric: found[other, measure.metric].claimed for measure in MEASURES}
    paper = {metric: Cell(_paper_difference(section, other, metric, paper_numbers) or EN_DASH) for metric in PRINTED}
    return (
        Cell(other.label),
        Cell(str(len(records["fid"].seeds) if records["fid"].status == "done" else 0)),
        paper["fid"],
        cell(records["fid"]),
        paper["inception_score"],
        cell(records["inception_score"]),
        cell(records[SPEED]),
    )


def _paper_difference(section: Section, other: GanMethod, metric: str, paper_numbers: PaperNumbers) -> str | None:
    """The difference of the paper's printed numbers, no digit more or less."""
    ours, theirs = (_printed(section, method, metric, paper_numbers) for method in (AGNN, other))
    if ours is None or theirs is None:
        return None
    return f"{Decimal(ours) - Decimal(theirs):+f}".replace("-", MINUS)


def _score_csv(section: Section, scores: dict[str, dict[Key, Record]], paper_numbers: PaperNumbers) -> Iterable[dict]:
    for variant, _ in section.lines:
        for (metric, _), record in scores[variant.label].items():
            printed = None if variant.changes else _printed(section, variant.method, metric, paper_numbers)
            yield _csv(section, "scores", record) | {"paper_value": printed}
    for record in scores[REAL].values():
        yield _csv(section, "scores", record) | {"n": None}


def _csv(section: Section, table: str, record: Record) -> dict:
    return {"budget": section.budget, "dataset": section.dataset, "table": table} | record.as_dict()
