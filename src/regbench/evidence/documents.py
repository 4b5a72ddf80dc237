"""Papers are folders: `numbers.yaml`, `claims.yaml`, and pages, each a `table.yaml` with its `guide.md` and `extra.py`.

Folders of one's own are found through REGBENCH_PAPERS, several of them apart by the system's path separator.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence import best_notes, printed  # noqa: F401  their notes and checks register
from regbench.evidence.claims import Claim, load_claims
from regbench.evidence.findings import Finding, load_findings
from regbench.evidence.metrics import METRICS
from regbench.evidence.notes import parsed
from regbench.evidence.numbers import PaperNumbers, load_paper_numbers
from regbench.evidence.registry import Registry
from regbench.evidence.spec import Page, allowed, load_page

OWN = Path(__file__).resolve().parents[1] / "papers"
SEARCH = "REGBENCH_PAPERS"
TABLE, NUMBERS, EXTRA, CLAIMS, FINDINGS = "table.yaml", "numbers.yaml", "extra.py", "claims.yaml", "findings.yaml"
#: what an `extra.py` may register beside metrics, notes and checks, each named by its page: tables of no section in
#: `tables_after`, () -> Table; of a section in `tables_beside`, (section) -> tables; in `pictures` (built, folder) ->
#: paths
TABLES, BESIDE, PICTURES = Registry("table"), Registry("table"), Registry("picture")
table, beside, picture = TABLES.register, BESIDE.register, PICTURES.register


@dataclass(frozen=True)
class Document:
    """One paper: its name is that of its folder."""

    name: str
    folder: Path
    pages: tuple[Page, ...]
    numbers: PaperNumbers | None
    claims: tuple[Claim, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        return self.numbers.title or self.name

    @property
    def short(self) -> str:
        """Its name in tables."""
        return self.numbers.short or self.title


def search_path() -> tuple[Path, ...]:
    """This repository's papers, then the folders of REGBENCH_PAPERS."""
    own = os.environ.get(SEARCH, "")
    return (OWN, *(Path(part) for part in own.split(os.pathsep) if part))


def load_documents(folders: Sequence[Path] | None = None) -> dict[str, Document]:
    """Every paper of the search path by name, in its order.

    Raises UserError for a folder that is not there, two papers or experiments of one name, a paper without numbers or
    pages, and whatever `load_page` refuses.
    """
    return _load(tuple(folders or search_path()))


@functools.cache
def _load(folders: tuple[Path, ...]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    experiments: dict[str, str] = {}
    for root in folders:
        if not root.is_dir():
            raise UserError(f"{SEARCH}: {root} is no folder; it holds a folder for each paper")
        for folder in sorted(each for each in root.iterdir() if any(each.rglob(TABLE))):
            if folder.name in found:
                raise UserError(f"paper {folder.name!r} is there twice: {found[folder.name].folder} and {folder}")
            found[folder.name] = _document(folder)
            for page in found[folder.name].pages:
                if page.experiment in experiments:
                    raise UserError(
                        f"experiment {page.experiment!r} has two pages: of paper {experiments[page.experiment]} and of "
                        f"{folder.name}"
                    )
                experiments[page.experiment] = folder.name
    return found


def _document(folder: Path) -> Document:
    if not (folder / NUMBERS).is_file():
        raise UserError(
            f"paper {folder.name}: {folder / NUMBERS} is missing: the paper's printed numbers, or none of them"
        )
    for path in sorted(folder.rglob(EXTRA)):
        _load_extra(path)
    pages = []
    for path in sorted(folder.rglob(TABLE)):
        page = load_page(path)
        _check_registered(page, path)
        pages.append(page)
    claims = load_claims(folder / CLAIMS, {page.experiment: page for page in pages})
    findings = load_findings(folder / FINDINGS, claims)
    return Document(folder.name, folder, tuple(pages), load_paper_numbers(folder / NUMBERS), claims, findings)


@functools.cache
def _load_extra(path: Path) -> None:
    """Run what only this paper has; it registers metrics, notes, tables and pictures by name."""
    if path.is_relative_to(OWN):
        importlib.import_module(".".join(("regbench", "papers", *path.relative_to(OWN).with_suffix("").parts)))
        return
    name = f"regbench_paper_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def _check_registered(page: Page, path: Path) -> None:
    """Every metric, note, table and picture that the page names is registered."""
    columns = [(f"table {table.id}", column) for table in page.tables for column in table.columns]
    for where, column in columns:
        if column.metric:
            allowed("metric", column.metric, METRICS, f"{path}, {where}, column {column.head!r}")
            if column.protocol:
                known = METRICS[column.metric].protocols
                allowed("protocol", column.protocol, known, f"{path}, {where}, column {column.head!r}")
    for family in page.families.values():
        for test in family.tests:
            allowed("metric", test.metric, METRICS, f"{path}, family {family.name}")
    for figure in page.figures:
        for panel in figure.panels:
            for name in filter(None, (panel.metric, panel.floor)):
                allowed("metric", name, METRICS, f"{path}, figure {figure.file}")
    for each in page.tables:
        for name in (value for key, value in each.floor.items() if key != "label"):
            allowed("floor", name, METRICS, f"{path}, table {each.id}")
        for entry in each.notes:
            try:
                parsed(entry)
            except UserError as error:
                raise UserError(f"{path}, table {each.id}: {error}") from None
    for name in page.tables_beside:
        allowed("tables_beside", name, BESIDE, str(path))
    for name in page.tables_after:
        allowed("tables_after", name, TABLES, str(path))
    for name in page.pictures:
        allowed("pictures", name, PICTURES, str(path))


def load_all_pages(folders: Sequence[Path] | None = None) -> dict[str, tuple[Document, Page]]:
    """Every page by its experiment, with the document that it belongs to."""
    return {
        page.experiment: (document, page) for document in load_documents(folders).values() for page in document.pages
    }
