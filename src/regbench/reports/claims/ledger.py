"""The answers to all claims: tests from rows, corrected over their families, and a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, Effect, amount, bare, interval_text, not_run, runs_text
from regbench.reports.claims.checks import CHANCES, CHECKS
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.comparisons import measure_comparison
from regbench.reports.claims.finding import Context
from regbench.reports.claims.findings import FINDINGS
from regbench.reports.claims.rows import BUDGETS, Evidence
from regbench.reports.claims.tests import Measured, Outcome
from regbench.reports.claims.trends import measure_trend
from regbench.reports.paper import PaperNumbers
from regbench.reports.records import p_text
from regbench.reports.stats import mean_interval

TESTED = ("comparison", "trend")
SHOWN = 3  # cases that a table's cell names one by one


@dataclass(frozen=True)
class Judged:
    """The outcome of a claim in one budget with its two p-values, corrected over `family` claims."""

    outcome: Outcome
    budget: str
    p: float | None
    p_opposite: float | None
    family: int

    @property
    def word(self) -> str:
        tests = [measured.test for measured in self.outcome.found]
        return verdicts.judge(tests, self.p, self.p_opposite, not self.outcome.missing)

    @property
    def seeds(self) -> int:
        return min(measured.test.n for measured in self.outcome.found)


def answer_all(
    ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers], results: Path
) -> dict[str, Answer]:
    """The answer to every claim, by id, in the ledger's order."""
    judged = _judge_all(ledger, evidence, papers)
    return {claim.id: _answer(claim, judged.get(claim.id, []), evidence, papers, results) for claim in ledger.claims}


def _judge_all(ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers]) -> dict[str, list[Judged]]:
    """By claim the budgets that have rows, best covered first; Holm's correction runs within a family and a budget."""
    families: dict[tuple[str, str], dict[str, Outcome]] = {}
    for claim in (each for each in ledger.claims if each.kind in TESTED):
        for budget in evidence.budgets(claim.answer["experiment"]):
            outcome = _measure(claim, ledger, evidence, papers, budget)
            if outcome.found:
                families.setdefault((claim.family, budget), {})[claim.id] = outcome
    found: dict[str, list[Judged]] = {}
    for (_, budget), outcomes in families.items():
        pairs = [verdicts.claim_p([each.test for each in outcome.found]) for outcome in outcomes.values()]
        for (key, outcome), pair in zip(outcomes.items(), verdicts.holm_families(pairs), strict=True):
            found.setdefault(key, []).append(Judged(outcome, budget, *pair, len(outcomes)))
    return {key: sorted(each, key=_coverage) for key, each in found.items()}


def _measure(
    claim: Claim, ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers], budget: str
) -> Outcome:
    if claim.kind == "trend":
        return measure_trend(claim, evidence, budget)
    return measure_comparison(claim, ledger, evidence, papers, budget)


def _coverage(judged: Judged) -> tuple:
    """Best covered first: all cases, then enough seeds, then the fuller budget."""
    return len(judged.outcome.missing), -min(judged.seeds, verdicts.ENOUGH), BUDGETS.index(judged.budget)


def _answer(
    claim: Claim, judged: Sequence[Judged], evidence: Evidence, papers: Mapping[str, PaperNumbers], results: Path
) -> Answer:
    answer, paper = claim.answer, papers.get(claim.document)
    arguments = answer.get("arguments", {})
    if claim.kind == "check":
        return CHECKS[answer["function"]](paper, **arguments)
    if claim.kind == "finding":
        return FINDINGS[answer["function"]].function(Context(evidence, paper, results), **arguments)
    if claim.kind == "not run":
        return not_run(f"{answer['why']} Needed: {answer['needed']}")
    if claim.kind == "not testable":
        return Answer(verdicts.NOT_TESTABLE, "not testable", answer["why"])
    if not judged:
        return not_run("no row yet", [answer["experiment"]])
    return _tested(claim, judged[0], judged[1:])


def chance_text(claim: Claim, answer: Answer, papers: Mapping[str, PaperNumbers]) -> str:
    """What chance alone gives: the ledger's own sentence, and what the answer adds."""
    parts = [answer.chance]
    if claim.chance:
        function = CHANCES[claim.chance["function"]]
        parts.insert(0, function(papers.get(claim.document), **claim.chance.get("arguments", {})))
    return " ".join(part for part in parts if part)


def _tested(claim: Claim, judged: Judged, others: Sequence[Judged]) -> Answer:
    found = judged.outcome.found
    details = [_detail(measured) for measured in found]
    details += [f"Not measured: {text}." for text in judged.outcome.missing]
    details += [f"Also at budget {each.budget}: {each.word}; {_found(each.outcome.found)}." for each in others]
    gap = judged.outcome.selection_gap
    return Answer(
        judged.word,
        _found(found),
        _why(judged),
        runs_text([measured.test.n for measured in found], judged.budget, [r for m in found for r in m.rows]),
        tuple(details),
        ""
        if gap is None
        else f"Choosing the epoch on the test split adds {amount(gap, 'pp', True)} in these trainings.",
        tuple(_effect(measured, found) for measured in found),
        (claim.answer["experiment"],),
    )


def _found(found: Sequence[Measured]) -> str:
    """What came out, short enough for a cell."""
    if len(found) == 1:
        return _result(found[0])
    if len(found) <= SHOWN:
        return "; ".join(f"{_name(each, found)}: {_result(each)}" for each in found)
    values = [each.test.comparison.difference for each in found]
    unit, direction = found[0].unit, found[0].test.direction
    low, high = bare(min(values), unit, True), amount(max(values), unit, True)
    towards = sum(value > 0 if direction == "greater" else value < 0 for value in values)
    counted = "" if direction == verdicts.NONE else f"; {towards} of {len(found)} in the claimed direction"
    return f"differences from {low} to {high}{counted}"


def _name(measured: Measured, found: Sequence[Measured]) -> str:
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


def _result(measured: Measured) -> str:
    test, unit = measured.test, measured.unit
    if test.bounded:
        return " against ".join(_side(measured, place) for place in (0, 1))
    low, high = test.interval if test.interval and test.comparison.half_width is not None else (None, None)
    text = bare(test.comparison.difference, unit, True) + interval_text(low, high, unit)
    exact = " in every seed" if test.n > 1 and test.comparison.half_width is None else ""
    return f"rho {text}{exact}" if unit == "rho" else text + _unit(unit) + exact


def _side(measured: Measured, place: int) -> str:
    """The mean of one side, marked where it is only a bound."""
    return "> " * measured.bounds[place] + amount(measured.means[place], measured.value_unit)


def _unit(unit: str) -> str:
    return amount(0.0, unit)[len(bare(0.0, unit)) :]


def _detail(measured: Measured) -> str:
    test, unit = measured.test, measured.unit
    sides = [_with_interval(measured, place) for place in (0, 1)]
    parts = [f"{measured.label}: {sides[0]} and {sides[1]}"]
    if not test.bounded:
        parts.append(f"difference {_result(measured)}")
    parts.append(f"n = {test.n}")
    if test.claimed is not None:
        against = "" if test.has_claimed_sign or test.direction == verdicts.NONE else ", against its own claim"
        parts.append(f"the paper: {measured.printed}{against}")
    parts.append(f"uncorrected {p_text(test.p)}")
    if test.smallest is not None:
        parts.append(f"smallest effect at 80 % power {amount(test.smallest, unit)}")
    return "; ".join(parts) + "."


def _with_interval(measured: Measured, place: int) -> str:
    estimate = mean_interval(measured.sides[place])
    text = _side(measured, place)
    if estimate.half_width is None or measured.bounds[place]:
        return text
    half_width = amount(estimate.half_width, measured.value_unit)
    return f"{bare(estimate.mean, measured.value_unit)} \N{PLUS-MINUS SIGN} {half_width}"


def _why(judged: Judged) -> str:
    """The rule that gave the verdict, with its numbers."""
    tests = [measured.test for measured in judged.outcome.found]
    unit = judged.outcome.found[0].unit
    family = f"Holm over {judged.family} claim{'s' * (judged.family != 1)}"
    short = [each for each in tests if each.falls_short]
    if judged.word == verdicts.SUPPORTED:
        cases = f" in {len(short)} of {len(tests)} cases" if len(tests) > 1 else ""
        also = f"; smaller than the paper's effect{cases}, which the interval excludes" if short else ""
        return f"{p_text(judged.p)} in the claimed direction ({family}){also}"
    if judged.word == verdicts.CONTRADICTED:
        return f"{p_text(judged.p_opposite)} in the opposite direction ({family})"
    if judged.word == verdicts.SMALLER:
        cases = f" in {len(short)} of {len(tests)} cases" if len(tests) > 1 else ""
        return f"the interval excludes the paper's effect{cases}; {p_text(judged.p)} ({family})"
    parts = [f"{p_text(judged.p)} ({family})"]
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


def _effect(measured: Measured, found: Sequence[Measured]) -> Effect:
    test = measured.test
    low, high = test.interval or (None, None)
    claimed = test.claimed if test.has_claimed_sign else None
    value = test.comparison.difference
    label = _name(measured, found) if len(found) > 1 else ""
    return Effect(label, measured.unit, test.direction, value, low, high, claimed, test.smallest, measured.printed)
