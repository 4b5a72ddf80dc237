"""What the layers of this package share: how tools that trace networks see them, how they keep what they remember."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """A layer that torch.fx takes as one piece, as it takes torch's own: its `transform` may look at its input.

    What it remembers stays in the precision it has: 16 bits are too few for an average over many steps, and numbers
    that training moved by a ten-thousandth would stand still.
    """

    def transform(self, x: Tensor) -> Tensor:
        """What the layer does to its input."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return transformed(self, x)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        def same_precision(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(same_precision, recurse)


@torch.fx.wrap
def transformed(layer: Layer, x: Tensor) -> Tensor:
    """The layer's transform of x."""
    return layer.transform(x)


def recomputing() -> bool:
    """Whether this forward runs within a backward pass, as torch.utils.checkpoint repeats one to save memory.

    What a forward moves was moved by the first; its masks have to be drawn as they were then.
    """
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
