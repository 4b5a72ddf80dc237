"""Tasks: what a step minimises and what an evaluation measures."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.errors import UserError
from regbench.rows.stopping import WATCHED
from regbench.training.ranks import ranks

EVALUATION_BATCH = 128  # images at once without gradients: small enough for the caches; it does not change results


class Task:
    """What all tasks share. A task is told how to read a batch, its loss, and what else to count."""

    #: whether two nets train against each other
    adversarial = False

    #: what early stopping and a plateau may watch, of `stopping.WATCHED`
    watchable: tuple[str, ...] = ("compound", "base")

    def batch(self, data: Batches, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Inputs (B, C, H, W) and targets of the images at these indices."""
        raise NotImplementedError

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch, ()."""
        raise NotImplementedError

    def counted(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Sums over a batch of what is measured beside the loss, each a () on the device."""
        return {}

    #: of a split that is evaluated, at least so many
    least_images = 1

    #: dimensions of a dataset's targets: 1 for labels, 3 for masks; None: they are not read
    target_dims: int | None = None

    @torch.no_grad()
    def check(self, model: nn.Module, data: Batches, names: dict[str, str]) -> None:
        """Raise UserError where dataset or model is none of this task's; `names` are those of the three."""
        if self.target_dims is not None and data.targets.dim() != self.target_dims:
            kinds = {1: "labels", 3: "masks"}
            raise UserError(
                f"task={names['task']} does not fit dataset={names['dataset']}, which has {kinds[data.targets.dim()]}: "
                f"allowed are datasets with {kinds[self.target_dims]}"
            )
        inputs, _ = self.batch(data, slice(0, 2))
        training = model.training
        shape = tuple(model.eval()(inputs).shape)
        model.train(training)
        if not self.fits(shape, tuple(inputs.shape)):
            raise UserError(
                f"task={names['task']} does not fit model={names['model']}, which makes {shape} of "
                f"{tuple(inputs.shape)}: allowed is an output of {self.output}"
            )

    #: what an output is, in words
    output: str

    def fits(self, output: tuple[int, ...], inputs: tuple[int, ...]) -> bool:
        """Whether an output of this shape is one of this task's."""
        raise NotImplementedError

    def evaluate(self, model: nn.Module, data: Splits) -> dict[str, dict[str, float]]:
        """What is measured on held-out and test images, by split; the model's mode is the caller's to set."""
        return {"heldout": self.measure(model, data.heldout), "test": self.measure(model, data.test)}

    def provenance(self) -> dict[str, Any]:
        """What a row's numbers were measured with, beside its config."""
        return {}

    def artifacts(self, model: nn.Module, data: Splits) -> dict[str, Tensor]:
        """Arrays worth keeping with the finished row, each (rows, ..., height, width) in [0, 1]."""
        return {}

    @torch.no_grad()
    def measure(self, model: nn.Module, data: Batches) -> dict[str, float]:
        """Mean loss and means of what is counted, over a split."""
        sums, mine = Sums(), ranks().span(len(data))
        for start in range(mine.start, mine.stop, EVALUATION_BATCH):
            inputs, targets = self.batch(data, slice(start, min(start + EVALUATION_BATCH, mine.stop)))
            output = model(inputs)
            sums.add(self.loss(output, targets), self.counted(output, targets), len(targets))
        return sums.means()


class Classify(Task):
    """Cross entropy (nats) and accuracy (a fraction)."""

    watchable = WATCHED
    output = "(N, classes)"
    target_dims = 1

    def fits(self, output: tuple[int, ...], inputs: tuple[int, ...]) -> bool:
        return len(output) == 2

    def batch(self, data: Batches, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Standardised images and int64 labels (B,)."""
        return data.take(index), data.target(index)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """(B, classes) logits, (B,) labels -> ()."""
        return F.cross_entropy(output, target)

    def counted(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """How many are right."""
        return {"accuracy": (output.argmax(-1) == target).sum()}


class Reconstruct(Task):
    """Mean squared error between an image in [0, 1] and what the network makes of it."""

    output = "the input's shape"

    def fits(self, output: tuple[int, ...], inputs: tuple[int, ...]) -> bool:
        return output == inputs

    def batch(self, data: Batches, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Images in [0, 1], twice: (B, C, H, W)."""
        images = data.unit(index)
        return images, images

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """(B, C, H, W) twice -> (), the mean over all pixels and channels."""
        return F.mse_loss(output, target)


class Sums:
    """Running sums of a loss and of counts over batches, in float64 on the device; `means` reads them once.

    Of several processes each adds its own images; the means are over those of all.
    """

    def __init__(self) -> None:
        self.images = 0
        self.totals: dict[str, Tensor] = {}

    def add(self, loss: Tensor, counted: dict[str, Tensor], images: int) -> None:
        """A batch's mean loss and counts: each () or, for several members at once, (members,)."""
        self.images += images
        for name, value in {"loss": loss.detach().double() * images, **counted}.items():
            self.totals[name] = self.totals[name] + value if name in self.totals else value

    def means(self) -> dict[str, float]:
        """The means over all images, as numbers."""
        totals = torch.stack([total.double() for total in self.totals.values()])
        *values, images = ranks().add_up(torch.cat([totals, totals.new_tensor([self.images])])).tolist()
        return {name: value / images for name, value in zip(self.totals, values, strict=True)}

    def means_of(self, members: int) -> list[dict[str, float]]:
        """The means of each member."""
        columns = {name: total.tolist() for name, total in self.totals.items()}
        return [{name: values[i] / self.images for name, values in columns.items()} for i in range(members)]
