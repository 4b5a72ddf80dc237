"""The lines of the linearity table: which regularizer at which strength, what is read from its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from regbench.errors import UserError
from regbench.evidence import protocols
from regbench.evidence.groups import STRENGTH, Group, check_same
from regbench.evidence.readings import MODE, last
from regbench.reports.entropy.autoencoders import short
from regbench.reports.sections import Section, find_sections

#: what two rows of one regularizer may differ in
STRENGTHS = (*STRENGTH, "regularizer.method.layer.p")


@dataclass(frozen=True)
class Kind:
    """A regularizer whose strength is swept: its name, the name of its strength, and the measure it is said to move."""

    name: str
    label: str
    strength: str

    @property
    def title(self) -> str:
        return f"{self.label} {self.strength}" if self.strength else self.label


NONE = Kind("none", "None", "")
DROPOUT = Kind("dropout", "Dropout", "rate")
L1 = Kind("l1", "L1", "lambda")
L2 = Kind("l2", "L2", "lambda")
KINDS = (NONE, DROPOUT, L1, L2)
SWEPT = (DROPOUT, L1, L2)


@dataclass(frozen=True)
class Line:
    """One line of the table; strength 0 is no regularizer at all."""

    kind: Kind
    strength: float

    @property
    def label(self) -> str:
        return f"{self.kind.title} {short(self.strength)}" if self.kind.strength else self.kind.title


BASELINE = Line(NONE, 0.0)


@dataclass(frozen=True)
class Reading:
    """What is read from a row, its unit and its column."""

    metric: str
    unit: str
    column: str
    read: Callable[[dict], float]
    protocol: str = "last epoch"


Z = Reading("additivity_gap", "ratio", "Z, additivity gap", last("additivity_gap"))
SUBNETWORKS = Reading("subnetwork_gap", "ratio", "Z of random subnetworks", last("subnetwork_gap"))
SPARSITY = Reading("sparsity", "%", "Sparsity, %", lambda row: 100 * last("sparsity")(row))
NORM = Reading("weight_norm", "norm", "Weight norm", last("weight_norm"))
ACCURACY = Reading("accuracy", "%", "Test acc %, last epoch", lambda row: 100 * last("accuracy")(row))
HELD_OUT = Reading(
    "accuracy",
    "%",
    "Test acc %, protocol held-out",
    lambda row: 100 * protocols.reported(row, "held-out", MODE, "accuracy"),
    "held-out",
)
READINGS = (Z, SUBNETWORKS, SPARSITY, NORM, ACCURACY, HELD_OUT)


def line_of(row: dict) -> Line:
    """The line that a row belongs to. Raises UserError for a regularizer that the table does not hold."""
    settings = row["config"]["regularizer"]
    kind = next((kind for kind in KINDS if kind.name == settings["name"]), None)
    if kind is None:
        allowed = ", ".join(each.name for each in KINDS)
        raise UserError(f"row {row['id']}: regularizer={settings['name']!r}: allowed are {allowed}")
    return Line(kind, float(settings["strength"]))


def linearity_sections(rows: Sequence[dict]) -> list[Section]:
    """One section a budget and dataset. Raises UserError where a regularizer's rows differ in more than strength."""
    found = find_sections(rows, "linearity", line_of, lambda line: (KINDS.index(line.kind), line.strength))
    for section in found:
        ordered = sorted(section.rows, key=lambda row: KINDS.index(line_of(row).kind))
        for kind, members in groupby(ordered, key=lambda row: line_of(row).kind):
            check_same(list(members), f"linearity, {section.dataset}, {kind.name}", ignore=("seed", *STRENGTHS))
    return found


def swept(section: Section, kind: Kind) -> dict[float, Group]:
    """The groups of one regularizer by strength, that of no regularizer as strength 0."""
    lines = {line.strength: group for line, group in section.groups.items() if line.kind is kind}
    return {0.0: section.groups[BASELINE], **lines} if BASELINE in section.groups and lines else lines


def swept_with_rows(section: Section) -> list[Kind]:
    """The regularizers that have a finished training."""
    return [kind for kind in SWEPT if any(group.done for strength, group in swept(section, kind).items() if strength)]


def reading_at(reading: Reading, strength: float) -> Reading:
    """What stands for a reading at this strength: without dropout the only subnetwork is the network."""
    return Z if reading is SUBNETWORKS and strength == 0.0 else reading
