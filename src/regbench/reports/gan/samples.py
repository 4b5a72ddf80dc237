"""Samples of the GANs side by side: one panel a method, of the same noise."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from regbench.errors import UserError
from regbench.evidence.arrays import stored_array
from regbench.evidence.groups import Group
from regbench.evidence.style import new_figure, save
from regbench.reports.gan.methods import Variant
from regbench.reports.gan.readings import fids
from regbench.reports.gan.sections import Section

ARTIFACT = "samples"
ACROSS = 4  # panels in a line
LEAST_WIDTH = 10.0  # inches, for the heading
GAP = 1  # pixels between images
NOTE = (
    "After the last epoch, of the lowest seed of each method; the same noise in all panels, nothing selected.\n"
    "FID of that epoch on the test split."
)


def has_samples(section: Section) -> bool:
    """Whether any finished row of the section holds samples."""
    return any(ARTIFACT in row["artifacts"] for row in section.done)


def draw_gan_samples(section: Section, path: str | Path) -> Path:
    """One panel for each line of the table whose rows hold samples. Raises UserError where none does."""
    shown = [(variant, row) for variant, group in section.lines if group and (row := _first(group))]
    if not shown:
        raise UserError(
            f"artifact {ARTIFACT!r}: none of the {len(section.rows)} rows of {section.dataset}, budget "
            f"{section.budget}, has it"
        )
    across = min(ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    figure = new_figure(max(3.2 * across, LEAST_WIDTH), 3.0 * down + 1.1)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (variant, row) in zip(panels, shown, strict=False):
        _draw_panel(axes, variant, row)
    figure.suptitle(section.heading("GANs, samples"), fontsize=10)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def tiled(images: np.ndarray) -> np.ndarray:
    """(n, C, H, W) in [0, 1] -> one picture (rows, columns, 3), about as wide as high, white between images."""
    count, channels, height, width = images.shape
    if channels not in (1, 3):
        raise UserError(f"samples have {channels} channels: allowed are 1 and 3")
    columns = math.ceil(math.sqrt(count))
    lines = math.ceil(count / columns)
    picture = np.ones((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3))
    for place, image in enumerate(images):
        top, left = place // columns * (height + GAP), place % columns * (width + GAP)
        picture[top : top + height, left : left + width] = np.moveaxis(image, 0, -1)
    return picture


def _first(group: Group) -> dict | None:
    return next((row for row in group.done if ARTIFACT in row["artifacts"]), None)


def _draw_panel(axes: Axes, variant: Variant, row: dict) -> None:
    images = stored_array(row, ARTIFACT) / row["artifacts"][ARTIFACT]["scale"]
    axes.imshow(tiled(images), vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(f"{textwrap.fill(variant.label, 34)}\nseed {row['seed']}, FID {fids(row)[-1]:.2f}", fontsize=9)
