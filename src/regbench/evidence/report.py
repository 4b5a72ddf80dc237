"""REPORT.md and claims.csv: what each paper claims, what came out, how sure that is. It recomputes nothing."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase

from regbench.evidence import verdicts
from regbench.evidence.answers import Answer, answer_document, sure
from regbench.evidence.documents import Document
from regbench.evidence.findings import standing
from regbench.evidence.judging import Case
from regbench.evidence.pages import Built
from regbench.evidence.tables import markdown_line, write_texts

REPORT, CLAIMS = "REPORT.md", "claims.csv"
FIELDS = (
    *(
        "id",
        "verdict",
        "document",
        "claim",
        "case",
        "direction",
        "unit",
        "n",
        "value",
        "low",
        "high",
        "paper",
        "margin",
    ),
    *("p_claimed", "p_opposite", "p_equal", "p_smaller", "case_verdict", "left_out", "family", "budget", "look"),
    *("smallest_found", "found", "why", "condition", "runs", "settings", "chance", "needed", "quote", "place"),
)
INTRO = """# What the papers claim, and what came out

Every claim has one verdict, by rules fixed before the trainings ([words](README.md)). Each comparison is a line of
[claims.csv](claims.csv).
"""
HEAD = ("document", "what we found", "how sure", "what would change it")
#: how the claims of a paper without a sentence that stands are led in, by their verdict
FIRST_WORDS = {
    verdicts.NO_EFFECT: "no effect, or none by construction",
    verdicts.CONSISTENT: "borne out by its own numbers",
    verdicts.INCONSISTENT: "not borne out by its own numbers",
}
OWN = "From the paper's own numbers and formulas"


def answer_all(documents: Iterable[Document], pages: Mapping[str, Built]) -> dict[str, dict[str, Answer]]:
    """By document the answers to its claims."""
    return {document.name: answer_document(document, pages) for document in documents if document.claims}


def write_report(
    documents: Mapping[str, Document], answers: Mapping[str, Mapping[str, Answer]], folder: Path
) -> list[Path]:
    """Write REPORT.md and claims.csv. The order of rows changes no byte."""
    parts = [INTRO, summary(documents, answers)]
    parts += [document_part(documents[name], found) for name, found in answers.items()]
    texts = {REPORT: "\n".join(parts), CLAIMS: to_csv(documents, answers)}
    return write_texts(texts, folder)


def findings(documents: Mapping[str, Document], answers: Mapping[str, Mapping[str, Answer]]) -> str:
    """The README's table: a line a document, what was found, how sure that is and what would change it."""
    lines = [markdown_line(HEAD), markdown_line(["---"] * len(HEAD))]
    return "\n".join([*lines, *(_finding(documents[name], found) for name, found in answers.items())])


def _finding(document: Document, answers: Mapping[str, Answer]) -> str:
    """The sentence that stands, with the claims it rests on; where none does, the main claims by their verdicts."""
    name = f"[{document.short}](results/{REPORT}#{_anchor(document.short)})"
    found = standing(document.findings, answers)
    if found:
        rests = [f"{_link(answers[name])}: {word}{_how(answers[name])}" for name, word in found.holds.items()]
        return markdown_line((name, found.finding, "; ".join(rests), found.change))
    main = [answer for answer in answers.values() if answer.claim.main]
    by_word = {word: [_link(answer) for answer in main if answer.word == word] for word in verdicts.WORDS}
    said = ". ".join(f"*{FIRST_WORDS.get(word, word)}*: {'; '.join(names)}" for word, names in by_word.items() if names)
    runs = sorted({answer.runs for answer in main if answer.cases}) or ["the paper's own numbers"]
    return markdown_line((name, said, "; ".join(runs), "`make plan`"))


def _link(answer: Answer) -> str:
    return f"[{answer.claim.short}](results/{REPORT}#{answer.claim.id})"


def _how(answer: Answer) -> str:
    """How sure a verdict is, and in which regime it was trained."""
    how = sure(answer)
    return f" ({how}{f', {answer.judged.budget}' if answer.judged else ''})" if how else ""


def summary(documents: Mapping[str, Document], answers: Mapping[str, Mapping[str, Answer]]) -> str:
    """Verdicts by document, and the share of claims that trainings could answer which are decided."""
    every = [answer for found in answers.values() for answer in found.values()]
    words = [word for word in verdicts.WORDS if any(answer.word == word for answer in every)]
    lines = [markdown_line(["document", "claims", *words]), markdown_line(["---"] * (len(words) + 2))]
    for name, found in answers.items():
        lines.append(
            markdown_line(
                [f"[{documents[name].short}](#{_anchor(documents[name].short)})", *_counts(found.values(), words)]
            )
        )
    lines.append(markdown_line(["all", *_counts(every, words)]))
    testable = [answer for answer in every if answer.testable]
    decided = sum(answer.word in verdicts.DECIDED for answer in testable)
    share = f"{100 * decided / len(testable):.0f} %" if testable else "none"
    lines += [
        "",
        f"Trainings could answer {len(testable)} of the {len(every)} claims; {decided} of these ({share}) are decided.",
    ]
    slips = sum(answer.slip for answer in every)
    lines += [f"Of the inconsistent ones {slips} are slips of print, on which no conclusion rests."] if slips else []
    return "\n".join(lines) + "\n"


def _counts(answers: Iterable[Answer], words: Sequence[str]) -> list[str]:
    answers = list(answers)
    found = Counter(answer.word for answer in answers)
    return [str(len(answers)), *(str(found[word] or "") for word in words)]


def document_part(document: Document, answers: Mapping[str, Answer]) -> str:
    """The claims of one paper: those that trainings answered by what was trained, then all others."""
    said_often = Counter(answer.claim.condition for answer in answers.values() if answer.claim.condition)
    marks = dict(zip((text for text, count in said_often.items() if count > 1), ascii_lowercase, strict=False))
    tables = ", ".join(f"[{page.experiment}](tables/{page.experiment}.md)" for page in document.pages)
    drawn = any(answer.cases for answer in answers.values())
    picture = f" Picture: [claims](figures/claims_{document.name}.png)." * drawn
    lines = [f"## {document.short}", "", f"*{document.title}*. Tables: {tables}.{picture}", ""]
    lines += [f"<sup>{mark}</sup> {text}\n" for text, mark in marks.items()]
    groups: dict[tuple, list[Answer]] = {}
    for answer in answers.values():
        groups.setdefault(_group(answer), []).append(answer)
    for key in sorted(groups, key=lambda key: key[0]):
        lines += _group_part(key, groups[key], marks)
    return "\n".join(lines)


def _group(answer: Answer) -> tuple:
    if answer.cases:
        return 0, answer.judged.claim.cases.page, answer.runs, answer.settings
    order = {verdicts.NOT_RUN: 2, verdicts.NOT_TESTABLE: 3}
    return (order.get(answer.word, 1),)


def _group_part(key: tuple, answers: Sequence[Answer], marks: Mapping[str, str]) -> list[str]:
    if key[0] == 0:
        head, columns = f"{key[1]}: {key[2]}; {key[3]}", ("claim", "found", "verdict")
        rows = [(said(each, marks), each.found, f"**{each.word}**: {each.why}") for each in answers]
    elif key[0] == 1:
        head, columns = OWN, ("claim", "computed", "verdict")
        rows = [
            (said(each, marks), each.found, f"**{each.word}**{', a slip of print' * each.slip}") for each in answers
        ]
    elif key[0] == 2:
        head, columns = "Not run", ("claim", "why", "what would answer it")
        rows = [(said(each, marks), each.why, each.needed) for each in answers]
    else:
        head, columns = "Not testable", ("claim", "why")
        rows = [(said(each, marks), each.why or each.found) for each in answers]
    return [
        f"### {head}",
        "",
        markdown_line(columns),
        markdown_line(["---"] * len(columns)),
        *map(markdown_line, rows),
        "",
    ]


def said(answer: Answer, marks: Mapping[str, str]) -> str:
    """The claim with its anchor, what is ours about it, and the condition of its verdict, or that one's mark."""
    claim = answer.claim
    text = f'<a id="{claim.id}"></a>{claim.claim}' + " (Implied.)" * claim.implied
    return (
        f"{text}<sup>{marks[claim.condition]}</sup>"
        if claim.condition in marks
        else f"{text} {claim.condition}".strip()
    )


def to_csv(documents: Mapping[str, Document], answers: Mapping[str, Mapping[str, Answer]]) -> str:
    """One line a comparison, or a claim that has none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for name, found in answers.items():
        for answer in found.values():
            for case in answer.cases or [None]:
                writer.writerow(_record(documents[name], answer, case))
    return text.getvalue()


def _record(document: Document, answer: Answer, case: Case | None) -> dict[str, object]:
    claim, judged = answer.claim, answer.judged
    record = {
        "id": claim.id,
        "verdict": answer.word,
        "document": document.name,
        "claim": claim.claim,
        "found": answer.found,
        "why": answer.why,
        "condition": claim.condition,
        "runs": answer.runs,
        "settings": answer.settings,
        "chance": answer.chance,
        "needed": answer.needed,
        "quote": claim.quote,
        "place": claim.place,
        "budget": judged.budget if judged else "",
        "look": judged.look if judged else "",
    }
    if case is None:
        return record
    found = case.estimate
    return record | {
        "case": case.label,
        "direction": case.direction,
        "unit": case.unit,
        "n": case.n,
        "value": _digits(found.mean),
        "low": _digits(found.low),
        "high": _digits(found.high),
        "paper": _digits(case.claimed),
        "margin": _digits(case.margin),
        "p_claimed": _digits(case.p.claimed),
        "p_opposite": _digits(case.p.opposite),
        "p_equal": _digits(case.p.equal),
        "p_smaller": _digits(case.p.smaller),
        "case_verdict": case.word,
        "left_out": case.left_out,
        "family": found.family,
        "smallest_found": _digits(case.smallest),
    }


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _anchor(title: str) -> str:
    """What a page makes of a heading for links."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")
