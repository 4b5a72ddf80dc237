"""Tasks: what a step minimises and what an evaluation measures."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench.data import Batches

EVALUATION_BATCH = 128  # images at once without gradients: small enough for the caches; it does not change results


class Classify:
    """Cross entropy (nats) and accuracy (a fraction)."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch: (B, classes) logits, (B,) labels -> ()."""
        return F.cross_entropy(output, target)

    def correct(self, output: Tensor, target: Tensor) -> Tensor:
        """How many are right, an int64 () on the device."""
        return (output.argmax(-1) == target).sum()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, data: Batches) -> dict[str, float]:
        """Mean loss and accuracy over a split; the model's mode is the caller's to set."""
        loss = torch.zeros((), dtype=torch.float64, device=data.targets.device)
        right = torch.zeros((), dtype=torch.int64, device=data.targets.device)
        for start in range(0, len(data), EVALUATION_BATCH):
            images, targets = data.take(slice(start, start + EVALUATION_BATCH))
            output = model(images)
            loss += F.cross_entropy(output, targets, reduction="sum")
            right += self.correct(output, targets)
        return {"loss": loss.item() / len(data), "accuracy": right.item() / len(data)}
