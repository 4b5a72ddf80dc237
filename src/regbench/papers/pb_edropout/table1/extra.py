"""What only PB-EDropout has: shares of patches, and pictures of the masks that training settles on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib.colors import ListedColormap

from regbench.evidence import protocols
from regbench.evidence.arrays import stored_array
from regbench.evidence.documents import picture
from regbench.evidence.figures import tiled
from regbench.evidence.metrics import LAST, metric, once
from regbench.evidence.notes import Shown, note
from regbench.evidence.pages import Built
from regbench.evidence.readings import ordered
from regbench.evidence.style import new_figure, save

SITE = "conv1"  # every dropout method of this paper stands at conv1 only
EMA, MASK = f"{SITE}/ema", f"{SITE}/mask"
COLUMNS, GAP = 16, (3, 1)  # channels in a line of the picture; patches of room above a tile, for its number, and beside
LINES = {"pb_edropout": "pb_full", "pb_edropout_standardized": "std_full", "random_patch": "random"}
MEASURES = {
    "zero_probability": "of the patches had probability exactly 0, so that noise alone ranked them,",
    "removed_mass": "of the L1 activation mass was in the dropped patches",
}


@metric("masked", "%", "share of patches masked")
def masked(row, protocol, mode):
    found = protocols.selected(row, protocol, mode).get("measures", {}).get(mode, {})
    return 100 * found[f"{SITE}/masked"] if f"{SITE}/masked" in found else None


def in_training(row: dict, name: str) -> float | None:
    """What the layer recorded in the last epoch of training, in percent."""
    found = ordered(row)[-1].get("measures", {}).get("train", {})
    return 100 * found[f"{SITE}/{name}"] if f"{SITE}/{name}" in found else None


for own, words in MEASURES.items():
    metric(own, "%", words, margin=1.0, **once(LAST))(lambda row, protocol, mode, own=own: in_training(row, own))


@note
def masks(shown: Shown) -> str | None:
    """What the masks of training did in the last epoch: Pr = 0, and the activation mass that the dropped held."""
    parts = []
    for regularizer, name in LINES.items():
        group = shown.section.group(shown.section.page.lines[name])
        text = [
            f"{fmean(values):.1f} % {meaning}"
            for measure, meaning in MEASURES.items()
            if (values := [v for row in (group.done if group else ()) if (v := in_training(row, measure)) is not None])
        ]
        if text:
            parts.append(f"{regularizer} {' and '.join(text)}")
    return f"In the last epoch of training: {'; '.join(parts)}." if parts else None


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


def read_masks(row: dict) -> Masks:
    """Decode a row's averaged masks and the mask that MASK mode applied after the last epoch.

    A row without the latter gives the top K of its average, K counted from the mask applied in the last epoch, else
    floor((1 - strength) L). The average was stored in 8 bits: of the patches that became equal by that the last in
    reading order are kept, as the layer does, but they need not be those it kept.
    """
    stored = stored_array(row, EMA)
    grid, values = stored.shape, stored.reshape(len(stored), -1)
    patches = values.shape[1]
    applied = MASK in row["artifacts"]
    if applied:
        kept = (stored_array(row, MASK) > 0).astype(np.uint8)
        k = int(kept[0].sum())
    else:
        share = ordered(row)[-1].get("measures", {}).get("mask", {}).get(f"{SITE}/masked")
        k = math.floor((1 - row["strength"]) * patches + 1e-9) if share is None else round((1 - share) * patches)
        kept = np.ones_like(values)
        np.put_along_axis(kept, np.argsort(values, axis=1, kind="stable")[:, : patches - k], 0, axis=1)
    scale = row["artifacts"][EMA]["scale"]
    return Masks(values.reshape(grid) / scale, kept.reshape(grid), k, patches, applied)


@picture
def pb_edropout_masks(built: Built, folder: Path) -> list[Path]:
    """A picture a budget: one block for every data set and variant whose rows hold masks, of the lowest seed."""
    written = []
    for budget in built.estimates:
        first: dict[tuple[str, str], tuple[str, dict]] = {}
        for section in (each for each in built.sections if each.budget == budget):
            for row in sorted(section.rows, key=lambda row: (_variant(row), row["seed"], str(row["id"]))):
                if EMA in (row.get("artifacts") or {}):
                    first.setdefault((section.dataset, _variant(row)), (section.name, row))
        if first:
            written.append(_draw(list(first.values()), folder / f"pb_edropout_masks_{budget}.png"))
    return written


def _variant(row: dict) -> str:
    return str((row["config"]["regularizer"]["method"].get("layer") or {}).get("variant", "not recorded"))


def _draw(blocks: list[tuple[str, dict]], path: Path) -> Path:
    found = [read_masks(row) for _, row in blocks]
    heights = [2 * (0.85 * math.ceil(len(each.ema) / COLUMNS) + 0.35) + 0.3 for each in found]
    figure = new_figure(12, sum(heights))
    parts = figure.subfigures(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    for (name, row), each, part in zip(blocks, found, parts, strict=True):
        part.suptitle(
            f"{name}, PB-EDropout variant {_variant(row)}, {SITE}: seed {row['seed']}, budget {row['budget']}, "
            f"K = {each.k} of L = {each.patches} patches kept",
            fontsize=11,
        )
        upper, lower = part.subplots(2, 1)
        shares = _channels(upper, each.ema, "viridis", "share of training masks that kept the patch")
        part.colorbar(shares, ax=upper, fraction=0.02, pad=0.01)
        nearly = "the K highest of that average, stored in 8 bits: nearly MASK mode's"
        label = f"{'kept in MASK mode' if each.applied else nearly}, after the last epoch"
        kept = _channels(lower, each.kept, ListedColormap(("#3B3B3B", "#F0E442")), label)
        part.colorbar(kept, ax=lower, fraction=0.02, pad=0.01).set_ticks([0.25, 0.75], labels=["dropped", "kept"])
    return save(figure, path)


def _channels(axes, images: np.ndarray, colours: object, label: str):
    """All channels as tiles of one picture, each under its number."""
    for channel, _ in enumerate(images):
        top = channel // COLUMNS * (images.shape[1] + GAP[0]) + GAP[0]
        left = channel % COLUMNS * (images.shape[2] + GAP[1]) + GAP[1]
        axes.text(left + (images.shape[2] - 1) / 2, top - 0.8, str(channel), ha="center", va="bottom", fontsize=7)
    axes.set_axis_off()
    axes.set_title(f"{len(images)} channels: {label}", fontsize=9)
    return axes.imshow(tiled(images, COLUMNS, GAP), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
