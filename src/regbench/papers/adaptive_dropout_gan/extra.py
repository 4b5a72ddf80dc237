"""What only the GAN paper has: scores of generated images, when a training is sound, epochs to an FID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from regbench.errors import UserError
from regbench.evidence.groups import Group
from regbench.evidence.metrics import LAST, Metric, crossing, metric, once
from regbench.evidence.readings import MODE, last, last_epoch, ordered, value
from regbench.rows import protocols

BY = {"by": "fid", "direction": "min"}  # what the epoch is chosen by
DIVERGED_FACTOR = 2.0  # diverged: the last FID is more than this times the best
COLLAPSED_CLASSES = 0.5  # collapsed: fewer effective classes than this share of the real images' ...
COLLAPSED_DIVERSITY = 0.25  # ... or less than this share of the real features' variance
SCORES = {  # unit, words, margin
    "fid": ("FID", "FID", 1.0),
    "inception_score": ("IS", "IS", 0.1),
    "effective_classes": ("classes", "effective classes", None),
    "diversity": ("ratio", "diversity", None),
}
GRADIENTS = {"discriminator": "discriminator_gradient_norm", "generator": "generator_gradient_norm"}


def score(name: str):
    """Reads a score of the test split at the epoch of lowest FID on the split that the protocol chooses by."""
    return lambda row, protocol, mode: protocols.reported(row, protocol, mode, name, **BY)


def at_last(name: str):
    """Reads a score of the test split after the last epoch."""
    return lambda row, protocol, mode: last(name)(row)


def gradient(name: str, place: int):
    """Reads the mean norm of a net's gradient over the first (0) or last (-1) epoch."""

    def read(row: dict, protocol: str, mode: str) -> float:
        entry = ordered(row)[place]
        if entry["train"].get(name) is None:
            raise UserError(f"row {row['id']}: epoch {entry['epoch']}: train.{name} is missing")
        return float(entry["train"][name])

    return read


for own, (unit, words, margin) in SCORES.items():
    metric(own, unit, words, margin=margin)(score(own))
    if own in ("fid", "diversity"):
        metric(f"last_{own}", unit, f"{words} after the last epoch", **once(LAST))(at_last(own))
    if own != "diversity":  # a share of the real images' variance
        metric(f"real_{own}", unit, f"{words} of real images", **once(LAST))(at_last(f"real_{own}"))
for net, own in GRADIENTS.items():
    metric(f"{own}_first_epoch", "", f"gradient norm, {net}, first epoch", **once("first epoch"))(gradient(own, 0))
    metric(f"{own}_last_epoch", "", f"gradient norm, {net}, last epoch", **once(LAST))(gradient(own, -1))


def fids(row: dict) -> list[float]:
    """FID on the test split by epoch."""
    return [value(row, entry, "fid") for entry in ordered(row)]


@metric("dropout_rate", "ratio", "dropout rate", **once(LAST))
def dropout_rate(row, protocol, mode):
    found = last_epoch(row)["measures"]["train"]
    rates = [each for key, each in found.items() if key == "rate" or key.endswith("/rate")]
    return sum(rates) / len(rates) if rates else None


@metric("last_by_best_fid", "", "last FID by best FID", **once(LAST))
def last_by_best(row, protocol, mode):
    return fids(row)[-1] / min(fids(row))


@metric("share_of_classes", "", "effective classes by those of real images", **once(LAST))
def share_of_classes(row, protocol, mode):
    return last("effective_classes")(row) / last("real_effective_classes")(row)


@metric("diverged", "trainings", "diverged", failed=1.0, **once(LAST))
def diverged(row, protocol=LAST, mode=MODE):
    return float(last_by_best(row, protocol, mode) > DIVERGED_FACTOR)


@metric("collapsed", "trainings", "collapsed", margin=0.5, **once(LAST))
def collapsed(row, protocol=LAST, mode=MODE):
    few = share_of_classes(row, protocol, mode) < COLLAPSED_CLASSES
    return float(few or last("diversity")(row) < COLLAPSED_DIVERSITY)


def to_fid(own: Metric, references: Sequence[Group]) -> Metric:
    """Epochs to the lowest FID on the test split that each sound training of the references reaches at some epoch."""
    rows = [row for group in references for row in group.done]
    best = [min(fids(row)) for row in rows if not diverged(row) and not collapsed(row)]
    if not best:
        return replace(own, level="the fixed FID")
    level = max(best)

    def epochs(row: dict) -> float | None:
        return crossing(fids(row), level, falling=True)

    return replace(
        own,
        read=lambda row, protocol, mode: epochs(row) or float(len(row["epochs"])),
        bound=lambda row, protocol: epochs(row) is None,
        why_bound="never reach the fixed FID and count with their last epoch",
        level=f"FID {level:.2f}",
        missing="",
        value=level,
    )


@metric(
    "epochs_to_fixed_fid",
    "epochs",
    "epochs to the fixed FID",
    protocols=("test split",),
    against=to_fid,
    missing="no sound training of a reference sets the fixed FID",
    least=1.0,
    margin=1.0,
)
def no_level(row, protocol, mode):
    return None
