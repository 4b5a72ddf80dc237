"""The training loop: plain, readable on one screen."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.deadline import check_time
from regbench.errors import UserError
from regbench.regularizers import Regularizer
from regbench.regularizers.entropy import dense_entropy_change, highest_entropy_change
from regbench.training.batch import add_gradients, batches
from regbench.training.checkpoint import Checkpoint
from regbench.training.ranks import ranks, remembered
from regbench.training.schedule import Schedule
from regbench.training.task import Sums, Task

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
class Training:
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

    def train_epoch(self, data: Batches, schedule: Schedule, epoch: int, on_step: Callable[[], None]) -> Steps:
        """One pass over the images."""
        return train_epoch(self, data, schedule, epoch, on_step)

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


def fit(
    training: Training,
    data: Splits,
    schedule: Schedule,
    on_epoch: Callable[[Record], None] = lambda record: None,
    on_step: Callable[[], None] = lambda: None,
) -> list[Record]:
    """Train until the schedule ends it, from the checkpoint where there is one; returns every epoch's record.

    A record: `epoch` (from 1), `train` {loss, ...} as running means with the regularizer at work, `heldout` and
    `test` by evaluation mode, `measures` of the regularizer by phase, `seconds`.

    Raises:
        Failed: a loss is not finite any more, in training or evaluation, or memory ran out.
        OutOfTime: another epoch would go past the deadline.
    """
    training.resume()
    while not schedule.ended(training.records):
        check_time(training.records[-1]["seconds"] if training.records else 0.0)
        start, epoch = time.perf_counter(), len(training.records) + 1
        start_epoch(training, schedule, epoch)
        try:
            steps = training.train_epoch(data.train, schedule, epoch, on_step)
            record = training.end_epoch(data, steps, time.perf_counter() - start)
        except RuntimeError as error:
            raise memory_failure(error, training) from error
        on_epoch(record)
    return training.records


def start_epoch(training: Training, schedule: Schedule, epoch: int) -> None:
    """Set the learning rate; of several processes each draws its own noise, a function of seed and epoch."""
    if schedule.plateau is not None:
        scale = schedule.plateau.scale_after(training.records)
        for group in training.optimizer.param_groups:
            group["lr"] = scale * training.optimizer.defaults["lr"]
    if ranks().size > 1:
        torch.manual_seed(training.seed * 1_000_003 + 1009 * epoch + ranks().rank)


def memory_failure(error: RuntimeError, training: Training) -> Failed:
    """The failure of a training that ran out of memory; any other error is raised again.

    So is this one where several processes train: the others have memory, wait for this one, and end only with it.
    """
    if not is_out_of_memory(error) or ranks().size > 1:
        raise error
    reason = str(error).splitlines()[0]
    return Failed(f"out of memory in epoch {len(training.records) + 1}: {reason}", training.records)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the CPU (whose error has no class of its own), had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def numbers(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a record with their places, such as `test full loss`."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key} ")
        elif isinstance(value, list):
            yield from ((f"{prefix}{key}", each) for each in value)
        else:
            yield f"{prefix}{key}", value


def train_epoch(
    training: Training, data: Batches, schedule: Schedule, epoch: int, on_step: Callable[[], None]
) -> Steps:
    """One pass over the images; mean loss (penalty left out) and counts, and what was followed over the steps."""
    model, regularizer, optimizer = training.model, training.regularizer, training.optimizer
    layers = {name: model.get_submodule(name) for name in schedule.follow}
    model.train()
    sums, followed = Sums(), Followed()
    for batch in batches(data, schedule, training.seed, epoch):
        followed.see({name: layer.weight for name, layer in layers.items()})
        optimizer.zero_grad(set_to_none=True)
        inputs, targets, share = add_gradients(training, data, schedule, batch, sums)
        if schedule.clip_norm is not None:
            nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], schedule.clip_norm)
        optimizer.step()
        if share:
            regularizer.adapt(functools.partial(current_loss, training, inputs, targets))
        ranks().average(remembered(model, regularizer.own_parameters()), share)
        on_step()
    followed.see({name: layer.weight for name, layer in layers.items()})
    return Steps(sums.means(), {name: value.item() for name, value in followed.values().items()})


def current_loss(training: Training, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The task's loss of a batch as the network stands, batch norm's running statistics left as they are."""
    with frozen_statistics(training.model):
        return {"loss": training.task.loss(training.model(inputs), targets)}


@contextlib.contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Within it, passes in training mode do not move batch norm's running statistics."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class Followed:
    """The change in entropy of dense layers, now and at its highest, of one member (out, in) or many (..., out, in)."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.highest: dict[str, Tensor] = {}

    @torch.no_grad()
    def see(self, weights: dict[str, Tensor]) -> None:
        """The weights at which a step's gradient is taken, or those after the last step."""
        self.weights = weights
        for name, weight in weights.items():
            now = highest_entropy_change(weight)
            self.highest[name] = torch.maximum(self.highest[name], now) if name in self.highest else now

    @torch.no_grad()
    def values(self) -> dict[str, Tensor]:
        """By `<layer>/entropy_change`, the last, and `<layer>/highest_entropy_change`, or a bound of it."""
        changes = {f"{name}/entropy_change": dense_entropy_change(weight) for name, weight in self.weights.items()}
        return changes | {f"{name}/highest_entropy_change": value for name, value in self.highest.items()}


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
