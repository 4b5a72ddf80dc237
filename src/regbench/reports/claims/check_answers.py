"""How a consistency check answers, and how it looks a printed number up."""

from __future__ import annotations

from collections.abc import Mapping

from regbench.errors import UserError
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer
from regbench.reports.paper import PaperNumber, PaperNumbers


def checked(good: bool, found: str, *details: str) -> Answer:
    word = verdicts.CONSISTENT if good else verdicts.INCONSISTENT
    why = "the document's own numbers bear it out" if good else "the document's own numbers do not bear it out"
    return Answer(word, found, why, details=details)


def find_number(paper: PaperNumbers, table: str, row: str, column: str) -> PaperNumber:
    found = paper.find(table, row, column)
    if found is None:
        raise UserError(f"{paper.paper}: no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def find_cell(paper: PaperNumbers, place: Mapping[str, str]) -> PaperNumber:
    return find_number(paper, place["table"], place["row"], place["column"])
