"""Classic dropout, spatial dropout and DropBlock: the libraries' layers, with their settings checked.

Paper
    Hinton et al. 2012, "Improving neural networks by preventing co-adaptation"; Tompson et al. 2015, "Efficient
    object localization using convolutional networks" (spatial dropout); Ghiasi et al. 2018, "DropBlock".
Formula
    y = m x / (1 - p), m = 0 with probability p: per activation, per channel map, or per square block.
Where
    At the named sites; in PB-EDropout's Table 1 after the first convolution's ReLU.
Paper settings
    p = 0.15, the drop rate that PB-EDropout's paper gives all its dropout methods.
Ambiguities and the choice made
    DropBlock's block size is not in that paper: 3 here, the odd size next to PB-EDropout's patches of 2.
Deviations
    None: torch's and torchvision's own layers do the work. Dropout and spatial dropout rescale by 1 / (1 - p),
    DropBlock by the share that it kept; PB-EDropout does not rescale. DropBlock drops less than p, as its blocks
    overlap: on maps of 28 x 28 with blocks of 3, 14.0 % at p = 0.15 and 39.6 % at p = 0.5.
Evidence
    results/tables/table1.md, results/tables/handout.md, results/tables/linearity.md;
    results/REPORT.md#ho-dropout-overfitting, results/REPORT.md#lin-dropout.
"""

import torch
from torch import Tensor, nn
from torchvision.ops import DropBlock2d as TorchvisionDropBlock2d

from regbench.errors import UserError


def check_rate(p: float) -> float:
    """A drop rate: in [0, 1)."""
    if not 0.0 <= p < 1.0:
        raise UserError(f"p={p} is not allowed: a drop rate lies in [0, 1)")
    return p


class _OwnNoise:
    """A dropout layer that may be given its noise, as where many members train at once: each draws its own.

    `noise` is a buffer, empty where the layer draws for itself.
    """

    p: float
    noise: Tensor

    def draw(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        """Noise for an input of this shape, 0 or 1 / (1 - p): on a CPU the numbers that the layer itself would draw.

        Maps (N, C, H, W) are taken to lie in channels_last memory, as in training: torch draws in memory order.
        """
        memory = torch.channels_last if len(shape) == 4 else torch.contiguous_format
        noise = torch.empty(self.noise_shape(shape), device=self.noise.device, memory_format=memory)
        return noise.bernoulli_(1 - self.p, generator=generator).div_(1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.noise if self.training and self.noise.numel() else super().forward(x)


class Dropout(_OwnNoise, nn.Dropout):
    """Each activation is dropped with probability p, any shape."""

    def __init__(self, p: float = 0.15):
        super().__init__(check_rate(p))
        self.register_buffer("noise", torch.empty(0), persistent=False)

    def noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number an activation."""
        return shape


class SpatialDropout2d(_OwnNoise, nn.Dropout2d):
    """Each channel map of a sample is dropped with probability p, (N, C, H, W)."""

    maps_only = True  # torch reads (N, C) in another way

    def __init__(self, p: float = 0.15):
        super().__init__(check_rate(p))
        self.register_buffer("noise", torch.empty(0), persistent=False)

    def noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number a channel of a sample."""
        return (*shape[:2], *[1] * (len(shape) - 2))


class DropBlock2d(TorchvisionDropBlock2d):
    """Square blocks are dropped, somewhat less than a share p of the map, as they overlap, (N, C, H, W)."""

    def __init__(self, p: float = 0.15, block_size: int = 3, map_size: tuple[int, int] | None = None):
        if not isinstance(block_size, int) or block_size < 1 or block_size % 2 == 0:
            raise UserError(f"block_size={block_size} is not allowed: an odd number of 1 or more")
        if map_size is not None and block_size > min(map_size):
            raise UserError(f"block_size={block_size} is not allowed on maps of {map_size[0]} x {map_size[1]}")
        super().__init__(check_rate(p), block_size)
