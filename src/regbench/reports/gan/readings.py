"""What is read from the row of one GAN training: scores by protocol, collapse, epochs to a fixed FID, curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from regbench.errors import UserError
from regbench.evidence import protocols
from regbench.evidence.readings import MODE, last, last_epoch, ordered, value

BY = {"by": "fid", "direction": "min"}  # what the epoch is chosen by
#: a training whose last FID is more than this times its best has diverged
DIVERGED_FACTOR = 2.0
#: collapsed: fewer effective classes than this share of the real images' ...
COLLAPSED_CLASSES = 0.5
#: ... or less than this share of the real features' variance
COLLAPSED_DIVERSITY = 0.25
LOSSES = {"discriminator_loss": "discriminator loss", "generator_loss": "generator loss"}
GRADIENTS = {"discriminator_gradient_norm": "discriminator", "generator_gradient_norm": "generator"}


def score(protocol: str, metric: str) -> Callable[[dict], float]:
    """Reads a metric of the test split at the epoch of lowest FID, on the split that the protocol chooses by."""
    return lambda row: protocols.reported(row, protocol, MODE, metric, **BY)


def fids(row: dict) -> list[float]:
    """FID on the test split by epoch."""
    return [value(row, entry, "fid") for entry in ordered(row)]


def reachable_fid(rows: Iterable[dict]) -> float | None:
    """The lowest FID on the test split that each of these trainings reaches at some epoch, collapsed ones left out."""
    best = [min(fids(row)) for row in rows if not has_diverged(row) and not has_collapsed(row)]
    return max(best, default=None)


def epochs_to(row: dict, level: float) -> float | None:
    """Epochs until the FID on the test split is at most `level`, None where it never is.

    FID between two epochs is taken to lie on a line, and before the end of the first one to be above the level.
    """
    found = fids(row)
    after = next((place for place, fid in enumerate(found) if fid <= level), None)
    if not after:
        return None if after is None else 1.0
    return after + (found[after - 1] - level) / (found[after - 1] - found[after])


def final_rate(row: dict) -> float | None:
    """The dropout rate after the last epoch, the mean where every layer has its own; None without a moving rate."""
    rates = list(rates_in(last_epoch(row)["measures"]["train"]).values())
    return sum(rates) / len(rates) if rates else None


def rates_in(found: dict) -> dict:
    """Of measures or curves those that are a dropout rate: `rate`, or `<layer>/rate` for each layer."""
    return {key: each for key, each in found.items() if key == "rate" or key.endswith("/rate")}


def has_diverged(row: dict) -> bool:
    """Whether the last FID is far above the best one (a failed member is counted by its status)."""
    found = fids(row)
    return found[-1] > DIVERGED_FACTOR * min(found)


def has_collapsed(row: dict) -> bool:
    """Whether, after the last epoch, few classes or little variance is left."""
    classes = last("effective_classes")(row) < COLLAPSED_CLASSES * last("real_effective_classes")(row)
    return classes or last("diversity")(row) < COLLAPSED_DIVERSITY


def last_step(row: dict) -> int | None:
    """How many steps were trained; None where no curve is recorded."""
    steps = last_epoch(row).get("curves", {}).get("step")
    return steps[-1] if steps else None


def trace(row: dict, name: str) -> dict[int, float]:
    """A curve over the whole training: {last step of a window: mean over the window}.

    Raises UserError naming the row where an epoch lacks it or has another number of values than steps.
    """
    found: dict[int, float] = {}
    for entry in ordered(row):
        curves = entry.get("curves", {})
        steps, values = curves.get("step"), curves.get(name)
        if steps is None or values is None or len(steps) != len(values) or None in values:
            raise UserError(
                f"row {row['id']}: epoch {entry['epoch']}: curves.{name} needs one number for each of curves.step; "
                f"this epoch has {', '.join(f'{key} ({len(each)})' for key, each in sorted(curves.items())) or 'none'}"
            )
        found |= dict(zip(steps, values, strict=True))
    return found


def capped_epochs_to(row: dict, level: float) -> float:
    """The epochs to `level`; the number of epochs, a lower bound, where the training never reaches it."""
    return epochs_to(row, level) or float(len(row["epochs"]))


def gradient_norm(row: dict, place: int, name: str) -> float:
    """The mean norm of a net's gradient over the first (`place` 0) or last (-1) epoch."""
    entry = ordered(row)[place]
    found = entry["train"].get(name)
    if found is None:
        raise UserError(f"row {row['id']}: epoch {entry['epoch']}: train.{name} is missing")
    return float(found)
