"""Splits of a dataset as batches: small sets are tensors on the compute device, large ones are read from the disk.

A batch is an index gather, then a normalisation. Where a set stays, it has the same batches, bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from regbench.data.prepared import Prepared
from regbench.errors import UserError

#: bytes of a dataset's arrays up to which they live on the device; larger ones stay in their memory-mapped files
RESIDENT = {"cpu": 512 << 20, "cuda": 8 << 30}
TARGETS = {"segmentation": "masks"}  # by a dataset's task; labels otherwise
BLOCK = 512  # images at once where all are read


@dataclass(frozen=True)
class Batches:
    """Images and targets of one split.

    images: uint8 (N, H, W, C); targets: int64 (N,), or uint8 masks (N, H, W); mean, std: (C,), of the training images,
    in [0, 255], on the compute device. chosen: where `images` and `targets` are memory-mapped arrays of more than this
    split, its places in them, int64 (M,); None: images and targets are the split's, on the device.
    """

    images: Tensor
    targets: Tensor
    mean: Tensor
    std: Tensor
    chosen: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images if self.chosen is None else self.chosen)

    @property
    def device(self) -> torch.device:
        """Where the batches are."""
        return self.mean.device

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one input."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    def take(self, index: Tensor | slice) -> Tensor:
        """The standardised images of these indices: float32 (B, C, H, W) in channels_last memory."""
        return self._read(self.images, index).to(torch.float32).sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)

    def unit(self, index: Tensor | slice) -> Tensor:
        """The images of these indices, in [0, 1]: float32 (B, C, H, W) in channels_last memory."""
        return self._read(self.images, index).to(torch.float32).div_(255).permute(0, 3, 1, 2)

    def target(self, index: Tensor | slice) -> Tensor:
        """The targets of these indices: int64 (B,) or uint8 (B, H, W)."""
        return self._read(self.targets, index)

    def first(self, count: int) -> "Batches":
        """The first images of the split, as a split."""
        if self.chosen is None:
            return replace(self, images=self.images[:count], targets=self.targets[:count])
        return replace(self, chosen=self.chosen[:count])

    def _read(self, array: Tensor, index: Tensor | slice) -> Tensor:
        if self.chosen is None:
            return array[index]
        places = self.chosen[index if isinstance(index, slice) else index.cpu()]
        return array[places].to(self.device, non_blocking=True)


@dataclass(frozen=True)
class Splits:
    """Training, held-out and test images. The held-out ones come from the training data and never train."""

    train: Batches
    heldout: Batches
    test: Batches
    classes: int


def split_indices(total: int, train: int, heldout: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint training and held-out indices of `total` images, the same for every training seed.

    Raises:
        UserError: sizes below 1, or more asked for than there are.
    """
    for key, value in (("train_images", train), ("heldout_images", heldout)):
        if value < 1:
            raise UserError(f"budget.{key}={value} is not allowed: 1 or more")
    if train + heldout > total:
        raise UserError(
            f"budget.train_images={train} and budget.heldout_images={heldout} ask for more than the {total} "
            f"training images there are: allowed is a sum up to {total}"
        )
    order = np.random.default_rng(seed).permutation(total)
    return np.sort(order[heldout : heldout + train]), np.sort(order[:heldout])


def channel_statistics(images: Tensor, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, float32 (C,), of uint8 images (N, H, W, C), or those chosen of them.

    From counts of the 256 levels: exact, the same on every machine, and without a float copy of the images.
    """
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.zeros(images.shape[-1], 256, dtype=torch.int64)
    for block in _blocks(images, chosen):
        for channel, pixels in enumerate(block.flatten(0, 2).unbind(-1)):
            counts[channel] += torch.bincount(pixels, minlength=256)
    share = counts.double() / counts.sum(dim=1, keepdim=True)
    mean = share @ levels
    variance = share @ levels.square() - mean.square()
    return mean.float(), variance.clamp_(min=1.0).sqrt().float()


def _blocks(images: Tensor, chosen: Tensor | None) -> Iterator[Tensor]:
    return images.split(BLOCK) if chosen is None else (images[places] for places in chosen.split(BLOCK))


def load_splits(dataset: Prepared, train: int, heldout: int, split_seed: int, device: torch.device) -> Splits:
    """The three splits of a prepared dataset: on `device`, or, of a large one, in batches read from the disk."""
    kind = TARGETS.get(dataset.task, "labels")
    arrays = {key: torch.from_numpy(np.asarray(array)) for key, array in dataset.arrays.items()}
    images, targets = arrays["train_images"], arrays[f"train_{kind}"]
    indices = split_indices(len(images), train, heldout, split_seed)
    chosen, held = (torch.from_numpy(places) for places in indices)
    mean, std = (value.to(device) for value in channel_statistics(images, chosen))
    resident = sum(array.nbytes for array in arrays.values()) <= RESIDENT.get(device.type, 0)

    def batches(x: Tensor, y: Tensor, places: Tensor | None) -> Batches:
        if not resident:
            return Batches(x, y, mean, std, torch.arange(len(x)) if places is None else places)
        x, y = (array.clone() if places is None else array[places] for array in (x, y))
        return Batches(x.to(device), y.to(device), mean, std)

    return Splits(
        train=batches(images, targets, chosen),
        heldout=batches(images, targets, held),
        test=batches(arrays["test_images"], arrays[f"test_{kind}"], None),
        classes=len(dataset.classes),
    )
