"""Lines below tables, by name. A paper's `extra.py` adds its own with the decorator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence.best_of_many import control_beaten
from regbench.evidence.choices import Count, count
from regbench.evidence.estimates import LINES, OTHERS, Estimate, Estimates, sides
from regbench.evidence.groups import flatten
from regbench.evidence.numbers import PaperNumber
from regbench.evidence.registry import Registry
from regbench.evidence.sections import Section, place
from regbench.evidence.settings import image_count
from regbench.evidence.spec import Line, TableSpec, word
from regbench.evidence.spec import setting as setting_text
from regbench.evidence.stops import usable
from regbench.evidence.training_words import settings_words
from regbench.evidence.wording import EN_DASH, number
from regbench.rows.protocols import PROTOCOLS

STANDARD_TRAIN_IMAGES = {"mnist": 60_000, "cifar10": 50_000, "cifar100": 50_000, "celeba": 162_770}


@dataclass(frozen=True)
class Shown:
    """A table as its notes see it: `found` are its estimates by (place of the line, place of the column, source)."""

    section: Section
    estimates: Estimates
    spec: TableSpec
    lines: Sequence[Line]
    found: Mapping[tuple[int, int, str], Estimate]

    def column(self, **wanted: object) -> dict[str, Estimate]:
        """The estimates of the first column with these fields, by label of the line."""
        places = [
            place
            for place, column in enumerate(self.spec.columns)
            if all(getattr(column, key) == value for key, value in wanted.items()) and not column.n
        ]
        return {
            self.lines[row].label: each for (row, place, _), each in self.found.items() if places and place == places[0]
        }


#: (table as shown, **arguments of the spec) -> a line below it; None: nothing to say
NOTES = Registry("note")
note = NOTES.register


def written(shown: Shown) -> tuple[str, ...]:
    """The table's notes in its order, then how its p-values are corrected."""
    texts = [_call(each, shown) for each in shown.spec.notes]
    return tuple(text for text in (*texts, tests(shown)) if text)


def parsed(entry: object) -> tuple[str, dict]:
    """A note of a spec: a name, or {name: arguments}. Raises UserError for an unknown one."""
    name, arguments = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    if name not in NOTES:
        raise UserError(f"note {name!r} is unknown: allowed are {', '.join(sorted(NOTES))}")
    return name, arguments or {}


def _call(entry: object, shown: Shown) -> str | None:
    name, arguments = parsed(entry)
    return NOTES[name](shown, **arguments)


def tests(shown: Shown) -> str | None:
    """Which p-values are corrected together."""
    tested = [each for each in shown.found.values() if each.p is not None]
    families = dict.fromkeys(each.family for each in tested if each.family not in (OTHERS, LINES))
    others = sum(each.family == OTHERS for each in tested)
    parts = []
    if families:
        named = ", ".join(f"*{name}* ({_counted(shown.estimates.counts[name], 'test')})" for name in families)
        parts.append(f"in the claimed direction, Holm-corrected over a family of all data sets of this budget: {named}")
    gains = {
        key[1]: sum(each.p is not None for k, each in shown.found.items() if k[1] == key[1])
        for key, each in shown.found.items()
        if each.family == LINES
        and not shown.spec.columns[key[1]].unpaired
        and shown.spec.columns[key[1]].best == "gain"
        and each.p is not None
    }
    if gains:
        parts.append(f"gains one-sided, Holm-corrected over the {_counted(max(gains.values()), 'line')} tested here")
    if others:
        what = "all others" if families else "all"
        parts.append(f"{what} two-sided, Holm-corrected over the {_counted(others, 'difference')} of this table")
    return f"p: {'; '.join(parts)}." if parts else None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


@note
def images(shown: Shown) -> str:
    """How many images trained and how many were held out, against the standard training split."""
    section = shown.section
    settings = section.rows[0]["config"]["dataset"]
    held = image_count(settings.get("heldout_images"))
    text = f"Trained on {image_count(settings.get('train_images'))} images, {held} held out"
    standard = STANDARD_TRAIN_IMAGES.get(section.dataset)
    if standard is None:
        return f"{text}; the paper has no numbers for {section.name}."
    return f"{text}; the standard training split has {standard:,} and the paper mentions no images held out."


@note
def gap(shown: Shown, metric: str = "accuracy", unit: str = "pp", noun: str = "row") -> str:
    """What choosing the epoch on the test split adds, over the lines of the table."""
    found: dict[str, dict[tuple, Estimate]] = {name: {} for name in PROTOCOLS}
    for (row, place_, _), each in shown.found.items():
        column = shown.spec.columns[place_]
        if column.metric == metric and not (column.minus or column.best or column.over) and each.protocol in found:
            own, _ = sides(shown.section, shown.lines[row], column)
            found[each.protocol][own.key, own.mode] = each  # a cell that several lines share counts once
    gaps = [
        found["paper"][key].mean - each.mean
        for key, each in found["held-out"].items()
        if each.done and key in found["paper"]
    ]
    if not gaps:
        return f"Selection gap: {EN_DASH} (no {noun} has a mean)."
    return (
        f"Selection gap ({metric} by protocol paper minus {metric} by protocol held-out): "
        f"{number(fmean(gaps), unit, signed=True)} {unit}, mean over {_counted(len(gaps), noun)}."
    )


@note
def setting(shown: Shown, key: str, text: str) -> str | None:
    """A setting that all rows share, in a sentence: {value} is filled in; nothing where the rows do not have it."""
    value: object = shown.section.rows[0]["config"]
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return None
    return text.replace("{value}", f"{value:,}" if isinstance(value, int) else str(value))


@note
def layers(shown: Shown) -> str | None:
    """Which layers stand where, read from the rows' settings."""
    parts = []
    for line in shown.section.page.lines.values():
        group = next((g for each in shown.section.expanded(line) if (g := shown.section.group(each))), None)
        found = _layers(next(iter([*group.done, *group.failed]))["config"]["regularizer"]["method"]) if group else []
        if found:
            parts.append(f"{line.title}: {', then '.join(found)}")
    return f"Layers. {'; '.join(parts)}." if parts else None


def _layers(method: dict) -> list[str]:
    """Of a regularizer's settings: `Dropout (p 0.5) at conv5`, one entry a part."""
    if "parts" in method:
        return [text for part in method["parts"] for text in _layers(part)]
    layer = method.get("layer")
    if not layer:
        return []
    settings = ", ".join(
        f"{key} {value:g}" for key, value in layer.items() if isinstance(value, int | float) and key[0] != "_"
    )
    name = layer["_target_"].rsplit(".", 1)[-1]
    return [f"{name}{f' ({settings})' if settings else ''} at {sites(method)}"]


@note
def placement(shown: Shown, line: str) -> str | None:
    """Where the layers of a line's regularizer stand."""
    own = shown.section.page.lines[line]
    group = next((g for each in shown.section.expanded(own) if (g := shown.section.group(each))), None)
    if group is None:
        return None
    method = next(iter([*group.done, *group.failed]))["config"]["regularizer"]["method"]
    label = own.short or own.label
    return f"{label} stands at {sites(method)}." if "placement" in method else None


def sites(method: Mapping) -> str:
    """The sites of a regularizer in words."""
    where = method["placement"] if isinstance(method["placement"], str) else ", ".join(method["placement"])
    return {"all": "all sites", "last": "the last site"}.get(where, where)


@note
def defaults(shown: Shown, line: str = "") -> str:
    """The settings of which a line's changes are changes; without a line of all lines, as far as rows have them."""
    lines = shown.section.page.lines
    if line:
        texts = (
            f"{key.rsplit('.', 1)[-1]}={value:g}" if isinstance(value, float) else f"{key.rsplit('.', 1)[-1]}={value}"
            for key, value in lines[line].changes.items()
        )
        return f"Default: {', '.join(texts)}."
    known = {key for row in shown.section.rows for key in flatten(row["config"])}
    every = {key: value for each in lines.values() for key, value in each.changes.items() if key in known}
    texts = (setting_text(key, value) for key, value in every.items())
    return f"Unless a line's name says otherwise, as far as it has them: {', '.join(texts)}."


@note
def training(shown: Shown) -> str:
    """What the rows share: their images, how they were trained."""
    return settings_words(shown.section.rows)


def paper_cells(shown: Shown, line: Line) -> dict[object, PaperNumber]:
    """The paper's numbers of a line by the value of its last sweep."""
    find = shown.section.numbers.find
    found = {
        v: find(shown.section.page.paper_table, str(line.paper), word(v)) for v in shown.section.values(shown.lines)
    }
    return {value: each for value, each in found.items() if each is not None}


def paper_top(shown: Shown, line: Line) -> PaperNumber | None:
    """The paper's highest number of a line, at the smallest value that has it."""
    return max(paper_cells(shown, line).values(), key=lambda each: each.value, default=None)


def paper_gain(shown: Shown, line: Line) -> float | None:
    """The paper's best value above 0 minus its value at 0, of fractions in percentage points."""
    cells = paper_cells(shown, line)
    above = [each.value for value, each in cells.items() if value]
    return 100 * (max(above) - cells[0.0].value) if above and 0.0 in cells else None


def paper_count(shown: Shown) -> Count:
    """In how many lines the paper's highest number is not at 0; each line has a cell at 0 of its own."""
    tops = {line.key: top for line in shown.lines if (top := paper_top(shown, line))}
    sizes = [[len(paper_cells(shown, line)) - 1] for line in shown.lines if line.key in tops]
    return Count(sum(float(top.column) != 0 for top in tops.values()), len(tops), control_beaten(sizes))


@note
def best_counts(shown: Shown) -> str:
    """In how many lines the best cell is not the base, here and in the paper, beside what chance gives."""
    found = {f"protocol {name}": count(shown.section, shown.lines, name) for name in PROTOCOLS}
    parts = [f"{name} {counted(each)}" for name, each in found.items()]
    text = f"Lines whose best cell has the loss on: {'; '.join(parts)}"
    if shown.section.numbers is not None:
        text += f"; in the paper {counted(paper_count(shown))}"
    sizes = {
        len(g.done)
        for line in shown.lines
        for c in shown.section.cells(line).values()
        if usable(g := shown.section.group(c))
    }
    if len(sizes) > 1:
        text += ". Chance takes cells of one n: those of fewer trainings vary more, and are the best more often"
    return f"{text}."


def counted(found: Count) -> str:
    """`3 of 5 (chance alone: 3.2 on average, 3 or more with probability 0.76)`."""
    if not found.lines:
        return f"{EN_DASH} (no line has its base and another cell)"
    return (
        f"{found.above} of {found.lines} (chance alone: {found.expected:.1f} on average, {found.above} or more with "
        f"probability {found.at_least:.2f})"
    )


@note
def coverage(shown: Shown) -> str:
    """How many of the experiment's cells of this budget have rows, and which lines it has no cell of."""
    from regbench.plan.experiments import experiment_cells  # here: Hydra, which whoever only reads tables need not load

    section = shown.section
    keys = set()
    for cell in experiment_cells(section.page.experiment, (section.budget,)):
        for config in (member.config for member in cell.members if member.config["dataset"]["name"] == section.dataset):
            line, key = place(section.page, flatten(config))
            keys |= {key} if line else set()
    bases = {line.base for line in section.page.lines.values() if line.base}
    counts = [(len(each), sum(key[0] in bases for key in each)) for each in (keys & set(section.groups), keys)]
    absent = [line.label for line in shown.lines if line.source not in {key[0] for key in keys}]
    text = f"Cells with rows: {counts[0][0]} of {counts[1][0]} ({counts[0][1]} of {counts[1][1]} without the loss)."
    return text + (f" The experiment has no cell of: {'; '.join(absent)}." if absent else "")


@note
def words(shown: Shown, text: str) -> str:
    """A sentence as it stands."""
    return text


def code(rows: Sequence[dict]) -> str:
    """Which code trained the rows: how many of each version, and how many from a tree with uncommitted changes."""
    counted = Counter(str(row["provenance"].get("code", "not recorded")) for row in rows)
    versions = ", ".join(f"{version} ({count} rows)" for version, count in sorted(counted.items()))
    dirty = sum(bool(row["provenance"].get("dirty")) for row in rows)
    text = f"Code versions: {versions}."
    if len(counted) > 1:
        text += " Rows of several versions share these tables; `make stale` lists those that are not of today's code."
    return text + (f" Trained with uncommitted changes in the tree: {dirty} of {len(rows)} rows." if dirty else "")
