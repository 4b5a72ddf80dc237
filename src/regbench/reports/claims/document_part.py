"""The part of the report on one document: its claims in a table, a section on each that is answered, the rest below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.pages import upper_first
from regbench.evidence.protocols import PROTOCOLS
from regbench.evidence.tables import EN_DASH
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, listed
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.controls import control_text
from regbench.reports.claims.families import counted
from regbench.reports.claims.ledger import chance_text
from regbench.reports.claims.markup import anchor, link, plain, rows_link, sentence, table_line, table_link
from regbench.reports.claims.readings import readings
from regbench.reports.claims.trends import swept_line

COLUMNS = ("Document", "Claim", "The paper says", "We found", "n, budget, device", "Verdict")
UNANSWERED_COLUMNS = ("Claim", "The paper says", "Verdict", "Why", "Needed")
BOLD = (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.SMALLER, verdicts.INCONSISTENT)
IMPLIED = " (implied)"
UNANSWERED = (verdicts.NOT_RUN, verdicts.NOT_TESTABLE)


def claim_table(claims: Sequence[Claim], ledger: Ledger, answers: Mapping[str, Answer], with_document: bool) -> str:
    """The claims with what the paper says, what was found and the verdict."""
    columns = COLUMNS if with_document else COLUMNS[1:]
    lines = [table_line(columns), "|" + " :--- |" * len(columns)]
    for claim in claims:
        answer = answers[claim.id]
        cells = [
            ledger.documents[claim.document].short,
            f"{link(claim.claim, claim.id)}{IMPLIED * claim.implied}",
            says(claim, answer),
            "; ".join(part for part in (answer.found, control_text(claim, ledger, answers)) if part),
            answer.runs,
            f"**{answer.word}**" if answer.word in BOLD else answer.word,
        ]
        lines.append(table_line(cells if with_document else cells[1:]))
    return "\n".join(lines) + "\n"


def says(claim: Claim, answer: Answer) -> str:
    """What the paper says of a claim: its effects where it prints any, else its words."""
    printed = list(dict.fromkeys(effect.printed for effect in answer.effects if effect.printed))
    alike = {text.rpartition(" (")[2] for text in printed}
    if len(printed) > 1 and len(alike) == 1:  # one n for all
        printed = [*(text.rpartition(" (")[0] for text in printed[:-1]), printed[-1]]
    return listed(printed) if printed else f'"{plain(claim.quote)}"'


def document_part(name: str, ledger: Ledger, answers: Mapping[str, Answer], papers: Mapping[str, PaperNumbers]) -> str:
    """Everything on one document."""
    document, claims = ledger.documents[name], ledger.of(name)
    answered = [claim for claim in claims if answers[claim.id].word not in UNANSWERED]
    rest = [claim for word in UNANSWERED for claim in claims if answers[claim.id].word == word]
    parts = [f"## {document.short}: *{document.title}*\n"]
    if answered:
        parts.append(claim_table(answered, ledger, answers, with_document=False))
    if answered and rest:
        parts.append(f"{counted(len(rest), 'more claim')}: {link('unanswered', _rest_anchor(name))}, below.\n")
    parts += [_entry(claim, ledger, answers, papers) for claim in answered]
    return "\n".join([*parts, *([_unanswered(name, rest, ledger, answers)] if rest else [])])


def _rest_anchor(name: str) -> str:
    return f"{name.replace('_', '-')}-unanswered"


def _unanswered(name: str, claims: Sequence[Claim], ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """One table of the claims that nothing answers yet, or can answer: why, and what is needed."""
    lines = [f"### {ledger.documents[name].short}: unanswered", "", anchor(_rest_anchor(name)), ""]
    lines += [table_line(UNANSWERED_COLUMNS), "|" + " :--- |" * len(UNANSWERED_COLUMNS)]
    for claim in claims:
        answer = answers[claim.id]
        why = " ".join(sentence(part.strip()) for part in (answer.why, claim.note) if part)
        why = why[0].upper() + why[1:]
        quote = f'"{plain(claim.quote)}" ({claim.place})'
        needed = (_how(claim) if answer.experiments else "") + answer.needed
        name = anchor(claim.id) + claim.claim + IMPLIED * claim.implied
        lines.append(table_line((name, quote, answer.word, why, needed or EN_DASH)))
    return "\n".join(lines) + "\n"


def _entry(claim: Claim, ledger: Ledger, answers: Mapping[str, Answer], papers: Mapping[str, PaperNumbers]) -> str:
    """One claim: what it says, what was run, what came out, what chance gives, the verdict and why."""
    answer = answers[claim.id]
    said = "Implied, not stated: " * claim.implied + claim.claim
    lines = [f"### {claim.id}", "", f'{said} {claim.place}: "{plain(claim.quote)}"', ""]
    lines.append(f"- **{answer.word}**: {sentence(answer.why)}")
    lines.append(f"- Found: {sentence(answer.found)}")
    control = control_text(claim, ledger, answers)
    if control:
        lines.append(f"- {sentence(control[0].upper() + control[1:])}")
    lines += _evidence(claim, answer)
    sources = list(dict.fromkeys(effect.source for effect in answer.effects if effect.source))
    if sources:
        lines.append(f"- The paper's numbers: {'; '.join(sources)}.")
    chance = chance_text(claim, answer, papers)
    if chance:
        lines.append(f"- Chance alone: {chance}")
    if claim.note:
        lines.append(f"- Note: {claim.note.strip()}")
    return "\n".join(lines) + "\n"


def _evidence(claim: Claim, answer: Answer) -> list[str]:
    """What was run or read, and its cases."""
    lines = []
    if answer.experiments:
        links = listed([f"{table_link(each)}, {rows_link(each)}" for each in answer.experiments])
        settings = f", {answer.settings}" if answer.settings else ""
        lines.append(f"- Run: {_how(claim)}{answer.runs}{settings} ({links}).")
    elif answer.runs != EN_DASH:
        lines.append(f"- Read: {answer.runs}.")
    return [*lines, *(f"  - {detail}" for detail in answer.details)]


def _how(claim: Claim) -> str:
    """The metric of a comparison or trend in words."""
    answer = claim.answer
    if claim.kind == "comparison":
        paired = "paired by seed" if answer.get("paired", True) else "Welch's test"
        epoch = answer["protocol"]
        epoch = f"protocol {epoch}" if epoch in PROTOCOLS else epoch
        return f"{readings()[answer['metric']].words}, {epoch}, {paired}; "
    if claim.kind == "trend":
        metric, line = readings()[answer["metric"]], swept_line(answer["regularizer"])
        return f"{upper_first(metric.words)} by {line.title}, last epoch; "
    return ""
