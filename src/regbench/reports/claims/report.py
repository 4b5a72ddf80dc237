"""REPORT.md: what each document claims, what was run, what came out and how sure that is, for a reader without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from regbench.evidence.documents import load_documents
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.settings import devices
from regbench.evidence.tables import EN_DASH
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, listed
from regbench.reports.claims.claims import Ledger
from regbench.reports.claims.document_part import claim_table, document_part
from regbench.reports.claims.figure import draw_claims, panels
from regbench.reports.claims.ledger import answer_all
from regbench.reports.claims.loading import load_ledger
from regbench.reports.claims.markup import link, rows_link, table_line, table_link
from regbench.reports.claims.rows import BUDGETS, Evidence
from regbench.reports.claims.rules import RULES, families, families_text
from regbench.reports.claims.takeaways import takeaways
from regbench.reports.claims.tallies import counted_claims, tally

REPORT = "REPORT.md"
FIGURE = "claims.png"


def load_claims(folder: Path) -> tuple[Ledger, dict[str, PaperNumbers]]:
    """The ledger and the papers' numbers of a results folder."""
    papers = all_papers()
    return load_ledger(folder / "claims.yaml", papers), papers


def all_papers() -> dict[str, PaperNumbers]:
    """The numbers of every paper that prints some, by its name."""
    return {name: document.numbers for name, document in load_documents().items() if len(document.numbers)}


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
        rows: experiment -> the rows of its cells; experiments that no claim rests on are listed, too.
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
        takeaways(ledger, answers),
        claim_table(main, ledger, answers, with_document=True),
        f"The main claims; all {len(ledger.claims)} are below, by document. {_chances(answers)}\n",
        *([picture] if drawable else []),
        RULES,
        families_text(ledger, answers),
        _rows_text(ledger, rows),
        _counts(ledger, answers),
        *(document_part(name, ledger, answers, papers) for name in ledger.documents if ledger.of(name)),
    ]
    return "\n".join(parts)


KINDS = {
    "answered by trainings": (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.SMALLER, verdicts.INCONCLUSIVE),
    "answered without a training of ours, by computing again": (verdicts.CONSISTENT, verdicts.INCONSISTENT),
    "unanswered": (verdicts.NOT_RUN, verdicts.NOT_TESTABLE),
}


def _summary(ledger: Ledger, answers: Mapping[str, Answer], rows: Mapping[str, Sequence[dict]]) -> str:
    """The tally by how claims are answered, and what kind of trainings stand behind it."""
    lines = [f"{counted_claims(ledger.claims, f' of {_documents(ledger)}')}:\n"]
    for kind, of_kind in KINDS.items():
        found = tally(ledger.claims, answers, of_kind)
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


def _chances(answers: Mapping[str, Answer]) -> str:
    within = f"Holm's correction runs within each of {len(families(answers))} {link('families', 'holm-families')}"
    return (
        f"Where nothing of a family is true, the rules call one of its claims *{verdicts.SUPPORTED}* in "
        f"{100 * verdicts.ALPHA:.0f} % of cases at most; {within}, not over all."
    )


def _rows_text(ledger: Ledger, rows: Mapping[str, Sequence[dict]]) -> str:
    """What was run: trainings by experiment and budget, their devices, links to tables and rows."""
    lines = ["## What was run", "", table_line(("Experiment", "Trainings", "Devices", "Table", "Rows"))]
    lines.append("|" + " :--- |" * 5)
    for experiment in sorted({*ledger.experiments, *rows}):
        found = [row for row in rows.get(experiment, ()) if row["budget"] in BUDGETS]
        counts = Counter(row["budget"] for row in found)
        trained = listed([f"{counts[budget]} ({budget})" for budget in BUDGETS if counts[budget]] or ["none yet"])
        names = listed(devices(found)) if found else EN_DASH
        lines.append(table_line((experiment, trained, names, table_link(experiment), rows_link(experiment))))
    return "\n".join(lines) + "\n"


def _counts(ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """How many claims of each document have which verdict."""
    lines = ["## Verdicts by document", "", table_line(("Document", "Claims", "of them implied", *verdicts.WORDS))]
    lines.append("| :--- |" + " ---: |" * (len(verdicts.WORDS) + 2))
    for document in ledger.documents.values():
        words = Counter(answers[claim.id].word for claim in ledger.of(document.name))
        cells = [str(words[word]) if words[word] else EN_DASH for word in verdicts.WORDS]
        implied = sum(claim.implied for claim in ledger.of(document.name))
        lines.append(table_line((document.short, str(sum(words.values())), str(implied or EN_DASH), *cells)))
    return "\n".join(lines) + "\n"
