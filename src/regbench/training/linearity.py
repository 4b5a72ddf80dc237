"""Classification, with how linear the network has become: the essay's measure, and those of L1 and L2 beside it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.errors import UserError
from regbench.measures.additivity import NotFinite, additivity_gap
from regbench.regularizers.parts.placement import choose_layers
from regbench.training.task import Classify

PAIRING_SEED = 20_260_001  # which test images are paired: the same in all trainings
SMALL = 1e-3  # a weight nearer to 0 than this counts as none


class ClassifyLinearity(Classify):
    """Cross entropy and accuracy, and on test images the additivity gap of the logits.

    Measured beside them are what the essay compares it with: `sparsity`, the share of weights nearer to 0 than
    0.001, and `weight_norm`, the root of the sum of their squares, of all dense and convolutional layers.

    Args:
        pairs: of test images, standardised as the network sees them, 1 or more.
    """

    least_images = 2  # a pair

    def __init__(self, pairs: int = 500):
        if not isinstance(pairs, int) or isinstance(pairs, bool) or pairs < 1:
            raise UserError(f"task.pairs={pairs} is not allowed: an integer of 1 or more")
        self.pairs = pairs

    @torch.no_grad()
    def evaluate(self, model: nn.Module, data: Splits) -> dict[str, dict[str, float]]:
        found = super().evaluate(model, data)
        found["test"] |= self.gaps(model, data.test) | weight_measures(model)
        return found

    def gaps(self, model: nn.Module, data: Batches) -> dict[str, float]:
        """`additivity_gap` of the network, and `subnetwork_gap`, the mean over random ones, where it has dropout."""
        count = min(self.pairs, len(data) // 2)
        chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(PAIRING_SEED))[: 2 * count]
        first, second = (data.take(index) for index in chosen.to(data.device).split(count))
        found = {"additivity_gap": gap_or_nan(model, first, second)}
        if any(is_dropout(module) for module in model.modules()):
            found["subnetwork_gap"] = gap_or_nan(subnetworks(model), first, second)
        return found


def gap_or_nan(function: Callable[[Tensor], Tensor], x1: Tensor, x2: Tensor) -> float:
    """`additivity_gap`; no number of a network that has diverged, so that its training fails as any other does."""
    try:
        return additivity_gap(function, x1, x2)
    except NotFinite:
        return math.nan


def is_dropout(module: nn.Module) -> bool:
    """Whether a module is one of torch's dropout layers."""
    return isinstance(module, nn.modules.dropout._DropoutNd)


def subnetworks(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network with its dropout at work and all else in evaluation mode, a random subnetwork for each sample.

    The masks are the same in all calls with as many samples, so that what is measured is one function a sample.
    """

    def call(x: Tensor) -> Tensor:
        layers = [module for module in model.modules() if is_dropout(module)]
        with torch.random.fork_rng([x.device] if x.is_cuda else []):
            torch.manual_seed(PAIRING_SEED)
            for layer in layers:
                layer.train()
            try:
                return model(x)
            finally:
                for layer in layers:
                    layer.eval()

    return call


@torch.no_grad()
def weight_measures(model: nn.Module) -> dict[str, float]:
    """`sparsity` and `weight_norm` over the weights of all dense and convolutional layers."""
    weights = torch.cat([layer.weight.flatten() for layer in choose_layers(model, "all").values()])
    return {"sparsity": (weights.abs() < SMALL).float().mean().item(), "weight_norm": weights.norm().item()}
