"""Algorithm 1 of PB-EDropout line by line: one channel, one candidate, one patch at a time. Slow on purpose."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Reference:
    """The printed algorithm. `noise[s, c, i, p]` is given, so that the fast layer can be held to the same draws.

    frozen_alpha=False moves G inside the channel loop, as printed; True moves it once, by the channels' mean.
    """

    patch_size: int
    keep: float
    population: int
    mutation: float
    feedback: float
    ema_decay: float
    beta: float
    c: float
    noise_std: float
    eps: float
    frozen_alpha: bool = True
    proxy: float = 1.0
    step: int = 0
    ema: Tensor | None = None
    alphas: list[float] = field(default_factory=list)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W), (S, C, N, L) -> masked x, kept patches bool (N, C, L)."""
        samples, channels, height, width = x.shape
        k = self.patch_size
        rows, columns = height // k, width // k
        n_patches = rows * columns
        kept = math.floor(self.keep * n_patches + 1e-9)
        self.step += 1
        temperature = self.c / math.log(1 + self.step)
        if self.ema is None:
            self.ema = torch.full((channels, n_patches), self.keep, dtype=torch.float64)
        self.alphas, averages = [], []
        frozen = 0.1 * (1 + self.feedback * self.proxy)
        masks = torch.zeros(samples, channels, n_patches, dtype=torch.bool)
        for channel in range(channels):
            alpha = frozen if self.frozen_alpha else 0.1 * (1 + self.feedback * self.proxy)
            self.alphas.append(alpha)
            patches = [
                [x[i, channel, r * k : r * k + k, q * k : q * k + k] for r in range(rows) for q in range(columns)]
                for i in range(samples)
            ]
            energy = torch.tensor([[self.energy(patch, alpha) for patch in sample] for sample in patches])
            probability = torch.softmax(-energy / temperature, dim=1)
            candidates, proxies = [], []
            for s in range(self.population):
                mask = torch.zeros(samples, n_patches, dtype=torch.bool)
                for i in range(samples):
                    noisy = probability[i] + self.noise_std * noise[s, channel, i].double()
                    # Among equal scores the first patches are dropped, as in the fast version.
                    order = torch.sort(noisy, stable=True).indices
                    mask[i, order[n_patches - kept :]] = True
                    mask[i, order[: n_patches - kept]] = False
                candidates.append(mask)
                proxies.append(self.removed(patches, mask))
            best = candidates[min(range(self.population), key=lambda s: proxies[s])]
            average = sum(proxies) / self.population
            averages.append(average)
            if not self.frozen_alpha:
                self.proxy = (1 - self.feedback) * self.proxy + self.feedback * average
            self.ema[channel] = self.ema_decay * self.ema[channel] + (1 - self.ema_decay) * best.double().mean(0)
            masks[:, channel] = best
        if self.frozen_alpha:
            self.proxy = (1 - self.feedback) * self.proxy + self.feedback * sum(averages) / channels
        spread = masks.view(samples, channels, rows, columns)
        spread = spread.repeat_interleave(k, 2).repeat_interleave(k, 3)
        return x * spread, masks

    def energy(self, patch: Tensor, alpha: float) -> float:
        """Equation (1) of one patch, with r = 1 / max(|x|, eps)."""
        k = self.patch_size
        inverse = {(i, j): 1 / max(abs(float(patch[i, j])), self.eps) for i in range(k) for j in range(k)}
        single = sum(inverse.values())
        cells = list(inverse)
        pairs = sum(
            inverse[p] * inverse[q]
            for n, p in enumerate(cells)
            for q in cells[n + 1 :]
            if max(abs(p[0] - q[0]), abs(p[1] - q[1])) == 1
        )
        return alpha * single + self.beta * pairs

    def removed(self, patches: list[list[Tensor]], mask: Tensor) -> float:
        """The proxy of one mask: 1/N sum_i 1/L sum_p |X - m X|_1."""
        samples, n_patches = mask.shape
        total = 0.0
        for i in range(samples):
            for p in range(n_patches):
                total += float((patches[i][p] - mask[i, p] * patches[i][p]).abs().sum())
        return total / (samples * n_patches)
