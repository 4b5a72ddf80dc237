"""What PB-EDropout keeps: the running mean of its training masks, and the mask made of it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regbench.errors import UserError
from regbench.reports.methods import DATASETS, SITE, dataset_of, layer_of
from regbench.reports.style import new_figure, save

ARTIFACT = f"{SITE}/ema"
COLUMNS = 16  # channels in a line of the picture
# What the two pictures show, their colours, and the names of the values where there are only two.
MAPS = (
    ("share of training masks that kept the patch", "viridis", ()),
    ("kept at inference (MASK mode)", "gray", ("dropped", "kept")),
)


@dataclass(frozen=True)
class Masks:
    """The masks of one row: `ema` (C, H, W) in [0, 1], `kept` (C, H, W) with K of L ones per channel."""

    ema: np.ndarray
    kept: np.ndarray
    k: int
    patches: int


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
    heights = [2 * (0.75 * math.ceil(len(each.ema) / COLUMNS) + 0.5) + 0.3 for each in masks]
    figure = new_figure(12, sum(heights))
    blocks = figure.subfigures(len(chosen), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, each, block in zip(chosen, masks, blocks, strict=True):
        _draw_block(block, row, each)
    return save(figure, path)


def read_masks(row: dict) -> Masks:
    """Decode a row's EMA artifact and binarise it: the top K of L patches of a channel are kept.

    K is counted from the mask applied in the last epoch (`measures.mask`), else floor((1 - strength) L). The
    EMA was stored in 8 bits: patches that became equal by that are kept in reading order.
    """
    stored = row["artifacts"][ARTIFACT]
    values = np.frombuffer(base64.b64decode(stored["uint8"]), dtype=np.uint8)
    channels, patches = stored["shape"]
    height, width = stored["grid"]
    if values.size != channels * patches or height * width != patches:
        raise UserError(
            f"row {row['id']}: {ARTIFACT} has {values.size} values, shape={stored['shape']}, "
            f"grid={stored['grid']}: needed is shape [channels, patches] and a grid of that many patches"
        )
    values = values.reshape(channels, patches)
    k = _kept_count(row, patches)
    kept = np.zeros_like(values)
    top = np.argsort(-values.astype(np.int16), axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, top, 1, axis=1)
    grid = (channels, height, width)
    return Masks(values.reshape(grid) / stored["scale"], kept.reshape(grid), k, patches)


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
    halves = block.subfigures(2, 1)
    for half, images, look in zip(halves, (masks.ema, masks.kept), MAPS, strict=True):
        _draw_channels(half, images, *look)


def _draw_channels(half, images: np.ndarray, label: str, colours: str, ticks: tuple) -> None:
    lines = math.ceil(len(images) / COLUMNS)
    axes = half.subplots(lines, min(COLUMNS, len(images)), squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for channel, (place, image) in enumerate(zip(axes.flat, images, strict=False)):
        drawn = place.imshow(image, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        place.set_title(str(channel), fontsize=6, pad=2)
    half.supxlabel(f"channels 0 to {len(images) - 1}: {label}", fontsize=9)
    bar = half.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01)
    if ticks:
        bar.set_ticks([0, 1], labels=ticks)
