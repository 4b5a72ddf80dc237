"""Candidate masks: the blocked operator against plain torch, and its noise."""

import numpy as np
import pytest
import scipy.stats
import torch

from regbench.regularizers.parts import candidates, patches
from regbench.regularizers.parts.candidates import candidate_masks, normal_quantiles, random_bits
from regbench.regularizers.parts.patches import lowest


def noise_of(bits):
    return normal_quantiles(torch.device("cpu"))[bits.long() % 2**16]


@pytest.mark.parametrize("count", [0, 1, 5, 16])
@pytest.mark.parametrize("threads,block", [(1, 256), (2, 7)])
def test_blocks_and_threads_change_nothing(monkeypatch, count, threads, block):
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(4, 30, 16, generator=generator).round(decimals=1)  # many equal scores
    mass = torch.rand(4, 30, 16, generator=generator)
    bits = random_bits(scores, 3)
    monkeypatch.setattr(candidates, "BLOCK", block)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    dropped, removed = candidate_masks(scores, mass, bits, 0.1, count)
    torch.set_num_threads(before)
    expected = lowest(scores + np.float32(0.1) * noise_of(bits), count)
    assert torch.equal(dropped, expected)
    torch.testing.assert_close(removed, (expected * mass).sum(-1))


def test_without_noise_ties_go_to_the_first_patches():
    scores = torch.zeros(1, 2, 6)
    dropped, _ = candidate_masks(scores, scores, random_bits(scores, 2), 0.0, 2)
    assert dropped.tolist() == [[[[True, True, False, False, False, False]] * 2]] * 2


def test_noise_is_normal_and_follows_torchs_seed():
    like = torch.empty(10, 10, 100)
    torch.manual_seed(0)
    bits = random_bits(like, 4)
    noise = noise_of(bits)
    # 40,000 draws: Kolmogorov and Smirnov's distance to the normal law is below 0.01 unless the law is another.
    assert scipy.stats.kstest(noise.flatten().numpy(), "norm").statistic < 0.01
    assert abs(np.corrcoef(noise.flatten()[:-1], noise.flatten()[1:])[0, 1]) < 0.02
    assert noise.abs().max() < 4.4
    assert not torch.equal(bits, random_bits(like, 4))
    torch.manual_seed(0)
    assert torch.equal(bits, random_bits(like, 4))


def test_the_gpu_kernels_choose_the_same_patches():
    """They are plain torch, so a CPU can run them: same scores, same bits, same masks, equal scores included."""
    scores = torch.rand(3, 20, 16).round(decimals=1)
    bits = random_bits(scores, 2)
    expected, mass = candidate_masks(scores, scores, bits, 0.05, 4)
    dropped, removed = candidates._candidate_masks_on_gpu(scores, scores, bits, 0.05, 4)
    assert torch.equal(dropped, expected)
    torch.testing.assert_close(removed, mass)
    assert torch.equal(patches._lowest_on_gpu(scores, 5), lowest(scores, 5))
