"""The masks that PB-EDropout's training settles on, beside what random patches average to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import SubFigure
from matplotlib.image import AxesImage

from regbench.evidence.arrays import input_images, stored_array
from regbench.evidence.documents import picture
from regbench.evidence.figures import fitted, tiled, wrapped
from regbench.evidence.groups import make_group
from regbench.evidence.pages import Built
from regbench.evidence.readings import ordered
from regbench.evidence.sections import Section
from regbench.evidence.style import new_figure, save
from regbench.papers.pb_edropout.table1.extra import SITE

EMA, MASK = f"{SITE}/ema", f"{SITE}/mask"
SHOWN = 8  # channels of a picture
MOMENTUM, STEPS = 0.9, 50  # of the layer's average over batches; batches after which 0.5 % of its start is left
NOTE = """K of L patches are kept. The 8 channels whose patches differ most, chosen alike for both: number, and standard
deviation over its patches. One colour scale a block, over the range of both. Control: as many patches, at random for
every image and channel, in the same moving average over batches (computed, not trained)."""


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
        first: dict[tuple[str, str], tuple[Section, dict]] = {}
        for section in (each for each in built.sections if each.budget == budget):
            for row in sorted(section.rows, key=lambda row: (_variant(row), row["seed"], str(row["id"]))):
                if EMA in (row.get("artifacts") or {}):
                    first.setdefault((section.dataset, _variant(row)), (section, row))
        if first:
            written.append(_draw(list(first.values()), folder / f"pb_edropout_masks_{budget}.png"))
    return written


def _variant(row: dict) -> str:
    return str((row["config"]["regularizer"]["method"].get("layer") or {}).get("variant", "not recorded"))


def random_average(shape: tuple[int, ...], k: int, batch: int) -> np.ndarray:
    """The control: (C, H, W), the same average over batches of masks that keep K patches at random, of any image."""
    channels, patches = shape[0], math.prod(shape[1:])
    rng, average = np.random.default_rng(0), np.full((channels, patches), k / patches)
    for _ in range(STEPS):
        ranks = rng.random((batch, channels, patches), dtype=np.float32).argpartition(k - 1, axis=2)[..., :k]
        kept = np.zeros((batch, channels, patches), dtype=np.float32)
        np.put_along_axis(kept, ranks, 1.0, axis=2)
        average = MOMENTUM * average + (1 - MOMENTUM) * kept.mean(axis=0)
    return average.reshape(shape)


def most_uneven(average: np.ndarray) -> list[int]:
    """The channels of (C, H, W) whose patches differ most, by standard deviation; at most SHOWN, in their order."""
    spread = average.reshape(len(average), -1).std(axis=1)
    return sorted(np.argsort(-spread, kind="stable")[:SHOWN].tolist())


def _draw(blocks: list[tuple[Section, dict]], path: Path) -> Path:
    figure = new_figure(9.5, 5.2 * len(blocks) + 0.5)
    parts = figure.subfigures(len(blocks), 1, squeeze=False)[:, 0]
    for (section, row), part in zip(blocks, parts, strict=True):
        masks, name = read_masks(row), f"PB-EDropout variant {_variant(row)}"
        control = random_average(masks.ema.shape, masks.k, row["config"]["task"]["batch_size"])
        what = f"{{dataset}}, {name}, {SITE}, seed {row['seed']}, K = {masks.k} of L = {masks.patches}"
        part.suptitle(fitted(section.heading(what, [make_group([row], what)]), figure), fontsize=10)
        _draw_block(part, masks, control, input_images(section.dataset))
    figure.supxlabel(wrapped(NOTE, 140), fontsize=8)
    return save(figure, path)


def _draw_block(part: SubFigure, masks: Masks, control: np.ndarray, inputs: np.ndarray | None) -> None:
    """A row of tiles each: inputs where there are any, averages of masks, the control's, the masks of MASK mode."""
    places = [["input", "."]] * (inputs is not None) + [["own", "scale"], ["control", "scale"], ["kept", "key"]]
    panels = part.subplot_mosaic(places, width_ratios=(45, 1))
    own, beside = most_uneven(masks.ema), most_uneven(control)
    ends = {"vmin": min(masks.ema[own].min(), control[beside].min())}
    ends["vmax"] = max(masks.ema[own].max(), control[beside].max())
    if inputs is not None:
        _channels(panels["input"], inputs, [""] * len(inputs), "input: test images, evenly spaced over the split")
    _channels(panels["own"], masks.ema[own], own, "PB-EDropout: share of training masks that kept the patch", **ends)
    drawn = _channels(panels["control"], control[beside], beside, "control: the same of random patches", **ends)
    part.colorbar(drawn, cax=panels["scale"])
    mode = "kept in MASK mode" if masks.applied else "the K highest of that average, nearly MASK mode's"
    label = f"PB-EDropout: {mode}, after the last epoch"
    drawn = _channels(panels["kept"], masks.kept[own], own, label, cmap=ListedColormap(("#3B3B3B", "#F0E442")))
    part.colorbar(drawn, cax=panels["key"]).set_ticks([0.25, 0.75], labels=["dropped", "kept"])


def _channels(axes: Axes, images: np.ndarray, channels: Sequence, label: str, **look) -> AxesImage:
    """Channels as tiles of one picture, each under its number and the standard deviation over its patches."""
    side = images.shape[1]
    gap = (side // 6 + 1, max(side // 12, 1))
    for place, (image, channel) in enumerate(zip(images, channels, strict=True)):
        left = place * (side + gap[1]) + gap[1]
        text = f"{channel}: {image.std():.3f}" if "vmin" in look else str(channel)
        axes.text(left + (side - 1) / 2, gap[0] - 0.7, text, ha="center", va="bottom", fontsize=8)
    axes.set_axis_off()
    axes.set_title(label, fontsize=9)
    picture = tiled(images, len(images), gap, 1.0 if images.ndim == 4 else np.nan)
    return axes.imshow(picture, interpolation="nearest", **look)
