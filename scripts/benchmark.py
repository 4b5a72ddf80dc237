#!/usr/bin/env python3
"""Speed of PB-EDropout beside the layers it competes with: interleaved in one run, so the ratios are fair.

    python scripts/benchmark.py                      CPU, and the GPU where there is one
    python scripts/benchmark.py --threads 1 --write  also write results/tables/benchmark.md

Two measurements at batch 128 and 32x32x3 images: the layer alone, forward and backward, on conv1's map of
32 x 28 x 28, and a whole training step of cnn5. Every round runs all cases once; the median over rounds counts.
On a GPU the layer is also given as a multiple of its floor: reading x once and writing the output once.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import DropBlock2d
from tqdm import tqdm

from regbench.errors import UserError, answered
from regbench.models import CNN5
from regbench.paths import ROOT
from regbench.regularizers import PBEDropout2d, RandomPatch2d
from regbench.regularizers.pb_edropout import gibbs_probabilities, keep_count, patch_energy, temperature_at
from regbench.rows.files import check_writable, naming
from regbench.training.provenance import device_name

TABLE = ROOT / "results" / "tables" / "benchmark.md"
BATCH, CHANNELS, SIDE = 128, 32, 28
COLUMNS = ("at conv1", "layer, ms", "layer / floor", "layer / DropBlock2d", "train step, ms", "step / plain")
COLUMNS += ("step / DropBlock2d's",)
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class ChannelLoop(nn.Module):
    """Algorithm 1 as printed: a loop over channels and candidates, torch.topk for the masks. For comparison only."""

    def __init__(self, patch_size: int = 2, keep: float = 0.85, population: int = 4):
        super().__init__()
        self.patch_size, self.keep, self.population = patch_size, keep, population
        self.step, self.proxy, self.ema = 0, torch.ones(()), {}

    def forward(self, x: Tensor) -> Tensor:
        self.step += 1
        temperature = temperature_at(torch.tensor(self.step), 1.0).to(x.device)
        return torch.cat([self.channel(x[:, c], c, temperature) for c in range(x.shape[1])], dim=1)

    def channel(self, x: Tensor, c: int, temperature: Tensor) -> Tensor:
        """One channel (N, H, W) -> (N, 1, H, W)."""
        k = self.patch_size
        patches = x.unfold(1, k, k).unfold(2, k, k)
        samples, rows, columns = patches.shape[:3]
        with torch.no_grad():
            flat = patches.reshape(samples, rows * columns, k, k)
            energy = patch_energy(flat, 0.1 * (1 + 0.05 * self.proxy), beta=0.1, eps=1e-3)
            probabilities = gibbs_probabilities(energy, temperature)
            mass = flat.abs().sum((2, 3))
            masks, proxies = [], []
            for _ in range(self.population):
                noisy = probabilities + 0.01 * torch.randn_like(probabilities)
                kept = noisy.topk(keep_count(self.keep, rows * columns), dim=1).indices
                masks.append(torch.zeros_like(noisy).scatter_(1, kept, 1.0))
                proxies.append((mass * (1 - masks[-1])).sum(1).mean() / (rows * columns))
            best = masks[int(torch.stack(proxies).argmin())]
            self.proxy = 0.95 * self.proxy + 0.05 * torch.stack(proxies).mean()
            self.ema[c] = 0.9 * self.ema.get(c, 0.85) + 0.1 * best.mean(0)
        keep = best.view(samples, rows, columns).repeat_interleave(k, 1).repeat_interleave(k, 2)
        return (x * keep)[:, None]


def layers() -> dict[str, Callable[[], nn.Module]]:
    """The cases, the plain network first."""
    return {
        "no layer": nn.Identity,
        "nn.Dropout": lambda: nn.Dropout(0.15),
        "nn.Dropout2d": lambda: nn.Dropout2d(0.15),
        "torchvision DropBlock2d": lambda: DropBlock2d(0.15, 3),
        "RandomPatch2d": RandomPatch2d,
        "PBEDropout2d, printed": lambda: PBEDropout2d(CHANNELS, map_size=(SIDE, SIDE)),
        "PBEDropout2d, standardized": lambda: PBEDropout2d(CHANNELS, variant="standardized", map_size=(SIDE, SIDE)),
        "loop over channels, as printed": ChannelLoop,
    }


def layer_step(make: Callable[[], nn.Module], device: torch.device, memory: torch.memory_format) -> Callable:
    """Forward and backward of one layer on a map as ReLU leaves it."""
    layer = make().to(device).train()
    x = torch.relu(torch.randn(BATCH, CHANNELS, SIDE, SIDE, device=device)).contiguous(memory_format=memory)
    x.requires_grad_()
    gradient = torch.ones_like(x)

    def step() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return step


def train_step(make: Callable[[], nn.Module], device: torch.device, memory: torch.memory_format) -> Callable:
    """One training step of cnn5 with the layer at conv1."""
    model = CNN5((3, 32, 32), classes=10)
    model.sites["conv1"] = make()
    model.to(device=device, memory_format=memory).train()
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.randn(BATCH, 3, 32, 32, device=device).contiguous(memory_format=memory)
    labels = torch.randint(0, 10, (BATCH,), device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def copy_step(device: torch.device) -> Callable:
    """The floor: the map read once and written once."""
    x = torch.randn(BATCH, CHANNELS, SIDE, SIDE, device=device)
    out = torch.empty_like(x)
    return lambda: out.copy_(x)


def seconds(step: Callable, device: torch.device) -> float:
    """Wall time of one step, finished on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def medians(steps: dict[str, Callable], device: torch.device, rounds: int, label: str) -> dict[str, float]:
    """Median seconds of each case over interleaved rounds, after two rounds that do not count."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in tqdm(range(rounds + 2), desc=label, unit="round"):
        for name, step in steps.items():
            taken = seconds(step, device)
            if number >= 2:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(device: torch.device, memory: str, rounds: int) -> list[str]:
    """Lines of a markdown table for one device and memory format."""
    cases = layers()
    alone = {name: layer_step(make, device, FORMATS[memory]) for name, make in cases.items() if name != "no layer"}
    layer = medians({**alone, "floor": copy_step(device)}, device, rounds, f"{device.type} {memory} layer")
    whole = {name: train_step(make, device, FORMATS[memory]) for name, make in cases.items()}
    step = medians(whole, device, rounds, f"{device.type} {memory} step")
    block, plain = "torchvision DropBlock2d", "no layer"
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        f"| :--- |{' ---: |' * (len(COLUMNS) - 1)}",
    ]
    for name in cases:
        own = layer.get(name)
        cells = [f"{1e3 * own:.2f}", f"{own / layer['floor']:.1f}", f"{own / layer[block]:.2f}"] if own else ["-"] * 3
        cells += [f"{1e3 * step[name]:.1f}", f"{step[name] / step[plain]:.2f}", f"{step[name] / step[block]:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> int:
    """Measure on every device there is and print, or also write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds; the median counts")
    parser.add_argument("--write", action="store_true", help="write results/tables/benchmark.md")
    args = parser.parse_args()
    return answered(lambda: benchmark(args))


def benchmark(args: argparse.Namespace) -> int:
    """Measure and print, or also write, the tables."""
    for name in ("threads", "rounds"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)} is not allowed: 1 or more")
    if args.write:
        check_writable(TABLE.parent)
    torch.set_num_threads(args.threads)
    text = ["# Speed of PB-EDropout beside other layers", ""]
    devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    for device in devices:
        threads = f", {args.threads} threads" if device.type == "cpu" else ""
        for memory in FORMATS:
            text += [f"## {device_name(device)}{threads}, {memory}: batch {BATCH}, {CHANNELS} x {SIDE} x {SIDE}", ""]
            text += [*measure(device, memory, args.rounds), ""]
    text.append(
        f"Medians of {args.rounds} interleaved rounds, torch {torch.__version__}. Floor: the map copied once "
        "(read once, written once). The layer's time is forward and backward. Training runs in channels_last."
    )
    print("\n".join(text))
    if args.write:
        with naming(TABLE):
            TABLE.write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
