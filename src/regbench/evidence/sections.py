"""The rows of one budget and data set by line of a page: what may stand beside each other and what may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence.groups import (
    STRENGTH,
    Group,
    check_same,
    check_same_data,
    check_same_extractor,
    flatten,
    make_group,
)
from regbench.evidence.metrics import METRICS, Metric
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.settings import extractor_words, not_drawn, step_words, title_settings
from regbench.evidence.spec import USUAL, Column, Line, Page, TableSpec, filled, word
from regbench.rows.budgets import budgets_of


@dataclass(frozen=True, eq=False)
class Section:
    """All trainings of one data set and budget of a page; `groups` by the key of their line."""

    page: Page
    dataset: str
    budget: str
    rows: tuple[dict, ...]
    groups: Mapping[tuple, Group]
    numbers: PaperNumbers | None = None
    _metrics: dict[str, Metric] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The data set, with what is missing of it."""
        settings = self.rows[0]["config"]["dataset"]
        images, full = settings.get("train_images"), self.page.full.get(self.dataset)
        subset = full is not None and images is not None and images + (settings.get("heldout_images") or 0) < full
        return self.page.datasets[self.dataset] + " (a subset)" * subset

    @property
    def most(self) -> int:
        """The number of finished trainings of the best-covered line."""
        return max(len(group.done) for group in self.groups.values())

    def group(self, line: Line) -> Group | None:
        """The trainings of a line; None: not run."""
        return self.groups.get(line.key)

    @property
    def done(self) -> list[dict]:
        """The rows of finished trainings."""
        return [row for row in self.rows if row["status"] == "done"]

    def floor(self, name: str) -> float | None:
        """The mean of a metric over all finished trainings, each of which measured it anew."""
        metric = self.metric(name)
        return fmean(metric.read(row, metric.default, "full") for row in self.done) if self.done else None

    def metric(self, name: str) -> Metric:
        """A metric by name; one that counts to a level has that of this section's references."""
        if name not in self._metrics:
            own = METRICS[name]
            names = self.page.references or tuple(self.page.lines)[:1]
            groups = [group for each in names if (group := self.group(self.page.lines[each]))]
            self._metrics[name] = own.against(own, groups) if own.against else own
        return self._metrics[name]

    def expanded(self, line: Line, at: Mapping[str, list] | None = None) -> list[Line]:
        """The line for every value of its sweep or every change; one that says so where none was run.

        `at` keeps some values of swept settings only.
        """
        if line.changes:
            found = sorted({key[1:] for key in self.groups if key[0] == line.source}, key=lambda c: _order(c, line))
            own = [()] if not line.optional or () in found else []
            return [line.changed(each) for each in dict.fromkeys([*own, *found])]
        if not line.sweep:
            return [line] if not line.optional or line.key in self.groups else []
        found = [key[1:] for key in self.groups if key[0] == line.source]
        if set(line.sweep) <= set(line.values):
            found += list(product(*[[plain(each) for each in line.values[key]] for key in line.sweep]))
        wanted = {key: [plain(each) for each in values] for key, values in (at or {}).items()}
        kept = [
            each
            for each in dict.fromkeys(found)
            if all(each[line.sweep.index(key)] in values for key, values in wanted.items() if key in line.sweep)
        ]
        lines = [line.swept(each) for each in sorted(kept, key=lambda values: _rank(values, line))]
        return lines or ([] if line.optional else [line.empty])

    def lines(self, spec: TableSpec) -> list[Line]:
        """The lines of a table, every value of a sweep a line; across a sweep every value of the other ones."""
        names = [name for name in spec.lines or self.page.lines if name not in spec.skip]
        expanded = self.prefixes if spec.across else self.expanded
        lines = [line for name in names for line in expanded(self.page.lines[name])]
        lines = [line for line in lines if not (spec.unchanged and line.changes and line.at)]
        return [line for line in lines if self.has_rows(line, spec)] if spec.run else lines

    def shows(self, spec: TableSpec) -> bool:
        """Whether a table has anything of its own to show."""
        sources = {line.source for line in self.lines(spec)}
        return not spec.optional or any(key[0] in sources for key in self.groups)

    def has_rows(self, line: Line, spec: TableSpec) -> bool:
        """Whether anything of a table's line was run."""
        return bool(self.cells(line)) if spec.across else self.group(line) is not None

    def prefixes(self, line: Line) -> list[Line]:
        """The line at every value of its sweeps but the last; those of its base are among them."""
        keys = line.sweep[:-1]
        own = [key[1:-1] for key in self.groups if key[0] == line.source]
        if line.optional and not own:
            return []
        base = self.page.lines[line.base] if line.base else line
        if base.sweep == keys:
            own += [key[1:] for key in self.groups if key[0] == base.source]
        if set(keys) <= set(line.values):
            own += list(product(*[[plain(each) for each in line.values[key]] for key in keys]))
        ordered = sorted(dict.fromkeys(own), key=lambda values: _rank(values, line))
        return [line.swept(each) for each in ordered or [()] * (not keys)]

    def cell(self, line: Line, value: object) -> Line:
        """The line of a prefix at a value of its last sweep; 0 is its base."""
        if not value and line.base:
            return self.partner(line, line.base)
        return self.page.lines[line.name].swept((*line.at, value))

    def cells(self, line: Line) -> dict[object, Line]:
        """By rising value of the last sweep the cells of a prefix that have rows, its base at 0."""
        values = {key[-1] for key in self.groups if key[:-1] == line.key}
        found = {value: self.cell(line, value) for value in sorted({*values, *([0.0] if line.base else [])})}
        return {value: each for value, each in found.items() if self.group(each)}

    def values(self, lines: Iterable[Line]) -> list:
        """Every value of the last sweep that any of these prefixes names or has, 0 where any has a base."""
        found = {0.0} if any(line.base for line in lines) else set()
        for line in lines:
            found |= {plain(each) for each in line.values.get(line.sweep[-1], ())} | set(self.cells(line))
        return sorted(found)

    def columns(self, spec: TableSpec) -> list[Column]:
        """The columns of a table, one for each value of what goes across."""
        values = self.values(self.lines(spec)) if any(column.across for column in spec.columns) else []
        return [
            replace(column, head=filled(column.head, {"value": word(each)}), at=each) if column.across else column
            for column in spec.columns
            for each in (values if column.across else [None])
        ]

    def shown_groups(self, spec: TableSpec) -> list[Group]:
        """The trainings behind a table."""
        lines = self.lines(spec)
        cells = [each for line in lines for each in self.cells(line).values()] if spec.across else lines
        found = {line.key: group for line in cells if (group := self.group(line))}
        return list(found.values())

    def partner(self, line: Line, name: str) -> Line:
        """The line of that name at the values that both sweep."""
        name = line.base if name == "base" else name
        other = self.page.lines.get(name + line.combination) or self.page.lines[name]
        known = dict(zip(line.sweep, line.at, strict=False))
        return other.swept(tuple(known.get(key) for key in other.sweep)) if other.sweep else other

    def series(self, line: Line) -> dict[float, tuple[str, Group]]:
        """(label, trainings) by rising value of the line's sweep; its base is the one at 0."""
        found = {each.at[-1]: (each.label, group) for each in self.expanded(line) if (group := self.group(each))}
        if line.base and found:
            base = self.page.lines[line.base]
            found |= {0.0: (base.label, group)} if (group := self.group(base)) else {}
        return dict(sorted(found.items()))

    def title(self, what: str, groups: Sequence[Group] = ()) -> str:
        """What the numbers depend on, behind the name of the table or picture; n is that of `groups`, else of all."""
        settings = title_settings(self.rows, groups or self.groups.values(), self.page.capped)
        more = f", {filled(self.page.titled, self._words())}" if self.page.titled else ""
        return f"{what.replace('{dataset}', self.name)}: {settings}{more}"

    def heading(self, what: str, groups: Sequence[Group] = ()) -> str:
        """The title of a picture, of all or these groups, with the widths and the members that it does not show."""
        named = {line.key: line.label for each in self.page.lines.values() for line in self.expanded(each)}
        widths = {", ".join(map(str, row["config"]["model"].get("widths") or ())) for row in self.rows}
        told = "widths" in self.page.titled or len(widths) > 1 or not any(widths)
        more = "" if told else f", widths {max(widths)}"
        return self.title(what, groups) + more + not_drawn((named[key], group) for key, group in self.groups.items())

    def _words(self) -> dict[str, str]:
        flat = flatten(self.rows[0]["config"])
        found = {key: ", ".join(map(str, v)) if isinstance(v, list) else _written(v) for key, v in flat.items()}
        return found | {"steps": step_words(self.done), "extractor": extractor_words(self.done)}


def find_sections(page: Page, rows: Sequence[dict], numbers: PaperNumbers | None) -> list[Section]:
    """One section for each budget, the fullest first, and data set of the page that has rows of its own.

    Raises UserError for a row of another data set or without a line, where rows of a section differ in what they must
    share or were trained on different images, where rows along a sweep differ in more than what is swept, and rows of
    one line in more than the seed.
    """
    for row in rows:
        name = row["config"]["dataset"]["name"]
        if name not in page.datasets:
            raise UserError(f"row {row['id']}: dataset={name!r}: allowed are {', '.join(page.datasets)}")
    chosen = sorted(rows, key=lambda row: str(row["id"]))
    found = []
    for budget, dataset in product(budgets_of(rows), page.datasets):
        own = [row for row in chosen if (row["budget"], row["config"]["dataset"]["name"]) == (budget, dataset)]
        section = _section(page, dataset, budget, own, numbers) if own else None
        if section and not _is_borrowed(section):
            found.append(section)
    return found


def _is_borrowed(section: Section) -> bool:
    """Whether its rows are of one line alone, trained for another experiment, beside which nothing stands here."""
    lines = {key[0] for key in section.groups}
    own = any(row["experiment"] == section.page.experiment for row in section.rows)
    return len(lines) == 1 < len(section.page.lines) and not own


def plain(value: object) -> object:
    """A setting's value as a key: lists as tuples."""
    return tuple(map(plain, value)) if isinstance(value, list) else value


def matches(line: Line, flat: Mapping[str, object]) -> bool:
    """Whether a flattened config has the line's settings: a value, {any: [...]}, {absent: true} or {list: true}."""
    return all(_agrees(flat, key, value) for key, value in line.where.items()) and all(
        key in flat for key in line.sweep
    )


def place(page: Page, flat: Mapping[str, object]) -> tuple[Line | None, tuple]:
    """The line of a flattened config and the key of its trainings; None for a config without a line."""
    line = next((each for name, each in page.lines.items() if each.source == name and matches(each, flat)), None)
    return line, (line.source, *_at(line, flat)) if line else ()


def _agrees(flat: Mapping[str, object], key: str, value: object) -> bool:
    if not isinstance(value, dict):
        return flat.get(key) == value
    if "any" in value:
        return flat.get(key) in value["any"]
    return key not in flat if "absent" in value else isinstance(flat.get(key), list)


def _section(page: Page, dataset: str, budget: str, rows: list[dict], numbers: PaperNumbers | None) -> Section:
    where = f"{page.what}, {dataset}"
    changes = [key for line in page.lines.values() for key in line.changes]
    check_same(rows, where, ignore=("seed", *page.free, *changes))
    check_same_data(rows, where)
    check_same_extractor(rows, where)
    page = _with_usual(page, rows)
    for key in page.share:
        _check_shared(rows, where, key)
    templates = [line for name, line in page.lines.items() if line.source == name]
    members: dict[tuple, list[dict]] = {}
    swept: dict[str, list[dict]] = {}
    for row in rows:
        flat = flatten(row["config"])
        if page.seed_groups:
            flat["seed_group"], seed = divmod(row["seed"], page.seed_groups)
            row = {**row, "seed": seed}
        line, key = place(page, flat)
        if line is None:
            raise UserError(f"row {row['id']}: it has no line in {page.what}: {_what(row, templates, flat)}")
        members.setdefault(key, []).append(row)
        swept.setdefault(line.source, []).append(row)
    for name, own in swept.items():
        line = page.lines[name]
        if line.sweep or line.changes:
            varying = [key for key, value in line.where.items() if isinstance(value, dict) and "any" in value]
            varying += [*line.sweep, *line.changes]
            varying += [each for each in STRENGTH if {*line.sweep, *line.changes} & {*STRENGTH}]
            check_same(own, f"{where}, {line.label}", ignore=("seed", *varying))
    for name, own in swept.items():
        base = page.lines[name].base and page.lines[page.lines[name].base]
        if base and base.source in swept:
            named = [key for each in (page.lines[name], base) for key in (*each.where, *each.sweep)]
            check_same(
                [*swept[base.source], *own], f"{where}, {page.lines[name].label}", ("seed", "regularizer", *named)
            )
    groups = {key: make_group(own, f"{where}, {', '.join(map(str, key))}") for key, own in members.items()}
    return Section(page, dataset, budget, tuple(rows), groups, numbers)


def _with_usual(page: Page, rows: Sequence[dict]) -> Page:
    """The page with what most of these rows have where a change is from the usual; of equally many the first text."""
    if not any(USUAL in map(str, line.changes.values()) for line in page.lines.values()):
        return page
    counts: dict[str, Counter] = {}
    values: dict[str, object] = {}
    for key, value in (pair for row in rows for pair in flatten(row["config"]).items()):
        counts.setdefault(key, Counter())[repr(value)] += 1
        values[repr(value)] = value

    def default(key: str, value: object) -> object:
        if value != USUAL or key not in counts:
            return value
        return values[min(counts[key], key=lambda text: (-counts[key][text], text))]

    lines = {
        name: replace(line, changes={key: default(key, value) for key, value in line.changes.items()})
        for name, line in page.lines.items()
    }
    return replace(page, lines=lines)


def _check_shared(rows: Sequence[dict], where: str, key: str) -> None:
    """Raise UserError where rows that have a setting differ in it."""
    having = [(row, flat[key]) for row in rows if key in (flat := flatten(row["config"]))]
    for row, value in having[1:]:
        if value != having[0][1]:
            first, ids = having[0][1], f"(row {having[0][0]['id']}) and {value!r} (row {row['id']})"
            raise UserError(f"{where}: {key} differs between its rows: {first!r} {ids}; rows of one table share it")


def _at(line: Line, flat: Mapping[str, object]) -> tuple:
    if line.changes:
        found = {key: flat[key] for key, usual in line.changes.items() if key in flat and flat[key] != usual}
        return tuple((key, plain(value)) for key, value in found.items())
    return tuple(plain(flat[key]) for key in line.sweep)


def _what(row: dict, templates: Sequence[Line], flat: Mapping[str, object]) -> str:
    """In which settings a row is unlike the lines that it is nearest to, and what they may be."""
    misses = [sum(not _agrees(flat, key, value) for key, value in line.where.items()) for line in templates]
    nearest = [line for line, count in zip(templates, misses, strict=True) if count == min(misses)]
    keys = list(dict.fromkeys(key for line in nearest for key in line.where))
    for key in keys:
        wanted = [line.where[key] for line in nearest if key in line.where]
        if not any(_agrees(flat, key, value) for value in wanted):
            texts = ", ".join(dict.fromkeys(text for value in wanted for text in _texts(value)))
            return f"{key}={flat.get(key)!r}: allowed are {texts}"
    return ", ".join(f"{key}={flat.get(key)!r}" for key in keys)


def _texts(value: object) -> list[str]:
    """What a setting of a line may be, in words."""
    if not isinstance(value, dict):
        return [str(value)]
    return [str(each) for each in value.get("any", ["none" if "absent" in value else "a list"])]


def _rank(values: tuple, line: Line) -> tuple:
    """By the values that the line names, in their order, then all others as they rise."""
    ranks = []
    for key, value in zip(line.sweep, values, strict=False):
        known = [plain(each) for each in line.values.get(key, ())]
        ranks.append((known.index(value), 0) if value in known and not _number(value) else (len(known), value))
    return tuple(ranks)


def _written(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _order(changes: tuple, line: Line) -> tuple:
    """Fewer changes first, then by setting in the line's order, numbers as they rise."""
    keys = list(line.changes)
    ranked = [(keys.index(key), not _number(v), v if _number(v) else 0) for key, v in changes]
    return len(changes), ranked, [str(value) for _, value in changes]
