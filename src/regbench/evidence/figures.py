"""Figures of a page: curves over epochs, means over a setting. They draw estimates and recompute no test."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator, NullLocator

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.arrays import input_images, stored_array
from regbench.evidence.estimates import Estimates
from regbench.evidence.groups import Group
from regbench.evidence.metrics import SHARE, Metric
from regbench.evidence.pages import Built
from regbench.evidence.readings import ordered
from regbench.evidence.sections import Section
from regbench.evidence.spec import FigureSpec, Line, Panel, filled, short, word
from regbench.evidence.style import OPEN, Limits, LineStyle, draw_mean, log_axis, new_figure, save
from regbench.evidence.wording import number

SHARES = ("accuracy", "iou")  # stored in [0, 1], drawn in percent
FAR = 2.0  # times a log axis' own range: a level farther off is told, not drawn
BELOW = 10.0  # on a log axis 0 stands this factor below the smallest value
WIDE = 20.0  # a sweep whose ends are this factor apart has a log axis
# Okabe and Ito's colours; dash and marker also tell lines apart in grey.
CYCLE = (
    LineStyle("#000000", "-", "o"),
    LineStyle("#E69F00", "-", "s"),
    LineStyle("#0072B2", "-", "v"),
    LineStyle("#D55E00", "--", "D"),
    LineStyle("#009E73", "--", "^"),
    LineStyle("#CC79A7", "--", "P"),
)


CHANGED_DASHES = (":", "-.")


def draw_figures(built: Built, folder: Path) -> list[Path]:
    """All figures of a page that have something to draw."""
    written = []
    for spec in built.page.figures:
        for sections in _parts(built, spec):
            finished = any(group.done for section in sections for group in section.groups.values())
            if finished and drawable(sections, spec):
                first = sections[0]
                name = filled(spec.file, {"dataset": first.dataset, "budget": first.budget})
                written.append(
                    save(DRAWN[spec.kind](sections, spec, built.estimates[first.budget]), folder / f"{name}.png")
                )
    return written


def drawable(sections: Sequence[Section], spec: FigureSpec) -> bool:
    """Whether these sections hold anything of a figure."""
    if spec.kind in ("images", "lines"):
        return bool((holding if spec.kind == "images" else _line_panels)(sections[0], spec))
    if spec.several and all(sum(bool(group.done) for group in each.groups.values()) < 2 for each in sections):
        return False
    return spec.kind != "epochs" or any(_own_panels(section, spec) for section in sections)


def _parts(built: Built, spec: FigureSpec) -> list[list[Section]]:
    """The sections of each file."""
    sections = [each for each in built.sections if not spec.datasets or each.dataset in spec.datasets]
    if spec.each != "budget":
        return [[section] for section in sections]
    found = [[each for each in sections if each.budget == budget] for budget in built.estimates]
    return [part for part in found if part]


def style_of(section: Section, line: Line, place: int) -> LineStyle:
    """The page's style of a line, else one of the cycle; changes of a line share its colour."""
    own = section.page.styles.get(line.name)
    style = LineStyle(*own) if own else CYCLE[place % len(CYCLE)]
    if not (line.changes and line.at):
        return style
    alike = [each.at for each in section.expanded(section.page.lines[line.name]) if each.at]
    return replace(style, dash=CHANGED_DASHES[alike.index(line.at) % len(CHANGED_DASHES)])


def curve_values(group: Group, curve: str, mode: str) -> dict[int, dict[int, float]]:
    """By epoch the value of each of the group's seeds, an accuracy in percent, train without a mode; or by step.

    `curve` is `split.metric` over epochs or `curves.name` over training steps, of several layers their mean.
    """
    split, name = curve.split(".")
    if split == "curves":
        layers = list(layer_values(group, name).values())
        return {
            step: {seed: fmean(each[step][seed] for each in layers) for seed in values}
            for step, values in (layers[0].items() if layers else ())
        }
    found: dict[int, dict[int, float]] = {}
    for row in group.done:
        for entry in row["epochs"]:
            value = (entry[split] if split == "train" else entry[split][mode])[name]
            found.setdefault(entry["epoch"], {})[row["seed"]] = 100 * value if name in SHARES else value
    return dict(sorted(found.items()))


def layer_values(group: Group, name: str) -> dict[str, dict[int, dict[int, float]]]:
    """By curve of this name, `name` or `<layer>/name`, and step the value of each seed; empty where none has it.

    Raises UserError naming the row where an epoch lacks it or has another number of values than steps.
    """
    entries = [(row, entry) for row in group.done for entry in ordered(row)]
    every = sorted({key for _, entry in entries for key in entry.get("curves", {})})
    found: dict[str, dict[int, dict[int, float]]] = {}
    for key in (key for key in every if key == name or key.endswith(f"/{name}")):
        for row, entry in entries:
            curves = entry.get("curves", {})
            steps, values = curves.get("step"), curves.get(key)
            if steps is None or values is None or len(steps) != len(values) or None in values:
                held = ", ".join(f"{key} ({len(each)})" for key, each in sorted(curves.items())) or "none"
                raise UserError(
                    f"row {row['id']}: epoch {entry['epoch']}: curves.{key} needs one number for each of curves.step; "
                    f"this epoch has {held}"
                )
            for step, value in zip(steps, values, strict=True):
                found.setdefault(key, {}).setdefault(step, {})[row["seed"]] = value
    return found


def drawn_values(section: Section, panel: Panel, line: Line) -> dict[int, dict[int, float]]:
    """The line's curve; of a panel of differences that minus the curve of the panel's first line, seed by seed."""
    found = curve_values(section.group(line), panel.curve, line.mode)
    if not panel.minus:
        return found
    base = section.page.lines[panel.lines[0]]
    other = curve_values(group, panel.curve, base.mode) if (group := section.group(base)) else {}
    pairs = {place: _minus(values, other.get(place, {})) for place, values in found.items()}
    return {place: values for place, values in pairs.items() if values}


def _minus(values: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {seed: value - other[seed] for seed, value in values.items() if seed in other}


def limits(panel: Panel, share: bool, metric: Metric | None = None) -> Limits:
    """What the quantity of a panel cannot pass: as the panel says, the metric knows, or as any share in percent."""
    low, high = panel.limits or ((metric.least, metric.most) if metric else OPEN)
    if share and (low, high) == OPEN:
        low, high = SHARE.values()
    if panel.minus:
        return OPEN if None in (low, high) else (low - high, high - low)
    return low, high


def panel_lines(section: Section, panel: Panel) -> list[Line]:
    """The lines with finished trainings that a panel over epochs draws."""
    page = section.page
    lines = [
        line for name in panel.lines for line in section.expanded(page.lines[name]) if not (line.changes and line.at)
    ]
    if panel.changed:
        lines += [line for each in page.lines.values() if each.changes for line in section.expanded(each) if line.at]
    if panel.minus:
        lines = lines[1:]
    done = [line for line in lines if (group := section.group(line)) and group.done]
    return [line for line in done if drawn_values(section, panel, line)]


def _own_panels(section: Section, spec: FigureSpec) -> list[Panel]:
    """The panels that draw something which those before them do not."""
    found, drawn = [], set()
    for panel in spec.panels:
        own = {(panel.curve, panel.minus, line.key, line.mode) for line in panel_lines(section, panel)}
        found += [panel] if own - drawn else []
        drawn |= own
    return found


def _draw_epochs(sections: Sequence[Section], spec: FigureSpec, estimates: Estimates) -> Figure:
    """Rows of panels a section, a line for each of the panel's lines with finished trainings."""
    panels = {section: _own_panels(section, spec) for section in sections}
    across = max(-(-len(each) // spec.down) for each in panels.values())
    height = 3.7 * spec.down * len(sections)
    figure = new_figure(max(4.6 * across, 10.0 if spec.down == 1 else 0), height + 1.0)
    body, foot = figure.subfigures(2, 1, height_ratios=[height, 1.0])
    for section, part in zip(sections, body.subfigures(len(sections), 1, squeeze=False)[:, 0], strict=True):
        part.suptitle(fitted(section.heading(spec.title), figure), fontsize=10)
        grid = part.subplots(spec.down, -(-len(panels[section]) // spec.down), squeeze=False)
        for axes, panel in zip(grid.T.flat, panels[section], strict=False):
            _draw_curves(axes, section, panel)
    _legend(foot, figure, spec.note)
    return figure


def _draw_curves(axes: Axes, section: Section, panel: Panel) -> None:
    share = panel.curve.rpartition(".")[-1] in SHARES
    for place, line in enumerate(panel_lines(section, panel)):
        style = style_of(section, line, place + panel.minus)
        values = {at: list(each.values()) for at, each in drawn_values(section, panel, line).items()}
        means = [stats.mean_interval(each) for each in values.values()]
        draw_mean(axes, list(values), means, list(values.values()), style, line.label, limits(panel, share))
        layers = layer_values(section.group(line), panel.curve[7:]) if panel.curve.startswith("curves.") else {}
        for each in layers.values() if len(layers) > 1 else ():
            found = [fmean(own.values()) for own in each.values()]
            axes.plot(list(each), found, color=style.color, linewidth=0.5, alpha=0.8)
    axes.set(title=panel.title, xlabel="step" if panel.curve.startswith("curves.") else "epoch", ylabel=panel.label)
    if panel.minus:
        axes.axhline(0, color="0.3", linewidth=0.8)
    if panel.level and section.metric(panel.metric).value is not None:
        axes.axhline(section.metric(panel.metric).value, color="0.4", linestyle=":", linewidth=1.2)
    if panel.log:
        log_axis(axes.yaxis)
    if panel.floor and (value := section.floor(panel.floor)) is not None:
        draw_level(axes, value, section.metric(panel.floor))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.grid(alpha=0.3)


def draw_level(axes: Axes, value: float, metric: Metric) -> None:
    """A dotted line at a level; one so far from a log axis that the panel would be empty between is told in words."""
    low, high = axes.get_ylim()
    look = {"color": "0.4", "linestyle": ":", "linewidth": 1.2}
    if axes.get_yscale() != "log" or (
        value > 0 and math.log(max(high, value) / min(low, value)) < FAR * math.log(high / low)
    ):
        axes.axhline(value, label=metric.words, **look)
    else:
        side = "below" if value < low else "above"
        axes.plot([], [], label=f"{metric.words}: {number(value, metric.unit)}, far {side}", **look)


def _legend(foot: SubFigure, figure: Figure, note: str) -> None:
    found = {}
    for axes in figure.axes:
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    foot.legend(found.values(), found.keys(), loc="upper center", ncols=3, frameon=False, fontsize=9)
    foot.text(0.5, 0.02, wrapped(note, int(14 * figure.get_figwidth())), ha="center", va="bottom", fontsize=8)


def fitted(heading: str, figure: Figure) -> str:
    """A heading of font size 10 in lines that the figure is wide enough for."""
    return "\n".join(wrapped(line, int(12.5 * figure.get_figwidth())) for line in heading.splitlines())


def wrapped(note: str, width: int) -> str:
    """A note in as few lines of at most this many characters as can be, all of them about as long."""
    lines = len(textwrap.wrap(note, width))
    return textwrap.fill(note, min(width, len(note) // max(lines, 1) + 8))


def _draw_setting(sections: Sequence[Section], spec: FigureSpec, estimates: Estimates) -> Figure:
    """A column for each swept line with rows, a row for each panel title; single trainings faint behind the means."""
    (section,) = sections
    names = list(dict.fromkeys(name for panel in spec.panels for name in panel.lines))
    swept = [section.page.lines[name] for name in names if _has_rows(section, section.page.lines[name])]
    titles = list(dict.fromkeys(panel.title for panel in spec.panels))
    heights = [max(panel.height for panel in spec.panels if panel.title == title) for title in titles]
    figure = new_figure(max(3.9 * len(swept), 8.0), 2.8 + 1.0 * sum(heights))
    grid = figure.subplots(len(titles), max(len(swept), 1), squeeze=False, sharey="row", height_ratios=heights)
    for column, line in zip(grid.T, swept, strict=False):
        for place, panel in enumerate(panel for panel in spec.panels if line.name in panel.lines):
            axes = column[titles.index(panel.title)]
            many = sum(each.title == panel.title for each in spec.panels) > 1
            log = _draw_points(axes, section, line, panel, CYCLE[2 + place % 2] if many else CYCLE[0])
        column[0].set_title(line.title, fontsize=10)
        column[-1].set_xlabel(line.title + " (log scale)" * log)
    for axes, title in zip(grid[:, 0], titles, strict=True):
        axes.set_ylabel(title)
    if grid[0, 0].get_legend_handles_labels()[0]:
        grid[0, 0].legend(frameon=False, fontsize=9)
    figure.suptitle(fitted(section.heading(spec.title), figure), fontsize=10)
    figure.supxlabel(wrapped(spec.note, int(14 * figure.get_figwidth())), fontsize=8)
    return figure


def _has_rows(section: Section, line: Line) -> bool:
    return any(group.done for value, (_, group) in section.series(line).items() if value)


def _draw_points(axes: Axes, section: Section, line: Line, panel: Panel, style: LineStyle) -> bool:
    """Single trainings and their means over the line's sweep; whether its axis is a log one."""
    metric = section.metric(panel.metric)
    groups = {value: group for value, (_, group) in section.series(line).items() if group.done}
    values = {value: list(_read(group, metric, line.mode).values()) for value, group in groups.items()}
    x, log = places(list(values))
    for value, found in values.items():
        axes.plot([x[value]] * len(found), found, style.marker, color=style.color, alpha=0.25, markersize=3.5)
    whole = [value for value in values if not groups[value].failed]  # a mean of survivors would flatter
    zero, rest = [value for value in whole if not value], [value for value in whole if value]
    for part in [zero, rest] if log and zero else [[*zero, *rest]]:
        # no line from 0 to the first value of a log axis: how long it is says nothing
        means, samples = [stats.mean_interval(values[value]) for value in part], [values[value] for value in part]
        named = panel.label if panel.label and (part is rest or not log or not zero) else "_nolegend_"
        own = limits(panel, metric.unit == "%", metric)
        draw_mean(axes, [x[value] for value in part], means, samples, style, named, own)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(x.values()), [short(value) for value in x])
    axes.grid(alpha=0.3)
    return log


def _read(group: Group, metric: Metric, mode: str, protocol: str = "") -> dict[int, float]:
    return group.per_seed(lambda row: metric.read(row, protocol or metric.default, mode))


def places(values: Sequence[float]) -> tuple[dict[float, float], bool]:
    """Where each value stands on its axis and whether that is a log one, on which 0 stands left of all others."""
    above = [value for value in values if value]
    log = bool(above) and max(above) / min(above) >= WIDE
    zero = min(above) / BELOW if log else 0.0
    return {value: value or zero for value in values}, log


def tiled(images: np.ndarray, columns: int, gap: tuple[int, int] = (1, 1), empty: float = np.nan) -> np.ndarray:
    """(n, H, W, ...) as one picture of so many columns, with a gap of (rows, columns) above and left of each image."""
    height, width = images.shape[1] + gap[0], images.shape[2] + gap[1]
    lines = -(-len(images) // columns)
    picture = np.full((lines * height, min(columns, len(images)) * width, *images.shape[3:]), empty)
    for place, image in enumerate(images):
        top, left = place // columns * height + gap[0], place % columns * width + gap[1]
        picture[top : top + images.shape[1], left : left + images.shape[2]] = image
    return picture


def _draw_lines(sections: Sequence[Section], spec: FigureSpec, estimates: Estimates) -> Figure:
    """A panel for each combination of lines, or as the spec has them: means or differences over a swept setting."""
    (section,) = sections
    panels = _line_panels(section, spec)
    across = spec.across or min(3, math.ceil(math.sqrt(len(panels))))
    down = -(-len(panels) // across)
    figure = new_figure(max(4.1 * across + 1.6, 9.0), 3.4 * down + 1.3)
    grid = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes, (title, panel, lines) in zip(grid, panels, strict=False):
        _draw_series(axes, section, panel, lines, estimates)
        run = any(cells for line in lines for cells in _series(section, line, panel).values())
        axes.set_title(title if run else f"{title} (ours: not run)", fontsize=10)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes, (_, panel, _) in zip(grid, panels, strict=False):
        if panel.log:
            log_axis(axes.yaxis)
    found = {}
    for axes in figure.axes:
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(found.values(), found.keys(), loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(fitted(section.heading(spec.title), figure), fontsize=10)
    figure.supxlabel(wrapped(spec.note, int(14 * figure.get_figwidth())), fontsize=8)
    return figure


def _line_panels(section: Section, spec: FigureSpec) -> list[tuple[str, Panel, list[Line]]]:
    """(title, panel, lines): one for each combination that the lines of a panel are of, where anything is to draw.

    A line with several sweeps has panels of its own, one for each value of those but the last two.
    """
    found = []
    for panel in spec.panels:
        lines = [section.page.lines[name] for name in panel.lines]
        for combination in dict.fromkeys(line.combination for line in lines):
            own = [line for line in lines if line.combination == combination]
            swept = [each for line in own if len(line.sweep) > 1 for each in _leads(section, line)]
            parts = [[line] for line in swept] if swept or len(own[0].sweep) > 1 else [own]
            parts = [each for each in parts if panel.paper or any(_series(section, line, panel) for line in each)]
            found += [(filled(panel.title, part[0].names), panel, part) for part in parts]
    return found


def _leads(section: Section, line: Line) -> list[Line]:
    """The line at every value of its sweeps but the last two, which make the axis and the curves."""
    leads = dict.fromkeys(prefix.at[:-1] for prefix in section.prefixes(line))
    return [line.swept(lead) for lead in leads]


def _series(section: Section, line: Line, panel: Panel) -> dict[str, dict[object, Line]]:
    """By label the cells of one curve by their place: of a line with several sweeps a curve a value of the last one."""
    if len(line.sweep) == 1:
        found = {value: section.cell(line, value) for value in section.values([line]) if value}
        cells = {value: cell for value, cell in found.items() if section.group(cell)}
        return {line.names.get("series", line.label): cells} if cells or panel.paper else {}
    curves: dict[str, dict[object, Line]] = {}
    prefixes = [each for each in section.prefixes(line) if each.at[: len(line.at)] == line.at]
    for value in section.values(prefixes):
        cells = {prefix.at[-1]: section.cell(prefix, value) for prefix in prefixes}
        cells = {place: cell for place, cell in cells.items() if (group := section.group(cell)) and group.done}
        curves |= {f"{line.word} = {word(value)}": cells} if cells else {}
    return curves


def _draw_series(axes: Axes, section: Section, panel: Panel, lines: Sequence[Line], estimates: Estimates) -> None:
    curves = [(label, cells, line) for line in lines for label, cells in _series(section, line, panel).items()]
    places = sorted({place for _, cells, _ in curves for place in cells})
    single = all(len(line.sweep) == 1 for line in lines)  # values of a strength have no common scale: one place each
    if single:
        places = [value for value in section.values(lines) if value]
    x = {place: float(number_) if single else float(place) for number_, place in enumerate(places)}
    spread = min(0.024, 0.1 / max(len(curves), 1)) * (max(x.values()) - min(x.values()) or 100)
    cap = section.rows[0]["config"]["epochs"] if panel.level else None
    for number_, (label, cells, line) in enumerate(curves):
        shift = spread * (number_ - (len(curves) - 1) / 2)
        style = section.page.styles.get(line.name.split(".")[0]) if single else None
        own = LineStyle(*style) if style else CYCLE[number_ % len(CYCLE)] if single else _shade(number_, len(curves))
        base = {place: section.partner(cell, line.base) for place, cell in cells.items()} if panel.minus else {}
        found = {
            place: estimates.difference(section, cell, base[place], panel.metric, panel.protocol)
            if panel.minus
            else estimates.mean(section, cell, panel.metric, panel.protocol)
            for place, cell in cells.items()
        }
        done = {place: each for place, each in found.items() if each.done}
        samples = [seed_values(section, cells[at], base.get(at), panel.metric, panel.protocol) for at in done]
        metric = section.metric(panel.metric)
        ends = limits(panel, metric.unit == "%", metric)
        ends = (ends[0], cap if ends[1] is None else ends[1])
        at = [x[place] + shift for place in done]
        draw_mean(axes, at, list(done.values()), [list(each.values()) for each in samples], own, label, ends, bars=True)
        if panel.paper:
            _draw_printed(axes, section, line, x, shift, own)
    _finish_lines(axes, section, panel, lines, x, single)
    if cap:
        axes.axhline(cap, color="0.5", linestyle=":", linewidth=1)
        axes.set_ylim(bottom=0)


def _shade(place: int, count: int) -> LineStyle:
    """Of values that rise: black for the first, then from dark to light."""
    color = matplotlib.colormaps["viridis"](0.9 * place / max(count - 1, 1)) if place else "black"
    return LineStyle(color, "--" if place else "-", "osv^D<>P"[place % 8])


def seed_values(section: Section, line: Line, base: Line | None, name: str, protocol: str = "") -> dict[int, float]:
    """By seed a metric of a line, or what it is above that of a base with the same seed."""
    metric = section.metric(name)
    values = _read(section.group(line), metric, line.mode, protocol)
    return values if base is None else _minus(values, _read(section.group(base), metric, base.mode, protocol))


def _draw_printed(axes: Axes, section: Section, line: Line, x: Mapping, shift: float, style: LineStyle) -> None:
    """The paper's numbers of fractions over its line's own number at 0, in percentage points."""
    numbers = {
        place: section.numbers.find(section.page.paper_table, str(line.paper), word(place)) for place in (0.0, *x)
    }
    if numbers[0.0] is None:
        return
    found = {place: 100 * (each.value - numbers[0.0].value) for place, each in numbers.items() if place and each}
    axes.plot(
        [x[place] + shift for place in found],
        list(found.values()),
        color=style.color,
        linestyle=":",
        marker=style.marker,
        markerfacecolor="white",
        markersize=4,
        linewidth=1,
        alpha=0.6,
    )


def _finish_lines(axes: Axes, section: Section, panel: Panel, lines: Sequence[Line], x: Mapping, single: bool) -> None:
    usual = lines[0].word if single and lines[0].word else lines[0].sweep[-1 if single else -2].rsplit(".", 1)[-1]
    axes.set(xlabel=panel.x or usual, ylabel=panel.label)
    axes.set_xticks(list(x.values()), [word(place) for place in x])
    axes.tick_params(labelbottom=True)
    if panel.minus:
        axes.axhline(0, color="0.3", linewidth=0.8)
    axes.grid(alpha=0.3)


def _draw_images(sections: Sequence[Section], spec: FigureSpec, estimates: Estimates) -> Figure:
    """What a row of each line holds, of the seed that most lines have: a panel a line, or a row of images a line."""
    (section,) = sections
    shown = holding(section, spec)
    images = [_array(row, spec.artifact) for _, row in shown]
    titles = [_image_title(section, spec, line, row) for line, row in shown]
    if spec.first:
        known = {f"true {spec.first.rsplit('/', 1)[-1]}": _array(shown[0][1], spec.first)}
        if (inputs := input_images(section.dataset)) is not None:
            known = {"input": inputs[: len(images[0])], **known}
        figure = _image_rows([*known.values(), *images], [*known, *titles], len(known), spec.outline)
    else:
        figure = _image_panels([_picture(each) for each in images], titles, min(spec.across or 4, len(shown)))
    figure.suptitle(fitted(section.heading(spec.title), figure), fontsize=10)
    figure.supxlabel(wrapped(spec.note, int(14 * figure.get_figwidth())), fontsize=8)
    return figure


def holding(section: Section, spec: FigureSpec) -> list[tuple[Line, dict]]:
    """(line, row) of the lines with a finished row that holds the artifacts, all of one seed as far as can be."""
    names, wanted = spec.lines or tuple(section.page.lines), {spec.artifact, *filter(None, [spec.first])}
    lines = {line.key: line for name in names for line in section.expanded(section.page.lines[name])}
    groups = {key: group for key, line in lines.items() if (group := section.group(line))}
    rows = {key: [row for row in group.done if wanted <= set(row["artifacts"])] for key, group in groups.items()}
    counted = Counter(row["seed"] for found in rows.values() for row in found)
    usual = min(counted, key=lambda seed: (-counted[seed], seed), default=None)
    return [(lines[key], min(found, key=lambda row: row["seed"] != usual)) for key, found in rows.items() if found]


def _array(row: dict, artifact: str) -> np.ndarray:
    """The artifact's values in [0, 1]."""
    return stored_array(row, artifact) / row["artifacts"][artifact]["scale"]


def _image_title(section: Section, spec: FigureSpec, line: Line, row: dict) -> str:
    parts = [textwrap.fill(line.names.get("picture", line.label), 34)]
    for panel in spec.panels:
        metric = section.metric(panel.metric)
        value = number(metric.read(row, metric.default, line.mode), metric.unit)
        parts.append(filled(panel.title, {"value": value, "seed": row["seed"]}))
    return "\n".join(parts)


def _image_rows(rows: Sequence[np.ndarray], titles: Sequence[str], known: int, outline: float) -> Figure:
    """A row for each of several (images, height, width), its title on the left; those but the known ones outlined."""
    count = len(rows[-1])
    figure = new_figure(max(1.5 * count + 1.4, 9.0), 1.5 * len(rows) + 1.2)
    panels = figure.subplots(len(rows), count, squeeze=False)
    for place, (images, title, own) in enumerate(zip(rows, titles, panels, strict=True)):
        own[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        for axes, image in zip(own, images, strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            if place >= known and outline and image.min() < outline < image.max():
                axes.contour(image, levels=[outline], colors="#E69F00", linewidths=0.8)
            axes.set(xticks=[], yticks=[])
    return figure


def _image_panels(pictures: Sequence[np.ndarray], titles: Sequence[str], across: int) -> Figure:
    """A panel for each picture (rows, columns, 3) in [0, 1], all of one size, under its title."""
    down, width = -(-len(pictures) // across), max(3.2 * across, 10.0)
    ratio = pictures[0].shape[0] / pictures[0].shape[1]
    figure = new_figure(width, down * (width / across * ratio + 0.45) + 0.9)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, picture, title in zip(panels, pictures, titles, strict=False):
        axes.imshow(picture, vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=9)
    return figure


def _picture(images: np.ndarray) -> np.ndarray:
    """(n, C, H, W) in [0, 1] as one picture (rows, columns, 3), about as wide as high, white between images."""
    if images.shape[1] not in (1, 3):
        raise UserError(f"samples have {images.shape[1]} channels: allowed are 1 and 3")
    colours = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    return tiled(np.moveaxis(colours, 1, -1), math.ceil(math.sqrt(len(images))), empty=1.0)


DRAWN: Mapping[str, Callable[[Sequence[Section], FigureSpec, Estimates], Figure]] = {
    "epochs": _draw_epochs,
    "setting": _draw_setting,
    "lines": _draw_lines,
    "images": _draw_images,
}
