"""The effect that a paper prints for a comparison: a number, a difference of two or a factor, and its places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.spec import filled
from regbench.evidence.wording import MINUS, amount

TIMES = "times"  # the unit of an effect that is printed as a factor
#: (printed unit, unit of the metric's differences) -> factor
SCALES = {("fraction", "pp"): 100.0, ("%", "pp"): 1.0, ("MSE", "1e-3"): 1000.0}


@dataclass(frozen=True)
class PaperEffect:
    """What the paper prints: a value in the unit of the metric's differences, over n trainings (None: not stated).

    `cells` are the numbers that it comes from: one, or two whose difference it is. A factor (`unit` times) becomes a
    difference from what the reference has here.
    """

    value: float
    unit: str
    n: int | None
    cells: tuple[PaperNumber, ...]

    def claimed(self, reference: float, direction: str) -> float:
        """The effect as a difference, in the unit of ours."""
        if self.unit != TIMES:
            return self.value
        return ((self.value if direction == "greater" else 1 / self.value) - 1) * reference

    @property
    def text(self) -> str:
        """`+0.39 pp = 64.62 - 64.23`."""
        if self.unit == TIMES:
            return f"{self.value:g} times"
        terms = f" {MINUS} ".join(cell.printed for cell in self.cells)
        return f"{amount(self.value, self.unit, True)}{f' = {terms}' if len(self.cells) > 1 else ''}"


def paper_effect(
    effect: Mapping[str, object], numbers: PaperNumbers, words: Mapping[str, str], rows: tuple[str, str], unit: str
) -> PaperEffect | None:
    """What the paper prints, in this unit or as a factor; None where the claim names no number.

    Args:
        words: what fills {dataset} and the like in the places that are named.
        rows: the paper's own rows of the two lines, for an effect that names none.

    Raises UserError for a number that the paper does not print, or one whose unit is not that of the metric.
    """
    if not effect:
        return None
    table, column = str(effect["table"]), filled(str(effect["column"]), words)
    row = filled(str(effect["row"]), words) if "row" in effect else rows[0]
    ours = _number(numbers, table, row, column)
    if effect.get(TIMES):
        return PaperEffect(_scaled(ours, TIMES), TIMES, ours.n, (ours,))
    if "minus" not in effect and "row" in effect:
        return PaperEffect(_scaled(ours, unit), unit, ours.n, (ours,))
    minus = {key: filled(str(value), words) for key, value in effect.get("minus", {}).items()}
    other = minus.get("row") or (row if "row" in effect else rows[1])
    theirs = _number(numbers, table, other, minus.get("column", column))
    n = ours.n if theirs.n == ours.n else None
    return PaperEffect(_scaled(ours, unit) - _scaled(theirs, unit), unit, n, (ours, theirs))


def _number(numbers: PaperNumbers, table: str, row: str, column: str) -> PaperNumber:
    found = numbers.find(table, row, column) if row else None
    if found is None:
        raise UserError(f"{numbers.paper}: it prints no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def _scaled(found: PaperNumber, unit: str) -> float:
    scale = 1.0 if found.unit == unit else SCALES.get((found.unit, unit))
    if scale is None:
        raise UserError(f"unit={found.unit!r} of the number at {found.place} is not that of the metric, {unit!r}")
    return scale * found.value
