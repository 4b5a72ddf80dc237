"""What PB-EDropout keeps: the running mean of its training masks, and the mask made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap

from regbench.errors import UserError
from regbench.evidence.arrays import stored_array
from regbench.evidence.style import new_figure, save
from regbench.reports.methods import DATASETS, SITE, dataset_of, layer_of

ARTIFACT = f"{SITE}/ema"
MASK_ARTIFACT = f"{SITE}/mask"
COLUMNS = 16  # channels in a line of the picture
GAP = 3  # patches of room above a tile, for its number
KEPT_COLOURS = ("#3B3B3B", "#F0E442")  # dropped, kept


@dataclass(frozen=True)
class Masks:
    """The masks of one row: `ema` (C, H, W) in [0, 1], `kept` (C, H, W) with K of L ones per channel.

    `applied` tells whether `kept` is the mask that MASK mode applied, or the top K of the average as stored.
    """

    ema: np.ndarray
    kept: np.ndarray
    k: int
    patches: int
    applied: bool


def draw_masks(rows: Sequence[dict], path: str | Path) -> Path:
    """Draw the masks of `conv1` as a PNG: all channels, above their EMA and below the binarised mask.

    One block for every dataset and variant among the rows that have the artifact; the lowest seed stands for
    its block. Pass fewer rows to choose others. Raises UserError when no row has masks or budgets are mixed.
    """
    chosen = _one_per_block([row for row in rows if ARTIFACT in (row.get("artifacts") or {})])
    if not chosen:
        raise UserError(f"artifact {ARTIFACT!r}: none of the {len(rows)} rows has it; PB-EDropout's rows do")
    budgets = sorted({row["budget"] for row in chosen})
    if len(budgets) > 1:
        raise UserError(f"budget: one picture holds one budget, these rows have {', '.join(budgets)}")
    masks = [read_masks(row) for row in chosen]
    heights = [2 * (0.85 * math.ceil(len(each.ema) / COLUMNS) + 0.35) + 0.3 for each in masks]
    figure = new_figure(12, sum(heights))
    blocks = figure.subfigures(len(chosen), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, each, block in zip(chosen, masks, blocks, strict=True):
        _draw_block(block, row, each)
    return save(figure, path)


def read_masks(row: dict) -> Masks:
    """Decode a row's averaged masks and the mask that MASK mode applied after the last epoch.

    A row without the latter gives the top K of its average, K counted from the mask applied in the last epoch
    (`measures.mask`), else floor((1 - strength) L). The average was stored in 8 bits: of the patches that became
    equal by that the last in reading order are kept, as the layer does, but they need not be those it kept.
    """
    stored = stored_array(row, ARTIFACT)
    grid, values = stored.shape, stored.reshape(len(stored), -1)
    patches = values.shape[1]
    applied = MASK_ARTIFACT in row["artifacts"]
    if applied:
        kept = (stored_array(row, MASK_ARTIFACT) > 0).astype(np.uint8)
        k = int(kept[0].sum())
    else:
        k = _kept_count(row, patches)
        kept = np.ones_like(values)
        lowest = np.argsort(values, axis=1, kind="stable")[:, : patches - k]
        np.put_along_axis(kept, lowest, 0, axis=1)
    scale = row["artifacts"][ARTIFACT]["scale"]
    return Masks(values.reshape(grid) / scale, kept.reshape(grid), k, patches, applied)


def _kept_count(row: dict, patches: int) -> int:
    last = max(row["epochs"], key=lambda entry: entry["epoch"])
    masked = last.get("measures", {}).get("mask", {}).get(f"{SITE}/masked")
    if masked is not None:
        return round((1 - masked) * patches)
    return math.floor((1 - row["strength"]) * patches + 1e-9)


def _one_per_block(rows: Sequence[dict]) -> list[dict]:
    order = list(DATASETS)
    ordered = sorted(rows, key=lambda r: (order.index(dataset_of(r)), _variant(r), r["seed"], str(r["id"])))
    first: dict[tuple[str, str], dict] = {}
    for row in ordered:
        first.setdefault((dataset_of(row), _variant(row)), row)
    return list(first.values())


def _variant(row: dict) -> str:
    return str(layer_of(row).get("variant", "not recorded"))


def _draw_block(block, row: dict, masks: Masks) -> None:
    name = DATASETS[dataset_of(row)]
    block.suptitle(
        f"{name}, PB-EDropout variant {_variant(row)}, {SITE}: seed {row['seed']}, budget {row['budget']}, "
        f"K = {masks.k} of L = {masks.patches} patches kept",
        fontsize=11,
    )
    upper, lower = block.subplots(2, 1)
    shares = _draw_channels(upper, masks.ema, "viridis", "share of training masks that kept the patch")
    block.colorbar(shares, ax=upper, fraction=0.02, pad=0.01)
    label = (
        "kept in MASK mode" if masks.applied else "the K highest of that average, stored in 8 bits: nearly MASK mode's"
    )
    kept = _draw_channels(lower, masks.kept, ListedColormap(KEPT_COLOURS), f"{label}, after the last epoch")
    block.colorbar(kept, ax=lower, fraction=0.02, pad=0.01).set_ticks([0.25, 0.75], labels=["dropped", "kept"])


def _draw_channels(axes: Axes, images: np.ndarray, colours: str | Colormap, label: str):
    """All channels as tiles of one picture, each under its number."""
    height, width = images.shape[1] + GAP, images.shape[2] + 1
    lines, columns = math.ceil(len(images) / COLUMNS), min(COLUMNS, len(images))
    tiles = np.full((lines * height, columns * width - 1), np.nan)
    for channel, image in enumerate(images):
        top, left = channel // COLUMNS * height + GAP, channel % COLUMNS * width
        tiles[top : top + images.shape[1], left : left + images.shape[2]] = image
        middle = left + (images.shape[2] - 1) / 2
        axes.text(middle, top - 0.8, str(channel), ha="center", va="bottom", fontsize=7)
    axes.set_axis_off()
    axes.set_title(f"{len(images)} channels: {label}", fontsize=9)
    return axes.imshow(tiles, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
