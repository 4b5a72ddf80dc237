"""Generative adversarial networks: a generator, a discriminator and the losses that each of them minimises.

DCGAN (Radford, Metz, Chintala 2016), WGAN-GP (Gulrajani et al. 2017) and SNGAN (Miyato et al. 2018) differ here in the
discriminator's normalisation and in the losses alone; the generator is the same. The adaptive-dropout paper gives
neither architecture nor size, and "the same hyperparameters" for all: hence equal nets. The losses are:

    DCGAN     binary cross entropy, the generator's non-saturating; batch norm in the discriminator
    WGAN-GP   Wasserstein with a penalty on the critic's gradient; layer norm, as a batch's images must not depend on
              each other where each has a gradient of its own
    SNGAN     hinge; spectral norm of every layer
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from regbench.errors import UserError

SLOPE = 0.2  # of the discriminators' leaky ReLU, DCGAN's


def at_site(sites: Mapping[str, nn.Module] | nn.ModuleDict, name: str, x: Tensor) -> Tensor:
    """What stands at the site, applied to x; without sites x itself."""
    return sites[name](x) if name in sites else x


class Generator(nn.Module):
    """Noise (N, latent) -> images (N, C, H, W) in [-1, 1]: one dense layer, then transposed convolutions 4x4, stride 2.

    Every layer but the last is followed by batch norm, ReLU and a site: `generator1`, `generator2`, ...

    Args:
        shape: (C, H, W) of the images. widths: channels from the image's side inwards; each halves the map.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], widths: list[int]):
        super().__init__()
        channels, side, _ = shape
        self.latent = latent
        self.inner = (widths[-1], side >> len(widths), side >> len(widths))
        self.project = nn.Linear(latent, widths[-1] * self.inner[1] ** 2)
        inwards = [channels, *widths]
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(inwards[i], inwards[i - 1], 4, stride=2, padding=1) for i in range(len(widths), 0, -1)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in reversed(widths))

    def forward(self, noise: Tensor, sites: Mapping[str, nn.Module]) -> Tensor:
        x = self.project(noise).unflatten(1, self.inner)
        for number, (norm, up) in enumerate(zip(self.norms, self.ups, strict=True), start=1):
            x = up(at_site(sites, f"generator{number}", F.relu(norm(x))))
        return torch.tanh(x)


class Discriminator(nn.Module):
    """Images (N, C, H, W) -> scores (N,): convolutions 4x4, stride 2, then one dense layer.

    Every convolution is followed by the normalisation, a leaky ReLU and a site: `discriminator1`, ...

    Args:
        shape: (C, H, W) of the images. widths: channels from the image's side inwards.
        norm: "batch" (not after the first convolution, as in DCGAN), "layer" (the same) or "spectral" (all weights).
    """

    def __init__(self, shape: tuple[int, int, int], widths: list[int], norm: str):
        super().__init__()
        channels, side, _ = shape
        limited = spectral_norm if norm == "spectral" else lambda layer: layer
        pairs = zip([channels, *widths[:-1]], widths, strict=True)
        self.convs = nn.ModuleList(limited(nn.Conv2d(i, o, 4, stride=2, padding=1)) for i, o in pairs)
        kinds = {"batch": nn.BatchNorm2d, "layer": lambda width: nn.GroupNorm(1, width)}
        kind = kinds.get(norm, lambda width: nn.Identity())
        self.norms = nn.ModuleList([nn.Identity(), *(kind(width) for width in widths[1:])])
        self.head = limited(nn.Linear(widths[-1] * (side >> len(widths)) ** 2, 1))

    def forward(self, images: Tensor, sites: Mapping[str, nn.Module]) -> Tensor:
        x = images
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            x = at_site(sites, f"discriminator{number}", F.leaky_relu(norm(conv(x)), SLOPE))
        return self.head(x.flatten(1)).squeeze(1)


class GAN(nn.Module):
    """Two nets, their sites and their losses. Subclasses say which losses.

    `generator(noise, sites)` makes images in [-1, 1], `discriminator(images, sites)` scores them; `average` is the
    generator with exponentially averaged weights, None where `ema` is None.

    Args:
        sites: names of the sites, the generator's and the discriminator's.
        ema: decay of the average a step, in (0, 1); None: no average.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, sites: list[str], ema: float | None):
        super().__init__()
        if ema is not None and not 0.0 < ema < 1.0:
            raise UserError(f"model.ema={ema} is not allowed: a decay between 0 and 1, or null")
        self.generator, self.discriminator = generator, discriminator
        self.latent = generator.latent
        self.sites = nn.ModuleDict({name: nn.Identity() for name in sites})
        self.average = None
        if ema is not None:
            self.average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(ema), use_buffers=True)

    def net_parameters(self, net: str) -> Iterator[nn.Parameter]:
        """What is trained of a net, "generator" or "discriminator": its own, and those of the layers at its sites."""
        yield from getattr(self, net).parameters()
        for name, layer in self.sites.items():
            if name.startswith(net):
                yield from layer.parameters()

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, 2): of the images, in [-1, 1], and of as many generated ones."""
        fake = self.generate(len(images))
        return torch.stack([self.score(images), self.score(fake)], dim=1)

    def generate(self, count: int) -> Tensor:
        """(count, C, H, W) images in [-1, 1], through the sites, of fresh noise."""
        device = next(self.generator.parameters()).device
        return self.generator(torch.randn(count, self.latent, device=device), self.sites)

    def score(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N,), through the sites."""
        return self.discriminator(images, self.sites)

    @torch.no_grad()
    def sample(self, noise: Tensor) -> Tensor:
        """(N, latent) -> (N, C, H, W) in [-1, 1], of the averaged generator where there is one; in evaluation mode."""
        chosen = self.generator if self.average is None else self.average.module
        return chosen.eval()(noise, {} if self.training else self.sites)

    def update_average(self) -> None:
        """Take the generator's weights into their average."""
        if self.average is not None:
            self.average.update_parameters(self.generator)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scores (N,) of real and generated images -> (), what the discriminator minimises."""
        raise NotImplementedError

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Scores (N,) of generated images -> (), what the generator minimises."""
        raise NotImplementedError

    def discriminator_penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """Real and generated images (N, C, H, W) -> (), what else the discriminator minimises."""
        return 0.0


class _Convolutional(GAN):
    """The nets that all three methods share.

    Args:
        input_shape: (C, H, W), square, H divisible by 2 as often as there are widths. classes: not used.
        widths: channels from the image's side inwards, one or more. latent: dimensions of the noise.
    """

    norm: str

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        widths: list[int],
        latent: int = 64,
        ema: float | None = 0.999,
    ):
        _check_images(input_shape, widths)
        if not isinstance(latent, int) or latent < 1:
            raise UserError(f"model.latent={latent} is not allowed: an integer of 1 or more")
        sites = [f"{net}{number}" for net in ("generator", "discriminator") for number in range(1, len(widths) + 1)]
        generator = Generator(latent, input_shape, widths)
        super().__init__(generator, Discriminator(input_shape, widths, self.norm), sites, ema)


def _check_images(shape: tuple[int, int, int], widths: list[int]) -> None:
    _, height, width = shape
    if not widths or not all(isinstance(each, int) and each >= 1 for each in widths):
        raise UserError(f"model.widths={list(widths)} is not allowed: one or more integers of 1 or more")
    if height != width:
        raise UserError(f"images of {height}x{width} are not square: the GANs here make square ones")
    if height % 2 ** len(widths):
        raise UserError(
            f"model.widths={list(widths)} halves the map {len(widths)} times, which a side of {height} does not allow: "
            f"allowed are sides divisible by {2 ** len(widths)}, or fewer widths"
        )


class DCGAN(_Convolutional):
    """DCGAN: (N, C, H, W) in [-1, 1] -> scores (N, 2), logits of being real; see `GAN`."""

    norm = "batch"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-mean log D(x) - mean log(1 - D(G(z)))."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """-mean log D(G(z)), the non-saturating form."""
        return F.softplus(-fake).mean()


class WGANGP(_Convolutional):
    """WGAN-GP: the critic's scores, (N, C, H, W) in [-1, 1] -> (N, 2); see `GAN`.

    Args:
        gradient_penalty: weight of the penalty, 10 in its paper.
    """

    norm = "layer"

    def __init__(self, *args: Any, gradient_penalty: float = 10.0, **settings: Any):
        super().__init__(*args, **settings)
        if not gradient_penalty >= 0:
            raise UserError(f"model.gradient_penalty={gradient_penalty} is not allowed: a number of 0 or more")
        self.gradient_penalty = gradient_penalty

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """mean D(G(z)) - mean D(x)."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """-mean D(G(z))."""
        return -fake.mean()

    def discriminator_penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """The weight times mean (|grad D(x^)| - 1)^2, x^ at a random place between a real and a generated image."""
        return self.gradient_penalty * (gradient_norms(self, real, fake) - 1).square().mean()


def gradient_norms(model: GAN, real: Tensor, fake: Tensor) -> Tensor:
    """|grad D| (N,) at random places between each real and each generated image, both (N, ...)."""
    place = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    between = torch.lerp(real, fake, place).requires_grad_()
    (gradient,) = torch.autograd.grad(model.score(between).sum(), between, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


class SNGAN(_Convolutional):
    """SNGAN with the hinge loss: (N, C, H, W) in [-1, 1] -> scores (N, 2); see `GAN`."""

    norm = "spectral"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z)))."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """-mean D(G(z))."""
        return -fake.mean()
