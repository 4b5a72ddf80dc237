"""Augmentation of a whole batch: horizontal flips, rotation, zoom. Masks move with their images.

The entropy paper (section 5.4): "horizontal flips, up to 20% random rotation, and up to 20% random zoom", which are the
words of Keras' layers: a rotation by up to 0.2 of a full turn either way (72 degrees), a zoom by a factor of 0.8 to
1.2; what comes into view from outside is the image reflected at its edge.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from regbench.errors import UserError


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image of a training batch, each with its own draw.

    Args:
        flip: whether half of them are mirrored left to right. rotation: by up to so many full turns either way, 0 to
            0.5. zoom: the factor of its size lies within so much of 1, 0 to below 1.
    """

    flip: bool = True
    rotation: float = 0.2
    zoom: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.rotation <= 0.5:
            raise UserError(f"task.augment.rotation={self.rotation} is not allowed: full turns, 0 to 0.5")
        if not 0 <= self.zoom < 1:
            raise UserError(f"task.augment.zoom={self.zoom} is not allowed: a share of the size, in [0, 1)")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """The affine map of each image, (count, 2, 3), from what is seen to where it lay, in affine_grid's units."""
        share = torch.rand(3, count, generator=generator)
        mirror = torch.where(share[0] < 0.5, -1.0, 1.0) if self.flip else torch.ones(count)
        angle = (2 * share[1] - 1) * (2 * math.pi * self.rotation)
        scale = 1 / (1 + (2 * share[2] - 1) * self.zoom)
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        maps = torch.zeros(count, 2, 3)
        maps[:, 0, 0], maps[:, 0, 1] = cosine * mirror, -sine
        maps[:, 1, 0], maps[:, 1, 1] = sine * mirror, cosine
        return maps


def move(images: Tensor, maps: Tensor, masks: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W), bilinearly, and masks (B, H, W), at the nearest pixel, moved by their maps (B, 2, 3).

    Images are taken to be squares: a rotation of others would shear them.
    """
    grid = F.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    moved = moved.contiguous(memory_format=torch.channels_last)
    if masks is None:
        return moved, None
    nearest = {"mode": "nearest", "padding_mode": "reflection", "align_corners": False}
    return moved, F.grid_sample(masks[:, None].to(images), grid, **nearest)[:, 0].to(masks.dtype)
