"""Splits of a dataset as uint8 tensors on the compute device; a batch is an index gather, then a normalisation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from regbench.data.prepared import Prepared
from regbench.errors import UserError


@dataclass(frozen=True)
class Batches:
    """Images and targets of one split.

    images: uint8 (N, H, W, C); targets: int64 (N,); mean, std: (C,), of the training images, in [0, 255].
    """

    images: Tensor
    targets: Tensor
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one input."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    def take(self, index: Tensor | slice) -> Tensor:
        """The standardised images of these indices: float32 (B, C, H, W) in channels_last memory."""
        return self.images[index].to(torch.float32).sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)

    def unit(self, index: Tensor | slice) -> Tensor:
        """The images of these indices, in [0, 1]: float32 (B, C, H, W) in channels_last memory."""
        return self.images[index].to(torch.float32).div_(255).permute(0, 3, 1, 2)


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


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, float32 (C,), of uint8 images (N, H, W, C).

    From counts of the 256 levels: exact, the same on every machine, and without a float copy of the images.
    """
    levels = torch.arange(256, dtype=torch.float64)
    channels = images.flatten(0, 2).unbind(-1)
    share = torch.stack([torch.bincount(channel, minlength=256).double() / len(channel) for channel in channels])
    mean = share @ levels
    variance = share @ levels.square() - mean.square()
    return mean.float(), variance.clamp_(min=1.0).sqrt().float()


def load_splits(dataset: Prepared, train: int, heldout: int, split_seed: int, device: torch.device) -> Splits:
    """The three splits of a prepared classification dataset on `device`."""
    images, labels = dataset.arrays["train_images"], dataset.arrays["train_labels"]
    chosen, held = split_indices(len(images), train, heldout, split_seed)
    training = torch.from_numpy(np.asarray(images[chosen]))
    mean, std = channel_statistics(training)

    def batches(x: np.ndarray | Tensor, y: np.ndarray) -> Batches:
        images = torch.as_tensor(np.asarray(x)).to(device)
        targets = torch.from_numpy(np.array(y)).to(device)
        return Batches(images, targets, mean.to(device), std.to(device))

    return Splits(
        train=batches(training, labels[chosen]),
        heldout=batches(np.array(images[held]), labels[held]),
        test=batches(np.array(dataset.arrays["test_images"]), dataset.arrays["test_labels"]),
        classes=len(dataset.classes),
    )
