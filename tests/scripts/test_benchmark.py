"""The benchmark measures every case and prints ratios of one run."""

import torch

from regbench.regularizers import PBEDropout2d
from tests.commands import load_script


def test_every_case_has_a_line_and_the_plain_step_is_the_unit(monkeypatch):
    benchmark = load_script("benchmark")
    monkeypatch.setattr(benchmark, "BATCH", 2)
    lines = benchmark.measure(torch.device("cpu"), "channels_last", rounds=1)
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(benchmark.layers())
    assert lines[2].split("|")[6].strip() == "1.00"


def test_the_loop_over_channels_keeps_as_many_patches_as_the_fast_layer():
    benchmark = load_script("benchmark")
    x = torch.ones(3, 4, 28, 28)
    looped, fast = benchmark.ChannelLoop()(x), PBEDropout2d(4).train()(x)
    assert torch.equal(looped.sum((2, 3)), fast.sum((2, 3)))
