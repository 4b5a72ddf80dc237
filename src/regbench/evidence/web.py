"""The page of all results: one self-contained HTML file from the answers and the built pages. It recomputes nothing.

Findings first, then every claim with its comparisons, then the papers' numbers beside ours. Templates are in
`templates/`; `base.html` holds the look (light, dark, tables) that other pages share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from regbench.evidence import verdicts
from regbench.evidence.answers import Answer, p_values_text, sure, value_text
from regbench.evidence.documents import Document
from regbench.evidence.findings import standing
from regbench.evidence.judging import Case, Judged
from regbench.evidence.pages import BUDGET_NOTES, Built
from regbench.evidence.paper_cells import PaperTable, paper_tables
from regbench.evidence.spec import filled
from regbench.evidence.tables import write_texts

TEMPLATES = Path(__file__).parent / "templates"
PAGE = Path("page", "index.html")


@dataclass(frozen=True)
class Comparison:
    """One comparison of a claim, as the page prints it."""

    label: str
    value: str
    paper: str
    n: int
    p_values: str
    word: str
    left_out: str


@dataclass(frozen=True)
class Trained:
    """The comparisons at one budget, with the command that runs them."""

    budget: str
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Row:
    """A claim and its answer; `trained` has its comparisons by budget, that of the verdict first."""

    document: str
    answer: Answer
    trained: tuple[Trained, ...]
    command: str
    figures: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.answer.claim.id

    @property
    def n(self) -> int | None:
        """The fewest seeds of its comparisons."""
        return min((case.n for case in self.answer.cases), default=None)

    @property
    def rank(self) -> int:
        """The place of its verdict in the order of verdicts."""
        return verdicts.WORDS.index(self.answer.word)

    @property
    def text(self) -> str:
        """All that a search looks through."""
        claim = self.answer.claim
        parts = (
            self.id,
            self.document,
            claim.claim,
            claim.short,
            claim.condition,
            claim.note,
            claim.quote,
            claim.place,
        )
        return " ".join((*parts, self.answer.word, self.answer.found, *self.answer.details)).lower()


@dataclass(frozen=True)
class Finding:
    """One paper in a paragraph: the finding that stands, if any, and what its main claims came to, by verdict."""

    name: str
    short: str
    title: str
    said: str
    change: str
    counts: tuple[tuple[str, int], ...]
    by_word: tuple[tuple[str, tuple[Answer, ...]], ...]


@dataclass(frozen=True)
class PaperPart:
    """The printed tables of one experiment beside ours."""

    document: str
    experiment: str
    tables: tuple[PaperTable, ...]


def write_web(
    documents: Mapping[str, Document],
    answers: Mapping[str, Mapping[str, Answer]],
    pages: Mapping[str, Built],
    results: Path,
) -> list[Path]:
    """Write `page/index.html` under `results`; the order of rows changes no byte.

    Args:
        answers: by document, as of `report.answer_all`. pages: those that have rows, by experiment.
    """
    return write_texts({PAGE.name: render(documents, answers, pages, results)}, results / PAGE.parent)


def render(
    documents: Mapping[str, Document],
    answers: Mapping[str, Mapping[str, Answer]],
    pages: Mapping[str, Built],
    results: Path,
) -> str:
    """The page as text; it links the figures that are in `results/figures`."""
    rows = [
        _row(documents[name], answer, pages, results) for name, found in answers.items() for answer in found.values()
    ]
    every = [row.answer for row in rows]
    return (
        environment()
        .get_template("results.html")
        .render(
            findings=[_finding(documents[name], found) for name, found in answers.items()],
            rows=rows,
            documents={name: documents[name].short for name in answers},
            words=_counts(every),
            testable=sum(answer.testable for answer in every),
            decided=sum(answer.testable and answer.word in verdicts.DECIDED for answer in every),
            parts=_parts(documents.values(), pages),
            budget_notes=BUDGET_NOTES,
        )
    )


def environment() -> jinja2.Environment:
    """Templates that escape all that is put into them and refuse a name that nobody gives."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"inline": inline, "slug": slug, "sure": sure, "sentence": sentence}
    return made


def inline(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def slug(word: str) -> str:
    """A verdict as a class: `smaller than claimed` is `smaller-than-claimed`."""
    return word.replace(" ", "-")


def sentence(text: str) -> str:
    """The text with its first letter as at the beginning of a sentence; a symbol, such as p, keeps its own."""
    return text if text[1:2] == " " else text[:1].upper() + text[1:]


def _finding(document: Document, answers: Mapping[str, Answer]) -> Finding:
    main = [answer for answer in answers.values() if answer.claim.main]
    by_word = {word: tuple(each for each in main if each.word == word) for word in verdicts.WORDS}
    found = standing(document.findings, answers)
    return Finding(
        document.name,
        document.short,
        document.title,
        found.finding if found else "",
        found.change if found else "",
        tuple(_counts(answers.values()).items()),
        tuple((word, found) for word, found in by_word.items() if found),
    )


def _counts(answers: Iterable[Answer]) -> dict[str, int]:
    found = Counter(answer.word for answer in answers)
    return {word: found[word] for word in verdicts.WORDS if found[word]}


def _row(document: Document, answer: Answer, pages: Mapping[str, Built], results: Path) -> Row:
    judged = [answer.judged, *answer.other] if answer.judged else []
    trained = tuple(Trained(each.budget, _comparisons(each), each.missing, _command(each)) for each in judged)
    cases = answer.claim.cases
    command = trained[0].command if trained else f"make reproduce-{cases.page}" if cases else ""
    figures = tuple(_figures(pages[cases.page], judged, results)) if judged else ()
    return Row(document.name, answer, trained, command, figures)


def _comparisons(judged: Judged) -> tuple[Comparison, ...]:
    return tuple(_comparison(case) for case in judged.cases)


def _comparison(case: Case) -> Comparison:
    printed = case.printed.text if case.printed else ""
    return Comparison(case.label, value_text(case), printed, case.n, p_values_text(case), case.word, case.left_out)


def _command(judged: Judged) -> str:
    cases = judged.claim.cases
    datasets = [name for name in cases.datasets if any(case.dataset == name for case in judged.cases)]
    seeds = max(case.n for case in judged.cases)
    return f"make reproduce-{cases.page} DATASETS={','.join(datasets)} SEEDS={seeds} BUDGET={judged.budget}"


def _figures(built: Built, judged: Sequence[Judged], results: Path) -> Iterator[str]:
    """The figures of a claim's page that exist, of the data sets and the budget of its verdict."""
    datasets = {case.dataset for case in judged[0].cases}
    names = dict.fromkeys(
        filled(spec.file, {"dataset": section.dataset, "budget": section.budget})
        for spec in built.page.figures
        for section in built.sections
        if section.budget == judged[0].budget and section.dataset in datasets
    )
    yield from (name for name in names if (results / "figures" / f"{name}.png").is_file())


def _parts(documents: Iterable[Document], pages: Mapping[str, Built]) -> list[PaperPart]:
    parts = [
        PaperPart(document.short, page.experiment, tuple(paper_tables(pages[page.experiment])))
        for document in documents
        for page in document.pages
        if page.experiment in pages
    ]
    return [part for part in parts if part.tables]
