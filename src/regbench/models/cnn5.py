"""The five-layer CNN of PB-EDropout's experiments.

The paper says "a shallow CNN composed of five convolutional layers" and no more. Its Mask% of 15.28 and 15.31 fixes
conv1: 22 of 144 and 30 of 196 patches, hence maps of 24x24 and 28x28, hence a 5x5 kernel without padding. The rest
was chosen once, on 5,000 held-out CIFAR-10 images with the unregularized network (one seed, Adam 1e-3, batch 128,
no augmentation), before any regularized run, and is frozen:

    widths 32-64-64-128-128,   pooled after 1, 2, 3    73.8 % after 12 epochs
    widths 32-64-128-128-256,  pooled after 1, 2, 3    75.3 % after 8 epochs
    widths 32-64-64-128-128,   pooled after 1, 2, 4    75.1 % after 9 epochs; chosen: as good with half the weights

The paper's baseline has 77.2 %, trained on all 50,000 images and read off its best epoch on the test split.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from regbench.errors import UserError


class CNN5(nn.Module):
    """Five convolutions with ReLU, then one dense layer: (N, C, H, W) -> (N, classes) logits.

    conv1 is 5x5 without padding, conv2 to conv5 are 3x3 with padding 1. Sites `conv1` ... `conv5` stand after each
    ReLU and before pooling.

    Args:
        input_shape: (C, H, W).
        classes: number of logits.
        widths: output channels of the five convolutions.
        pooled: numbers (1 to 5) of the convolutions that 2x2 max-pooling follows.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...] = (32, 64, 64, 128, 128),
        pooled: tuple[int, ...] = (1, 2, 4),
    ):
        super().__init__()
        if len(widths) != 5 or min(widths) < 1:
            raise UserError(f"model.widths={list(widths)} is not allowed: five widths of 1 or more")
        if not set(pooled) <= {1, 2, 3, 4, 5}:
            raise UserError(f"model.pooled={list(pooled)} is not allowed: numbers of convolutions, 1 to 5")
        channels, height, width = input_shape
        side = (min(height, width) - 4) // 2 ** len(set(pooled))
        if side < 1:
            raise UserError(f"input of {height}x{width} is too small for cnn5 with pooling after {list(pooled)}")
        self.pooled = frozenset(pooled)
        inputs = (channels, *widths[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, kernel_size=5 if n == 0 else 3, padding=0 if n == 0 else 1)
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        self.sites = nn.ModuleDict({f"conv{n}": nn.Identity() for n in range(1, 6)})
        shrink = 2 ** len(self.pooled)
        self.head = nn.Linear(widths[-1] * ((height - 4) // shrink) * ((width - 4) // shrink), classes)

    def forward(self, x: Tensor) -> Tensor:
        for number, conv in enumerate(self.convs, start=1):
            x = self.sites[f"conv{number}"](F.relu(conv(x)))
            if number in self.pooled:
                x = F.max_pool2d(x, 2)
        return self.head(x.flatten(1))
