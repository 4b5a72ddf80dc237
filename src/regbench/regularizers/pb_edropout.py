"""PB-EDropout: keep the patches of lowest energy, chosen by a small population of noisy masks.

Paper
    Devynck, Faye, Bouchaffra, Lazaar, Azzag, Lebbah, "Energy-Based Dropout with Patch-Level Regularization".
Formula
    E = alpha sum_p 1/x_p + beta sum_<p,q> 1/(x_p x_q) over the 8-neighbour pairs of a patch (eq. 1);
    alpha_t = 0.1 (1 + eta G_t); Pr = softmax_L(-E / T_t), T_t = c / ln(1 + t) (eq. 2); S candidates keep the
    K = floor(keep L) highest of Pr + N(0, sigma^2); the candidate that removes the least L1 mass is applied, per
    channel; G <- (1 - eta) G + eta mean removed mass; an EMA (0.9) of the applied masks gives the mask of MASK mode.
Where
    After the non-linearity and before pooling; in the paper's experiments at the first convolution only.
Paper settings
    15 % dropped, S = 4, rho = 0.1, eta = 0.05, G_0 = 1, EMA decay 0.9, k = 2.
Ambiguities and the choice made
    * beta, c, sigma and eps are not given: 0.1, 1, 0.01 and 1e-3 here; the sensitivity table varies each.
    * x enters (1) after ReLU, as r = 1 / max(|x|, eps): a zero would divide by zero.
    * t counts training forwards from 1. mu shifts all candidates alike and cannot change a ranking: no knob.
    * No rescaling by 1/keep: the paper names none.
    * Mutation and crossover come after the best mask is chosen, and the average in step 12 is over the unmutated
      masks, so in the printed algorithm they reach nothing: with rho < 0.5, 1[(1 - rho) m' + rho m_b >= 0.5] is m'
      itself. `variant=printed` therefore does not spend time on them, unless `feedback_from=mutated` averages
      the proxy of the mutated masks.
    * MASK mode before any training step has no masks to average and keeps everything; the average starts at `keep`.
Deviations
    * G is printed inside the channel loop, so that it moves once per channel and alters alpha of the later ones.
      Here alpha is frozen during a forward and G moves once, by the mean over channels. That is what lets all
      channels go at once. It slows G down: as printed, G averages over the last 1/eta channels, here over the last
      1/eta forwards. While G falls from G_0 = 1 the two alphas differ by up to 5 %, all that alpha can move then
      (0.105 to 0.1); a test measures more than 1 % at 32 channels.
    * The noise on a CPU has 65,536 levels (`candidates.random_bits`).
    * `variant=standardized` is ours: energies are standardised (log, per sample and channel) so that ReLU's zeros
      do not collapse Pr onto a few patches, the noise is added to log Pr, and mutants (a share rho of the dropped
      patches swapped for kept ones, so K stays) compete with the candidates. It then drops the patches that hold
      least, all zeros where there are enough of them: little is left of a regularizer. Table 1 tells how much.
    * Under DistributedDataParallel with its default of broadcasting buffers, G and the averaged masks are those of
      the first process's share of each batch.
Evidence
    results/tables/table1.md, results/tables/sensitivity.md; results/REPORT.md#pb-full-cifar10,
    results/REPORT.md#pb-energy-selects, results/REPORT.md#pb-energy-cifar10: no gain seen so far at the quick budget.
    `random_patch` is the control: the same K, no energy.
"""

import math

import torch
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.candidates import candidate_masks, random_bits
from regbench.regularizers.patches import (
    keep_count,
    lowest,
    mask_patches,
    patch_grid,
    sum_patches,
    view_patches,
)

__all__ = [
    "PBEDropout2d",
    "gibbs_probabilities",
    "keep_count",
    "patch_energy",
    "removed_mass",
    "standardized_log_energy",
    "temperature_at",
]

ALPHA_0 = 0.1  # the factor of alpha_t in the paper, below eq. 1


def patch_energy(patches: Tensor, alpha: Tensor | float, beta: float, eps: float) -> Tensor:
    """Energy of each patch (eq. 1): alpha sum r + beta sum over 8-neighbour pairs r_p r_q, r = 1 / max(|x|, eps).

    Args:
        patches: (..., k, k) activations.
        alpha, beta: weights of the single sites and of the pairs.
        eps: smallest activation that is told from zero, > 0.

    Returns:
        (...) energies, float32.
    """
    return _energy_of_magnitudes(widen(patches).abs(), alpha, beta, eps)


def _energy_of_magnitudes(magnitudes: Tensor, alpha: Tensor | float, beta: float, eps: float) -> Tensor:
    inverse = magnitudes.clamp(min=eps).reciprocal_()
    return (alpha * sum_patches(inverse)).add_(_pair_products(inverse), alpha=beta)


def widen(x: Tensor) -> Tensor:
    """Any precision as float32: 1/eps and its square do not fit in 16 bits, and 64 would change no mask."""
    return x.float()


def _pair_products(values: Tensor) -> Tensor:
    """Sum over the 8-neighbour pairs of a patch of the products, each pair once: (..., k, k) -> (...)."""
    size = values.shape[-1]
    total = torch.zeros_like(values[..., 0, 0])
    for i in range(size):
        for j in range(size):
            later = [(i, j + 1), (i + 1, j - 1), (i + 1, j), (i + 1, j + 1)]
            later = [(a, b) for a, b in later if a < size and 0 <= b < size]
            if later:
                neighbours = values[..., *later[0]]
                for cell in later[1:]:
                    neighbours = neighbours + values[..., *cell]
                total.addcmul_(values[..., i, j], neighbours)
    return total


def gibbs_probabilities(energy: Tensor, temperature: Tensor | float) -> Tensor:
    """softmax(-energy / temperature) over the last dimension (eq. 2), (..., L) -> (..., L)."""
    return torch.softmax(energy / -temperature, dim=-1)


def temperature_at(step: Tensor, c: float) -> Tensor:
    """T_t = c / ln(1 + t) (eq. 2), t >= 1."""
    return c / torch.log1p(step.double()).float()


def standardized_log_energy(energy: Tensor) -> Tensor:
    """log energy with mean 0 and standard deviation 1 over the last dimension (variant `standardized`)."""
    log_energy = energy.log()
    centred = log_energy - log_energy.mean(-1, keepdim=True)
    return centred / log_energy.std(-1, keepdim=True).clamp_(min=1e-6)


def removed_mass(mass: Tensor, dropped: Tensor) -> Tensor:
    """The proxy E(m) = 1/(N L) sum |X - m X|_1 of each candidate and channel.

    (C, N, L) L1 mass per patch, bool (S, C, N, L) dropped patches -> (S, C).
    """
    flat = dropped.flatten(2).to(mass.dtype)
    sums = torch.einsum("scx,cx->sc", flat, mass.flatten(1))
    return sums / (mass.shape[1] * mass.shape[2])


def flip_bits(dropped: Tensor, rate: float) -> Tensor:
    """Each bit flipped with probability `rate` (Algorithm 1, line 10)."""
    return dropped ^ (torch.rand(dropped.shape, device=dropped.device) < rate)


def swap_patches(dropped: Tensor, count: int) -> Tensor:
    """Mutation that keeps K: `count` random dropped patches change places with as many random kept ones.

    bool (..., L) -> bool (..., L) with the same number of True in each row.
    """
    key = torch.rand(dropped.shape, device=dropped.device)
    leaving = lowest(key + 2.0 * ~dropped, count)
    entering = lowest(key + 2.0 * dropped, count)
    return dropped ^ leaving ^ entering


class PBEDropout2d(nn.Module):
    """PB-EDropout for feature maps, (N, C, H, W) -> (N, C, H, W), H and W multiples of `patch_size`.

    In training the mask of least removed mass is applied, one for every sample and channel, each with exactly K
    patches kept. In evaluation `mode="full"` (the default) passes everything; `mode="mask"` keeps, per channel, the
    K patches that training kept most often. Fastest on a CPU in `channels_last` memory.

    Args:
        channels: C.
        patch_size: k, the side and stride of a patch.
        keep: share of patches that stay; K = floor(keep * L).
        population: S, candidate masks per forward.
        mutation: rho, rate of bit flips (printed) or share of dropped patches swapped (standardized).
        feedback: eta, the rate at which the proxy G moves alpha.
        ema_decay: of the average of applied masks.
        beta: weight of the pair energies. c: scale of the temperature. noise_std: sigma. eps: see `patch_energy`.
        variant: "printed" (Algorithm 1) or "standardized" (see the module's docstring).
        feedback_from: "candidates" as printed, or "mutated": the masks whose mean proxy moves G.
        map_size: (H, W), so that the masks' average exists before the first forward; else it is made there (which
            torch.compile(fullgraph=True) cannot trace).

    Raises:
        UserError: a setting outside its range, a patch size that does not divide the map, a wrong channel count.
    """

    def __init__(
        self,
        channels: int,
        patch_size: int = 2,
        keep: float = 0.85,
        population: int = 4,
        mutation: float = 0.1,
        feedback: float = 0.05,
        ema_decay: float = 0.9,
        *,
        beta: float = 0.1,
        c: float = 1.0,
        noise_std: float = 0.01,
        eps: float = 1e-3,
        variant: str = "printed",
        feedback_from: str = "candidates",
        map_size: tuple[int, int] | None = None,
    ):
        super().__init__()
        _require("channels", channels, channels >= 1, "1 or more")
        _require("keep", keep, 0.0 < keep <= 1.0, "a share in (0, 1]")
        _require("population", population, isinstance(population, int) and population >= 1, "an integer of 1 or more")
        _require("mutation", mutation, 0.0 <= mutation <= 1.0, "a rate in [0, 1]")
        _require("feedback", feedback, 0.0 <= feedback <= 1.0, "a rate in [0, 1]")
        _require("ema_decay", ema_decay, 0.0 <= ema_decay < 1.0, "a decay in [0, 1)")
        _require("beta", beta, beta >= 0.0 and math.isfinite(beta), "0 or more")
        _require("c", c, c > 0.0 and math.isfinite(c), "more than 0")
        _require("noise_std", noise_std, noise_std >= 0.0 and math.isfinite(noise_std), "0 or more")
        # Below, 1/eps^2 times beta leaves float32, and energies are no numbers.
        _require("eps", eps, eps >= 1e-12 and math.isfinite(eps), "1e-12 or more")
        _require("patch_size", patch_size, isinstance(patch_size, int) and patch_size >= 1, "an integer of 1 or more")
        _require("variant", variant, variant in ("printed", "standardized"), "printed, standardized")
        _require("feedback_from", feedback_from, feedback_from in ("candidates", "mutated"), "candidates, mutated")
        if feedback_from == "mutated":
            # With rho < 0.5 the printed crossover is the identity, and only then is it left out with right.
            _require("mutation", mutation, mutation < 0.5, "below 0.5 with feedback_from=mutated")
            _require("variant", variant, variant == "printed", "printed with feedback_from=mutated")
        self.channels, self.patch_size, self.keep = channels, patch_size, keep
        self.population, self.mutation, self.feedback, self.ema_decay = (
            population,
            mutation,
            feedback,
            ema_decay,
        )
        self.beta, self.c, self.noise_std, self.eps = beta, c, noise_std, eps
        self.variant, self.feedback_from = variant, feedback_from
        self._mode = "full"
        self.register_buffer("proxy", torch.ones(()))  # G_t
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # t
        self.register_buffer("ema", torch.zeros(channels, 0))  # (C, L), share of training masks that kept a patch
        self.register_buffer("patch_counts", torch.zeros(3, dtype=torch.int64))  # dropped, all, Pr = 0
        self.register_buffer("mass_sums", torch.zeros(2))  # L1 activation mass: removed, all
        if map_size is not None:
            self._size_for(*map_size)

    @property
    def mode(self) -> str:
        """What evaluation applies: "full" or "mask"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        _require("mode", mode, mode in ("full", "mask"), "full, mask")
        self._mode = mode

    def extra_repr(self) -> str:
        return f"{self.channels}, patch_size={self.patch_size}, keep={self.keep}, variant={self.variant}"

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise UserError(f"input of shape {tuple(x.shape)}: PBEDropout2d was made for (N, {self.channels}, H, W)")
        grid = self._size_for(x.shape[2], x.shape[3])
        if self.training:
            with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
                keep = self._select(x.detach(), grid)
            return mask_patches(x, keep)
        if self.mode == "full":
            self._count(torch.zeros((), dtype=torch.int64, device=x.device), x.shape[0] * self.ema.numel())
            return x
        keep = self.inference_mask()
        self._count((keep == 0).sum() * x.shape[0], x.shape[0] * self.ema.numel())
        return mask_patches(x, keep.view(1, self.channels, *grid))

    def inference_mask(self) -> Tensor:
        """The mask of MASK mode, bool (C, L): the K patches per channel that training kept most often."""
        n_patches = self.ema.shape[1]
        dropped = lowest(self.ema, n_patches - keep_count(self.keep, n_patches))
        return ~dropped | (self.steps == 0)

    def measurements(self) -> dict[str, float]:
        """What was counted since the last call, read from the device once; the counts start anew.

        `masked`: share of patches masked; `zero_probability`: share with Pr exactly 0; `removed_mass`: share of
        the L1 activation mass removed (both only where training forwards were counted); `proxy`: G.
        """
        dropped, patches, zero = self.patch_counts.tolist()
        removed, mass = self.mass_sums.tolist()
        values = {"masked": dropped / patches} if patches else {}
        if mass:
            values |= {
                "zero_probability": zero / patches,
                "removed_mass": removed / mass,
                "proxy": self.proxy.item(),
            }
        self.patch_counts.zero_()
        self.mass_sums.zero_()
        return values

    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        grid = patch_grid(height, width, self.patch_size)
        n_patches = grid[0] * grid[1]
        if self.ema.shape[1] == 0:
            keep_count(self.keep, n_patches)
            # In place: DistributedDataParallel holds on to the tensor that it was shown.
            self.ema.resize_(self.channels, n_patches).fill_(self.keep)
        elif self.ema.shape[1] != n_patches:
            raise UserError(
                f"feature map of {height}x{width} has {n_patches} patches: this layer has averaged masks of "
                f"{self.ema.shape[1]}; use one layer per map size"
            )
        return grid

    def _select(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Steps 2 to 14 of Algorithm 1 for all channels at once: (N, C, H, W) -> float mask (N, C, H/k, W/k)."""
        self.steps += 1
        magnitudes = view_patches(widen(x).abs(), self.patch_size)
        alpha = ALPHA_0 * (1.0 + self.feedback * self.proxy)
        energy = _channels_first(_energy_of_magnitudes(magnitudes, alpha, self.beta, self.eps))
        mass = _channels_first(sum_patches(magnitudes))
        temperature = temperature_at(self.steps, self.c)
        if self.variant == "standardized":
            energy = standardized_log_energy(energy)
        probabilities = gibbs_probabilities(energy, temperature)
        scores = probabilities if self.variant == "printed" else torch.log_softmax(energy / -temperature, dim=-1)
        candidates, proxies, mean_proxy = self._evolve(scores, mass)
        best = proxies.argmin(0)
        dropped = candidates[best, torch.arange(self.channels, device=x.device)]
        keep = (~dropped).to(x.dtype)
        self._observe(keep, probabilities, proxies.gather(0, best[None]), mass, mean_proxy)
        return keep.unflatten(2, grid).transpose(0, 1).contiguous(memory_format=_memory_format(x))

    def _evolve(self, scores: Tensor, mass: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The masks to choose from (S, C, N, L), their proxies (S, C), and the mean proxy that moves G."""
        n_patches = mass.shape[-1]
        dropped = n_patches - keep_count(self.keep, n_patches)
        bits = random_bits(scores, self.population)
        candidates, removed = candidate_masks(scores, mass, bits, self.noise_std, dropped)
        proxies = removed.sum(-1) / (mass.shape[1] * n_patches)
        if self.variant == "standardized":
            mutants = swap_patches(candidates, min(round(self.mutation * dropped), n_patches - dropped))
            candidates = torch.cat([candidates, mutants])
            proxies = torch.cat([proxies, removed_mass(mass, mutants)])
        elif self.feedback_from == "mutated":
            return candidates, proxies, removed_mass(mass, flip_bits(candidates, self.mutation)).mean()
        return candidates, proxies, proxies.mean()

    def _observe(self, keep: Tensor, probabilities: Tensor, removed: Tensor, mass: Tensor, mean_proxy: Tensor) -> None:
        """Move G and the average of masks, and count."""
        self.proxy.lerp_(mean_proxy.to(self.proxy.dtype), self.feedback)
        self.ema.lerp_(keep.mean(1, dtype=torch.float32).to(self.ema.dtype), 1.0 - self.ema_decay)
        patches = keep.numel()
        self._count(patches - keep.count_nonzero(), patches, patches - probabilities.count_nonzero())
        self.mass_sums += torch.stack([removed.sum() * mass.shape[1] * mass.shape[2], mass.sum()])

    def _count(self, dropped: Tensor, patches: int, zero: Tensor | int = 0) -> None:
        self.patch_counts[0] += dropped
        self.patch_counts[1] += patches
        self.patch_counts[2] += zero

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        saved = state_dict.get(prefix + "ema")
        if saved is not None and self.ema.shape[1] == 0 and saved.shape[0] == self.channels:
            self.ema.resize_(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _channels_first(values: Tensor) -> Tensor:
    """(N, C, H/k, W/k) -> contiguous (C, N, L)."""
    return values.flatten(2).transpose(0, 1).contiguous()


def _memory_format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _require(key: str, value: object, allowed: bool, what: str) -> None:
    if not allowed:
        raise UserError(f"{key}={value} is not allowed: allowed is {what}")
