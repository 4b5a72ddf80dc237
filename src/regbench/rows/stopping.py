"""Early stopping: the epoch at which a training ends. No torch in here: reports read stopping epochs from rows."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regbench.errors import UserError

WATCHED = ("compound", "base", "accuracy")
SPLITS = ("heldout", "test")


@dataclass(frozen=True)
class EarlyStopping:
    """End a training whose watched loss, or accuracy, has not improved for `patience` epochs.

    Args:
        patience: epochs without an improvement, 1 or more.
        min_delta: what counts as one: more than this below the best so far, in the loss's unit, 0 or more.
        watch: "compound", the task's loss plus the penalty, added in float32 as a training adds them; or "base",
            the task's loss alone; or "accuracy", where higher is better.
    """

    patience: int
    min_delta: float = 0.0
    watch: str = "compound"

    def __post_init__(self) -> None:
        _check("early_stopping", self.patience, self.watch)
        if not 0 <= self.min_delta < math.inf:
            raise UserError(f"task.early_stopping.min_delta={self.min_delta} is not allowed: a number of 0 or more")

    def stop(self, values: Iterable[float]) -> int | None:
        """The epoch (from 1) after which this rule ends a training with these values; None: it goes on."""
        waits = enumerate(waited(values, self.min_delta), start=1)
        return next((epoch for epoch, wait in waits if wait == self.patience), None)

    def stop_on(self, epochs: Sequence[dict[str, Any]], split: str) -> int | None:
        """The epoch at which a training with these records ends if it watches this split; None: it goes on."""
        return self.stop(watched(record, split, self.watch) for record in epochs)

    def ended(self, epochs: Sequence[dict[str, Any]]) -> bool:
        """Whether the training may end: the rule has stopped on every split that a protocol may watch."""
        return all(self.stop_on(epochs, split) is not None for split in SPLITS)


def waited(values: Iterable[float], min_delta: float = 0.0) -> Iterator[int]:
    """After each value, the epochs since one was more than `min_delta` below the best before it."""
    best, wait = math.inf, 0
    for value in values:
        best, wait = (value, 0) if best - value > min_delta else (best, wait + 1)
        yield wait


def watched_loss(record: dict[str, Any], split: str, watch: str = "base") -> float:
    """An epoch's loss on a split: "base", the task's; "compound", with the penalty, added in float32."""
    base = record[split]["full"]["loss"]
    if watch == "base":
        return base
    return float(np.float32(base) + np.float32(record["measures"]["train"].get("penalty", 0.0)))


def watched(record: dict[str, Any], split: str, watch: str) -> float:
    """What a rule looks at, lower is better: a loss, see `watched_loss`, or minus the accuracy."""
    if watch != "accuracy":
        return watched_loss(record, split, watch)
    metrics = record[split]["full"]
    if "accuracy" not in metrics:
        raise UserError("watch=accuracy is not allowed for a task without one: allowed are compound, base")
    return -metrics["accuracy"]


@dataclass(frozen=True)
class Plateau:
    """Multiply the learning rate whenever the held-out images have shown no improvement for `patience` epochs.

    Args:
        patience: epochs without an improvement, 1 or more; counted anew after each reduction.
        factor: of the learning rate, in (0, 1). watch: as in `EarlyStopping`.
    """

    patience: int
    factor: float = 0.1
    watch: str = "accuracy"

    def __post_init__(self) -> None:
        _check("plateau", self.patience, self.watch)
        if not 0 < self.factor < 1:
            raise UserError(f"task.plateau.factor={self.factor} is not allowed: a number in (0, 1)")

    def scale_after(self, epochs: Sequence[dict[str, Any]]) -> float:
        """The factor of the learning rate after these records."""
        waits = waited(watched(record, "heldout", self.watch) for record in epochs)
        return math.prod(self.factor for wait in waits if wait and wait % self.patience == 0)


def _check(key: str, patience: object, watch: object) -> None:
    if not isinstance(patience, int) or isinstance(patience, bool) or patience < 1:
        raise UserError(f"task.{key}.patience={patience} is not allowed: an integer of 1 or more")
    if watch not in WATCHED:
        raise UserError(f"task.{key}.watch={watch} is not allowed: allowed are {', '.join(WATCHED)}")
