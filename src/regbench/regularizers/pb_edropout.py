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
    results/REPORT.md#pb-energy-selects, results/REPORT.md#pb-energy-cifar10: no gain seen so far.
    `random_patch` is the control: the same K, no energy.
"""

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from regbench.errors import UserError
from regbench.regularizers.parts.candidates import candidate_masks, random_bits
from regbench.regularizers.parts.layer import Layer, recomputing
from regbench.regularizers.parts.patches import (
    keep_count,
    keep_share,
    lowest,
    lowest_by_threshold,
    mask_patches,
    patch_grid,
    patch_side,
    sum_patches,
    view_patches,
)
from regbench.regularizers.parts.precision import widen
from regbench.regularizers.parts.settings import choice, is_count, is_number, map_size_of, require

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
REMEMBERED = 256  # forwards whose backward may still repeat them
MARK = 8  # random numbers that tell one forward from another


@dataclass(frozen=True)
class _Forward:
    """What a forward drew first, and t and G before it."""

    drawn: Tensor
    steps: Tensor
    proxy: Tensor


def patch_energy(patches: Tensor, alpha: Tensor | float, beta: float, eps: float) -> Tensor:
    """Energy of each patch (eq. 1): alpha sum r + beta sum over 8-neighbour pairs r_p r_q, r = 1 / max(|x|, eps).

    Args:
        patches: (..., k, k) activations.
        alpha, beta: weights of the single sites and of the pairs.
        eps: smallest activation that is told from zero, > 0.

    Returns:
        (...) energies, float32, or float64 of such activations.
    """
    return _energy_of_magnitudes(widen(patches).abs(), alpha, beta, eps)


def _energy_of_magnitudes(magnitudes: Tensor, alpha: Tensor | float, beta: float, eps: float) -> Tensor:
    inverse = magnitudes.clamp(min=eps).reciprocal_()
    return (alpha * sum_patches(inverse)).add_(_pair_products(inverse), alpha=beta)


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


class PBEDropout2d(Layer):
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
        map_size: (H, W) of the maps, whose masks are then averaged; without it there is no mode "mask", and maps of any
            size pass.

    `ema`, the averaged masks, is what inference needs and all that `state_dict` holds; weights without it load as those
    of a layer that has averaged nothing. t and G, which training alone needs, are buffers beside it: `training_state`
    holds them. A batch that holds NaN or an infinity moves none of this, nor does an empty one. Under
    torch.utils.checkpoint a repeated forward draws the masks of the first and moves nothing.

    Raises:
        UserError: a setting outside its range, a patch size that does not divide the map, a wrong channel count, a mode
            that the layer does not have.
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
        rate, rest = (lambda value: is_number(value) and 0.0 <= value <= 1.0), "0 or more"
        self.channels = require("channels", channels, is_count, "an integer of 1 or more")
        self.patch_size, self.keep = patch_side(patch_size), keep_share(keep)
        self.population = require("population", population, is_count, "an integer of 1 or more")
        self.mutation = require("mutation", mutation, rate, "a rate in [0, 1]")
        self.feedback = require("feedback", feedback, rate, "a rate in [0, 1]")
        self.ema_decay = require("ema_decay", ema_decay, lambda d: rate(d) and d < 1.0, "a decay in [0, 1)")
        self.beta = require("beta", beta, lambda value: is_number(value) and value >= 0.0, rest)
        self.c = require("c", c, lambda value: is_number(value) and value > 0.0, "more than 0")
        self.noise_std = require("noise_std", noise_std, lambda value: is_number(value) and value >= 0.0, rest)
        # Below, 1/eps^2 times beta leaves float32, and energies are no numbers.
        self.eps = require("eps", eps, lambda value: is_number(value) and value >= 1e-12, "1e-12 or more")
        self.variant = choice("variant", variant, ("printed", "standardized"))
        self.feedback_from = choice("feedback_from", feedback_from, ("candidates", "mutated"))
        if feedback_from == "mutated":
            # With rho < 0.5 the printed crossover is the identity, and only then is it left out with right.
            require("mutation", mutation, lambda rho: rho < 0.5, "below 0.5 with feedback_from=mutated")
            require("variant", variant, lambda word: word == "printed", "printed with feedback_from=mutated")
        self.map_size = map_size_of(map_size)
        self._mode = "full"
        self.register_buffer("ema", self._initial_ema())  # (C, L), share of training masks that kept a patch
        self.register_buffer("proxy", torch.ones(()), persistent=False)  # G_t
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64), persistent=False)  # t
        # dropped, all, Pr = 0
        self.register_buffer("patch_counts", torch.zeros(3, dtype=torch.int64), persistent=False)
        self.register_buffer("mass_sums", torch.zeros(2), persistent=False)  # L1 activation mass: removed, all
        self._forwards: deque[_Forward] = deque(maxlen=REMEMBERED)

    @property
    def mode(self) -> str:
        """What evaluation applies: "full" or "mask"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        choice("mode", mode, ("full", "mask"))
        if mode == "mask" and self.map_size is None:
            raise UserError(
                "mode=mask needs averaged masks, which have the size of the map: give the layer its map_size"
            )
        self._mode = mode

    def extra_repr(self) -> str:
        size = "" if self.map_size is None else f", map_size={self.map_size}"
        return f"{self.channels}, patch_size={self.patch_size}, keep={self.keep}, variant={self.variant}{size}"

    def transform(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise UserError(f"input of shape {tuple(x.shape)}: PBEDropout2d was made for (N, {self.channels}, H, W)")
        if not self.training and self.mode == "full":
            return x
        if self.map_size not in (None, tuple(x.shape[2:])):
            raise UserError(
                f"input of shape {tuple(x.shape)}: this layer averages masks of maps of {self.map_size[0]} x "
                f"{self.map_size[1]}; use one layer per map size"
            )
        grid = patch_grid(x.shape[2], x.shape[3], self.patch_size)
        if not self.training:
            return mask_patches(x, self.inference_mask().view(1, self.channels, *grid))
        if x.numel() == 0:
            return x
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            keep = self._select(x.detach(), grid)
        return mask_patches(x, keep)

    def inference_mask(self) -> Tensor:
        """The mask of MASK mode, bool (C, L): the K patches per channel that training kept most often.

        A channel whose patches were all kept as often, as before any training, keeps everything.
        """
        n_patches = self.ema.shape[1]
        dropped = lowest_by_threshold(self.ema, n_patches - keep_count(self.keep, n_patches))
        return ~dropped | (self.ema == self.ema[:, :1]).all(dim=1, keepdim=True)

    def pictures(self) -> dict[str, Tensor]:
        """`ema` and `mask`, what MASK mode applies: each (C, H/k, W/k) in [0, 1]; none without averaged masks."""
        if self.map_size is None:
            return {}
        grid = (self.channels, *patch_grid(*self.map_size, self.patch_size))
        found = {"ema": self.ema.detach(), "mask": self.inference_mask()}
        return {name: each.float().cpu().view(grid) for name, each in found.items()}

    def measurements(self) -> dict[str, float]:
        """What training forwards came to since the last call, read from the device once; the counts start anew.

        `masked`: share of patches masked; `zero_probability`: share with Pr exactly 0; `removed_mass`: share of
        the L1 activation mass removed; `proxy`: G. Without such a forward: `masked`, as evaluation does in its mode.
        """
        dropped, patches, zero = self.patch_counts.tolist()
        removed, mass = self.mass_sums.tolist()
        self.patch_counts.zero_()
        self.mass_sums.zero_()
        if not patches:
            share = 0.0 if self.mode == "full" else (~self.inference_mask()).double().mean().item()
            return {"masked": share}
        values = {"masked": dropped / patches}
        if mass:
            values |= {"zero_probability": zero / patches, "removed_mass": removed / mass, "proxy": self.proxy.item()}
        return values

    def _initial_ema(self) -> Tensor | None:
        if self.map_size is None:
            return None
        rows, columns = patch_grid(*self.map_size, self.patch_size)
        keep_count(self.keep, rows * columns)
        return torch.full((self.channels, rows * columns), float(self.keep))

    def _select(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Steps 2 to 14 of Algorithm 1 for all channels at once: (N, C, H, W) -> float mask (N, C, H/k, W/k)."""
        magnitudes = view_patches(widen(x).abs(), self.patch_size)
        mass = _channels_first(sum_patches(magnitudes))
        bits = random_bits(mass, self.population)
        again = recomputing()
        steps, proxy = self._state_for(bits, again)
        alpha = ALPHA_0 * (1.0 + self.feedback * proxy)
        energy = _channels_first(_energy_of_magnitudes(magnitudes, alpha, self.beta, self.eps))
        temperature = temperature_at(steps + 1, self.c)
        if self.variant == "standardized":
            energy = standardized_log_energy(energy)
        probabilities = gibbs_probabilities(energy, temperature)
        scores = probabilities if self.variant == "printed" else torch.log_softmax(energy / -temperature, dim=-1)
        candidates, proxies, mean_proxy = self._evolve(scores.float(), mass.float(), bits)
        best = proxies.argmin(0)
        dropped = candidates[best, torch.arange(self.channels, device=x.device)]
        keep = (~dropped).to(x.dtype)
        if not again:
            self._observe(keep, probabilities, proxies.gather(0, best[None]), mass, mean_proxy)
        return keep.unflatten(2, grid).transpose(0, 1).contiguous(memory_format=_memory_format(x))

    def _state_for(self, bits: Tensor, again: bool) -> tuple[Tensor, Tensor]:
        """t and G before this forward; of a repeated one those of the first, which drew the same bits."""
        if torch.compiler.is_compiling():  # which repeats by itself what it does not keep
            return self.steps, self.proxy
        drawn = bits.flatten()[:MARK].clone()
        if not again:
            self._forwards.append(_Forward(drawn, self.steps.clone(), self.proxy.clone()))
            return self.steps, self.proxy
        # Without preserved random state no forward drew these: the masks differ anyway, as all dropout's do then.
        found = [each for each in self._forwards if torch.equal(each.drawn, drawn)] or list(self._forwards)
        return (found[-1].steps, found[-1].proxy) if found else (self.steps, self.proxy)

    def _evolve(self, scores: Tensor, mass: Tensor, bits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The masks to choose from (S, C, N, L), their proxies (S, C), and the mean proxy that moves G."""
        n_patches = mass.shape[-1]
        dropped = n_patches - keep_count(self.keep, n_patches)
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
        """Move t, G and the average of masks, and count; a batch that is not finite moves nothing."""
        total = mass.sum()
        good = total.isfinite() & mean_proxy.isfinite()
        self.steps += good
        self.proxy.copy_(torch.where(good, self.proxy.lerp(mean_proxy, self.feedback), self.proxy))
        if self.ema is not None:
            averaged = self.ema.lerp(keep.mean(1, dtype=torch.float32), 1.0 - self.ema_decay)
            self.ema.copy_(torch.where(good, averaged, self.ema))
        kept = keep.count_nonzero()
        counts = torch.stack([-kept, torch.zeros_like(kept), -probabilities.count_nonzero()]) + keep.numel()
        self.patch_counts += good * counts
        sums = torch.stack([removed.sum() * mass.shape[1] * mass.shape[2], total.float()])
        self.mass_sums += torch.where(good, sums, 0.0)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_forwards": deque(maxlen=REMEMBERED)}  # a copy repeats nothing of the original's

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        if self.ema is not None and prefix + "ema" not in state_dict:  # weights of a network without this layer
            state_dict[prefix + "ema"] = self._initial_ema().to(self.ema.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _channels_first(values: Tensor) -> Tensor:
    """(N, C, H/k, W/k) -> contiguous (C, N, L)."""
    return values.flatten(2).transpose(0, 1).contiguous()


def _memory_format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
