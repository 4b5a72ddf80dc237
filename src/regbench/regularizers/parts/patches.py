"""Square patches of feature maps: where they lie, how the lowest-scored are found, how they are masked.

A feature map is (N, C, H, W); its patches are k x k with stride k, so a mask of patches is (N, C, H/k, W/k).
Nothing here copies a map to gather its patches: in `channels_last` memory every slice of a patch view has the
channels as its contiguous inner dimension, which is what makes the masks cheap on a CPU.
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor

from regbench.errors import UserError
from regbench.regularizers.parts.settings import is_count, is_number, require


def patch_side(patch_size: int) -> int:
    """k, the side of a patch: an integer of 1 or more."""
    return require("patch_size", patch_size, is_count, "an integer of 1 or more")


def keep_share(keep: float) -> float:
    """The share of patches that stay: in (0, 1]."""
    return require("keep", keep, lambda share: is_number(share) and 0.0 < share <= 1.0, "a share in (0, 1]")


def patch_grid(height: int, width: int, patch_size: int) -> tuple[int, int]:
    """Rows and columns of patches of a map; UserError where the patch size does not divide it."""
    if height % patch_side(patch_size) or width % patch_size:
        raise UserError(
            f"patch_size={patch_size} does not divide the feature map of {height}x{width}: "
            f"allowed are the common divisors {_common_divisors(height, width)}"
        )
    return height // patch_size, width // patch_size


def _common_divisors(height: int, width: int) -> list[int]:
    return [k for k in range(1, min(height, width) + 1) if height % k == 0 and width % k == 0]


def keep_count(keep: float, n_patches: int) -> int:
    """K = floor(keep * L), the patches that stay of L (PB-EDropout, "top-p%").

    The product is rounded at 1e-9 first: 0.29 * 100 is 28.999... in binary, and means 29.

    Raises:
        UserError: keep outside (0, 1], or so small that no patch would stay.
    """
    kept = math.floor(keep_share(keep) * n_patches + 1e-9)
    if kept < 1:
        raise UserError(f"keep={keep} keeps none of {n_patches} patches: at least {1 / n_patches:.4f} is needed")
    return kept


def view_patches(x: Tensor, patch_size: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H/k, W/k, k, k), a view where memory allows one."""
    rows, columns = patch_grid(x.shape[-2], x.shape[-1], patch_size)
    patches = x.unflatten(3, (columns, patch_size)).unflatten(2, (rows, patch_size))
    return patches.permute(0, 1, 2, 4, 3, 5)


def sum_patches(patches: Tensor) -> Tensor:
    """Sum over a patch, (..., k, k) -> (...)."""
    size = patches.shape[-1]
    cells = [patches[..., i, j] for i in range(size) for j in range(size)]
    return functools.reduce(torch.add, cells)


def mask_patches(x: Tensor, keep: Tensor) -> Tensor:
    """Set the patches of x to zero where keep is 0: (N, C, H, W), (N or 1, C, H/k, W/k) -> (N, C, H, W).

    No rescaling. The gradient of a dropped patch is exactly zero.
    """
    rows, columns = keep.shape[-2:]
    blocks = x.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))
    return (blocks * keep.to(x.dtype)[:, :, :, None, :, None]).reshape(x.shape)


def lowest(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest scores of the last dimension, exactly; among equal scores the first are taken.

    (..., L) -> bool (..., L). NaN counts as higher than all numbers.
    """
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    return _lowest(scores.contiguous(), count)


def lowest_by_threshold(scores: Tensor, count: int) -> Tensor:
    """The same of scores without NaN, by operators that every export and transform knows; slower on a CPU."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    threshold = torch.sort(scores, dim=-1).values[..., count - 1, None]
    below, ties = scores < threshold, scores == threshold
    wanted = count - below.int().sum(-1, keepdim=True)
    return below | (ties & (ties.int().cumsum(-1) <= wanted))


@torch.library.custom_op("regbench::lowest", mutates_args=(), device_types="cpu")
def _lowest(scores: Tensor, count: int) -> Tensor:
    # NumPy sorts rows of numbers with SIMD instructions: several times faster than torch.topk on a CPU.
    values = scores.detach().numpy().reshape(-1, scores.shape[-1])
    ordered = np.sort(values, axis=-1)
    threshold = ordered[:, count - 1]
    chosen = values <= threshold[:, None]
    unsure = np.isnan(ordered[:, -1])  # NaN is sorted to the end
    if count < values.shape[-1]:
        unsure |= ordered[:, count] == threshold
    if unsure.any():
        chosen[unsure] = settle_ties(values[unsure], count)
    return torch.from_numpy(chosen).view(scores.shape)


def settle_ties(values: np.ndarray, count: int) -> np.ndarray:
    """True at the `count` lowest of each row, the first ones among equals: (rows, L) -> bool (rows, L)."""
    order = np.argsort(values, axis=-1, kind="stable")[:, :count]
    exact = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(exact, order, True, axis=-1)
    return exact


@_lowest.register_kernel("cuda")
def _lowest_on_gpu(scores: Tensor, count: int) -> Tensor:
    # A stable sort, for the same choice among ties as on a CPU.
    order = torch.sort(scores, dim=-1, stable=True).indices[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order, True)


@_lowest.register_fake
def _lowest_shape(scores: Tensor, count: int) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


# A custom operator too: torch.compile then keeps the draws as they are.
@torch.library.custom_op("regbench::random_integers", mutates_args=(), tags=torch.Tag.nondeterministic_seeded)
def random_integers(like: Tensor, shape: list[int]) -> Tensor:
    """Uniform int32 from 0 to 2^31 - 1, on the device of `like`."""
    return torch.empty(shape, dtype=torch.int32, device=like.device).random_()


@random_integers.register_fake
def _random_integers_shape(like: Tensor, shape: list[int]) -> Tensor:
    return like.new_empty(shape, dtype=torch.int32)
