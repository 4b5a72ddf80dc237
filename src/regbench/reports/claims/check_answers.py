"""How a consistency check answers, and how it looks a printed number up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer


@dataclass(frozen=True)
class Basis:
    """What a check goes by: why it bears a claim out, and why it does not."""

    good: str
    bad: str


NUMBERS = Basis("the document's own numbers bear it out", "the document's own numbers do not bear it out")
FORMULA = Basis("the document's formula bears it out", "the document's formula does not bear it out")
ALGORITHM = Basis("the algorithm as printed does so", "the algorithm as printed does not do so")
CHANCE = Basis(
    "the document's own numbers are beyond what chance alone gives",
    "the document's own numbers are within what chance alone gives",
)
SIMULATION = Basis("a simulation of ours bears it out", "a simulation of ours does not bear it out")
INITIAL = Basis("initial weights, computed here, bear it out", "initial weights, computed here, do not bear it out")


def checked(good: bool, found: str, *details: str, basis: Basis = NUMBERS) -> Answer:
    """Consistent or inconsistent, and by what."""
    word = verdicts.CONSISTENT if good else verdicts.INCONSISTENT
    return Answer(word, found, basis.good if good else basis.bad, details=details)


def find_number(paper: PaperNumbers, table: str, row: str, column: str) -> PaperNumber:
    found = paper.find(table, row, column)
    if found is None:
        raise UserError(f"{paper.paper}: no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def find_cell(paper: PaperNumbers, place: Mapping[str, str]) -> PaperNumber:
    return find_number(paper, place["table"], place["row"], place["column"])
