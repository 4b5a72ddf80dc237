"""What is followed over the steps of a training: the change in entropy of dense layers."""

import torch
from torch import Tensor

from regbench.regularizers.entropy import dense_entropy_change, highest_entropy_change


class Followed:
    """The change in entropy of dense layers, now and at its highest, of one member (out, in) or many (..., out, in)."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.highest: dict[str, Tensor] = {}

    @torch.no_grad()
    def see(self, weights: dict[str, Tensor]) -> None:
        """The weights at which a step's gradient is taken, or those after the last step."""
        self.weights = weights
        for name, weight in weights.items():
            now = highest_entropy_change(weight)
            self.highest[name] = torch.maximum(self.highest[name], now) if name in self.highest else now

    @torch.no_grad()
    def values(self) -> dict[str, Tensor]:
        """By `<layer>/entropy_change`, the last, and `<layer>/highest_entropy_change`, or a bound of it."""
        changes = {f"{name}/entropy_change": dense_entropy_change(weight) for name, weight in self.weights.items()}
        return changes | {f"{name}/highest_entropy_change": value for name, value in self.highest.items()}
