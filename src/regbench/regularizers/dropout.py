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
    None: torch's and torchvision's own layers do the work. All three rescale by 1 / (1 - p); PB-EDropout does not.
Evidence
    results/tables/table1.md.
"""

from torch import nn
from torchvision.ops import DropBlock2d as TorchvisionDropBlock2d

from regbench.errors import UserError


def check_rate(p: float) -> float:
    """A drop rate: in [0, 1)."""
    if not 0.0 <= p < 1.0:
        raise UserError(f"p={p} is not allowed: a drop rate lies in [0, 1)")
    return p


class Dropout(nn.Dropout):
    """Each activation is dropped with probability p, any shape."""

    def __init__(self, p: float = 0.15):
        super().__init__(check_rate(p))


class SpatialDropout2d(nn.Dropout2d):
    """Each channel map of a sample is dropped with probability p, (N, C, H, W)."""

    def __init__(self, p: float = 0.15):
        super().__init__(check_rate(p))


class DropBlock2d(TorchvisionDropBlock2d):
    """Square blocks are dropped, a share p of the map in expectation, (N, C, H, W)."""

    def __init__(self, p: float = 0.15, block_size: int = 3):
        if block_size < 1:
            raise UserError(f"block_size={block_size} is not allowed: allowed is 1 or more")
        super().__init__(check_rate(p), block_size)
