"""The training loop: plain, readable on one screen."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.plan.deadline import check_time
from regbench.training.batch import add_gradients, batches
from regbench.training.followed import Followed
from regbench.training.ranks import ranks, remembered
from regbench.training.schedule import Schedule
from regbench.training.state import Failed, Record, Steps, TrainingState
from regbench.training.task import Sums


@dataclass(eq=False)
class Training(TrainingState):
    """A member whose step minimises one loss."""

    def train_epoch(self, data: Batches, schedule: Schedule, epoch: int, on_step: Callable[[], None]) -> Steps:
        """One pass over the images."""
        return train_epoch(self, data, schedule, epoch, on_step)


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
