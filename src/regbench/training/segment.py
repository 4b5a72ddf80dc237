"""Segmentation: a network's picture of where the foreground is."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.rows.stopping import WATCHED
from regbench.training.ranks import ranks
from regbench.training.task import Task

SHOWN = 6  # test images whose predicted masks are kept
SHOWN_SIDE = 64
LARGE_BATCH = 16  # images at once in an evaluation: their maps are large


class Segment(Task):
    """Mean squared error between foreground probability and mask; accuracy over pixels and IoU of the foreground.

    Both are taken over all pixels of a split at once, at a threshold of 0.5.
    """

    watchable = WATCHED
    output = "(N, 1, H, W)"
    target_dims = 3

    def fits(self, output: tuple[int, ...], inputs: tuple[int, ...]) -> bool:
        return output == (inputs[0], 1, *inputs[2:])

    def batch(self, data: Batches, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Standardised images and uint8 masks (B, H, W)."""
        return data.take(index), data.target(index)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """(B, 1, H, W) in [0, 1], (B, H, W) of 0 and 1 -> ()."""
        return F.mse_loss(output[:, 0], target.to(output.dtype))

    def counted(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """For each image the share of its pixels that are right, summed."""
        right = (output[:, 0] > 0.5) == target.bool()
        return {"accuracy": right.double().mean((1, 2)).sum()}

    @torch.no_grad()
    def measure(self, model: nn.Module, data: Batches) -> dict[str, float]:
        """Mean loss, accuracy and IoU over a split, whichever process saw which image."""
        from torchmetrics.classification import BinaryAccuracy, BinaryJaccardIndex  # slow to load

        metrics = {"accuracy": BinaryAccuracy(), "iou": BinaryJaccardIndex()}
        metrics = {name: metric.to(data.device) for name, metric in metrics.items()}
        total = torch.zeros((), dtype=torch.float64, device=data.device)
        mine = ranks().span(len(data))
        for start in range(mine.start, mine.stop, LARGE_BATCH):
            inputs, targets = self.batch(data, slice(start, min(start + LARGE_BATCH, mine.stop)))
            output = model(inputs)
            total += self.loss(output, targets).double() * len(targets)
            for metric in metrics.values():
                metric.update(output[:, 0], targets.long())
        found = {name: metric.compute().item() for name, metric in metrics.items()}
        return {"loss": ranks().add_up(total).item() / len(data), **found}

    @torch.no_grad()
    def artifacts(self, model: nn.Module, data: Splits) -> dict[str, Tensor]:
        """Probabilities and masks of the first test images, (images, height, width) at 64 pixels or less."""
        inputs, targets = self.batch(data.test, slice(0, SHOWN))
        model.eval()
        pictures = {"test/predicted": model(inputs)[:, 0], "test/mask": targets.to(inputs.dtype)}
        side = min(SHOWN_SIDE, *inputs.shape[2:])
        return {name: F.adaptive_avg_pool2d(each[None], side)[0].float().cpu() for name, each in pictures.items()}
