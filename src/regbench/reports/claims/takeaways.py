"""One sentence a document: what its main claims came to, for a reader who reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from regbench.evidence.cells import number
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import AT_LEAST, OPEN, UNIT_TEXTS, Answer, Effect, amount, listed
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.families import counted
from regbench.reports.claims.markup import link
from regbench.reports.claims.tallies import counted_claims, tally
from regbench.reports.claims.verdicts import ROUNDING

#: the verdicts that a sentence names main claims by, in its order, and in which words
NAMED = {word: word for word in verdicts.WORDS} | {
    verdicts.CONSISTENT: "borne out when computed again",
    verdicts.INCONSISTENT: "not borne out when computed again",
}
#: a finding of these is a calculation, too long for a sentence
UNSAID = (verdicts.NOT_RUN, verdicts.NOT_TESTABLE, verdicts.CONSISTENT, verdicts.INCONSISTENT)


def takeaways(ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """A line for every document that has claims."""
    named = [name for name in ledger.documents if ledger.of(name)]
    return "\n".join(f"- {takeaway(name, ledger, answers)}" for name in named) + "\n"


def takeaway(document: str, ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """The verdicts on a document, its main claims by verdict with what was measured, and the size of its effects."""
    claims = ledger.of(document)
    counts = listed(tally(claims, answers, verdicts.WORDS))
    parts = [f"**{ledger.documents[document].short}**: of {counted_claims(claims)} {counts}"]
    beside = {claim.control for claim in claims if claim.main}
    for word, said in NAMED.items():
        main = [claim for claim in claims if claim.main and claim.id not in beside and answers[claim.id].word == word]
        if main:
            parts.append(f"*{said}*: {', '.join(_named(claim, ledger, answers) for claim in main)}")
    controls = {claim.control for claim in claims}
    effects = [effect for claim in claims if claim.id not in controls for effect in answers[claim.id].effects]
    return "; ".join([*parts, *_sizes(effects)]) + "."


def brief(answer: Answer) -> str:
    """What was measured, without intervals: `digits: +0.61 pp`, `-0.41 to -0.23 pp`; empty where nothing was."""
    if answer.word in UNSAID:
        return ""
    effects = answer.effects
    if not effects or any(effect.low is None for effect in effects):
        tails = {part.partition(": ")[2] for part in answer.found.split("; ")}
        same = len(tails) == 1 and answer.found.count(": ") > 1
        return tails.pop() if same else answer.found
    unit = effects[0].unit
    low, high = (amount(end([effect.value for effect in effects]), unit, True) for end in (min, max))
    text = high if low == high else f"{low.removesuffix(UNIT_TEXTS.get(unit, f' {unit}'))} to {high}"
    only = f"{effects[0].label}: " if len(effects) == 1 and effects[0].label else ""
    same = " in every seed" if all(effect.low == effect.high for effect in effects) else ""
    return only + (f"rho {text}" if unit == "rho" else text) + same


def _named(claim: Claim, ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """The claim's short name with its number, and what came of its control."""
    parts = ["implied" * claim.implied, brief(answers[claim.id])]
    if claim.control:
        control = ledger.find(claim.control)
        answer = answers[control.id]
        told = ", ".join(part for part in (answer.word, brief(answer)) if part)
        parts.append(f"control, whether {link(control.short, control.id)}: {told}")
    said = "; ".join(part for part in parts if part)
    return link(claim.short, claim.id) + (f" ({said})" if said else "")


def _sizes(effects: Sequence[Effect]) -> list[str]:
    """How our effects compare with those that the document prints; those that a cap on epochs cut off stand apart."""
    printed = [effect for effect in effects if effect.claimed]
    ratios = [effect.value / effect.claimed for effect in printed if effect.low is not None]
    parts = []
    if ratios:
        towards, reached = sum(ratio > ROUNDING for ratio in ratios), sum(ratio >= 1 for ratio in ratios)
        parts.append(
            f"of the {counted(len(ratios), 'effect')} that it prints and we measured {towards} had the claimed sign "
            f"and {reached} the claimed size, the median {number(median(ratios), 'factor')} times it"
        )
    return parts + _cut_off(printed)


def _cut_off(printed: Sequence[Effect]) -> list[str]:
    """What is known of effects of which the cap on epochs ended trainings."""
    least = [effect.value / effect.claimed for effect in printed if effect.bound == AT_LEAST]
    unknown = sum(effect.bound == OPEN for effect in printed)
    parts = []
    if least:
        times = number(min(least), "factor")
        parts.append(f"{counted(len(least), 'effect')} that the cap on epochs cut off: at least {times} times it")
    if unknown:
        parts.append(f"{counted(unknown, 'effect')} that the cap on epochs cut off: left out")
    return parts
