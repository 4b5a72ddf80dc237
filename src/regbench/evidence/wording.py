"""How numbers are written, with the decimals of their unit: `+0.39 pp`, ` [-0.58, +0.79]`, `p = 0.520`."""

from __future__ import annotations

from collections.abc import Sequence

EN_DASH = "\u2013"
MINUS = "\u2212"
# pp: percentage points; 1e-3: thousandths
DECIMALS = {
    **{"%": 2, "pp": 2, "nats": 4, "epochs": 1, "s": 2, "1e-3": 2, "ratio": 3, "norm": 2, "factor": 2, "rho": 3},
    **{"FID": 2, "IS": 2, "classes": 2},
}
UNIT_TEXTS = {"pp": " pp", "%": " %", "1e-3": " x 1e-3", "times": " times"}
UNIT_TEXTS |= dict.fromkeys(("ratio", "norm", "probability", "rho", ""), "")


def number(value: float, unit: str, signed: bool = False) -> str:
    """`value` with its unit's decimals and a true minus sign; a value that rounds to zero has no sign.

    Three significant digits where the unit has no decimals of its own.
    """
    text = f"{value:.{DECIMALS[unit]}f}" if unit in DECIMALS else f"{value:.3g}"
    if float(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS) if value < 0 else "+" * signed + text


def amount(value: float, unit: str, signed: bool = False) -> str:
    """A value with its unit: `+0.39 pp`, `0.7808 nats`, `0.25`."""
    return number(value, unit, signed) + UNIT_TEXTS.get(unit, f" {unit}")


def interval_text(low: float | None, high: float | None, unit: str) -> str:
    """` [-0.58, +0.79]`; empty without an interval."""
    if low is None or high is None:
        return ""
    return f" [{number(low, unit, signed=True)}, {number(high, unit, signed=True)}]"


def p_text(p: float | None) -> str:
    """`p = 0.520`, `p < 0.001`; empty where there was no test."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
