"""Candidate masks: scores made noisy several times, the lowest patches of each, and the mass these remove.

One operator does all three, because together they need not leave the processor's caches: on a CPU it goes through
memory in blocks, NumPy sorting the rows with SIMD instructions, the blocks shared among torch's threads.
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from regbench.regularizers.parts.patches import lowest, settle_ties

BLOCK = 256  # rows of patches at once: with four candidates of 196 patches, 0.8 MB of float32


def candidate_masks(scores: Tensor, mass: Tensor, bits: Tensor, noise_std: float, count: int) -> tuple[Tensor, Tensor]:
    """The `count` lowest of scores + noise for each candidate, and the mass that they hold.

    Args:
        scores, mass: float32 (C, N, L), of each patch.
        bits: int16 (S, C, N, L), uniform: each chooses one of 65,536 equally likely values of the normal
            distribution (up to 4.3 standard deviations).
        noise_std: standard deviation of the noise.
        count: how many patches to drop, 0 to L.

    Returns:
        bool (S, C, N, L), True where a patch is dropped, exactly `count` in each row, the first among equals;
        float32 (S, C, N), the sum of their masses.
    """
    if count == 0:
        return torch.zeros_like(bits, dtype=torch.bool), torch.zeros(bits.shape[:-1], device=bits.device)
    return _candidate_masks(scores.contiguous(), mass.contiguous(), bits, noise_std, count)


@torch.library.custom_op("regbench::candidate_masks", mutates_args=(), device_types="cpu")
def _candidate_masks(scores: Tensor, mass: Tensor, bits: Tensor, noise_std: float, count: int) -> tuple[Tensor, Tensor]:
    candidates, n_patches = bits.shape[0], bits.shape[-1]
    dropped = torch.empty(bits.shape, dtype=torch.bool)
    removed = torch.empty(bits.shape[:-1])
    flat_scores, flat_mass = (values.detach().numpy().reshape(-1, n_patches) for values in (scores, mass))
    flat_bits = bits.numpy().view(np.uint16).reshape(candidates, -1, n_patches)
    flat_dropped = dropped.numpy().reshape(candidates, -1, n_patches)
    flat_removed = removed.numpy().reshape(candidates, -1)
    quantiles = normal_quantiles(torch.device("cpu")).numpy() * np.float32(noise_std)

    def block(start: int) -> None:
        rows = slice(start, start + BLOCK)
        noisy = quantiles.take(flat_bits[:, rows].astype(np.intp))
        noisy += flat_scores[rows]
        ordered = np.sort(noisy, axis=-1)
        chosen = noisy <= ordered[..., count - 1, None]
        unsure = np.isnan(ordered[..., -1])  # NaN is sorted to the end
        if count < n_patches:
            unsure |= ordered[..., count] == ordered[..., count - 1]
        if unsure.any():
            chosen[unsure] = settle_ties(noisy[unsure], count)
        flat_dropped[:, rows] = chosen
        with np.errstate(invalid="ignore"):  # of an infinite mass
            np.multiply(chosen, flat_mass[rows], out=noisy)
        noisy.sum(-1, out=flat_removed[:, rows])

    starts = range(0, flat_scores.shape[0], BLOCK)
    if torch.get_num_threads() > 1 and len(starts) > 1:
        list(_threads(torch.get_num_threads()).map(block, starts))
    else:
        for start in starts:
            block(start)
    return dropped, removed


@_candidate_masks.register_kernel("cuda")
def _candidate_masks_on_gpu(
    scores: Tensor, mass: Tensor, bits: Tensor, noise_std: float, count: int
) -> tuple[Tensor, Tensor]:
    index = bits.flatten().to(torch.int32).bitwise_and_(0xFFFF)
    noise = torch.index_select(normal_quantiles(bits.device), 0, index).view(bits.shape)
    dropped = lowest(noise.mul_(noise_std).add_(scores), count)
    return dropped, (dropped * mass).sum(-1)


@_candidate_masks.register_fake
def _candidate_masks_shape(
    scores: Tensor, mass: Tensor, bits: Tensor, noise_std: float, count: int
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(bits, dtype=torch.bool), mass.new_empty(bits.shape[:-1])


# A custom operator too: torch.compile then keeps the draws as they are.
@torch.library.custom_op("regbench::random_bits", mutates_args=(), tags=torch.Tag.nondeterministic_seeded)
def random_bits(like: Tensor, copies: int) -> Tensor:
    """Uniform int16 of all values, (copies, *like.shape), on the device of `like`.

    On a CPU torch's generator gives the seed and NumPy's SFC64 the bits: a fifth of the time.
    """
    shape = (copies, *like.shape)
    if like.device.type != "cpu":
        return torch.randint(-(2**15), 2**15, shape, dtype=torch.int16, device=like.device)
    size = copies * like.numel()
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.SFC64(seed).random_raw((size + 3) // 4)
    return torch.from_numpy(words.view(np.int16)[:size].reshape(shape))


@random_bits.register_fake
def _random_bits_shape(like: Tensor, copies: int) -> Tensor:
    return like.new_empty((copies, *like.shape), dtype=torch.int16)


@functools.cache
def normal_quantiles(device: torch.device) -> Tensor:
    """The 65,536 equally likely values of the standard normal distribution, float32, ascending."""
    levels = (torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16
    return torch.special.ndtri(levels).float().to(device)


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="regbench-candidates")
