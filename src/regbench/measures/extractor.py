"""Feature extractors for FID and IS: Inception, or a classifier that this repository has trained.

Scores of different extractors are never compared, so a row names its extractor and the digest of its weights.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench import models
from regbench.errors import UserError, reason
from regbench.paths import ROOT

FOLDER = ROOT / "results" / "extractors"
INCEPTION = "inception"


@dataclass(frozen=True, eq=False)
class Extractor:
    """A network in evaluation mode and what it is called.

    network: images (N, C, H, W) in [0, 1] -> features (N, d), logits (N, K). channels: those of its images, None: any.
    accuracy: on its own test split, a fraction; None for Inception. sha256: of its weights. features: d.
    """

    name: str
    network: nn.Module
    channels: int | None
    accuracy: float | None
    sha256: str
    features: int

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(images)

    def described(self) -> dict[str, Any]:
        """What a row says of it."""
        return {key: getattr(self, key) for key in ("name", "accuracy", "sha256", "features")}


class Classifier(nn.Module):
    """A trained classifier as an extractor: features are the means over its last site's maps.

    Args:
        model: with sites. mean, std: (C,) by which it standardises images in [0, 255]. shape: (C, H, W) of its images;
            others are resized bilinearly.
    """

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor, shape: tuple[int, int, int]):
        super().__init__()
        self.model, self.side = model, shape[1:]
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))
        self.last = list(model.sites)[-1]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if tuple(images.shape[2:]) != tuple(self.side):
            images = F.interpolate(images, self.side, mode="bilinear", antialias=True)
        found: list[Tensor] = []
        handle = self.model.sites[self.last].register_forward_hook(lambda module, inputs, output: found.append(output))
        try:
            logits = self.model((255 * images - self.mean) / self.std)
        finally:
            handle.remove()
        return found[0].mean(dim=(2, 3)), logits


class Inception(nn.Module):
    """Inception v3 with the weights that FID is defined with: 2048 features, 1008 logits without their bias."""

    def __init__(self) -> None:
        super().__init__()
        from torchmetrics.image.fid import NoTrainInceptionV3

        self.network = NoTrainInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        levels = (255 * images).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)
        features, logits = self.network._torch_fidelity_forward(levels)  # its forward() returns the first alone
        return features.flatten(1), logits


@functools.lru_cache(maxsize=4)
def load_extractor(name: str, device: torch.device) -> Extractor:
    """The extractor called `name`: "inception", one of `results/extractors`, or a path to such a file.

    Raises:
        UserError: no such file, a file that is none, or Inception's weights cannot be had.
    """
    if name == INCEPTION:
        try:
            network = Inception()
        except (URLError, OSError) as error:
            raise UserError(
                f"task.extractor=inception: its weights cannot be downloaded ({error}): allowed are {_stored()}"
            ) from error
        return _finished(name, network, None, None, 2048, device)
    path = Path(name) if name.endswith(".pt") else FOLDER / f"{name}.pt"
    try:
        network, shape, accuracy = _read(path)
        width = _width(network, shape)
    except FileNotFoundError as error:
        raise UserError(
            f"task.extractor={name}: there is no {path} (`make extractors`); allowed are {INCEPTION}, {_stored()}"
        ) from error
    except Exception as error:  # whatever a file that is none may lead to
        raise UserError(
            f"task.extractor={name}: {path} is no trained classifier of this code ({reason(error)})"
        ) from error
    return _finished(path.stem, network, shape[0], accuracy, width, device)


def _read(path: Path) -> tuple[Classifier, tuple[int, int, int], float]:
    """The classifier of a file, the shape of its images and its test accuracy. No code that the file names is run."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    settings = {key: value for key, value in saved["config"]["model"].items() if key not in ("name", "_target_")}
    package, _, kind = saved["config"]["model"]["_target_"].rpartition(".")
    if package != models.__name__ or kind not in models.__all__:
        raise UserError(f"_target_={package}.{kind} is no network of {models.__name__}")
    shape = tuple(saved["input_shape"])
    model = getattr(models, kind)(input_shape=shape, classes=saved["classes"], **settings)
    model.load_state_dict(saved["model"])
    return Classifier(model, saved["mean"], saved["std"], shape), shape, float(saved["test_accuracy"])


def _finished(
    name: str, network: nn.Module, channels: int | None, accuracy: float | None, features: int, device: torch.device
) -> Extractor:
    network = network.eval().requires_grad_(False)
    digest = weights_digest(network)
    return Extractor(name, network.to(device), channels, accuracy, digest, features)


def weights_digest(network: nn.Module) -> str:
    """sha256 of a network's state on the CPU."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _width(network: Classifier, shape: tuple[int, int, int]) -> int:
    with torch.no_grad():
        return network.eval()(torch.zeros(1, *shape))[0].shape[1]


def _stored() -> str:
    return ", ".join(sorted(path.stem for path in FOLDER.glob("*.pt")))
