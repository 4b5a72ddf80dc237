"""PB-EDropout's Figure 1: accuracy over epochs, in training and on images that do not train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.groups import Group, check_same, make_group
from regbench.evidence.settings import not_drawn, title_settings
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.reports.methods import (
    BASELINE,
    CLASSIC,
    DATASETS,
    PB_FULL,
    PB_MASK,
    RANDOM,
    Method,
    dataset_of,
    regularizer_of,
)

# Okabe and Ito's colours; dash and marker also tell the methods apart in grey.
STYLES = {
    BASELINE: LineStyle("#000000", "-", "o"),
    CLASSIC: LineStyle("#E69F00", "-", "s"),
    PB_MASK: LineStyle("#56B4E9", "-", "v"),
    PB_FULL: LineStyle("#0072B2", "-", "^"),
    RANDOM: LineStyle("#D55E00", "--", "D"),
}
SPLITS = {"test": "Test accuracy", "heldout": "Held-out accuracy"}
NOTE = (
    "Lines: mean over seeds; bands: 95 % t-interval at each epoch. Training accuracy is the running mean\n"
    "over the epoch with the dropout layer active; Mask and Full share their training, so it is drawn once."
)


def draw_curves(rows: Sequence[dict], path: str | Path, budget: str, split: str = "test") -> Path:
    """Draw Figure 1 as a PNG: a line of two panels per dataset, accuracy in percent over epochs.

    Methods without rows are left out; failed members are not drawn but counted in the panels' heading.
    Raises UserError when the budget has no finished row, for an unknown split, and for rows that differ in a
    setting.
    """
    if split not in SPLITS:
        raise UserError(f"split={split!r}: allowed are {', '.join(SPLITS)}")
    drawn = {method.regularizer for method in STYLES}
    chosen = [row for row in rows if row["budget"] == budget and regularizer_of(row) in drawn]
    present = {dataset_of(row) for row in chosen if row["status"] == "done"}
    names = [name for name in DATASETS if name in present]
    if not names:
        raise UserError(f"budget={budget!r}: no finished row to draw; there are budgets {_budgets(rows)}")
    figure = new_figure(10, 3.7 * len(names) + 1.3)
    body, foot = figure.subfigures(2, 1, height_ratios=[3.7 * len(names), 1.0])
    for name, part in zip(names, body.subfigures(len(names), 1, squeeze=False)[:, 0], strict=True):
        _draw_dataset(part, name, [row for row in chosen if dataset_of(row) == name], split)
    _draw_foot(foot, body)
    return save(figure, path)


def _draw_dataset(part, name: str, rows: list[dict], split: str) -> None:
    check_same(rows, f"Figure 1, {name}", ignore=("seed", "regularizer"))
    rows = sorted(rows, key=lambda row: str(row["id"]))
    groups = {
        method: make_group(members, f"Figure 1, {name}, {method.regularizer}")
        for method in STYLES
        if (members := [row for row in rows if regularizer_of(row) == method.regularizer])
    }
    part.suptitle(_heading(name, rows, groups), fontsize=10)
    training, evaluation = part.subplots(1, 2)
    for method, group in groups.items():
        if group.done and method is not PB_MASK:
            _draw_line(training, method, group, ("train",))
        if group.done:
            _draw_line(evaluation, method, group, (split, method.mode))
    for axes, label in ((training, "Training accuracy"), (evaluation, SPLITS[split])):
        axes.set(title=label, xlabel="epoch", ylabel="accuracy (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)


def _heading(name: str, rows: Sequence[dict], groups: dict[Method, Group]) -> str:
    failed = not_drawn((method.label, group) for method, group in groups.items() if method is not PB_MASK)
    return f"{DATASETS[name]}: {title_settings(rows, groups.values())}{failed}"


def _draw_line(axes: Axes, method: Method, group: Group, place: tuple[str, ...]) -> None:
    epochs, estimates = curve(group, place)
    draw_mean(axes, epochs, estimates, STYLES[method], method.label)


def curve(group: Group, place: tuple[str, ...]) -> tuple[list[int], list[stats.Estimate]]:
    """The epochs, and at each of them the accuracy in percent over the group's seeds.

    `place` leads to the metrics in an epoch's entry: ("train",) or a split and a mode.
    """
    values: dict[int, list[float]] = {}
    for row in group.done:
        for entry in row["epochs"]:
            metrics = entry
            for key in place:
                metrics = metrics[key]
            values.setdefault(entry["epoch"], []).append(100 * metrics["accuracy"])
    return sorted(values), [stats.mean_interval(values[epoch]) for epoch in sorted(values)]


def _draw_foot(foot, body) -> None:
    found = {}
    for axes in body.get_figure(root=True).axes:
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    labels = [method.label for method in STYLES if method.label in found]
    handles = [found[label] for label in labels]
    foot.legend(handles, labels, loc="upper center", ncols=3, frameon=False, fontsize=9)
    foot.text(0.5, 0.02, NOTE, ha="center", va="bottom", fontsize=8)


def _budgets(rows: Iterable[dict]) -> str:
    return ", ".join(sorted({row["budget"] for row in rows})) or "none"
