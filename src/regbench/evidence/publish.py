"""What an experiment publishes from its rows: tables, its blocks of the README, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.documents import BESIDE, PICTURES, TABLES, Document
from regbench.evidence.pages import Built, build, readme_block, write_page
from regbench.evidence.spec import Page
from regbench.paths import ROOT

README = ROOT / "results" / "README.md"
BEGIN, END = "<!-- {name}: written by `make tables` -->", "<!-- end of {name} -->"


def publish_page(
    document: Document, page: Page, rows: Sequence[dict], results: Path, pictures: bool = True
) -> tuple[Built, list[Path]]:
    """Write everything of one page into `results`; returns what was built and the files."""
    built = build(page, rows, document.numbers)
    written = write_page(
        built,
        results / "tables",
        [TABLES[name]() for name in page.tables_after],
        [BESIDE[name] for name in page.tables_beside],
    )
    for spec in page.readme:
        written.append(write_readme(spec.block, readme_block(built, spec), results))
    return built, written + (draw(built, results / "figures") if pictures else [])


def draw(built: Built, folder: Path) -> list[Path]:
    """All figures of a page, those of its `extra.py` among them."""
    from regbench.evidence.figures import draw_figures  # here: matplotlib, which tables alone need not load

    drawn = draw_figures(built, folder)
    return drawn + [path for name in built.page.pictures for path in PICTURES[name](built, folder)]


def write_readme(name: str, block: str, results: Path) -> Path:
    """The results' README with one of its blocks; of other results it is made from this repository's."""
    target = results / README.name
    return write_block(name, block, target if target.exists() else README, target)


def write_block(name: str, block: str, source: Path, target: Path) -> Path:
    """Put a block between its marks in the README at `source`; the result goes to `target`."""
    text = source.read_text(encoding="utf-8")
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if begin not in text or end not in text:
        raise UserError(f"{source} lacks the lines {begin} and {end}: the results go between them")
    head, rest = text.split(begin, 1)
    target.write_text(f"{head}{begin}\n{block}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
    return target
