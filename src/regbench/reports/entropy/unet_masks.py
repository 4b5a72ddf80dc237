"""Figure 10 of the entropy paper: the masks that U-Nets predict by lambda, beside the true ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from regbench.errors import UserError
from regbench.evidence.arrays import stored_array
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.readings import last
from regbench.evidence.style import new_figure, save
from regbench.reports.entropy.unet_readings import IOU
from regbench.reports.entropy.unet_rows import PAPER_LINES, Part

PREDICTED, TRUE = "test/predicted", "test/mask"
NOTE = (
    "Foreground probabilities (black 0, white 1) of the first test images after the last epoch of each training; "
    "orange: 0.5. No image was selected.\n"
    "IoU on the whole test split: after that epoch, and at the table's epoch, the best on held-out images.\n"
    "Loss on layers 19, 24, 29, 34, 39, compound loss watched."
)


def has_masks(part: Part) -> bool:
    """Whether any finished training of the paper's lines holds predicted masks."""
    return bool(_holding(part))


def draw_masks(part: Part, path: str | Path) -> Path:
    """A row a test image, a column a lambda, all of one seed, the true mask first. Raises UserError without a mask."""
    shown = _of_one_seed(part)
    if not shown:
        raise UserError(f"artifact {PREDICTED!r}: no finished row of {part.dataset}, budget {part.budget}, has it")
    true = _values(shown[0][1], TRUE)
    figure = new_figure(max(1.5 * (len(shown) + 1) + 0.3, 9.0), 1.5 * len(true) + 1.5)
    panels = figure.subplots(len(true), len(shown) + 1, squeeze=False)
    _draw_column(panels[:, 0], true, "true mask", outlined=False)
    for column, (line, row) in enumerate(shown, start=1):
        title = f"lambda = {line.strength:g}\nIoU {100 * last('iou')(row):.1f} %\ntable {IOU.read(row, HELD_OUT):.1f} %"
        _draw_column(panels[:, column], _values(row, PREDICTED), title, outlined=True)
    what = "Entropy guidance, Figure 10" + ("" if part.budget == "paper" else " (no reproduction)")
    seed = shown[0][1]["seed"]
    title = part.title(what).replace(", at most", ",\nat most")
    figure.suptitle(f"{title}; shown: seed {seed}", fontsize=10)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def _of_one_seed(part: Part) -> list[tuple]:
    """(line, row) of the seed that most lines have, the lowest of these."""
    holding = _holding(part)
    counted = Counter(row["seed"] for _, row in holding)
    seed = min(counted, key=lambda each: (-counted[each], each), default=None)
    return [(line, row) for line, row in holding if row["seed"] == seed]


def _holding(part: Part) -> list[tuple]:
    return [
        (line, row)
        for line in PAPER_LINES
        if line in part.groups
        for row in part.groups[line].done
        if {PREDICTED, TRUE} <= set(row["artifacts"])
    ]


def _values(row: dict, artifact: str) -> np.ndarray:
    """(images, height, width) in [0, 1]."""
    return stored_array(row, artifact) / row["artifacts"][artifact]["scale"]


def _draw_column(panels: np.ndarray, images: np.ndarray, title: str, outlined: bool) -> None:
    for axes, image in zip(panels, images, strict=True):
        _draw_mask(axes, image, outlined)
    panels[0].set_title(title, fontsize=9)


def _draw_mask(axes: Axes, image: np.ndarray, outlined: bool) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    if outlined and image.min() < 0.5 < image.max():
        axes.contour(image, levels=[0.5], colors="#E69F00", linewidths=0.8)
    axes.set_xticks([])
    axes.set_yticks([])
