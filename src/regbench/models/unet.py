"""U-Net after Ronneberger, Fischer and Brox (2015), with the layer numbers of the entropy paper's section 5.5.

That paper says "a U-Net based on the original architecture" for 256x256 images, adapted from a public notebook; it
leaves open widths, padding, dropout, normalisation and the kind of up-convolution. Here: convolutions of 3x3 padded by
1, so that a mask is as large as its image, ReLU, 2x2 max-pooling, transposed convolutions of 2x2, neither normalisation
nor dropout, one sigmoid output.

The paper's lists hold indices of a Keras model. A reading that fits them all (inferred, not stated): 1 is the input; a
down block is convolution, convolution, pooling and one layer more; the bottleneck two convolutions; an up block
transposed convolution, concatenation, one layer more, convolution, convolution. Then 2 and 3 are the first block's
convolutions; 3, 7, 11, 15 the second of each down block, which the skips carry on; 19 the bottleneck's second; 24, 29,
34, 39 the second of each up block. The list printed as [3, 7, 11, 15, 19, 24, 29, 34, 29] is read with 39 at its end.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench.errors import UserError

LEVELS = 4
#: the paper's lists of layers by the words that a placement may use
LISTS = {
    "layer_2": [2],
    "layers_2_3": [2, 3],
    "skips": [3, 7, 11, 15],
    "skips_and_up": [3, 7, 11, 15, 19, 24, 29, 34, 39],
    "up": [19, 24, 29, 34, 39],
}


class UNet(nn.Module):
    """Four down blocks, a bottleneck, four up blocks with skips: (N, C, H, W) -> (N, 1, H, W) in [0, 1].

    Sites `down1_1`, `down1_2`, ..., `bottleneck_2`, `up4_1`, ..., `up1_2` stand after each ReLU and before pooling.

    Args:
        input_shape: (C, H, W), H and W multiples of 16. classes: 2, background and foreground.
        widths: channels of the four levels and of the bottleneck.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...] = (64, 128, 256, 512, 1024),
    ):
        super().__init__()
        if len(widths) != LEVELS + 1 or min(widths) < 1:
            raise UserError(f"model.widths={list(widths)} is not allowed: five widths of 1 or more")
        channels, height, width = input_shape
        if height % 2**LEVELS or width % 2**LEVELS:
            raise UserError(f"input of {height}x{width} does not fit unet: allowed are multiples of {2**LEVELS}")
        self.convs, self.sites, self.numbers = nn.ModuleDict(), nn.ModuleDict(), {}
        for level, size in enumerate(widths[:-1], start=1):
            self._add_block(f"down{level}", channels, size, first=4 * level - 2)
            channels = size
        self._add_block("bottleneck", channels, widths[-1], first=18)
        self.transposed = nn.ModuleDict()
        for level in range(LEVELS, 0, -1):
            larger, size = widths[level], widths[level - 1]
            self.transposed[f"up{level}"] = nn.ConvTranspose2d(larger, size, kernel_size=2, stride=2)
            self._add_block(f"up{level}", 2 * size, size, first=23 + 5 * (LEVELS - level))
        self.head = nn.Conv2d(widths[0], 1, kernel_size=1)
        self.placements = {word: [self.numbers[n] for n in numbers] for word, numbers in LISTS.items()}

    def _add_block(self, name: str, inputs: int, outputs: int, first: int) -> None:
        """Two convolutions with their sites; `first` is the paper's number of the first."""
        for place, channels in enumerate((inputs, outputs), start=1):
            self.convs[f"{name}_{place}"] = nn.Conv2d(channels, outputs, kernel_size=3, padding=1)
            self.sites[f"{name}_{place}"] = nn.Identity()
            self.numbers[first + place - 1] = f"convs.{name}_{place}"

    def _block(self, name: str, x: Tensor) -> Tensor:
        for place in (f"{name}_1", f"{name}_2"):
            x = self.sites[place](F.relu(self.convs[place](x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(1, LEVELS + 1):
            skips.append(self._block(f"down{level}", x))
            x = F.max_pool2d(skips[-1], 2)
        x = self._block("bottleneck", x)
        for level in range(LEVELS, 0, -1):
            x = torch.cat([skips.pop(), self.transposed[f"up{level}"](x)], dim=1)
            x = self._block(f"up{level}", x)
        return torch.sigmoid(self.head(x))
