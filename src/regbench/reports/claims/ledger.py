"""The answers to all claims: tests from rows, corrected over their families, and a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from regbench.evidence.numbers import PaperNumbers
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import AT_LEAST, OPEN, Answer, Effect, amount, eps_text, not_run, runs_text
from regbench.reports.claims.checks import CHANCES, CHECKS
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.finding import Context
from regbench.reports.claims.findings import FINDINGS
from regbench.reports.claims.judged import Judged, judge_all
from regbench.reports.claims.rows import Evidence
from regbench.reports.claims.tests import Measured, Outcome
from regbench.reports.claims.wording import case_name, detail_text, found_text, only_case, why_text


def answer_all(
    ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers], results: Path
) -> dict[str, Answer]:
    """The answer to every claim, by id, in the ledger's order."""
    judged = judge_all(ledger, evidence, papers)
    return {claim.id: _answer(claim, judged.get(claim.id, []), evidence, papers, results) for claim in ledger.claims}


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
        return not_run(answer["why"], needed=answer["needed"])
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
    details = [detail_text(each, word, judged.word) for each, word in zip(found, judged.words, strict=True)]
    details += [f"Not measured: {text}." for text in judged.outcome.missing]
    details += [f"Also at budget {each.budget}: {each.word}; {found_text(each.outcome)}." for each in others]
    gap = judged.outcome.selection_gap
    rows = [row for measured in found for row in measured.rows]
    return Answer(
        judged.word,
        found_text(judged.outcome),
        why_text(judged),
        runs_text([measured.test.n for measured in found], judged.budget, rows),
        tuple(details),
        ""
        if gap is None
        else f"Choosing the epoch on the test split adds {amount(gap, 'pp', True)} in these trainings.",
        tuple(_effect(each, word, judged.outcome) for each, word in zip(found, judged.words, strict=True)),
        (claim.answer["experiment"],),
        judged.budget,
        judged.family,
        settings=eps_text(rows) if claim.answer["experiment"].startswith("entropy-") else "",
    )


def _effect(measured: Measured, word: str, outcome: Outcome) -> Effect:
    test = measured.test
    low, high = test.interval or (None, None)
    return Effect(
        case_name(measured, outcome.found) if len(outcome.found) > 1 else only_case(outcome),
        measured.unit,
        test.direction,
        test.comparison.difference,
        low,
        high,
        test.claimed if test.has_claimed_sign else None,
        test.smallest,
        measured.printed,
        measured.source,
        word,
        test.n,
        _bound(test),
    )


def _bound(test: verdicts.Test) -> str:
    """A test is made of a bound only where the bound cannot flatter it: the true effect is larger there."""
    if not test.bounded:
        return ""
    return AT_LEAST if test.p is not None else OPEN
