"""How the entropy paper prints a number: as percent, in bold."""

from __future__ import annotations

from decimal import Decimal

from regbench.evidence.numbers import PaperNumber
from regbench.evidence.tables import MINUS


def percent(number: PaperNumber, signed: bool = False) -> str:
    """The printed fraction as percent, no digit more or less."""
    value = Decimal(number.printed.rstrip("%"))
    value = value if number.unit in ("%", "pp") else value.scaleb(2)
    return f"{value:{'+' if signed else ''}f}".replace("-", MINUS)


def in_bold(number: PaperNumber) -> bool:
    """Whether the paper sets it in bold."""
    return "in bold" in number.read
