"""The training loop: plain, readable on one screen."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.regularizers import Regularizer
from regbench.training.checkpoint import Checkpoint
from regbench.training.task import Classify

Record = dict[str, Any]


class Failed(Exception):
    """The training cannot go on: a loss that is no number, or no memory. `records` are those of the epochs before."""

    def __init__(self, message: str, records: list[Record]):
        super().__init__(message)
        self.records = records


def fit(
    model: nn.Module,
    regularizer: Regularizer,
    task: Classify,
    data: Splits,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Record], None] = lambda record: None,
    on_step: Callable[[], None] = lambda: None,
) -> list[Record]:
    """Train to the last epoch, from the checkpoint where there is one; returns every epoch's record.

    A record: `epoch` (from 1), `train` {loss, accuracy} as running means with the regularizer at work, `heldout` and
    `test` by evaluation mode, `measures` of the regularizer by phase, `seconds`.

    Raises:
        Failed: a loss is not finite any more, in training or evaluation, or memory ran out.
    """
    records = checkpoint.load(model, optimizer)
    for epoch in range(len(records) + 1, epochs + 1):
        start = time.perf_counter()
        order = data_order(len(data.train), seed, epoch)
        try:
            train = train_epoch(model, regularizer, task, data.train, optimizer, order.split(batch_size), on_step)
            record: Record = {"epoch": epoch, "train": train, "measures": {"train": regularizer.measurements()}}
            record |= evaluate(model, regularizer, task, data, record["measures"])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise Failed(f"out of memory in epoch {epoch}: {str(error).splitlines()[0]}", records) from error
        for place, value in numbers(record):
            if not math.isfinite(value):
                raise Failed(f"{place} became {value} in epoch {epoch}", records)
        record["seconds"] = round(time.perf_counter() - start, 3)
        records.append(record)
        checkpoint.save(model, optimizer, records)
        on_epoch(record)
    return records


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the CPU (whose error has no class of its own), had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def numbers(record: Record, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a record with their places, such as `test full loss`."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}", value


def data_order(size: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch's images: a function of seed and epoch alone, so that methods compare in pairs."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def train_epoch(
    model: nn.Module,
    regularizer: Regularizer,
    task: Classify,
    data: Batches,
    optimizer: torch.optim.Optimizer,
    order: tuple[Tensor, ...],
    on_step: Callable[[], None],
) -> dict[str, float]:
    """One pass over the batches of `order`; mean loss (penalty left out) and accuracy over the images."""
    model.train()
    loss_sum = torch.zeros((), dtype=torch.float64, device=data.targets.device)
    right = torch.zeros((), dtype=torch.int64, device=data.targets.device)
    for index in order:
        images, targets = data.take(index.to(data.targets.device))
        optimizer.zero_grad(set_to_none=True)
        output = model(images)
        loss = task.loss(output, targets)
        penalty = regularizer.penalty(model)
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        loss_sum += loss.detach() * len(targets)
        right += task.correct(output.detach(), targets)
        on_step()
    images_seen = sum(len(index) for index in order)
    return {"loss": loss_sum.item() / images_seen, "accuracy": right.item() / images_seen}


def evaluate(
    model: nn.Module, regularizer: Regularizer, task: Classify, data: Splits, measures: dict[str, dict]
) -> dict[str, dict[str, dict[str, float]]]:
    """Held-out and test metrics in every evaluation mode; what the regularizer counted goes into `measures`."""
    model.eval()
    metrics: dict[str, dict] = {"heldout": {}, "test": {}}
    for mode in regularizer.modes:
        regularizer.set_mode(mode)
        metrics["heldout"][mode] = task.evaluate(model, data.heldout)
        metrics["test"][mode] = task.evaluate(model, data.test)
        measures[mode] = regularizer.measurements()
    regularizer.set_mode("full")
    return metrics
