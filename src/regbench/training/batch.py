"""A step's batch: which images, moved how, through the network in which parts, and their gradients."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regbench.data import Batches
from regbench.training.augmentation import move
from regbench.training.ranks import ranks
from regbench.training.schedule import Schedule
from regbench.training.state import TrainingState
from regbench.training.task import Sums


@dataclass(frozen=True)
class Batch:
    """Indices (B,) of a step's images, of all processes, and the maps (B, 2, 3) that move them; None: as they are."""

    index: Tensor
    maps: Tensor | None


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the network at once: indices, maps, and the share of the whole batch's mean that is theirs."""

    index: Tensor
    maps: Tensor | None
    weight: float


def data_order(size: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch's images: a function of seed and epoch alone, so that methods compare in pairs."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def batches(data: Batches, schedule: Schedule, seed: int, epoch: int) -> Iterator[Batch]:
    """The batches of an epoch, the same in every process; what moves the images is drawn from seed and epoch, too."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch + 500_009)
    for index in data_order(len(data), seed, epoch).split(schedule.batch_size):
        augmentation = schedule.augmentation
        yield Batch(index, None if augmentation is None else augmentation.draw(len(index), generator))


def micro_batches(batch: Batch, count: int) -> list[MicroBatch]:
    """This process's images of a batch in `count` parts, or fewer where there are fewer images.

    A process with no image takes the first at weight 0: the others wait for its gradients.
    """
    places = torch.arange(len(batch.index))
    mine = ranks().part(places)
    chosen = [each for each in mine.tensor_split(count) if len(each)] or [places[:1]]
    maps = [None if batch.maps is None else batch.maps[each] for each in chosen]
    weights = [len(each) / len(places) if len(mine) else 0.0 for each in chosen]
    return [MicroBatch(batch.index[each], *rest) for each, *rest in zip(chosen, maps, weights, strict=True)]


def add_gradients(
    training: TrainingState, data: Batches, schedule: Schedule, batch: Batch, sums: Sums
) -> tuple[Tensor, Tensor, float]:
    """Gradients of the whole batch's mean loss and of the penalty.

    Returns inputs and targets of the last part, and this process's share of the batch's images.
    """
    task, pieces = training.task, micro_batches(batch, schedule.accumulate)
    for piece in pieces:
        last = piece is pieces[-1]
        inputs, targets = prepared(task.batch(data, piece.index.to(data.device)), piece.maps, schedule)
        with contextlib.nullcontext() if last else unsynchronized(training.network):
            output = forward(training.network, inputs, schedule.precision)
            loss = task.loss(output, targets)
            total = loss * (piece.weight * ranks().size)
            penalty = training.regularizer.penalty(training.model) if last else None
            (total if penalty is None else total + penalty).backward()
        if piece.weight:
            sums.add(loss, task.counted(output.detach(), targets), len(targets))
    return inputs, targets, sum(piece.weight for piece in pieces)


def prepared(pair: tuple[Tensor, Tensor], maps: Tensor | None, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Inputs and targets, moved by their maps, in the memory format of the schedule.

    A target that is the image itself is the moved image.
    """
    inputs, targets = pair
    itself = targets is inputs
    if maps is not None:
        inputs, masks = move(inputs, maps, targets if targets.dim() == 3 else None)
        targets = targets if masks is None else masks
    inputs = inputs if schedule.channels_last else inputs.contiguous()
    return inputs, inputs if itself else targets


def forward(network: nn.Module, inputs: Tensor, precision: str) -> Tensor:
    """The network's output, float32, computed in this precision."""
    if precision == "float32":
        return network(inputs)
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
        return network(inputs).float()


def unsynchronized(network: nn.Module) -> contextlib.AbstractContextManager:
    """Within it, gradients stay this process's own: parts before the last."""
    return network.no_sync() if hasattr(network, "no_sync") else contextlib.nullcontext()
