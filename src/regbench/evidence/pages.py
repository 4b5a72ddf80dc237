"""A page from rows: every table of its spec by budget and data set, as Markdown, CSV and LaTeX; its README blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from regbench.evidence.cells import FIXED, cell, count_cell, difference_text, mean_text, number, p_text
from regbench.evidence.estimates import Case, Estimate, Estimates
from regbench.evidence.notes import Shown, code, smallest, written
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.protocols import PROTOCOLS
from regbench.evidence.sections import Section, find_sections
from regbench.evidence.settings import devices
from regbench.evidence.spec import PRINTED, Column, Line, Page, Readme, TableSpec
from regbench.evidence.tables import EN_DASH, MINUS, Cell, Table, to_csv, to_markdown, to_tex, write_texts

BUDGET_NOTES = {
    "paper": "The full-size runs. Where the paper does not state its epochs, their number is our choice.",
    "quick": "`quick` is not a reproduction: it trains for less than a comparison with the paper's numbers "
    "needs. It shows how the methods compare with each other after the same short training.",
    "smoke": "`smoke` only shows that everything runs. Its numbers say nothing about a method.",
}
CSV_FIELDS = (
    *("budget", "dataset", "table", "line", "against", "metric", "protocol", "unit", "status", "mean", "low", "high"),
    *("n", "seeds", "failed_seeds", "bound", "direction", "family", "p", "p_holm", "p_opposite", "p_opposite_holm"),
    *("p_page", "p_page_holm", "smallest_80", "note"),
)


@dataclass(frozen=True)
class Built:
    """A page's sections with their estimates by budget."""

    page: Page
    sections: tuple[Section, ...]
    estimates: dict[str, Estimates]

    @property
    def rows(self) -> list[dict]:
        return [row for section in self.sections for row in section.rows]


def build(page: Page, rows: Sequence[dict], numbers: PaperNumbers | None) -> Built:
    """Rows to sections to estimates. The order of `rows` changes nothing."""
    sections = find_sections(page, rows, numbers)
    budgets = dict.fromkeys(section.budget for section in sections)
    own = {budget: [section for section in sections if section.budget == budget] for budget in budgets}
    return Built(page, tuple(sections), {budget: Estimates(page, own[budget]) for budget in budgets})


def write_page(built: Built, folder: Path, after: Sequence[Table] = ()) -> list[Path]:
    """Write `<experiment>.md`, `.csv` and `.tex`; `after` are tables of no section, below all others."""
    tables = {budget: [] for budget in built.estimates}
    for section in built.sections:
        tables[section.budget] += section_tables(built, section)
    every = [*(table for found in tables.values() for table in found), *after]
    name = built.page.experiment
    texts = {
        f"{name}.md": markdown(built, tables, after),
        f"{name}.csv": to_csv(every, CSV_FIELDS),
        f"{name}.tex": "\n".join(to_tex(table) for table in every),
    }
    return write_texts(texts, folder)


def markdown(built: Built, tables: dict[str, list[Table]], after: Sequence[Table]) -> str:
    """The guide, then one part a budget with its tables, the fullest first."""
    parts = [built.page.guide]
    for budget, found in tables.items():
        rows = [row for section in built.sections if section.budget == budget for row in section.rows]
        intro = [
            f"## Budget `{budget}`",
            BUDGET_NOTES.get(budget),
            f"Devices: {', '.join(devices(rows))}. {code(rows)}",
        ]
        parts.append("\n\n".join(text for text in intro if text) + "\n")
        parts += [to_markdown(table, level=3) for table in found]
    if not tables:
        parts.append("Not run: there is no row yet (n = 0).\n")
    return "\n".join([*parts, *(to_markdown(table) for table in after)])


def section_tables(built: Built, section: Section) -> list[Table]:
    """All tables of a section."""
    return [build_table(built.estimates[section.budget], section, spec) for spec in built.page.tables]


def build_table(estimates: Estimates, section: Section, spec: TableSpec) -> Table:
    """One table, its footnotes, notes and long form."""
    if spec.tests:
        return _tests_table(estimates, section, spec)
    shown = Shown(section, estimates, spec, section.lines(spec), estimates.table(section, spec))
    return Table(
        title=section.title(spec.title),
        columns=tuple(_head(column, section) for column in spec.columns),
        rows=tuple(_rows(shown)),
        notes=written(shown),
        records=tuple(_csv(section, spec, each) for each in _records(shown)),
    )


def _head(column: Column, section: Section) -> str:
    if "{level}" not in column.head:
        return column.head
    return column.head.replace("{level}", section.metric(column.metric).level)


def _rows(shown: Shown) -> Iterator[tuple[Cell, ...]]:
    for row, line in enumerate(shown.lines):
        for source in _sources(shown, line):
            yield tuple(_cell(shown, row, place, source) for place in range(len(shown.spec.columns)))


def _sources(shown: Shown, line: Line) -> Sequence[str]:
    """The sources that split a line; of one that was not run the protocols are one."""
    sources = [each for each in shown.spec.sources if each != PRINTED or line.paper]
    if not shown.spec.sources:
        return [""]
    if shown.section.group(line) is None:
        return [each for each in sources if each == PRINTED] + ["both protocols"]
    return sources


def _cell(shown: Shown, row: int, place: int, source: str) -> Cell:
    line, column, section = shown.lines[row], shown.spec.columns[place], shown.section
    if column.label:
        return Cell(line.label)
    if column.name:
        return Cell(_named(line, column.name, source))
    if column.n:
        return Cell("1") if source == PRINTED else count_cell(section.group(line), section.most)
    if source == PRINTED or (column.paper and not shown.spec.sources):
        return Cell(printed_text(section, line, column) or EN_DASH)
    if source == "both protocols":
        return Cell(FIXED["not run"])
    return shown_cell(shown.found[row, place, source], column)


def _named(line: Line, name: str, source: str) -> str:
    if name == "source":
        return f"protocol {source}" if source in PROTOCOLS else source
    return line.names.get(name, EN_DASH)


def shown_cell(estimate: Estimate, column: Column) -> Cell:
    """An estimate as its column prints it."""
    if column.plain and estimate.done:
        return Cell(number(estimate.mean, estimate.unit))
    made = cell(estimate)
    if column.counted and estimate.done:
        return Cell(f"{made.text} (n = {len(estimate.seeds)})", made.footnotes)
    return made


def printed(section: Section, line: Line, column: Column) -> PaperNumber | None:
    """The paper's number of a line in a column."""
    if section.numbers is None or not line.paper or not column.paper:
        return None
    place, row = column.paper.replace("{dataset}", section.page.datasets[section.dataset]), str(line.paper)
    found = section.numbers.find(section.page.paper_table, row, place)
    if found is not None or " / " not in place:
        return found
    top, bottom = (section.numbers.find(section.page.paper_table, row, part) for part in place.split(" / "))
    if top is None or bottom is None:
        return None
    ratio = number(top.value / bottom.value, section.metric(column.metric).unit)
    return replace(top, column=place, value=top.value / bottom.value, printed=ratio, read="computed from two numbers")


def printed_text(section: Section, line: Line, column: Column) -> str | None:
    """The paper's number, or the difference of two of them, in our unit and no digit more or less."""
    ours = printed(section, section.partner(line, column.line) if column.line else line, column)
    if not column.minus:
        return in_our_unit(ours, section, column) if ours else None
    theirs = printed(section, line if column.minus == "row" else section.partner(line, column.minus), column)
    if ours is None or theirs is None or ours is theirs:
        return None
    value = Decimal(ours.printed.rstrip("%")) - Decimal(theirs.printed.rstrip("%"))
    return f"{value.scaleb(2) if scaled(ours, section, column) else value:+f}".replace("-", MINUS)


def scaled(found: PaperNumber, section: Section, column: Column) -> bool:
    """Whether a fraction is printed where we print percent."""
    return found.unit == "fraction" and bool(column.metric) and section.metric(column.metric).unit in ("%", "pp")


def in_our_unit(found: PaperNumber, section: Section, column: Column) -> str:
    """The printed digits; a fraction in percent where ours are."""
    if not scaled(found, section, column):
        return found.printed
    return f"{Decimal(found.printed.rstrip('%')).scaleb(2):f}".replace("-", MINUS)


def _tests_table(estimates: Estimates, section: Section, spec: TableSpec) -> Table:
    """A row for each comparison of families in this section."""
    order = list(section.page.lines)
    cases = [pair for name in spec.tests for pair in estimates.cases(name, section)]
    cases.sort(key=lambda pair: order.index(pair[0].line.name))
    found = {(row, 0, ""): estimate for row, (_, estimate) in enumerate(cases)}
    shown = Shown(section, estimates, spec, [case.line for case, _ in cases], found)
    beside = {
        (row, place): replace(estimates.trend(section, case.line, column.metric), comparison=None, notes=())
        for row, (case, _) in enumerate(cases)
        for place, column in enumerate(spec.columns)
        if column.metric
    }
    rows = tuple(
        tuple(
            beside_cell(beside.get((row, place))) or _case_cell(case, estimate, column)
            for place, column in enumerate(spec.columns)
        )
        for row, (case, estimate) in enumerate(cases)
    )
    records = [*(estimate for _, estimate in cases), *{each.line: each for each in beside.values()}.values()]
    return Table(
        title=section.title(spec.title),
        columns=tuple(column.head for column in spec.columns),
        rows=rows,
        notes=written(shown),
        records=tuple(_csv(section, spec, each) for each in records),
    )


def beside_cell(estimate: Estimate | None) -> Cell | None:
    """An untested trend beside a tested one."""
    return None if estimate is None else cell(estimate)


def _case_cell(case: Case, estimate: Estimate, column: Column) -> Cell:
    if column.label:
        return Cell(case.line.title)
    if column.n:
        return Cell(str(len(estimate.seeds)) if estimate.done else "0")
    if column.page_test:
        return Cell(p_text(estimate.p_page_holm) if estimate.done else EN_DASH)
    texts = {
        "metric": upper_first(case.section.metric(case.test.metric).words),
        "settings": str(len(case.section.series(case.line))),
        "said": case.test.said,
    }
    return Cell(texts[column.name]) if column.name else cell(estimate)


def upper_first(text: str) -> str:
    """The text with its first letter as at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def _records(shown: Shown) -> Iterator[Estimate]:
    """The estimates of a table, and the paper's numbers beside them."""
    for row, line in enumerate(shown.lines):
        for place, column in enumerate(shown.spec.columns):
            number_ = printed(shown.section, line, column) if column.paper and not column.minus else None
            if number_ is not None and column.metric:
                text = in_our_unit(number_, shown.section, column).rstrip("%").replace(MINUS, "-")
                metric = shown.section.metric(column.metric)
                yield Estimate(line.label, metric.name, PRINTED, metric.unit, mean=float(text))
            for source in shown.spec.sources or ("",):
                if (row, place, source) in shown.found and not (column.paper and not shown.spec.sources):
                    yield shown.found[row, place, source]


def _csv(section: Section, spec: TableSpec, found: Estimate) -> dict:
    return csv_record(found, spec.id, section.budget, section.dataset)


def csv_record(found: Estimate, table: str, budget: str = "", dataset: str = "") -> dict:
    """An estimate as a line of the long form, by the names of CSV_FIELDS."""
    names = ("line", "against", "metric", "protocol", "unit", "status", "mean", "low", "high", "seeds", "failed_seeds")
    names += ("direction", "family", "p", "p_holm", "p_opposite", "p_opposite_holm", "p_page", "p_page_holm")
    fields = {name: getattr(found, name) for name in names}
    tested = found.p is not None and found.unit != "rho" and not found.bounded
    return fields | {
        "budget": budget,
        "dataset": dataset,
        "table": table,
        "n": len(found.seeds) or None,
        "bound": "lower" if found.bounded else None,
        "smallest_80": smallest(found) if tested and found.comparison.standard_error else None,
        "note": "; ".join(found.notes),
    }


def readme_block(built: Built, spec: Readme) -> str:
    """The block's table: a line a section, or a line for each of its lines in every section."""
    heads = [column.head for column in spec.columns]
    texts = sum(column.label for column in spec.columns)
    lines = [f"| {' | '.join(heads)} |", "|" + " :--- |" * (1 + texts) + " ---: |" * (len(heads) - 1 - texts)]
    for section in built.sections:
        lines_ = [section.page.lines[name] for name in spec.lines]
        own = [each for line in lines_ for each in section.expanded(line)] or [next(iter(section.page.lines.values()))]
        own = [line for line in own if section.group(line)] if spec.run else own
        lines += [f"| {' | '.join(_readme_cells(built, section, line, spec))} |" for line in own]
    return "\n".join(lines if built.sections else [*lines, "| not run |" + " |" * (len(heads) - 1)])


def _readme_cells(built: Built, section: Section, line: Line, spec: Readme) -> Iterator[str]:
    estimates = built.estimates[section.budget]
    yield f"{section.name}, {section.budget}"
    for column in spec.columns[1:]:
        if column.label or column.name:
            yield line.label if column.label else _named(line, column.name, "")
        elif column.n:
            yield count_cell(section.group(line)).text if spec.lines else _counts(section)
        else:
            yield _readme_text(section, estimates, line, column)


def _counts(section: Section) -> str:
    counts = sorted({len(group.done) for group in section.groups.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _readme_text(section: Section, estimates: Estimates, line: Line, column: Column) -> str:
    if column.text == "highest":  # the largest value of a sweep that was run
        swept = [each for each in section.expanded(section.page.lines[column.line]) if each.at]
        if not swept:
            return FIXED["not run"]
        found = estimates.mean(section, swept[-1], column.metric, column.protocol)
        return f"{cell(found).text} ({swept[-1].label.split(' ', 1)[1]})"
    found = estimates.column(section, line, column)
    if column.minus and found.done:
        return difference_text(found, found.p_holm)
    if column.counted and found.done:
        return f"{mean_text(found)} (n = {len(found.seeds)})"
    return cell(found).text
