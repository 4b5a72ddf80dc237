"""Early stopping: the epoch at which a training ends. No torch in here: reports read stopping epochs from rows."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regbench.errors import UserError

WATCHED = ("compound", "base")
SPLITS = ("heldout", "test")


@dataclass(frozen=True)
class EarlyStopping:
    """End a training whose watched loss has not improved for `patience` epochs.

    Args:
        patience: epochs without an improvement, 1 or more.
        min_delta: what counts as one: more than this below the best so far, in the loss's unit, 0 or more.
        watch: "compound", the task's loss plus the penalty, added in float32 as a training adds them; or "base",
            the task's loss alone.
    """

    patience: int
    min_delta: float = 0.0
    watch: str = "compound"

    def __post_init__(self) -> None:
        if not isinstance(self.patience, int) or isinstance(self.patience, bool) or self.patience < 1:
            raise UserError(f"task.early_stopping.patience={self.patience} is not allowed: an integer of 1 or more")
        if not 0 <= self.min_delta < math.inf:
            raise UserError(f"task.early_stopping.min_delta={self.min_delta} is not allowed: a number of 0 or more")
        if self.watch not in WATCHED:
            raise UserError(f"task.early_stopping.watch={self.watch} is not allowed: allowed are {', '.join(WATCHED)}")

    def stop(self, values: Iterable[float]) -> int | None:
        """The epoch (from 1) after which this rule ends a training with these values; None: it goes on."""
        best, waited = math.inf, 0
        for epoch, value in enumerate(values, start=1):
            improved = best - value > self.min_delta
            best, waited = (value, 0) if improved else (best, waited + 1)
            if waited == self.patience:
                return epoch
        return None

    def stop_on(self, epochs: Sequence[dict[str, Any]], split: str) -> int | None:
        """The epoch at which a training with these records ends if it watches this split; None: it goes on."""
        return self.stop(watched_loss(record, split, self.watch) for record in epochs)

    def ended(self, epochs: Sequence[dict[str, Any]]) -> bool:
        """Whether the training may end: the rule has stopped on every split that a protocol may watch."""
        return all(self.stop_on(epochs, split) is not None for split in SPLITS)


def watched_loss(record: dict[str, Any], split: str, watch: str = "base") -> float:
    """An epoch's loss on a split: "base", the task's; "compound", with the penalty, added in float32."""
    base = record[split]["full"]["loss"]
    if watch == "base":
        return base
    return float(np.float32(base) + np.float32(record["measures"]["train"].get("penalty", 0.0)))
