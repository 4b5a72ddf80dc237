"""Entropy maps, read from their tables and drawn (the entropy paper's Figures 1, 8, 9): mean log|c11| by layer.

A table holds one network twice, trained and untrained. The control is drawn with it: the means at all positions of the
filter. Where they enclose the line, c11 tells no more than the scale of the weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regbench.errors import UserError
from regbench.evidence.figures import wrapped
from regbench.evidence.style import LineStyle, new_figure, save
from regbench.evidence.wording import MINUS

MEAN, OTHERS, FILTERS = "Mean log|c11|", "Means at all positions but c11", "Filters"
LOOKS = (LineStyle("#0072B2", "-", "o"), LineStyle("#6B6B6B", "--", "s"))
NOTE = """Lines: mean over a layer's filters of log|c11|, the change in entropy per filter; bands: from the lowest to
the highest mean of all positions of the filter, c11 among them (1x1 filters have one position)."""

#: by layer and column what a table prints
LayerMap = dict[str, dict[str, str]]


def draw_all(results: Path) -> dict[str, Path]:
    """Draw every entropy map that has a table under `results`; the pictures by name."""
    found = {}
    for table in sorted((results / "tables").glob("entropy-map-*.md")):
        name = table.stem.replace("-", "_")
        found[name] = draw_maps(table, results / "figures" / f"{name}.png")
    return found


def read_maps(path: Path) -> dict[str, LayerMap]:
    """The maps of a table by title, in its order. Raises UserError where the file holds none."""
    maps: dict[str, LayerMap] = {}
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").split("|")[1:-1]]
        if line.startswith("## "):
            maps[line.removeprefix("## ")] = {}
        elif cells and cells[0] == "Layer":
            columns = cells
        elif cells and maps and not cells[0].startswith(":"):
            next(reversed(maps.values()))[cells[0]] = dict(zip(columns, cells, strict=True))
    if not all(maps.values()) or not maps:
        raise UserError(f"{path}: needed are maps of at least one layer each")
    return maps


def layer_range(layer: dict[str, str]) -> tuple[float, float, float]:
    """(mean at c11, lowest, highest mean at any position) of a layer, in nats."""
    mean = signed(layer[MEAN])
    others = [signed(part) for part in layer[OTHERS].split(" to ")] if " to " in layer[OTHERS] else []
    return mean, min([mean, *others]), max([mean, *others])


def signed(text: str) -> float:
    """A printed number, whichever its minus sign."""
    return float(text.replace(MINUS, "-"))


def draw_maps(table: Path, path: str | Path) -> Path:
    """One panel of a table's maps over each other, as a PNG; means that are not finite are left out and counted."""
    maps = read_maps(table)
    layers = list(next(iter(maps.values())))
    figure = new_figure(max(8.0, 0.2 * len(layers) + 2.0), 5.4)
    axes = figure.subplots()
    for (title, found), style in zip(maps.items(), LOOKS, strict=False):
        mean, low, high = np.array([layer_range(each) for each in found.values()]).T
        mean[~np.isfinite(mean)] = np.nan
        lost = int(np.isnan(mean).sum())
        filters = sum(int(each[FILTERS].replace(",", "")) for each in found.values())
        label = f"{title}: {filters:,} filters" + f", {lost} layers at {MINUS}inf left out" * bool(lost)
        own = {"color": style.color, "linestyle": style.dash, "marker": style.marker}
        axes.plot(range(len(found)), mean, markersize=4, label=label, **own)
        axes.fill_between(range(len(found)), low, high, color=style.color, alpha=0.2, linewidth=0)
    axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set(ylabel="mean change in entropy per filter (nats)", xlim=(-0.6, len(layers) - 0.4))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", frameon=False, fontsize=9)
    figure.supxlabel(wrapped(NOTE, int(14 * figure.get_figwidth())), fontsize=8)
    return save(figure, path)
