"""What trainings say of a claim in words: for a cell of a table, for a line of its section, for its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import p_text
from regbench.evidence.stats import mean_interval
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import alone_text, amount, bare, both_ways, interval_text
from regbench.reports.claims.judged import Judged
from regbench.reports.claims.tests import Measured, Outcome

SHOWN = 3  # cases that a table's cell names one by one


def found_text(outcome: Outcome) -> str:
    """What came out, short enough for a cell."""
    found = outcome.found
    if len(found) == 1:
        return f"{only_case(outcome)}: {_result(found[0])}" if outcome.missing else _result(found[0])
    if len(found) <= SHOWN:
        return "; ".join(f"{case_name(each, found)}: {_result(each)}" for each in found)
    values = [each.test.comparison.difference for each in found]
    unit, direction = found[0].unit, found[0].test.direction
    low, high = bare(min(values), unit, True), amount(max(values), unit, True)
    towards = sum(value > 0 if direction == "greater" else value < 0 for value in values)
    counted = "" if direction == verdicts.NONE else f"; {towards} of {len(found)} in the claimed direction"
    return f"differences from {low} to {high}{counted}"


def only_case(outcome: Outcome) -> str:
    """The one case that was measured of several; empty where all were, or more than one."""
    alone = outcome.missing and len(outcome.found) == 1
    return outcome.found[0].label.split(": ", 1)[0] if alone else ""


def case_name(measured: Measured, found: Sequence[Measured]) -> str:
    """What tells this case from the others of its claim."""
    heads, tails = zip(*(each.label.split(": ", 1) for each in found), strict=True)
    head, tail = measured.label.split(": ", 1)
    columns = list(zip(*(each.split(", ") for each in heads), strict=True))
    parts = [part for part, column in zip(head.split(", "), columns, strict=True) if len(set(column)) > 1]
    if len(set(tails)) > 1:
        names = tail.split(" against ")
        same = len({each.split(" against ")[0] for each in tails}) == 1
        parts.append(f"against {names[1]}" if same and len(names) > 1 else tail)
    return ", ".join(parts)


def _result(measured: Measured, sides: bool = True) -> str:
    test, unit = measured.test, measured.unit
    if test.bounded:
        return " against ".join(_side(measured, place) for place in (0, 1))
    low, high = test.interval if test.interval and test.comparison.half_width is not None else (None, None)
    text = bare(test.comparison.difference, unit, True) + interval_text(low, high, unit)
    exact = " in every seed" if test.n > 1 and test.comparison.half_width is None else ""
    if unit == "rho":
        return f"rho {text}{exact}"
    both = f" ({' and '.join(bare(mean, measured.value_unit) for mean in measured.means)})" if exact and sides else ""
    return text + _unit(unit) + exact + both


def _side(measured: Measured, place: int) -> str:
    """The mean of one side, marked where it is only a bound."""
    return "> " * measured.bounds[place] + amount(measured.means[place], measured.value_unit)


def _unit(unit: str) -> str:
    return amount(0.0, unit)[len(bare(0.0, unit)) :]


def detail_text(measured: Measured, word: str, claim: str) -> str:
    """One case with all its numbers, its outcome `word`, and the verdict on its `claim`."""
    test, unit = measured.test, measured.unit
    sides = [_with_interval(measured, place) for place in (0, 1)]
    between = f"{measured.between}: " if measured.between else ""
    parts = [f"{measured.label}: {between}{sides[0]} and {sides[1]}"]
    if not test.bounded:
        parts.append("difference " * (unit != "rho") + _result(measured, sides=False))
    parts.append(f"n = {test.n}")
    if test.claimed is not None:
        against = "" if test.has_claimed_sign or test.direction == verdicts.NONE else ", against its own claim"
        parts.append(f"the paper: {measured.printed}{against}")
    parts.append(f"uncorrected {both_ways(test.p, test.p_opposite)}")
    if test.smallest is not None:
        parts.append(f"smallest effect at 80 % power {amount(test.smallest, unit)}")
    parts += [measured.saturated] if measured.saturated else []
    return "; ".join(parts) + alone_text(word, claim)


def _with_interval(measured: Measured, place: int) -> str:
    estimate = mean_interval(measured.sides[place])
    text = _side(measured, place)
    if estimate.half_width is None or measured.bounds[place]:
        return text
    half_width = amount(estimate.half_width, measured.value_unit)
    return f"{bare(estimate.mean, measured.value_unit)} \N{PLUS-MINUS SIGN} {half_width}"


def why_text(judged: Judged) -> str:
    """The rule that gave the verdict, with its numbers."""
    tests = [measured.test for measured in judged.outcome.found]
    unit = judged.outcome.found[0].unit
    family = judged.family.text
    both = both_ways(judged.p, judged.p_opposite)
    short = [each for each in tests if each.falls_short]
    if judged.word == verdicts.SUPPORTED:
        cases = f" in {len(short)} of {len(tests)} cases" if len(tests) > 1 else ""
        also = f"; smaller than the paper's effect{cases}, which the interval excludes" if short else ""
        return f"{p_text(judged.p)} in the claimed direction ({family}){also}"
    if judged.word == verdicts.CONTRADICTED:
        return f"{p_text(judged.p_opposite)} in the opposite direction ({judged.family.opposite_text})"
    if judged.word == verdicts.SMALLER:
        cases = f" in {len(short)} of {len(tests)} cases" if len(tests) > 1 else ""
        return f"the interval excludes the paper's effect{cases}; {both} ({family})"
    parts = [f"{both} ({family})"]
    if judged.seeds < verdicts.ENOUGH:
        parts.append(f"{judged.seeds} of the {verdicts.ENOUGH} seeds that a verdict needs")
    smallest = [each.smallest for each in tests if each.smallest is not None]
    if smallest:
        parts.append(f"smallest effect at 80 % power {amount(max(smallest), unit)}")
    if any(each.bounded for each in tests):
        parts.append("the cap on epochs ended trainings, so their stop is a bound")
    if judged.outcome.missing:
        parts.append(f"not measured: {'; '.join(judged.outcome.missing)}")
    return "; ".join(parts)
