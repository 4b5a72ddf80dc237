"""The small CNNs of the entropy paper's Table 1: one to three blocks, then a softmax classifier.

The paper (section 5.3) says: 3x3 filters, stride 1, leaky ReLU, 2x2 max-pooling with stride 2. It leaves open the
padding (none here, so that Corollary 6's map of (l - p + 1)(w - q + 1) is the one that comes out) and the slope of the
leaky ReLU (0.01, torch's; Keras has 0.3).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from regbench.errors import UserError


class CNNBlocks(nn.Module):
    """Blocks of a 3x3 convolution, leaky ReLU and 2x2 max-pooling: (N, C, H, W) -> (N, classes) logits.

    Sites `conv1`, `conv2`, ... stand after each leaky ReLU and before pooling.

    Args:
        input_shape: (C, H, W). classes: number of logits.
        widths: filters of each block's convolution. slope: of the leaky ReLU below 0.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...] = (32,),
        slope: float = 0.01,
    ):
        super().__init__()
        if not widths or min(widths) < 1:
            raise UserError(f"model.widths={list(widths)} is not allowed: one or more widths of 1 or more")
        channels, height, width = input_shape
        if not isinstance(slope, int | float):
            raise UserError(f"model.slope={slope} is not allowed: a number")
        self.slope = slope
        self.convs, self.sites = nn.ModuleList(), nn.ModuleDict()
        for number, filters in enumerate(widths, start=1):
            if min(height, width) < 4:
                raise UserError(f"model.widths={list(widths)} is too deep for an input of {tuple(input_shape)}")
            self.convs.append(nn.Conv2d(channels, filters, kernel_size=3))
            self.sites[f"conv{number}"] = nn.Identity()
            channels, height, width = filters, (height - 2) // 2, (width - 2) // 2
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        for number, conv in enumerate(self.convs, start=1):
            x = F.max_pool2d(self.sites[f"conv{number}"](F.leaky_relu(conv(x), self.slope)), 2)
        return self.head(x.flatten(1))
