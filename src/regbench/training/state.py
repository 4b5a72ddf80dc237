"""One member in training: what is trained, its records and its checkpoint, whatever its steps are."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from regbench.data import Splits
from regbench.errors import UserError
from regbench.regularizers import Regularizer
from regbench.training.checkpoint import Checkpoint
from regbench.training.ranks import ranks
from regbench.training.task import Task

Record = dict[str, Any]


class Failed(Exception):
    """The training cannot go on: a loss that is no number, or no memory. `records` are those of the epochs before."""

    def __init__(self, message: str, records: list[Record]):
        super().__init__(message)
        self.records = records


@dataclass(frozen=True)
class Steps:
    """What an epoch's steps came to.

    train: means over the epoch's images. followed: what the schedule follows. curves: by name, means over windows of
    the epoch's steps.
    """

    train: dict[str, float]
    followed: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)


@dataclass(eq=False)
class TrainingState:
    """One member in training: what is trained, its seed and the records of its finished epochs.

    `noise` is the generator of its layers where it trains among others; None: torch's own.
    """

    model: nn.Module
    regularizer: Regularizer
    task: Task
    optimizer: torch.optim.Optimizer
    seed: int
    checkpoint: Checkpoint
    input_shape: tuple[int, int, int]
    noise: torch.Generator | None = None
    records: list[Record] = field(default_factory=list)
    wrapped: nn.Module | None = field(init=False, default=None)

    @property
    def network(self) -> nn.Module:
        """What a step calls: the model, or what averages its gradients over several processes.

        Made at the first step, which all processes take: a training that one of them only looks at exchanges nothing.
        """
        if ranks().size == 1:
            return self.model
        self.wrapped = self.wrapped or ranks().wrap(self.model)
        return self.wrapped

    def resume(self) -> None:
        """Go to where the checkpoint left off, if there is one.

        Raises:
            UserError: processes of one training that find different checkpoints.
        """
        self.records = self.checkpoint.load(self.model, self.optimizer, self.noise)
        first = ranks().on_first(lambda: len(self.records))
        if first != len(self.records):
            raise UserError(
                f"checkpoint {self.checkpoint.path} holds {len(self.records)} epochs here and {first} where the first "
                "process runs: paths.outputs must be one folder for all processes"
            )

    def artifacts(self, data: Splits) -> dict[str, Tensor]:
        """Arrays worth keeping with the finished row, each (rows, ..., height, width) in [0, 1]."""
        return self.regularizer.artifacts() | self.task.artifacts(self.model, data)

    def end_epoch(self, data: Splits, steps: Steps, seconds: float) -> Record:
        """Evaluate, measure, record and save; `seconds` is the time that the epoch's steps took.

        Raises:
            Failed: a number of the epoch is not finite.
        """
        start = time.perf_counter()
        counted = ranks().average_of(self.regularizer.measurements())
        measures = {"train": counted | self.regularizer.penalty_measurements(self.model)}
        record: Record = {"epoch": len(self.records) + 1, "train": steps.train, "measures": measures}
        record |= evaluate(self.model, self.regularizer, self.task, data, measures)
        if steps.followed:
            measures["steps"] = steps.followed
        if steps.curves:
            record["curves"] = steps.curves
        for place, value in numbers(record):
            if not math.isfinite(value):
                raise Failed(f"{place} became {value} in epoch {record['epoch']}", self.records)
        record["seconds"] = round(seconds + time.perf_counter() - start, 3)
        record = ranks().on_first(lambda: record)
        self.records.append(record)
        if ranks().first:
            self.checkpoint.save(self.model, self.optimizer, self.records, self.noise)
        return record


def numbers(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a record with their places, such as `test full loss`."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key} ")
        elif isinstance(value, list):
            yield from ((f"{prefix}{key}", each) for each in value)
        else:
            yield f"{prefix}{key}", value


def evaluate(
    model: nn.Module, regularizer: Regularizer, task: Task, data: Splits, measures: dict[str, dict]
) -> dict[str, dict[str, dict[str, float]]]:
    """Held-out and test metrics in every evaluation mode; what the regularizer counted goes into `measures`."""
    model.eval()
    metrics: dict[str, dict] = {"heldout": {}, "test": {}}
    for mode in regularizer.modes:
        regularizer.set_mode(mode)
        for split, values in task.evaluate(model, data).items():
            metrics[split][mode] = values
        measures[mode] = ranks().average_of(regularizer.measurements())
    regularizer.set_mode("full")
    return metrics
