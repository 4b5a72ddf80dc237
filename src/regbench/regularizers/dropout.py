"""Classic dropout, spatial dropout and DropBlock.

Paper
    Hinton et al. 2012, "Improving neural networks by preventing co-adaptation"; Tompson et al. 2015, "Efficient
    object localization using convolutional networks" (spatial dropout); Ghiasi et al. 2018, "DropBlock".
Formula
    y = m x / (1 - p), m = 0 with probability p: per activation, per channel map, or per square block. DropBlock
    (Algorithm 1): block centres are drawn with probability gamma = p H W / (b^2 (H - b + 1) (W - b + 1)) where a block
    of b x b fits, m = 0 on every block, y = m x numel(m) / sum(m).
Where
    At the named sites; in PB-EDropout's Table 1 after the first convolution's ReLU.
Paper settings
    p = 0.15, the drop rate that PB-EDropout's paper gives all its dropout methods.
Ambiguities and the choice made
    DropBlock's block size is not in that paper: 3 here, the odd size next to PB-EDropout's patches of 2. Its masks are
    drawn and summed in float32 whatever the input's precision: the sum of a mask does not fit in 16 bits.
Deviations
    Dropout and spatial dropout are torch's own layers, and rescale by 1 / (1 - p); DropBlock rescales by the share
    that it kept, and a mask that keeps nothing gives zeros; PB-EDropout does not rescale. DropBlock drops less than p,
    as its blocks overlap: on maps of 28 x 28 with blocks of 3, 14.0 % at p = 0.15 and 39.6 % at p = 0.5.
Evidence
    results/tables/table1.md, results/tables/handout.md, results/tables/linearity.md;
    results/REPORT.md#ho-dropout-overfitting, results/REPORT.md#lin-dropout.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.layer import Layer
from regbench.regularizers.parts.settings import drop_rate, is_count, map_size_of, require


class _OwnNoise(Layer):
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

    def transform(self, x: Tensor) -> Tensor:
        return x * self.noise if self.training and self.noise.numel() else self.function(x, self.p, self.training)


class Dropout(_OwnNoise, nn.Dropout):
    """Each activation is dropped with probability p, in [0, 1); any shape."""

    function = staticmethod(F.dropout)

    def __init__(self, p: float = 0.15):
        super().__init__(drop_rate(p))
        self.register_buffer("noise", torch.empty(0), persistent=False)

    def noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number an activation."""
        return shape


class SpatialDropout2d(_OwnNoise, nn.Dropout2d):
    """Each channel map of a sample is dropped with probability p, in [0, 1): (N, C, H, W)."""

    maps_only = True  # torch reads (N, C) in another way
    function = staticmethod(F.dropout2d)

    def __init__(self, p: float = 0.15):
        super().__init__(drop_rate(p))
        self.register_buffer("noise", torch.empty(0), persistent=False)

    def noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number a channel of a sample."""
        return (*shape[:2], *[1] * (len(shape) - 2))


def block_mask(x: Tensor, p: float, block_size: int) -> Tensor:
    """DropBlock's mask for x (N, C, H, W), float32 of 0 and 1 in x's shape and memory (Ghiasi et al., Algorithm 1)."""
    height, width = x.shape[2:]
    rows, columns = height - block_size + 1, width - block_size + 1
    gamma = p * height * width / (block_size**2 * rows * columns)
    centres = torch.empty(*x.shape[:2], rows, columns, dtype=torch.float32, device=x.device).bernoulli_(gamma)
    reach = block_size // 2
    return 1 - F.max_pool2d(F.pad(centres, [reach] * 4), block_size, stride=1, padding=reach)


class DropBlock2d(Layer):
    """Square blocks are dropped, somewhat less than a share p of the map, as they overlap, (N, C, H, W).

    Args:
        p: in [0, 1). block_size: the side of a block, an odd number; on a smaller map the largest that fits.
        map_size: (H, W), to check the block size at once: it then has to fit.
    """

    maps_only = True

    def __init__(self, p: float = 0.15, block_size: int = 3, map_size: tuple[int, int] | None = None):
        super().__init__()
        require("block_size", block_size, lambda size: is_count(size) and size % 2, "an odd number of 1 or more")
        map_size = map_size_of(map_size)
        if map_size is not None and block_size > min(map_size):
            raise UserError(f"block_size={block_size} is not allowed on maps of {map_size[0]} x {map_size[1]}")
        self.p, self.block_size = drop_rate(p), block_size

    def extra_repr(self) -> str:
        return f"p={self.p}, block_size={self.block_size}"

    def transform(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise UserError(f"input of shape {tuple(x.shape)}: DropBlock2d takes maps, (N, C, H, W)")
        if not self.training or self.p == 0.0 or x.numel() == 0:
            return x
        fitting = (min(self.block_size, *x.shape[2:]) - 1) // 2 * 2 + 1
        mask = block_mask(x, self.p, fitting)
        scale = mask.numel() / mask.sum().clamp(min=1.0)
        return x * mask.to(x.dtype) * scale.to(x.dtype)
