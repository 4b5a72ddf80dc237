"""What the ledger says about one claim, and how its numbers are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regbench.evidence.cells import DECIMALS, number, p_text
from regbench.evidence.settings import devices
from regbench.evidence.tables import EN_DASH, MINUS
from regbench.reports.claims import verdicts
from regbench.reports.claims.families import Family
from regbench.reports.entropy.autoencoders import short

UNIT_TEXTS = {
    "pp": " pp",
    "%": " %",
    "ratio": "",
    "norm": "",
    "1e-3": " x 1e-3",
    "probability": "",
    "times": " times",
    "rho": "",
}


AT_LEAST, OPEN = "at least", "open"


@dataclass(frozen=True)
class Effect:
    """One measured effect for the picture; `claimed` is the paper's, `smallest` what 80 % power would have shown.

    `printed` is what the paper says of it, in words, `source` the printed numbers behind that with their places. `word`
    is the outcome of this case alone, `n` its trainings. `bound` says of an effect that a cap on epochs cut off how
    the true one stands to its value: it is `at least` as large, or that is `open`.
    """

    label: str
    unit: str
    direction: str
    value: float
    low: float | None = None
    high: float | None = None
    claimed: float | None = None
    smallest: float | None = None
    printed: str = ""
    source: str = ""
    word: str = ""
    n: int | None = None
    bound: str = ""


@dataclass(frozen=True)
class Answer:
    """The verdict on a claim, in `found` what came out in a few words, in `why` the rule that gave the verdict.

    `runs` says n, budget and device, `settings` what else of the trainings the paper leaves open; `details` are lines
    of the claim's section, `chance` says what chance alone gives, `experiments` name the rows, `budget` is theirs.
    `family` says over what its p-values are corrected; without one they are not. `needed` says of a claim that was not
    run what would answer it.
    """

    word: str
    found: str
    why: str
    runs: str = EN_DASH
    details: tuple[str, ...] = ()
    chance: str = ""
    effects: tuple[Effect, ...] = ()
    experiments: tuple[str, ...] = ()
    budget: str = ""
    family: Family | None = None
    needed: str = ""
    settings: str = ""


def not_run(why: str, experiments: Sequence[str] = (), needed: str = "") -> Answer:
    """The answer where there is no training; `needed` is by default the commands of the experiments."""
    commands = [f"`make reproduce-{experiment}`" for experiment in experiments]
    needed = needed or (listed(commands) if commands else "")
    return Answer(verdicts.NOT_RUN, "not run", why, experiments=tuple(experiments), needed=needed)


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


def both_ways(p: float | None, opposite: float | None) -> str:
    """The p-values of both directions: `p = 0.832 as claimed, p = 0.168 opposite`."""
    return f"{p_text(p)} as claimed, {p_text(opposite)} opposite"


def alone_text(word: str, claim: str) -> str:
    """The end of a case's line: its own outcome, where that is not its claim's."""
    return "." if word in ("", claim) else f"; alone *{word}*."


def runs_text(counts: Sequence[int], budget: str, rows: Sequence[dict]) -> str:
    """`n = 5, quick, cpu`; n is a range where the cases differ."""
    low, high = min(counts), max(counts)
    n = f"n = {low}" if low == high else f"n = {low} to {high}"
    return f"{n}, {budget}, {' and '.join(devices(rows, 'device'))}"


def eps_text(rows: Sequence[dict]) -> str:
    """`eps 1e-7` of the reciprocal penalties, and of the constants in their place, among these rows; else empty."""
    methods = [row["config"]["regularizer"]["method"] for row in rows if row["config"]["regularizer"].get("method")]
    found = sorted({method["eps"] for method in methods if "eps" in method and method.get("form") != "log"})
    return f"eps {' and '.join(map(short, found))}" if found else ""


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
