"""What experiments publish from their rows: tables, figures, the overview of all results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.documents import BESIDE, PICTURES, TABLES, Document, load_all_pages
from regbench.evidence.pages import Built, build, glance, write_page
from regbench.evidence.spec import Page
from regbench.paths import ROOT
from regbench.plan.experiments import cells_by_experiment, known_budgets, rows_of_cells
from regbench.rows.budgets import without_trials
from regbench.rows.store import Store

README = ROOT / "results" / "README.md"
BEGIN, END = "<!-- {name}: written by `make tables` -->", "<!-- end of {name} -->"


def experiments() -> list[str]:
    """Every experiment that publishes, in the order of its documents."""
    return list(load_all_pages())


def built_pages(rows: Sequence[dict]) -> dict[str, Built]:
    """The pages that have any of these rows, by experiment."""
    known = load_all_pages()
    cells = cells_by_experiment(list(known), known_budgets(rows))
    own = {experiment: rows_of_cells(of_one, rows) for experiment, of_one in cells.items()}
    return {name: build(page, own[name], paper.numbers) for name, (paper, page) in known.items() if own[name]}


def publishable(store: Store) -> list[dict]:
    """The rows that tables are made of: packed ones, and loose ones of the experiments that publish.

    A training by hand counts where ADHOC=1 says so, or its row is packed; of budget smoke none counts beside others.
    """
    return without_trials(store.rows(loose=None if by_hand_too() else experiments()))


def by_hand_too() -> bool:
    """Whether ADHOC=1 asks for trainings by hand."""
    return os.environ.get("ADHOC", "") not in ("", "0")


def publish(experiment: str, rows: Sequence[dict], results: Path, pictures: bool = True) -> tuple[Built, list[Path]]:
    """Write what the experiment publishes; returns what was built and the files.

    Raises:
        UserError: an experiment that publishes nothing, or one without rows.
    """
    if experiment not in experiments():
        raise UserError(f"experiment={experiment} publishes nothing: allowed are {', '.join(experiments())}")
    if not rows:
        raise UserError(f"experiment={experiment} has no rows yet: run `scripts/reproduce.py {experiment}` first")
    return publish_page(*load_all_pages()[experiment], rows, results, pictures)


def publish_page(
    document: Document, page: Page, rows: Sequence[dict], results: Path, pictures: bool = True
) -> tuple[Built, list[Path]]:
    """Write the tables and figures of one page into `results`; returns what was built and the files."""
    built = build(page, rows, document.numbers)
    after, beside = [TABLES[name]() for name in page.tables_after], [BESIDE[name] for name in page.tables_beside]
    written = write_page(built, results / "tables", after, beside)
    return built, written + (draw(built, results / "figures") if pictures else [])


def draw(built: Built, folder: Path) -> list[Path]:
    """All figures of a page, those of its `extra.py` among them."""
    from regbench.evidence.figures import draw_figures  # here: matplotlib, which tables alone need not load

    drawn = draw_figures(built, folder)
    return drawn + [path for name in built.page.pictures for path in PICTURES[name](built, folder)]


def write_overview(pages: Mapping[str, Built], results: Path) -> Path:
    """The results' README with the overview of these pages; of other results it is made from this repository's."""
    known, target = load_all_pages(), results / README.name
    parts = [
        f"## {_heading(known[name][0], built.page)}\n\n{text}"
        for name, built in pages.items()
        if (text := glance(built))
    ]
    return write_block("results", "\n\n".join(parts), target if target.exists() else README, target)


def _heading(document: Document, page: Page) -> str:
    return document.short if page.what in document.short else f"{document.short}: {page.what}"


def write_block(name: str, block: str, source: Path, target: Path) -> Path:
    """Put a block between its marks in the README at `source`; the result goes to `target`."""
    text = source.read_text(encoding="utf-8")
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if begin not in text or end not in text:
        raise UserError(f"{source} lacks the lines {begin} and {end}: the results go between them")
    head, rest = text.split(begin, 1)
    target.write_text(f"{head}{begin}\n{block}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
    return target
