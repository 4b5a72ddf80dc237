"""The entropy paper's box plots (its Figures 1, 8, 9): change in entropy per filter in each layer."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from regbench.errors import UserError
from regbench.evidence.style import new_figure, save

SIDE_BY_SIDE = 20  # layers; deeper networks have their panels one above the other
NOTE = "Boxes: quartiles of log|c11| over the filters; filled dots: means; open dots: beyond 1.5 box lengths."


def draw_entropy_maps(maps: Mapping[str, Mapping[str, np.ndarray]], path: str | Path) -> Path:
    """One panel a network with one vertical scale, side by side or, of deep networks, one above the other, as a PNG.

    Args:
        maps: by panel title, the changes in nats by layer, as `measures.entropy_map` gives them.
    """
    if not maps or not all(maps.values()):
        raise UserError(f"maps={list(maps)}: at least one network with at least one layer is needed")
    widest = max(len(layers) for layers in maps.values())
    if widest > SIDE_BY_SIDE:
        figure = new_figure(0.26 * widest + 1.6, 4.6 * len(maps))
        panels = figure.subplots(len(maps), 1, sharey=True, squeeze=False)[:, 0]
    else:
        figure = new_figure(max(4.0, 0.45 * widest + 1.6) * len(maps), 4.6)
        panels = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    for axes, (title, layers) in zip(panels, maps.items(), strict=True):
        # A weight of exactly 0 changes entropy by -inf: no axis shows that, so it is counted instead.
        values = [changes[np.isfinite(changes)] for changes in layers.values()]
        lost = sum(changes.size for changes in layers.values()) - sum(changes.size for changes in values)
        axes.boxplot(
            values,
            showmeans=True,
            meanprops={"marker": "o", "markerfacecolor": "black", "markeredgecolor": "black", "markersize": 4},
            flierprops={"marker": "o", "markerfacecolor": "none", "markersize": 2.5, "alpha": 0.4},
            medianprops={"color": "#0072B2"},
        )
        axes.set_xticks(range(1, len(layers) + 1), labels=list(layers), rotation=60, ha="right", fontsize=8)
        filters = sum(changes.size for changes in values)
        axes.set_title(f"{title}\n{filters:,} filters" + (f", {lost} at -inf left out" if lost else ""), fontsize=10)
        axes.grid(axis="y", alpha=0.3)
    for axes in panels if widest > SIDE_BY_SIDE else panels[:1]:
        axes.set_ylabel("change in entropy per filter (nats)")
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)
