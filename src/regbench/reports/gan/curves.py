"""The adaptive-dropout paper's Figure 1 and what it leaves out: losses, dropout rate and FID while GANs train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.groups import Group
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.reports.gan.methods import AGNN, DCGAN, FIXED, METHODS, PAPER_METHODS, SNGAN, WGAN_GP, Variant
from regbench.reports.gan.readings import LOSSES, fids, rates_in, trace
from regbench.reports.gan.sections import Section

#: model -> the column of its losses
OBJECTIVES = {
    DCGAN.model: "DCGAN's objective: cross entropy (nats)",
    WGAN_GP.model: "WGAN-GP's: Wasserstein (score)",
    SNGAN.model: "SNGAN's: hinge (score)",
}
FIGURE_1 = (*PAPER_METHODS, FIXED)
REFERENCES = (DCGAN, AGNN)
# Okabe and Ito's colours for the paper's methods; a dash for every control.
LOOKS = dict(
    zip(
        METHODS,
        (
            LineStyle("#000000", "-", "o"),
            LineStyle("#009E73", "-", "s"),
            LineStyle("#0072B2", "-", "v"),
            LineStyle("#D55E00", "-", "D"),
            LineStyle("#E69F00", "--", "^"),
            LineStyle("#56B4E9", "--", "<"),
            LineStyle("#CC79A7", "--", ">"),
            LineStyle("#7F7F7F", "--", "P"),
            LineStyle("#8C510A", "--", "X"),
            LineStyle("#9A9A00", "--", "*"),
        ),
        strict=True,
    )
)
VARIANT_DASHES = (":", "-.")
BAND = "Lines: mean over seeds; bands: 95 % t-interval at each point."
LOSS_NOTE = (
    f"{BAND} Each point is the mean over a window of steps.\n"
    "Both nets minimise; losses of different objectives have no common scale."
)
RATE_NOTE = f"{BAND}\nWhere every layer has its own rate: the mean over layers, and each layer as a thin line."
FID_NOTE = f"{BAND} Test split, lower is better.\nDotted: what as many training images score, the floor."
FLOOR = "real images"
LEAST_WIDTH = 10.0  # inches, for the heading


def has_rates(section: Section) -> bool:
    """Whether any finished row of the section holds the curve of a dropout rate."""
    return any(_rate_names(group) for _, group in _finished(section))


def draw_gan_losses(section: Section, path: str | Path) -> Path:
    """Figure 1: the losses of both nets over steps, one column an objective, the paper's methods and the fixed rate.

    Raises UserError without a finished row of these, and where a row lacks its curves.
    """
    lines = [pair for pair in _finished(section) if pair[0].method in FIGURE_1 and not pair[0].changes]
    models = [model for model in OBJECTIVES if any(variant.method.model == model for variant, _ in lines)]
    _need(lines, section, "loss curves")
    figure = new_figure(max(4.4 * len(models) + 0.4, LEAST_WIDTH), 7.0)
    grid = figure.subplots(len(LOSSES), len(models), squeeze=False, sharex=True)
    for column, model in enumerate(models):
        for axes, (name, label) in zip(grid[:, column], LOSSES.items(), strict=True):
            for variant, group in lines:
                if variant.method.model == model:
                    _draw(axes, _over_seeds(group, lambda row, name=name: trace(row, name)), variant, section)
            axes.set_ylabel(label)
        grid[0, column].set_title(OBJECTIVES[model], fontsize=10)
    return _finish(figure, section, "GANs, Figure 1", LOSS_NOTE, path)


def draw_gan_rates(section: Section, path: str | Path) -> Path:
    """The dropout rate over steps, by rule and setting. Raises UserError where no finished row has one."""
    lines = [pair for pair in _finished(section) if _rate_names(pair[1])]
    _need(lines, section, "a dropout rate")
    figure = new_figure(10.5, 5.2)
    axes = figure.subplots()
    for variant, group in lines:
        names = _rate_names(group)
        _draw(axes, _over_seeds(group, lambda row, names=names: _mean_trace(row, names)), variant, section)
        if len(names) > 1:
            for name in names:
                points = _over_seeds(group, lambda row, name=name: trace(row, name))
                means = [estimate.mean for estimate in points.values()]
                axes.plot(list(points), means, color=LOOKS[variant.method].color, linewidth=0.5, alpha=0.8)
    axes.set_ylabel("dropout rate")
    return _finish(figure, section, "GANs, dropout rate", RATE_NOTE, path)


def draw_gan_fid(section: Section, path: str | Path) -> Path:
    """FID on the test split over epochs: the paper's methods, and beside them all variations of AGNN-ADR.

    Raises UserError without a finished row.
    """
    lines = _finished(section)
    _need(lines, section, "FID")
    paper = [pair for pair in lines if pair[0].method in PAPER_METHODS and not pair[0].changes]
    others = [pair for pair in lines if pair not in paper]
    # what controls and variants are held against stands beside them, too
    references = [pair for pair in paper if pair[0].method in REFERENCES] if others else []
    parts = {"The paper's methods": paper, "Controls and variants": references + others}
    parts = {title: part for title, part in parts.items() if part}
    figure = new_figure(max(5.4 * len(parts) + 2.4, LEAST_WIDTH), 5.6)
    panels = figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
    for axes, (title, part) in zip(panels, parts.items(), strict=True):
        for variant, group in part:
            _draw(axes, _over_seeds(group, lambda row: dict(enumerate(fids(row), 1))), variant, section)
        axes.axhline(section.floor("fid"), color="0.4", linestyle=":", linewidth=1.2, label=FLOOR)
        axes.set_title(title, fontsize=10)
    _scale_fid(panels)
    panels[0].set_ylabel(f"FID ({section.extractor['name']} features, log scale)")
    return _finish(figure, section, "GANs, FID", FID_NOTE, path, "epoch")


def _scale_fid(panels: Sequence[Axes]) -> None:
    # A band of few seeds may reach below 0, which a log axis cannot show: the lines set the limits.
    drawn = [value for axes in panels for line in axes.lines for value in line.get_ydata()]
    for axes in panels:
        axes.set_yscale("log")
        axes.set_ylim(0.8 * min(drawn), 1.25 * max(drawn))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _finished(section: Section) -> list[tuple[Variant, Group]]:
    return [(variant, group) for variant, group in section.lines if group and group.done]


def _need(lines: Sequence, section: Section, what: str) -> None:
    if not lines:
        raise UserError(f"{section.dataset}, budget {section.budget}: no finished row with {what} to draw")


def _rate_names(group: Group) -> list[str]:
    """The curves of the group's rates: one, or one a layer."""
    return sorted({name for row in group.done for entry in row["epochs"] for name in rates_in(entry.get("curves", {}))})


def _mean_trace(row: dict, names: Sequence[str]) -> dict[int, float]:
    """The mean over several curves of a row."""
    traces = [trace(row, name) for name in names]
    return {step: sum(each[step] for each in traces) / len(traces) for step in traces[0]}


def _over_seeds(group: Group, read: Callable[[dict], dict[int, float]]) -> dict[int, stats.Mean]:
    """At each place the mean over the group's trainings."""
    values: dict[int, list[float]] = {}
    for row in group.done:
        for place, value in read(row).items():
            values.setdefault(place, []).append(value)
    return {place: stats.mean_interval(values[place]) for place in sorted(values)}


def _draw(axes: Axes, points: dict[int, stats.Mean], variant: Variant, section: Section) -> None:
    draw_mean(axes, list(points), list(points.values()), look(variant, section), variant.label)


def look(variant: Variant, section: Section) -> LineStyle:
    """A method's line; variants of one method share its colour, each with a dash of its own."""
    style = LOOKS[variant.method]
    if not variant.changes:
        return style
    alike = [each for each, _ in section.lines if each.method == variant.method and each.changes]
    return LineStyle(style.color, VARIANT_DASHES[alike.index(variant) % len(VARIANT_DASHES)], style.marker)


def _finish(figure: Figure, section: Section, what: str, note: str, path: str | Path, xlabel: str = "step") -> Path:
    """Heading, axes, legend and note, then the file."""
    figure.suptitle(section.heading(what), fontsize=10)
    found = {}
    for axes in figure.axes:
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel(xlabel)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid(alpha=0.3)
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    order = [*(variant.label for variant, _ in section.lines), FLOOR]
    labels = [label for label in order if label in found]
    figure.legend([found[label] for label in labels], labels, loc="outside right center", frameon=False, fontsize=9)
    figure.supxlabel(note, fontsize=8)
    return save(figure, path)
