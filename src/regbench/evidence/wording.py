"""How numbers of answers are printed."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import DECIMALS, number
from regbench.evidence.settings import devices
from regbench.evidence.tables import MINUS

UNIT_TEXTS = {"pp": " pp", "%": " %", "1e-3": " x 1e-3", "times": " times"}
UNIT_TEXTS |= dict.fromkeys(("ratio", "norm", "probability", "rho", ""), "")


def amount(value: float, unit: str, signed: bool = False) -> str:
    """A value with its unit: `+0.39 pp`, `0.7808 nats`, `0.25`."""
    return bare(value, unit, signed) + UNIT_TEXTS.get(unit, f" {unit}")


def bare(value: float, unit: str, signed: bool = False) -> str:
    """A value with its unit's decimals, or three significant digits where the unit has none of its own."""
    if unit in DECIMALS:
        return number(value, unit, signed)
    text = f"{value:+.3g}" if signed and value != 0 else f"{value:.3g}"
    return text.replace("-", MINUS)


def interval_text(low: float | None, high: float | None, unit: str) -> str:
    """` [-0.58, +0.79]`; empty without an interval."""
    if low is None or high is None:
        return ""
    return f" [{bare(low, unit, signed=True)}, {bare(high, unit, signed=True)}]"


def runs_text(counts: Sequence[int], budget: str, rows: Sequence[dict]) -> str:
    """`n = 5, quick, cpu`; n is a range where the cases differ."""
    low, high = min(counts), max(counts)
    n = f"n = {low}" if low == high else f"n = {low} to {high}"
    return f"{n}, {budget}, {' and '.join(devices(rows, 'device'))}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
