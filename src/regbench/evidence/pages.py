"""A page from rows: every table of its spec by budget and data set, as Markdown, CSV and LaTeX; its overview."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from regbench.evidence import stats
from regbench.evidence.cells import FIXED, cell, count_cell, difference_text, interval_of
from regbench.evidence.choices import count
from regbench.evidence.estimates import Claimed, Estimate, Estimates, sides
from regbench.evidence.notes import Shown, code, paper_cells, paper_count, paper_gain, paper_top, written
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.sections import Section, find_sections
from regbench.evidence.settings import devices
from regbench.evidence.spec import PRINTED, Column, Line, Page, TableSpec, filled, word
from regbench.evidence.tables import Cell, Table, markdown_line, to_csv, to_markdown, to_tex, write_texts
from regbench.evidence.wording import EN_DASH, MINUS, number, p_text
from regbench.rows.protocols import PROTOCOLS

BUDGET_NOTES = {
    "paper": "The full-size runs. Where the paper does not state its epochs, their number is our choice.",
    "quick": "`quick` is not a reproduction: it trains for less than a comparison with the paper's numbers "
    "needs. It shows how the methods compare with each other after the same short training.",
    "smoke": "`smoke` only shows that everything runs. Its numbers say nothing about a method.",
}
CSV_FIELDS = (
    *("budget", "dataset", "table", "line", "against", "metric", "protocol", "unit", "status", "mean", "low", "high"),
    *("n", "seeds", "failed_seeds", "bound", "direction", "family", "p", "p_holm", "p_opposite", "p_opposite_holm"),
    *("p_page", "p_page_holm", "choice", "k", "p_best", "p_best_holm", "smallest_80", "note"),
)

NOTHING = {"", "0", EN_DASH, FIXED["not run"]}  # what a row of the overview shows that has no training


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


def write_page(
    built: Built, folder: Path, after: Sequence[Table] = (), beside: Sequence[Callable[[Section], list[Table]]] = ()
) -> list[Path]:
    """Write `<experiment>.md`, `.csv` and `.tex`.

    Args:
        after: tables of no section, below all others. beside: what makes further tables of a section.
    """
    tables = {budget: [] for budget in built.estimates}
    for section in built.sections:
        tables[section.budget] += section_tables(built, section)
        tables[section.budget] += [table for make in beside for table in make(section)]
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
    parts = [built.page.guide + not_covered(built)]
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


def not_covered(built: Built) -> str:
    """The paper's data sets that have no row, by budget."""
    texts = ""
    for budget, estimates in built.estimates.items():
        names = missing(built.page, estimates.sections)
        texts += f"- Not run, budget `{budget}`: {', '.join(names)}.\n" if names else ""
    return texts


def missing(page: Page, sections: Sequence[Section]) -> list[str]:
    """The names of the paper's data sets that none of the sections is of."""
    run = {section.dataset for section in sections}
    return [page.datasets[name] for name in page.covers if name not in run]


def section_tables(built: Built, section: Section) -> list[Table]:
    """All tables of a section."""
    estimates, specs = built.estimates[section.budget], [spec for spec in built.page.tables if section.shows(spec)]
    return [build_table(estimates, section, spec) for spec in specs]


def build_table(estimates: Estimates, section: Section, spec: TableSpec) -> Table:
    """One table, its footnotes, notes and long form."""
    if spec.tests:
        return _tests_table(estimates, section, spec)
    columns, found = section.columns(spec), estimates.table(section, spec)
    shown = Shown(section, estimates, replace(spec, columns=tuple(columns)), section.lines(spec), found)
    return Table(
        title=section.title(spec.title, section.shown_groups(spec)),
        columns=tuple(_head(column, section) for column in columns),
        rows=(*_rows(shown), *([_total(shown)] if spec.total else []), *([_floor(shown)] if spec.floor else [])),
        notes=written(shown),
        records=tuple(_csv(section, spec, each) for each in (*_records(shown), *_floors(section, spec).values())),
    )


def _beside_number(section: Section, line: Line, column: Column, found: PaperNumber) -> str:
    """What the paper prints with a number: bold type, a p-value."""
    p = printed(section, line, replace(column, paper=column.paper_p)) if column.paper_p else None
    return " (bold)" * in_bold(found) + (f", p = {p.printed}" if p else "")


def in_bold(found: PaperNumber) -> bool:
    """Whether the paper sets it in bold."""
    return "in bold" in found.read


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
    if not shown.section.has_rows(line, shown.spec):
        return [each for each in sources if each == PRINTED] + ["both protocols"]
    return sources


def _cell(shown: Shown, row: int, place: int, source: str) -> Cell:
    line, column, section = shown.lines[row], shown.spec.columns[place], shown.section
    if column.label:
        return Cell(line.label)
    if column.name:
        return Cell(_named(line, column.name, source))
    if column.text in ("top", "gain") and not column.best:
        return Cell(_paper_best(shown, line, column.text) or EN_DASH)
    if column.n and column.minus:
        pairs = shown.estimates.column(section, line, column)
        return Cell(str(len(pairs.seeds) if pairs.done else 0))
    if column.n and column.line:  # of a base, say
        return count_cell(section.group(section.partner(line, column.line)))
    if column.n:
        return Cell("1") if source == PRINTED else count_cell(section.group(line))
    if source == PRINTED or (column.paper and not shown.spec.sources):
        return Cell(printed_text(section, line, column) or EN_DASH)
    if source == "both protocols":
        return Cell(FIXED["not run"])
    if column.best:
        return best_cell(shown, row, place, source)
    made = shown_cell(shown.found[row, place, source], column)
    if not column.beside or not shown.found[row, place, source].done:
        return made
    own, _ = sides(section, line, column)
    beside = shown.estimates.mean(section, own, column.beside)
    return Cell(f"{made.text}, {number(beside.mean, beside.unit)} {beside.unit}", made.footnotes)


def _named(line: Line, name: str, source: str) -> str:
    if name == "source":
        return f"protocol {source}" if source in PROTOCOLS else source
    return line.names.get(name, EN_DASH)


def shown_cell(estimate: Estimate, column: Column) -> Cell:
    """An estimate as its column prints it."""
    if column.plain and estimate.done:
        return Cell(number(estimate.mean, estimate.unit))
    if column.summary and estimate.done:
        counted = f"{estimate.mean:.0f} of {len(estimate.seeds)}"
        return Cell(counted if column.summary == "count" else number(estimate.mean, ""), estimate.notes)
    made = cell(estimate)
    if column.counted and estimate.done:
        return Cell(f"{made.text} (n = {len(estimate.seeds)})", made.footnotes)
    return made


def best_cell(shown: Shown, row: int, place: int, source: str) -> Cell:
    """What a column shows of the best of a line's values."""
    line, column, found = shown.lines[row], shown.spec.columns[place], shown.found[row, place, source]
    if column.best == "k":
        return Cell(str(found.k), _few(shown, line))
    if not found.done:
        return cell(found)
    if column.best == "gain":
        if column.text != "at":
            return Cell(difference_text(found, found.p if column.unpaired else found.p_holm), found.notes)
        gain = number(found.mean, found.unit, signed=True) + interval_of(found)
        return Cell(f"{gain} at {word(found.choice)}", found.notes)
    if column.best == "p":
        holm = p_text(found.p_best_holm).removeprefix("p ").removeprefix("= ")
        return Cell(f"{p_text(found.p_best)} ({holm})" if found.p_best is not None else EN_DASH)
    value = found.choice if column.best == "choice" else found.top
    return Cell(EN_DASH if value is None else word(value))


def _few(shown: Shown, line: Line) -> tuple[str, ...]:
    """Which values a choice could not be made among, and which have fewer trainings than the base."""
    cells = shown.section.cells(line)
    above = {value: shown.section.group(each) for value, each in cells.items() if value}
    base = shown.section.group(cells[0.0]) if 0.0 in cells else None
    named = line.word or "value"
    missing = [word(each) for each in shown.section.values(shown.lines) if each and each not in above]
    notes = [f"{line.label}: no rows of {named} {', '.join(missing)}"] if missing and above else []
    notes += [f"{cells[value].label}: {group.failure}" for value, group in above.items() if group.failed]
    most = len(base.done) if base else 0
    few = [f"{word(v)} (n = {len(g.done)})" for v, g in above.items() if not g.failed and len(g.done) < most]
    notes += [f"{line.label}: fewer seeds than the base's {most}: {named} {', '.join(few)}"] if few else []
    return tuple(notes)


def _total(shown: Shown) -> tuple[Cell, ...]:
    """In how many lines the best value is not the base, ours beside chance and the paper's."""
    texts = []
    for column in shown.spec.columns:
        text = ""
        if column.best == "top":
            ours = count(shown.section, shown.lines, column.protocol)
            text = f"{ours.above} of {ours.lines} above 0 (chance: {ours.expected:.1f})" if ours.lines else EN_DASH
        elif column.text == "top" and not column.best and shown.section.numbers:
            theirs = paper_count(shown)
            text = f"{theirs.above} of {theirs.lines} above 0"
        texts.append(text)
    return (Cell("all lines"), *map(Cell, texts[1:]))


def _floors(section: Section, spec: TableSpec) -> dict[str, Estimate]:
    """By metric of a column what all trainings of the section measured."""
    found = {}
    for name, floor in spec.floor.items():
        if name != "label" and (mean := section.floor(floor)) is not None:
            metric = section.metric(floor)
            found[name] = Estimate(spec.floor["label"], floor, metric.default, metric.unit, mean=mean)
    return found


def _floor(shown: Shown) -> tuple[Cell, ...]:
    found, label = _floors(shown.section, shown.spec), shown.spec.floor["label"]
    values = [
        found[column.metric] if column.metric in found and not (column.paper or column.minus) else None
        for column in shown.spec.columns[1:]
    ]
    return (Cell(label), *(Cell(number(each.mean, each.unit) if each else EN_DASH) for each in values))


def _paper_best(shown: Shown, line: Line, what: str) -> str:
    """The value of the paper's highest number of a line, or what the highest above 0 gains over that at 0."""
    cells = paper_cells(shown, line) if shown.section.numbers and line.paper else {}
    if what == "top":
        return paper_top(shown, line).column if cells else ""
    gain = paper_gain(shown, line)
    return "" if gain is None else number(gain, "pp", signed=True)


def printed(section: Section, line: Line, column: Column) -> PaperNumber | None:
    """The paper's number of a line in a column."""
    of_paper = not section.page.printed_for or section.dataset in section.page.printed_for
    if section.numbers is None or not line.paper or not column.paper or not of_paper:
        return None
    words = {"dataset": section.page.datasets[section.dataset]}
    words |= {"value": word(column.at)} if column.at is not None else {}
    place, row = filled(column.paper, words), str(line.paper)
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
    base = column.line == "base"  # the paper's rows are of lines, its columns of their bases
    ours = printed(section, section.partner(line, column.line) if column.line and not base else line, column)
    if not column.minus:
        return in_our_unit(ours, section, column) + _beside_number(section, line, column, ours) if ours else None
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
    sign = "+" if found.printed.startswith("+") else ""
    return f"{Decimal(found.printed.rstrip('%')).scaleb(2):{sign}f}".replace("-", MINUS)


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


def _case_cell(case: Claimed, estimate: Estimate, column: Column) -> Cell:
    if column.label:
        return Cell(case.line.title)
    if column.n:
        return Cell(str(len(estimate.seeds)) if estimate.done else "0")
    if column.page_test:
        return Cell(p_text(estimate.p_page_holm) or EN_DASH)
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
                p = printed(shown.section, line, replace(column, paper=column.paper_p)) if column.paper_p else None
                yield Estimate(
                    line.label, metric.name, PRINTED, metric.unit, mean=float(text), p=p.value if p else None
                )
            if column.best not in ("", "gain"):  # a part of what the gain's own record says
                continue
            if shown.spec.listed and column.best:
                above = [each for value, each in shown.section.cells(line).items() if value]
                yield from (shown.estimates.mean(shown.section, e, column.metric, column.protocol) for e in above)
            if column.beside:
                yield shown.estimates.mean(shown.section, sides(shown.section, line, column)[0], column.beside)
            for source in shown.spec.sources or ("",):
                if (row, place, source) in shown.found and not (column.paper and not shown.spec.sources):
                    yield shown.found[row, place, source]


def _csv(section: Section, spec: TableSpec, found: Estimate) -> dict:
    return csv_record(found, spec.id, section.budget, section.dataset)


def csv_record(found: Estimate, table: str, budget: str = "", dataset: str = "") -> dict:
    """An estimate as a line of the long form, by the names of CSV_FIELDS."""
    names = ("line", "against", "metric", "protocol", "unit", "status", "mean", "low", "high", "seeds", "failed_seeds")
    names += ("direction", "family", "p", "p_holm", "p_opposite", "p_opposite_holm", "p_page", "p_page_holm")
    names += ("choice", "k", "p_best", "p_best_holm")
    fields = {name: getattr(found, name) for name in names}
    tested = found.p is not None and found.comparison and found.unit != "rho" and not found.bounded
    return fields | {
        "budget": budget,
        "dataset": dataset,
        "table": table,
        "n": len(found.seeds) or None,
        "bound": "lower" if found.bounded else None,
        "smallest_80": stats.smallest_effect(found.comparison, alternative=found.direction) if tested else None,
        "note": "; ".join(found.notes),
    }


def glance(built: Built) -> str:
    """What the overview of all results shows of a page: these columns of its tables, the rows that have any of ours."""
    blocks = []
    for spec in (each for each in built.page.tables if each.glance):
        columns = [column for head in spec.glance for column in spec.columns if column.head == head]
        texts = [column.label or bool(column.name) for column in columns]
        ours = [
            not (text or column.paper or column.text == "gain") for text, column in zip(texts, columns, strict=True)
        ]
        lines: list[tuple[str, ...]] = []
        for section in (each for each in built.sections if each.shows(spec)):
            table = build_table(built.estimates[section.budget], section, spec)
            places = [table.columns.index(_head(column, section)) for column in columns]
            for row in ([row[place].text for place in places] for row in table.rows):
                if not {text for text, own in zip(row, ours, strict=True) if own} <= NOTHING:
                    lines.append((f"{section.name}, {section.budget}", *row))
        heads = ("dataset, budget", *(head.replace("{level}", "the fixed level") for head in spec.glance))
        ruler = "".join(" :--- |" if text else " ---: |" for text in (True, *texts))
        blocks.append("\n".join([markdown_line(heads), f"|{ruler}", *map(markdown_line, lines)]))
    return "\n\n".join(blocks)
