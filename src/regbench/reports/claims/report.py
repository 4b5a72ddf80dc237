"""REPORT.md: what each document claims, what was run, what came out and how sure that is, for a reader without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, listed
from regbench.reports.claims.claims import Claim, Ledger, load_ledger
from regbench.reports.claims.figure import draw_claims, panels
from regbench.reports.claims.ledger import answer_all, chance_text
from regbench.reports.claims.readings import READINGS
from regbench.reports.claims.rows import BUDGETS, Evidence
from regbench.reports.claims.trends import METRICS, TREND_KINDS
from regbench.reports.paper import PaperNumbers, load_paper_numbers
from regbench.reports.protocols import PROTOCOLS
from regbench.reports.settings import devices
from regbench.reports.tables import EN_DASH

REPORT = "REPORT.md"
FIGURE = "claims.png"
COLUMNS = ("Document", "Claim", "The paper says", "We found", "n, budget, device", "Verdict")
BOLD = (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.SMALLER, verdicts.INCONSISTENT)
RULES = f"""## How to read this

- *{verdicts.SUPPORTED}*: the one-sided test in the claimed direction, paired by seed, gives p < {verdicts.ALPHA:g}
  after Holm's correction over a family, the claims of one kind in one of a paper's tables (a section names its size),
  with {verdicts.ENOUGH} seeds or more. It says that what was claimed is seen, not why: the claims beside it ask that.
  *{verdicts.CONTRADICTED}*: the same in the opposite direction. *{verdicts.SMALLER}*: neither, and the 95 % interval
  excludes the paper's effect. *{verdicts.INCONCLUSIVE}*: none of these; its section says the smallest effect that such
  runs would find with 80 % power.
- A claim of several cases is supported where every case is, contradicted where any is, and *{verdicts.SMALLER}* where
  the interval of any excludes the paper's effect. A claim of no difference is
  supported where the runs exclude a difference of the size that the paper calls a gain elsewhere.
- *{verdicts.CONSISTENT}*, *{verdicts.INCONSISTENT}*: what answers is no training but the document's own numbers or
  formulas, or published weights, computed again: they bear the claim out or they do not. *{verdicts.NOT_RUN}*: there is
  no training; the section says what is needed. *{verdicts.NOT_TESTABLE}*: the document leaves out what a test needs.
- n counts independently seeded trainings; intervals are 95 % t-intervals over them: they tell how much the seed
  matters, not how much other test images would. Where the seeds do not vary at all, an exact permutation test takes the
  place of the t-test.
- The test split is reported, at the epoch that is best on held-out images. Protocol `paper`, where a section names it,
  chooses on the test split, as the papers do.
- **Budget `quick` is no reproduction**: it trains for less, and on fewer images, than a comparison with a paper's
  numbers needs. A verdict holds for the setting that was run. *{verdicts.SMALLER}* at `quick` says that the paper's
  effect is not there in that setting; it may be there in the paper's own, which the paper does not describe in full.
- Words: `±` is half a 95 % interval; `>` a value that the cap on epochs cut off; pp percentage points; nats the unit of
  cross entropy; lambda a penalty's weight and eps the small number in its denominator; FID and IS the distance to real
  images and the score of generated ones (lower and higher is better); Z the additivity gap, 0 for a linear network;
  Dunnett's test compares the best of several with one control; K the patches kept, S the masks drawn, rho the mutation.
- Chance: one training a cell, the best of many, and epochs chosen on the test split all favour whoever chooses. The
  sections say what that alone gives.
"""


def load_papers(folder: Path) -> dict[str, PaperNumbers]:
    """The numbers of every document in results/paper, by the name of its file."""
    return {path.stem: load_paper_numbers(path) for path in sorted(folder.glob("*.yaml"))}


def load_claims(folder: Path) -> tuple[Ledger, dict[str, PaperNumbers]]:
    """The ledger and the papers' numbers of a results folder."""
    papers = load_papers(folder / "paper")
    return load_ledger(folder / "claims.yaml", papers), papers


def write_report(
    ledger: Ledger,
    papers: Mapping[str, PaperNumbers],
    rows: Mapping[str, Sequence[dict]],
    results: Path,
    folder: Path | None = None,
    pictures: bool = True,
) -> list[Path]:
    """Write REPORT.md and its picture. The order of the rows changes no byte.

    Args:
        rows: experiment -> the rows of its cells.
        results: the folder of the results, whose committed tables some findings read.
        folder: where to write; by default `results`.
    """
    folder = folder or results
    answers = answer_all(ledger, Evidence(rows), papers, results)
    drawable = any(panels(ledger, answers).values())
    path = folder / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_text(ledger, answers, papers, rows, drawable), encoding="utf-8", newline="\n")
    drawn = [draw_claims(ledger, answers, folder / "figures" / FIGURE)] if pictures and drawable else []
    return [path, *drawn]


def report_text(
    ledger: Ledger,
    answers: Mapping[str, Answer],
    papers: Mapping[str, PaperNumbers],
    rows: Mapping[str, Sequence[dict]],
    drawable: bool = True,
) -> str:
    """The whole page."""
    main = [claim for claim in ledger.claims if claim.main]
    picture = f"![Measured effects with 95 % intervals, claim by claim](figures/{FIGURE})\n"
    parts = [
        f"# Do these regularizers help? {_documents(ledger).capitalize()}, answered claim by claim\n",
        _summary(ledger, answers, rows),
        _table(main, ledger, answers, with_document=True),
        f"The main claims; all {len(ledger.claims)} are below, by document. {_chances(ledger)}\n",
        *([picture] if drawable else []),
        RULES,
        _rows_text(ledger, rows),
        _counts(ledger, answers),
        *(_section(name, ledger, answers, papers) for name in ledger.documents if ledger.of(name)),
    ]
    return "\n".join(parts)


def says(claim: Claim, answer: Answer) -> str:
    """What the paper says of a claim: its effects where it prints any, else its words."""
    printed = list(dict.fromkeys(effect.printed for effect in answer.effects if effect.printed))
    alike = {text.rpartition(" (")[2] for text in printed}
    if len(printed) > 1 and len(alike) == 1:  # one n for all
        printed = [*(text.rpartition(" (")[0] for text in printed[:-1]), printed[-1]]
    return listed(printed) if printed else f'"{_plain(claim.quote)}"'


KINDS = {
    "answered by trainings": (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.SMALLER, verdicts.INCONCLUSIVE),
    "answered by computing a document's own numbers or formulas again": (verdicts.CONSISTENT, verdicts.INCONSISTENT),
    "unanswered": (verdicts.NOT_RUN, verdicts.NOT_TESTABLE),
}


def _summary(ledger: Ledger, answers: Mapping[str, Answer], rows: Mapping[str, Sequence[dict]]) -> str:
    """The tally by how claims are answered, and what kind of trainings stand behind it."""
    words = Counter(answer.word for answer in answers.values())
    lines = [f"{len(ledger.claims)} claims of {_documents(ledger)}:\n"]
    for kind, of_kind in KINDS.items():
        found = [f"{words[word]} {word}" for word in of_kind if words[word]]
        if found:
            lines.append(f"- {kind}: {listed(found)};")
    lines[-1] = lines[-1].removesuffix(";") + "."
    ran = [row for found in rows.values() for row in found if row["budget"] in BUDGETS]
    if ran and {row["budget"] for row in ran} == {"quick"}:
        where = listed(devices(ran, "device"))
        lines.append(f"\nAll trainings so far are of budget `quick` on {where}: **none is a reproduction**.")
    return "\n".join(lines) + "\n"


def _documents(ledger: Ledger) -> str:
    return f"{len(ledger.documents)} document{'s' * (len(ledger.documents) != 1)}"


def _chances(ledger: Ledger) -> str:
    families = len({claim.family for claim in ledger.claims if claim.family})
    return (
        f"Where nothing of a table is true, the rules call one of its claims *{verdicts.SUPPORTED}* in "
        f"{100 * verdicts.ALPHA:.0f} % of cases at most; Holm's correction runs within each of {families} tables, not "
        "over all."
    )


def _table(claims: Sequence[Claim], ledger: Ledger, answers: Mapping[str, Answer], with_document: bool) -> str:
    columns = COLUMNS if with_document else COLUMNS[1:]
    lines = [_line(columns), "|" + " :--- |" * len(columns)]
    for claim in claims:
        answer = answers[claim.id]
        cells = [
            ledger.documents[claim.document].short,
            f"[{claim.claim}](#{claim.id})",
            says(claim, answer),
            answer.found,
            answer.runs,
            f"**{answer.word}**" if answer.word in BOLD else answer.word,
        ]
        lines.append(_line(cells if with_document else cells[1:]))
    return "\n".join(lines) + "\n"


def _rows_text(ledger: Ledger, rows: Mapping[str, Sequence[dict]]) -> str:
    """What was run: trainings by experiment and budget, their devices, links to tables and rows."""
    lines = ["## What was run", "", _line(("Experiment", "Trainings", "Devices", "Table", "Rows"))]
    lines.append("|" + " :--- |" * 5)
    for experiment in ledger.experiments:
        found = [row for row in rows.get(experiment, ()) if row["budget"] in BUDGETS]
        counts = Counter(row["budget"] for row in found)
        trained = listed([f"{counts[budget]} ({budget})" for budget in BUDGETS if counts[budget]] or ["none yet"])
        names = listed(devices(found)) if found else EN_DASH
        lines.append(_line((experiment, trained, names, _table_link(experiment), _rows_link(experiment))))
    return "\n".join(lines) + "\n"


def _counts(ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """How many claims of each document have which verdict."""
    lines = ["## Verdicts by document", "", _line(("Document", "Claims", *verdicts.WORDS))]
    lines.append("| :--- |" + " ---: |" * (len(verdicts.WORDS) + 1))
    for document in ledger.documents.values():
        words = Counter(answers[claim.id].word for claim in ledger.of(document.name))
        cells = [str(words[word]) if words[word] else EN_DASH for word in verdicts.WORDS]
        lines.append(_line((document.short, str(sum(words.values())), *cells)))
    return "\n".join(lines) + "\n"


def _section(name: str, ledger: Ledger, answers: Mapping[str, Answer], papers: Mapping[str, PaperNumbers]) -> str:
    document, claims = ledger.documents[name], ledger.of(name)
    parts = [f"## {document.short}: *{document.title}*\n", _table(claims, ledger, answers, with_document=False)]
    return "\n".join([*parts, *(_entry(claim, answers[claim.id], papers) for claim in claims)])


def _entry(claim: Claim, answer: Answer, papers: Mapping[str, PaperNumbers]) -> str:
    """One claim: what it says, what was run, what came out, what chance gives, the verdict and why."""
    lines = [f"### {claim.id}", "", f'{claim.claim} {claim.place}: "{_plain(claim.quote)}"', ""]
    lines.append(f"- **{answer.word}**: {_sentence(answer.why)}")
    if answer.found != answer.word:
        lines.append(f"- Found: {_sentence(answer.found)}")
    if answer.word == verdicts.NOT_RUN and answer.experiments:
        lines.append(
            f"- To be run: {_how(claim)}{listed([f'`make reproduce-{each}`' for each in answer.experiments])}."
        )
    elif answer.experiments:
        links = listed([f"{_table_link(each)}, {_rows_link(each)}" for each in answer.experiments])
        lines.append(f"- Run: {_how(claim)}{answer.runs} ({links}).")
    elif answer.runs != EN_DASH:
        lines.append(f"- Read: {answer.runs}.")
    lines += [f"  - {detail}" for detail in answer.details]
    chance = None if answer.word == verdicts.NOT_RUN else chance_text(claim, answer, papers)
    if chance:
        lines.append(f"- Chance alone: {chance}")
    if claim.note:
        lines.append(f"- Note: {claim.note.strip()}")
    return "\n".join(lines) + "\n"


def _how(claim: Claim) -> str:
    """The metric of a comparison or trend in words."""
    answer = claim.answer
    if claim.kind == "comparison":
        paired = "paired by seed" if answer.get("paired", True) else "Welch's test"
        epoch = answer["protocol"]
        epoch = f"protocol {epoch}" if epoch in PROTOCOLS else epoch
        return f"{READINGS[answer['metric']].words}, {epoch}, {paired}; "
    if claim.kind == "trend":
        return f"{METRICS[answer['metric']].column} by {TREND_KINDS[answer['regularizer']].title}, last epoch; "
    return ""


def _table_link(experiment: str) -> str:
    return f"[table](tables/{experiment}.md)"


def _rows_link(experiment: str) -> str:
    return f"[rows](runs/{experiment}.jsonl)"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _plain(quote: str) -> str:
    """A quote that Markdown and a table's cell leave as it is."""
    return quote.replace("*", r"\*")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
