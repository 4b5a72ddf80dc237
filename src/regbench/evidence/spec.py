"""A paper's page as data: lines, families of tests, tables, figures. What nothing reads is refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from regbench.errors import UserError
from regbench.evidence.numbers import load_yaml
from regbench.rows.protocols import HELD_OUT, PROTOCOLS

DIRECTIONS = ("greater", "less", "two-sided")
PRINTED = "the paper's number"  # a source of a table's rows beside the protocols
BESTS = ("gain", "choice", "top", "k", "p")
SUMMARIES = ("median", "lowest", "highest", "count")
USUAL = "usual"  # the default of a change: what most rows of a section have
KINDS = ("epochs", "setting", "lines", "images")


@dataclass(frozen=True, eq=False)
class Line:
    """One line of tables and figures: the settings its trainings have, the mode that reads them, the paper's own label.

    `sweep` names settings that make one line for each of their values, {value} or by their last word in labels;
    `values` are shown whether they were run or not. `changes` are
    settings with their defaults (`usual`: what most rows have): one line for each combination that differs from them,
    named by what differs, if `labelled` behind the label. `base` is the line that stands for strength 0 of the sweep.
    `lacks` are metrics or modes that say nothing here, `short` is the label where none of a sweep was run, an
    `optional` line is shown only where it was run. `word` names the last swept setting, where the label does not:
    `[1], lambda 0.1`.
    """

    name: str
    label: str
    where: Mapping[str, object]
    sweep: tuple[str, ...] = ()
    values: Mapping[str, list] = field(default_factory=dict)
    changes: Mapping[str, object] = field(default_factory=dict)
    labelled: bool = False
    base: str = ""
    short: str = ""
    word: str = ""
    mode: str = "full"
    paper: object = ""
    names: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    optional: bool = False
    at: tuple = ()
    source: str = ""

    @property
    def key(self) -> tuple:
        """Of its trainings: two lines that differ in the mode share them."""
        return (self.source, *self.at)

    @property
    def combination(self) -> str:
        """What the name ends in where it is a line of one combination: `.vgg.vanilla`."""
        return self.name.removeprefix(self.name.split(".")[0])

    @property
    def title(self) -> str:
        """The label without the value of its sweep: `Dropout rate`."""
        return self.label.replace(" {value}", "")

    @property
    def empty(self) -> Line:
        """The line of a sweep of which nothing was run."""
        return replace(self, label=self.short or self.title)

    def swept(self, at: tuple) -> Line:
        """The line at these values of the first of its swept settings."""
        words = {key.rsplit(".", 1)[-1]: word(value) for key, value in zip(self.sweep, at, strict=False)}
        words |= {"value": word(at[-1])} if at else {}
        paper = self.paper.get(at[-1], "") if isinstance(self.paper, Mapping) and at else self.paper
        paper = filled(paper, words) if isinstance(paper, str) else paper
        names = {key: filled(text, words) for key, text in self.names.items()}
        label = filled(self.label, words)
        label += f", {self.word} {words['value']}" if self.word and len(at) == len(self.sweep) else ""
        return replace(self, label=label, names=names, paper=paper, at=at)

    def changed(self, at: tuple) -> Line:
        """The line of a combination of changes, ((setting, value), ...); none of them is the line itself."""
        text = ", ".join(f"{key.rsplit('.', 1)[-1]}={_bare(value)}" for key, value in at)
        if self.labelled:
            text = ", ".join([self.label, *(setting(key, value) for key, value in at)])
        return replace(self, label=text or self.label, paper="" if at else self.paper, at=at)


@dataclass(frozen=True, eq=False)
class Column:
    """What a column prints: a label, n, a printed number, a metric, its difference to a line, its trend over a line.

    `beside` is a second metric in the same cell. `line` is read in the place of the row's own (`base`: its base),
    `minus` is what is subtracted ("row": the row's own line). `test` is the direction of what no family tests; without
    one that is not tested. `plain`: the mean alone, as of counts. `across` makes a column for each value of the lines'
    last sweep. `best` is of the best of these values: its `gain` over the base (`unpaired`: by Welch's test,
    uncorrected), the `choice` itself, the `top` one with the base among them, `k` to choose among, or the `p` that
    allows for the choice. `summary` takes another value of the trainings than their mean: their median, lowest, highest
    or, of what is true or false, their count. With `n` and `minus` it is the number of pairs.
    """

    head: str
    label: bool = False
    name: str = ""
    n: bool = False
    paper: str = ""
    paper_p: str = ""
    metric: str = ""
    protocol: str = ""
    mode: str = ""
    beside: str = ""
    line: str = ""
    minus: str = ""
    over: str = ""
    test: str = ""
    plain: bool = False
    counted: bool = False
    page_test: bool = False
    text: str = ""
    across: bool = False
    best: str = ""
    unpaired: bool = False
    summary: str = ""
    at: object = None


@dataclass(frozen=True, eq=False)
class Test:
    """Comparisons of one kind: `lines` minus each of `minus`, or the trend over the sweep of `over`, by data set."""

    metric: str
    direction: str
    lines: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    protocol: str = ""
    datasets: tuple[str, ...] = ()
    at: Mapping[str, list] = field(default_factory=dict)
    said: str = ""

    __test__ = False  # no test case, whatever pytest makes of the name


@dataclass(frozen=True, eq=False)
class Family:
    """Comparisons that share one Holm correction, over the data sets of one budget."""

    name: str
    title: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, eq=False)
class TableSpec:
    """A table of every section: its lines, or the `tests` of a family, by columns; `sources` split each line.

    `across`: the last swept setting of the lines makes columns, or choices. An `optional` table is shown where any of
    its lines has rows of its own; with `run` only lines with rows stand in it, `unchanged` leaves out those of changes,
    `total` counts the lines whose best is not their base. `listed`: the CSV has the mean of every cell that was chosen
    among. `glance`: the heads of the columns that stand in the overview of all results. `floor` is a last line, of what
    all trainings measured: its `label`, and by metric of a column the one that stands there.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    notes: tuple = ()
    sources: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    run: bool = False
    across: bool = False
    optional: bool = False
    unchanged: bool = False
    total: bool = False
    listed: bool = False
    glance: tuple[str, ...] = ()
    floor: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Panel:
    """One panel of a figure: a metric or curve of lines, `label` (and `x`) at its axes; `minus`: above the base.

    Of kind `lines`, `paper` draws the paper's numbers beside ours, and a panel is made for every combination of lines;
    `level` draws the fixed level of the metric, or the cap on epochs. A curve `curves.<name>` is over training steps,
    of several layers their mean and each of them thin. `floor` is a metric of all trainings, drawn as a level; with
    `changed` every line of changes is drawn, too. Over epochs `minus` is the first of the lines. `limits` are the least
    and most that the quantity can be, none of them null: no interval passes them.
    """

    title: str
    lines: tuple[str, ...] = ()
    curve: str = ""
    metric: str = ""
    label: str = ""
    x: str = ""
    protocol: str = ""
    minus: bool = False
    paper: bool = False
    log: bool = False
    level: bool = False
    floor: str = ""
    changed: bool = False
    height: float = 1.0
    limits: tuple[float | None, ...] = ()


@dataclass(frozen=True, eq=False)
class FigureSpec:
    """A figure over `epochs`, over a swept `setting` of each line or of several `lines` together, or of `images`.

    A file is one section's, of every data set or those of `datasets`, or with `each` one budget's, with `down` rows of
    panels a section, filled column by column. A panel over epochs without anything of its own is left out.

    One of `several` is drawn where more than one line was run: a line alone is beside nothing.

    Of images, `artifact` is what each of the `lines` shows, so many panels `across`; the panels' titles are lines of
    text with their metric's {value}; `first` is an artifact for a first column, a row then an image.
    """

    file: str
    kind: str
    title: str
    panels: tuple[Panel, ...] = ()
    note: str = ""
    each: str = "section"
    lines: tuple[str, ...] = ()
    across: int = 0
    down: int = 1
    artifact: str = ""
    first: str = ""
    outline: float = 0.0
    several: bool = False
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Page:
    """Everything that is printed of one experiment.

    `free` are the settings in which the rows of one section may differ, `references` the lines whose trainings set the
    fixed levels that metrics count to, `titled` further settings of a title, `capped` says that early stopping may end
    a training. `share` are settings that all rows which have them must share, whatever their line; `full` is by data
    set the number of images that the paper trains on: a section with fewer is called a subset. `paper_table` is the
    paper's table whose numbers stand beside ours, of all data sets or those of `printed_for`; `covers` are its data
    sets: those without rows are named. `tables_beside` (of a section), `tables_after` and `pictures` are what its
    `extra.py` registers, `styles` are colour, dash and marker of lines. `seed_groups`: seeds from this number on are
    groups of their own, the setting `seed_group`; a seed is counted within its group.
    """

    experiment: str
    what: str
    datasets: Mapping[str, str]
    lines: Mapping[str, Line]
    tables: tuple[TableSpec, ...]
    folder: Path
    guide: str = ""
    free: tuple[str, ...] = ("regularizer",)
    references: tuple[str, ...] = ()
    families: Mapping[str, Family] = field(default_factory=dict)
    figures: tuple[FigureSpec, ...] = ()
    titled: str = ""
    capped: bool = False
    share: tuple[str, ...] = ()
    full: Mapping[str, int] = field(default_factory=dict)
    seed_groups: int = 0
    printed_for: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    paper_table: str = "1"
    tables_beside: tuple[str, ...] = ()
    tables_after: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    styles: Mapping[str, list] = field(default_factory=dict)


def short(number: float) -> str:
    """A number as it is written by hand: 0, 0.1, 1e-7."""
    text = f"{number:g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def filled(text: str, words: Mapping[str, object]) -> str:
    """The text with {word} replaced; other braces stay."""
    for word, value in words.items():
        text = text.replace("{" + word + "}", str(value))
    return text


def setting(key: str, value: object) -> str:
    """`beta 0.002`; of a class `optimizer Adam`."""
    name = key.removesuffix("._target_")
    text = word(tuple(value) if isinstance(value, list) else value)
    return f"{name.rsplit('.', 1)[-1]} {text if name == key else text.rsplit('.', 1)[-1]}"


def word(value: object) -> str:
    """A setting's value as it is written by hand."""
    if isinstance(value, float):
        return short(value)
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _bare(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def load_page(path: Path) -> Page:
    """Read a `table.yaml`. Raises UserError for a missing file, and naming file, place, key and what is allowed."""
    if not path.is_file():
        raise UserError(f"page {path}: no such file")
    content = load_yaml(path)
    where = str(path)
    if not isinstance(content, dict):
        raise UserError(f"{where}: {content!r} is not a mapping of keys")
    if not isinstance(content.get("lines"), dict) or not content["lines"]:
        raise UserError(f"{where}: lines is missing: a page names its lines")
    combined = _combined(content.pop("each", {}), content["lines"], where)
    lines = _sources({name: _line(name, entry, f"{where}, line {name}") for name, entry in combined.items()})
    families = {
        name: _family(name, entry, f"{where}, family {name}") for name, entry in content.get("families", {}).items()
    }
    guide = path.parent / "guide.md"
    page = made(
        Page,
        content,
        where,
        lines=lines,
        families=families,
        folder=path.parent,
        guide=guide.read_text(encoding="utf-8") if guide.is_file() else "",
        tables=tuple(_table(entry, f"{where}, table {i}") for i, entry in enumerate(content.get("tables", []), 1)),
        figures=tuple(_figure(entry, f"{where}, figure {i}") for i, entry in enumerate(content.get("figures", []), 1)),
    )
    _check_names(page, where)
    return _spelled(page)


#: fields that no file sets
HIDDEN = {Line: ("at", "source"), Column: ("at",), Page: ("folder", "guide")}


def made(cls: type, entry: object, where: str, **given: Any) -> Any:
    """The dataclass from a mapping; lists become tuples. Raises UserError for an unknown, missing or mistyped key."""
    if not isinstance(entry, Mapping):
        raise UserError(f"{where}: {entry!r} is not a mapping of keys")
    known = {each.name: each for each in fields(cls)}
    allowed = [name for name in known if name not in HIDDEN.get(cls, ())]
    unknown = sorted(set(entry) - set(allowed), key=str)
    if unknown:
        raise UserError(f"{where}: key {unknown[0]!r} is unknown: allowed are {', '.join(allowed)}")
    values = dict(given)
    for name, each in known.items():
        if name in values:
            continue
        if name in entry:
            values[name] = _typed(each.type, entry[name], f"{where}: {name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise UserError(f"{where}: key {name!r} is missing")
    return cls(**values)


def _typed(kind: str, value: object, where: str) -> object:
    """The value as the field has it. Raises UserError where it is of another kind."""
    wanted: dict[str, Callable[[object], bool]] = {
        "str": lambda v: isinstance(v, str),
        "bool": lambda v: isinstance(v, bool),
        "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
        "float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    }
    if kind.startswith("tuple"):
        if not isinstance(value, list):
            raise UserError(f"{where}={value!r} is not a list")
        return tuple(value)
    if kind.startswith("Mapping"):
        if not isinstance(value, dict):
            raise UserError(f"{where}={value!r} is not a mapping")
        return value
    if kind in wanted and not wanted[kind](value):
        raise UserError(f"{where}={value!r} is not a {kind}")
    return value


def _line(name: str, entry: object, where: str) -> Line:
    return made(Line, entry, where, name=name)


def _combined(each: object, lines: Mapping[str, object], where: str) -> dict[str, object]:
    """The entries of lines, those with `each` once for every combination of the page's values, {word} filled in.

    A word's value has a `text` and what it adds to `where`; a line names the values that it has of a word, or all of
    them. The lines of one combination stand together; their names, and that of a base, end in the combination.
    """
    found: dict[str, object] = {}
    values = {key: list(entries) for key, entries in each.items()}
    for combination in product(*values.values()):
        chosen, ending = dict(zip(values, combination, strict=True)), "".join(f".{value}" for value in combination)
        words = {key: each[key][value]["text"] for key, value in chosen.items()}
        added = {k: v for key, value in chosen.items() for k, v in each[key][value]["where"].items()}
        for name, entry in lines.items():
            if not isinstance(entry, dict) or "each" not in entry:
                found.setdefault(name, entry)
                continue
            kept = entry["each"] if isinstance(entry["each"], dict) else {}
            for key, some in kept.items():
                allowed("each", key, values, f"{where}, line {name}")
                for value in some:
                    allowed(key, value, values[key], f"{where}, line {name}")
            if all(chosen[key] in some for key, some in kept.items()):
                own = {key: _fill(value, words) for key, value in entry.items() if key != "each"}
                own["where"] = {**own.get("where", {}), **added}
                own |= {"base": own["base"] + ending} if "base" in own else {}
                found[name + ending] = own
    return found


def _fill(value: object, words: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {key: _fill(each, words) for key, each in value.items()}
    return filled(value, words) if isinstance(value, str) else value


def _spelled(page: Page) -> Page:
    """The page with every combination of a line where its name without one stands."""

    def every(names: Sequence[str]) -> tuple[str, ...]:
        if all(name in page.lines for name in names):
            return tuple(names)
        return tuple(line for line in page.lines if is_named(line, names))

    def tests(family: Family) -> Family:
        found = (replace(test, lines=every(test.lines), over=every(test.over)) for test in family.tests)
        return replace(family, tests=tuple(found))

    def figure(spec: FigureSpec) -> FigureSpec:
        panels = tuple(replace(panel, lines=every(panel.lines)) for panel in spec.panels)
        return replace(spec, lines=every(spec.lines), panels=panels)

    return replace(
        page,
        references=every(page.references),
        families={name: tests(family) for name, family in page.families.items()},
        tables=tuple(replace(spec, lines=every(spec.lines), skip=every(spec.skip)) for spec in page.tables),
        figures=tuple(map(figure, page.figures)),
    )


def _sources(lines: dict[str, Line]) -> dict[str, Line]:
    """Each line with the name of the first that has the same trainings."""
    found: dict[str, Line] = {}
    for name, line in lines.items():
        like = (each.name for each in found.values() if (each.where, each.sweep) == (line.where, line.sweep))
        found[name] = replace(line, source=next(like, name))
    return found


def _family(name: str, entry: object, where: str) -> Family:
    tests = entry.get("tests") if isinstance(entry, dict) else None
    if not isinstance(tests, list) or not tests:
        raise UserError(f"{where}: tests is missing: a family is a list of tests")
    return made(Family, entry, where, name=name, tests=tuple(made(Test, test, where) for test in tests))


def _table(entry: object, where: str) -> TableSpec:
    return made(TableSpec, entry, where, columns=_columns(entry, where))


def _columns(entry: object, where: str) -> tuple[Column, ...]:
    columns = entry.get("columns") if isinstance(entry, dict) else None
    if not isinstance(columns, list) or not columns:
        raise UserError(f"{where}: columns is missing: it is a list")
    return tuple(made(Column, column, f"{where}, column {place}") for place, column in enumerate(columns, 1))


def _figure(entry: object, where: str) -> FigureSpec:
    panels = entry.get("panels", []) if isinstance(entry, dict) else []
    figure = made(FigureSpec, entry, where, panels=tuple(made(Panel, panel, where) for panel in panels))
    allowed("kind", figure.kind, KINDS, where)
    return figure


def allowed(key: str, value: object, known: Iterable, where: str) -> None:
    """Raise UserError unless the value is one of the known ones."""
    if value not in list(known):
        raise UserError(f"{where}: {key}={value!r}: allowed are {', '.join(map(str, known))}")


def _check_names(page: Page, where: str) -> None:
    """Every name of a line, family, data set, direction or source that the page uses is one."""
    for line in page.lines.values():
        if line.base:
            allowed("base", line.base, known_lines(page), f"{where}, line {line.name}")
    for name in page.covers:
        allowed("covers", name, page.datasets, where)
    for name in page.references:
        allowed("references", name, known_lines(page), where)
    for family in page.families.values():
        for test in family.tests:
            _check_test(test, page, f"{where}, family {family.name}")
    for table in page.tables:
        here = f"{where}, table {table.id}"
        for name in (*table.lines, *table.skip):
            allowed("lines", name, known_lines(page), here)
        for head in table.glance:
            allowed("glance", head, [column.head for column in table.columns], here)
        if table.floor and "label" not in table.floor:
            raise UserError(f"{here}: floor has no label")
        for name in table.tests:
            allowed("tests", name, page.families, here)
        for name in table.sources:
            allowed("sources", name, (PRINTED, *PROTOCOLS), here)
        _check_columns(table.columns, page, here)
    for figure in page.figures:
        for panel in figure.panels:
            for name in panel.lines:
                allowed("lines", name, known_lines(page), f"{where}, figure {figure.file}")
            if panel.limits and len(panel.limits) != 2:
                raise UserError(f"{where}, figure {figure.file}: limits={list(panel.limits)}: needed are [least, most]")
        for name in figure.lines:
            allowed("lines", name, known_lines(page), f"{where}, figure {figure.file}")
        for name in figure.datasets:
            allowed("datasets", name, page.datasets, f"{where}, figure {figure.file}")


def is_named(line: str, names: Iterable[str]) -> bool:
    """Whether names mean the line of this name, by itself or with every combination of it."""
    return line in names or line.split(".")[0] in names


def known_lines(page: Page) -> tuple[str, ...]:
    """The names of lines, and of those of every combination the name without it."""
    return tuple(dict.fromkeys([*page.lines, *(name.split(".")[0] for name in page.lines)]))


def _check_test(test: Test, page: Page, where: str) -> None:
    for name in (*test.lines, *test.minus, *test.over):
        allowed("lines", name, known_lines(page), where)
    for name in test.datasets:
        allowed("datasets", name, page.datasets, where)
    allowed("direction", test.direction, DIRECTIONS, where)
    if bool(test.over) == bool(test.lines and test.minus):
        raise UserError(f"{where}: a test of {test.metric} needs lines and minus, or over")


def _check_columns(columns: Iterable[Column], page: Page, where: str) -> None:
    for column in columns:
        here = f"{where}, column {column.head!r}"
        for key in ("line", "over"):
            if getattr(column, key):
                allowed(key, getattr(column, key), ("base", *known_lines(page)), here)
        if column.minus and column.minus != "row":
            allowed("minus", column.minus, known_lines(page), here)
        if column.test:
            allowed("test", column.test, DIRECTIONS, here)
        if column.best:
            allowed("best", column.best, BESTS, here)
        if column.summary:
            allowed("summary", column.summary, SUMMARIES, here)


__all__ = ["HELD_OUT", "PRINTED", "Column", "Family", "FigureSpec", "Line", "Page", "Panel", "TableSpec", "Test"]
