"""The verdicts that trainings give: p-values by claim and by case, corrected over their families, budget by budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regbench.evidence.numbers import PaperNumbers
from regbench.reports.claims import verdicts
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.comparisons import measure_comparison
from regbench.reports.claims.families import Family
from regbench.reports.claims.rows import BUDGETS, Evidence
from regbench.reports.claims.tests import Outcome
from regbench.reports.claims.trends import measure_trend

TESTED = ("comparison", "trend")
ABOUT = "one a claim"


@dataclass(frozen=True)
class Judged:
    """The outcome of a claim in one budget with its two p-values, corrected over `family`.

    `words` are the outcomes of its cases, each judged alone: their p-values are corrected over all cases of the family.
    """

    outcome: Outcome
    budget: str
    p: float | None
    p_opposite: float | None
    family: Family
    words: tuple[str, ...]

    @property
    def word(self) -> str:
        tests = [measured.test for measured in self.outcome.found]
        return verdicts.judge(tests, self.p, self.p_opposite, not self.outcome.missing)

    @property
    def seeds(self) -> int:
        return min(measured.test.n for measured in self.outcome.found)


def judge_all(ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers]) -> dict[str, list[Judged]]:
    """By claim the budgets that have rows, best covered first; Holm's correction runs within a family and a budget."""
    families: dict[tuple[str, str], dict[str, Outcome]] = {}
    for claim in (each for each in ledger.claims if each.kind in TESTED):
        for budget in evidence.budgets(claim.answer["experiment"]):
            outcome = _measure(claim, ledger, evidence, papers, budget)
            if outcome.found:
                families.setdefault((claim.family, budget), {})[claim.id] = outcome
    found: dict[str, list[Judged]] = {}
    for (name, budget), outcomes in families.items():
        experiment = ledger.find(next(iter(outcomes))).answer["experiment"]
        for key, judged in _judge_family(name, budget, experiment, outcomes).items():
            found.setdefault(key, []).append(judged)
    return {key: sorted(each, key=_coverage) for key, each in found.items()}


def _judge_family(name: str, budget: str, experiment: str, outcomes: Mapping[str, Outcome]) -> dict[str, Judged]:
    """The claims of one family, corrected over the claims, and their cases, corrected over the cases."""
    pairs = [verdicts.claim_p([each.test for each in outcome.found]) for outcome in outcomes.values()]
    counts = [sum(pair[place] is not None for pair in pairs) for place in (0, 1)]
    family = Family(name, budget, experiment, "claim", ABOUT, *counts)
    words = iter(_case_words([each.test for outcome in outcomes.values() for each in outcome.found]))
    return {
        key: Judged(outcome, budget, *pair, family, tuple(next(words) for _ in outcome.found))
        for (key, outcome), pair in zip(outcomes.items(), verdicts.holm_families(pairs), strict=True)
    }


def _case_words(tests: Sequence[verdicts.Test]) -> list[str]:
    pairs = verdicts.holm_families([(test.p, test.p_opposite) for test in tests])
    return [verdicts.judge([test], *pair) for test, pair in zip(tests, pairs, strict=True)]


def _measure(
    claim: Claim, ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers], budget: str
) -> Outcome:
    if claim.kind == "trend":
        return measure_trend(claim, evidence, budget)
    return measure_comparison(claim, ledger, evidence, papers, budget)


def _coverage(judged: Judged) -> tuple:
    """Best covered first: all cases, then enough seeds, then the fuller budget."""
    return len(judged.outcome.missing), -min(judged.seeds, verdicts.ENOUGH), BUDGETS.index(judged.budget)
