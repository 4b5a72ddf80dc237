"""What only PB-EDropout has: shares of patches."""

from __future__ import annotations

from statistics import fmean

from regbench.evidence.metrics import LAST, metric, once
from regbench.evidence.notes import Shown, note
from regbench.evidence.readings import ordered
from regbench.rows import protocols

SITE = "conv1"  # every dropout method of this paper stands at conv1 only
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
