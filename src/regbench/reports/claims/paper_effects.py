"""The effect that a paper prints for a case of a claim: a number, a difference of two or a factor, and its places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.tables import MINUS
from regbench.reports.claims.answers import amount
from regbench.reports.claims.claims import NAMES, Case, Claim

TIMES = "times"  # the unit of an effect that is printed as a factor
#: (printed unit, unit of the metric's differences) -> factor
SCALES = {("fraction", "pp"): 100.0, ("%", "pp"): 1.0, ("MSE", "1e-3"): 1000.0}


@dataclass(frozen=True)
class PaperEffect:
    """What the paper prints: a value in the unit of the metric's differences, and its n (None: not stated).

    `cells` are the numbers that it comes from: one, or two whose difference it is.
    """

    value: float
    unit: str
    n: int | None
    cells: tuple[PaperNumber, ...] = ()

    def text(self, claimed: float | None, unit: str) -> str:
        """`+0.39 pp = 64.62 - 64.23 (n not stated)`; of a factor what it would be here, too."""
        stated = "n not stated" if self.n is None else f"n = {self.n}"
        if self.unit == TIMES:
            return f"{self.value:g} times ({stated}), {amount(claimed, unit, True)} here"
        terms = f" {MINUS} ".join(cell.printed for cell in self.cells)
        return f"{amount(self.value, unit, True)}{f' = {terms}' if len(self.cells) > 1 else ''} ({stated})"

    def source(self, claimed: float | None, unit: str) -> str:
        """The printed numbers with their places: `-30.0 epochs = 10 (text on Figure 4; ...) - 40 (...)`."""
        terms = f" {MINUS} ".join(f"{cell.printed} ({cell.place})" for cell in self.cells)
        if self.unit == TIMES:
            return f"{terms} times; from what the reference has here that is {amount(claimed, unit, True)}"
        return f"{amount(self.value, unit, True)} = {terms}"


def paper_effect(claim: Claim, case: Case, unit: str, papers: Mapping[str, PaperNumbers]) -> PaperEffect | None:
    """What the paper prints for a case, in this unit or as a factor; None where the claim names no number.

    The rows of an effect without `row` are those of the method and of its reference.
    """
    effect = claim.effect
    if not effect:
        return None
    cell = {key: _filled(effect.get(key), case.dataset) for key in ("table", "row", "column")}
    ours = _number(claim, cell["table"], cell["row"] or case.method.row, cell["column"], papers)
    if effect.get(TIMES):
        return PaperEffect(_scaled(claim, ours, TIMES), TIMES, ours.n, (ours,))
    value, n, cells = _scaled(claim, ours, unit), ours.n, (ours,)
    if "minus" in effect or not cell["row"]:
        minus = {key: _filled(each, case.dataset) for key, each in effect.get("minus", {}).items()}
        row = minus.get("row") or (case.reference.row if not cell["row"] else cell["row"])
        theirs = _number(claim, cell["table"], row, minus.get("column", cell["column"]), papers)
        value -= _scaled(claim, theirs, unit)
        n, cells = ours.n if theirs.n == ours.n else None, (ours, theirs)
    return PaperEffect(value, unit, n, cells)


def _number(claim: Claim, table: str, row: str | None, column: str, papers: Mapping[str, PaperNumbers]) -> PaperNumber:
    if claim.document not in papers:
        raise UserError(f"claim {claim.id}: paper {claim.document!r} has no numbers: its effect is looked up there")
    found = papers[claim.document].find(table, row, column) if row else None
    if found is None:
        raise UserError(f"claim {claim.id}: the paper has no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def _scaled(claim: Claim, found: PaperNumber, unit: str) -> float:
    scale = 1.0 if found.unit == unit else SCALES.get((found.unit, unit))
    if scale is None:
        raise UserError(
            f"claim {claim.id}: unit={found.unit!r} at row={found.row!r}, column={found.column!r} is not that of the "
            f"metric, {unit!r}"
        )
    return scale * found.value


def _filled(text: object, dataset: str) -> str | None:
    return None if text is None else str(text).replace("{dataset}", NAMES.get(dataset, dataset))
