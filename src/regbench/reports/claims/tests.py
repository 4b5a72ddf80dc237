"""What was measured for one claim in one budget, before any correction: its cases with their tests."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from regbench.reports.claims.verdicts import Test


@dataclass(frozen=True)
class Measured:
    """One case of a claim: its test, the values of both sides, the rows behind it.

    `unit` is that of the difference, `value_unit` that of the two sides: a method and its reference, or of a trend the
    lowest and the highest strength. `printed` is what the paper says of this case, in words; empty where it says none,
    and `source` the printed numbers behind it with their places. `between` says of a trend what its two sides are,
    `saturated` of a case that its reference leaves too little to gain.
    """

    label: str
    unit: str
    test: Test
    sides: tuple[tuple[float, ...], tuple[float, ...]]
    rows: tuple[dict, ...]
    value_unit: str
    bounds: tuple[bool, bool] = (False, False)
    printed: str = ""
    source: str = ""
    between: str = ""
    saturated: str = ""

    @property
    def means(self) -> tuple[float, float]:
        return fmean(self.sides[0]), fmean(self.sides[1])


@dataclass(frozen=True)
class Outcome:
    """The cases of a claim that were measured, and in words those that were not."""

    found: tuple[Measured, ...]
    missing: tuple[str, ...] = ()
    selection_gap: float | None = None
