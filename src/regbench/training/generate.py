"""The task of a GAN: images as it sees them, and what is measured of those that it makes."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from regbench.data import Batches, Splits
from regbench.errors import UserError
from regbench.measures.extractor import Extractor, load_extractor
from regbench.measures.fidelity import Reference, check_finite, effective_classes, inception_score
from regbench.models import GAN
from regbench.training.task import EVALUATION_BATCH, Task

SHOWN = 20  # samples kept with a row
SAMPLING_SEED = 20_260_000  # of evaluation's noise and choice of real images: the same in all epochs and trainings

#: by a split's images: what was measured of them, by extractor and how many images
_measured: WeakIdKeyDictionary = WeakIdKeyDictionary()


class Generate(Task):
    """Images like those of the training data, by a GAN. Measured by FID and IS against held-out and test images.

    Args:
        extractor: of features and class probabilities: "inception", a file of results/extractors, or a path.
        samples: generated images an evaluation, 2 or more. n_dis: discriminator steps for one of the generator.
    """

    output = "a GAN's scores, (N, 2)"
    adversarial = True
    least_images = 2  # a distribution has a covariance

    def __init__(self, extractor: str, samples: int = 10_000, n_dis: int = 1):
        if not isinstance(extractor, str):
            raise UserError(
                f"task.extractor={extractor} is not allowed: inception, a name of results/extractors, or a path"
            )
        for key, value, least in (("samples", samples, 2), ("n_dis", n_dis, 1)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(f"task.{key}={value} is not allowed: an integer of {least} or more")
        self.extractor_name, self.samples, self.n_dis = extractor, samples, n_dis
        self.extractor: Extractor | None = None

    def check(self, model: nn.Module, data: Batches, names: dict[str, str]) -> None:
        super().check(model, data, names)
        channels, known = data.input_shape[0], self._load(data.device).channels
        if known not in (None, channels):
            raise UserError(
                f"task.extractor={self.extractor_name} is of images with {known} channels, these have {channels}"
            )

    def fits(self, output: tuple[int, ...], inputs: tuple[int, ...]) -> bool:
        return output == (inputs[0], 2)

    def images(self, data: Batches, index: Tensor | slice) -> Tensor:
        """The images of these indices in [-1, 1]: (B, C, H, W)."""
        return data.unit(index).mul_(2).sub_(1)

    def batch(self, data: Batches, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Images in [-1, 1], twice."""
        images = self.images(data, index)
        return images, images

    def provenance(self) -> dict[str, dict]:
        return {} if self.extractor is None else {"extractor": self.extractor.described()}

    @torch.no_grad()
    def evaluate(self, model: GAN, data: Splits) -> dict[str, dict[str, float]]:
        """FID, IS, effective classes and diversity of `samples` images, beside those of as many training images.

        Raises:
            UserError: a split of one image, which has no covariance.
            Unmeasurable: generated images that are no finite numbers, or have no finite features.
        """
        for key, split in (("budget.heldout_images", data.heldout), ("test images", data.test)):
            if len(split) < 2:
                raise UserError(f"{key}={len(split)} is too few for a distance between images: allowed are 2 or more")
        extractor = self._load(data.test.device)
        features, logits = self._extract(self._generated(model, data.test.device), extractor)
        values = {"inception_score": inception_score(logits), "effective_classes": effective_classes(logits)}
        return {
            name: values | self._against(split, data.train, features, extractor)
            for name, split in (("heldout", data.heldout), ("test", data.test))
        }

    def shown(self, model: GAN) -> Tensor:
        """Generated images (n, C, H, W) in [0, 1], of the same noise whatever was trained."""
        device = next(model.parameters()).device
        return to_unit(model.sample(_noise(SHOWN, model.latent, device))).float().cpu()

    def _load(self, device: torch.device) -> Extractor:
        self.extractor = load_extractor(self.extractor_name, device)
        return self.extractor

    def _against(self, split: Batches, train: Batches, features: Tensor, extractor: Extractor) -> dict[str, float]:
        count = min(self.samples, len(train))

        def real() -> tuple[Tensor, Tensor]:
            return _once(train, (extractor.sha256, count), lambda: self._real(train, count, extractor))

        def beside() -> dict[str, float]:
            features, logits = real()
            scores = {"inception_score": inception_score(logits), "effective_classes": effective_classes(logits)}
            return {f"real_{name}": value for name, value in scores.items()} | {
                "real_fid": reference.frechet_distance(features)
            }

        reference = _once(split, (extractor.sha256,), lambda: Reference(self._real(split, len(split), extractor)[0]))
        return {
            "fid": reference.frechet_distance(features),
            "diversity": reference.diversity(features),
            **_once(split, (extractor.sha256, "real", count), beside),
        }

    def _real(self, data: Batches, count: int, extractor: Extractor) -> tuple[Tensor, Tensor]:
        """Features and logits of so many images of a split, drawn at random: folders may be sorted by class."""
        chosen = torch.randperm(len(data), generator=_generator())[:count].to(data.device)
        return self._extract((data.unit(index) for index in chosen.split(EVALUATION_BATCH)), extractor)

    def _generated(self, model: GAN, device: torch.device) -> Iterable[Tensor]:
        """Batches of generated images in [0, 1]."""
        for part in _noise(self.samples, model.latent, device).split(EVALUATION_BATCH):
            images = to_unit(model.sample(part))
            check_finite("generated images", images)  # an extractor that rounds them to bytes would hide it
            yield images

    def _extract(self, batches: Iterable[Tensor], extractor: Extractor) -> tuple[Tensor, Tensor]:
        features, logits = zip(*(extractor(images) for images in batches), strict=True)
        return torch.cat(features), torch.cat(logits)


def to_unit(images: Tensor) -> Tensor:
    """From [-1, 1] to [0, 1]."""
    return images.add(1).div_(2)


def _noise(count: int, latent: int, device: torch.device) -> Tensor:
    return torch.randn(count, latent, generator=_generator()).to(device)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SAMPLING_SEED)


def _once(data: Batches, key: tuple, measure: Callable[[], Any]) -> Any:
    """What `measure()` gives, remembered for as long as the split's images live: it is the same for all trainings."""
    known = _measured.setdefault(data.images if data.chosen is None else data.chosen, {})
    if key not in known:
        known[key] = measure()
    return known[key]
