"""Which epoch of a training is reported: the two protocols of every table.

`paper` picks the epoch that is best on the test split, `held-out` the one that is best on images held out of the
training data: in accuracy, or in what else a table names. Both report the test split at that epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from regbench.errors import UserError

HELD_OUT = "held-out"
PROTOCOLS = {"paper": "test", HELD_OUT: "heldout"}  # protocol -> the split that picks the epoch
DIRECTIONS = ("max", "min")


def select_epoch(
    epochs: Sequence[dict], split: str, mode: str, metric: str = "accuracy", direction: str = "max"
) -> dict:
    """The entry of `epochs` with the best `metric` on `split` in evaluation `mode`; ties go to the earlier.

    Raises UserError when a value is missing or NaN, or when `direction` is neither max nor min.
    """
    if direction not in DIRECTIONS:
        raise UserError(f"direction={direction!r}: allowed are {', '.join(DIRECTIONS)}")
    if not epochs:
        raise UserError("epochs=[]: at least one epoch is needed to select one")
    sign = 1 if direction == "max" else -1
    ordered = sorted(epochs, key=lambda entry: entry["epoch"])
    return max(ordered, key=lambda entry: sign * value_at(entry, split, mode, metric))


def selected(row: dict, protocol: str, mode: str, by: str = "accuracy", direction: str = "max") -> dict:
    """The epoch entry of a finished row that `protocol` reports, the best one in `by`.

    Raises UserError naming the row's id.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol={protocol!r}: allowed are {', '.join(PROTOCOLS)}")
    try:
        return select_epoch(row["epochs"], PROTOCOLS[protocol], mode, by, direction)
    except UserError as error:
        raise UserError(f"row {row['id']}: {error}") from None


def reported(row: dict, protocol: str, mode: str, metric: str, by: str = "accuracy", direction: str = "max") -> float:
    """`metric` on the test split at the epoch that `protocol` picks: accuracy in [0, 1], loss in nats."""
    value = value_at(selected(row, protocol, mode, by, direction), "test", mode, metric)
    if not math.isfinite(value):
        raise UserError(f"row {row['id']}: test.{mode}.{metric}={value} is not finite at the selected epoch")
    return value


def value_at(entry: dict, split: str, mode: str, metric: str) -> float:
    """A metric of one entry of a row's epochs. Raises UserError where it is missing or NaN."""
    key = f"epoch {entry.get('epoch')}: {split}.{mode}.{metric}"
    try:
        value = float(entry[split][mode][metric])
    except (KeyError, TypeError):
        raise UserError(f"{key} is missing; this epoch has {split}: {sorted(entry.get(split) or {})}") from None
    if math.isnan(value):
        raise UserError(f"{key}=nan; a finished row needs a number")
    return value
