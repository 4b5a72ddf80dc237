"""Several processes at one training: who each is, what it takes of a batch, and what they add up.

`torchrun` starts them; alone, everything here does nothing. The images of a global batch are shared out, gradients are
averaged by DistributedDataParallel, sums of metrics are added up, and what regularizers and batch norm remember is
averaged after every step.
"""

import datetime
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from regbench.errors import UserError

T = TypeVar("T")
WAIT = datetime.timedelta(minutes=30)  # for one that reads or evaluates longer than the others


@dataclass(frozen=True)
class Ranks:
    """This process's place among those of the training."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, index: Tensor) -> Tensor:
        """This process's share of a batch's indices; empty where there are fewer than processes."""
        return index.tensor_split(self.size)[self.rank]

    def span(self, count: int) -> range:
        """This process's share of `count` images, in one piece."""
        edges = [count * rank // self.size for rank in range(self.size + 1)]
        return range(edges[self.rank], edges[self.rank + 1])

    def on_first(self, call: Callable[[], T]) -> T:
        """What the first process's call returns, in all of them; the others do not call."""
        values = [call() if self.first else None]
        if self.size > 1:
            dist.broadcast_object_list(values, src=0)
        return values[0]

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor], weight: float = 1.0) -> None:
        """Each floating-point tensor becomes its mean over all processes, weighted by each one's, in one exchange."""
        if self.size == 1:
            return
        chosen = [tensor for tensor in tensors if tensor.is_floating_point() and tensor.numel()]
        if not chosen:
            return
        flat = torch.cat([tensor.detach().flatten().double() for tensor in chosen])
        flat = torch.cat([flat * weight, flat.new_tensor([weight])])
        dist.all_reduce(flat)
        means = (flat[:-1] / flat[-1]).split([each.numel() for each in chosen])
        for tensor, mean in zip(chosen, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def average_of(self, values: dict[str, float]) -> dict[str, float]:
        """Numbers by name, each its mean over all processes."""
        if self.size == 1 or not values:
            return values
        mean = torch.tensor(list(values.values()), dtype=torch.float64)
        self.average([mean])
        return dict(zip(values, mean.tolist(), strict=True))

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network that averages its gradients over all processes; the model itself where there is one."""
        if self.size == 1:
            return model
        # The strides of a filter with one channel can be read in two ways: no loss of speed that matters.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        device = next(model.parameters()).device
        with warnings.catch_warnings():  # of a name that is new: torch 2.7 does not know it
            warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
            return DistributedDataParallel(
                model, device_ids=[device] if device.type == "cuda" else None, broadcast_buffers=False
            )


def ranks() -> Ranks:
    """This process's place; alone without `torchrun`."""
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return Ranks()


def join(device: torch.device) -> None:
    """Meet the other processes that `torchrun` has started; nothing to do without it, or the second time."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)  # or every process would speak through the first GPU
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=WAIT)


def leave() -> None:
    """Part from the other processes; nothing to do alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def check_shares(batch_size: int, images: Mapping[str, int], size: int) -> None:
    """Raise UserError for a batch that so many processes cannot share evenly, or images fewer than they are.

    Args:
        images: how many there are, by the setting that says so.
    """
    if batch_size % size:
        raise UserError(
            f"task.batch_size={batch_size} is not divisible by the {size} processes: allowed are multiples of {size}"
        )
    for key, count in images.items():
        if count < size:
            raise UserError(f"{key}={count} is too few for {size} processes: allowed are {size} or more")


def remembered(model: nn.Module, own: Iterable[Tensor]) -> Iterator[Tensor]:
    """What a step moves beside the network's parameters: all buffers, and a regularizer's own parameters."""
    return itertools.chain(model.buffers(), own)
