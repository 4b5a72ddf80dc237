"""How close generated images are to real ones: FID, IS, effective classes and diversity, from features and logits.

Sources: Heusel et al. 2017 (Fréchet inception distance), Salimans et al. 2016 (inception score); both by torchmetrics.

torchmetrics hands what is no number on to LAPACK, which may end the process with a segmentation fault: all that is
measured is looked at first.
"""

import warnings

import torch
from torch import Tensor, nn

SCORE_SPLITS = 10  # as is usual: the mean of the scores of tenths
LARGEST = 1e60  # a value; the product of two covariances, summed over features and images, is then below 1e300


class Unmeasurable(ValueError):
    """Images or features of which nothing can be measured; the message says why."""


class _Given(nn.Module):
    """In an extractor's place: features that are already there."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class Reference:
    """The features (N, d) of real images that generated ones are measured against.

    Raises:
        Unmeasurable: fewer than 2 images, features that are no finite numbers, or so large that their squares are not;
            the same features for all images.
    """

    def __init__(self, features: Tensor):
        from torchmetrics.image.fid import FrechetInceptionDistance  # slow to load

        check_finite("features of real images", features, least=2)
        self.distance = FrechetInceptionDistance(_Given(features.shape[1]), reset_real_features=False)
        self.distance.set_dtype(torch.float64)
        self.distance.to(features.device).update(features.double(), real=True)
        self.variance = total_variance(features)
        if not self.variance > 0:
            raise Unmeasurable(f"all {len(features)} real images have the same features")

    def frechet_distance(self, features: Tensor) -> float:
        """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) to features (M, d), M of 2 or more.

        Raises:
            Unmeasurable: fewer, or features that are no finite numbers or too large.
        """
        check_finite("features of generated images", features, least=2)
        self.distance.update(features.double(), real=False)
        value = self.distance.compute().item()
        self.distance.reset()
        return value

    def diversity(self, features: Tensor) -> float:
        """The total variance of features (M, d) over that of the real ones."""
        return total_variance(features) / self.variance


def total_variance(features: Tensor) -> float:
    """Trace of the covariance of features (N, d)."""
    return features.double().var(dim=0).sum().item()


def inception_score(logits: Tensor) -> float:
    """exp of the mean KL divergence of class probabilities to their mean, of logits (N, K), averaged over tenths.

    Raises:
        Unmeasurable: no image, or logits that are no finite numbers.
    """
    from torchmetrics.image.inception import InceptionScore

    check_finite("logits of images", logits)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        score = InceptionScore(_Given(logits.shape[1]), splits=SCORE_SPLITS)
    devices = [logits.device] if logits.is_cuda else []
    with torch.random.fork_rng(devices):  # it shuffles: the noise of training must not depend on it
        torch.manual_seed(0)
        score.to(logits.device).update(logits.double())
        return score.compute()[0].item()


def effective_classes(logits: Tensor) -> float:
    """exp of the entropy of the mean class probability, of logits (N, K): K where all classes are as frequent.

    Raises:
        Unmeasurable: no image, or logits that are no finite numbers.
    """
    check_finite("logits of images", logits)
    mean = logits.double().softmax(dim=1).mean(dim=0)
    return torch.special.entr(mean).sum().exp().item()


def check_finite(what: str, values: Tensor, least: int = 1) -> None:
    """Raise Unmeasurable where fewer than `least` rows (N, ...) are there, or some have no finite numbers.

    Numbers count as finite where the products of four of them are, of which a distance is made.
    """
    if len(values) < least:
        raise Unmeasurable(f"{what}: {len(values)} is too few, {least} are needed")
    bad = (~(values.flatten(1).double().abs() < LARGEST)).any(dim=1).sum().item()
    if bad:
        raise Unmeasurable(f"{what} are no finite numbers ({bad} of {len(values)} images)")
