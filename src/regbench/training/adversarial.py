"""The adversarial loop: a discriminator's step on every batch, a generator's step on every n-th.

Both nets minimise a loss of their own; the regularizer's penalty is in both, and reaches each net's own weights.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regbench.data import Batches, Splits
from regbench.errors import UserError
from regbench.measures.fidelity import Unmeasurable
from regbench.models import GAN
from regbench.training.batch import data_order
from regbench.training.loop import Training, frozen_statistics
from regbench.training.schedule import Schedule
from regbench.training.state import Failed, Record, Steps

NETS = ("discriminator", "generator")
WINDOWS = 10  # points an epoch of each curve; fewer where the generator has fewer steps


class Optimizers(dict[str, torch.optim.Optimizer]):
    """One optimizer a net, saved and loaded as one."""

    def state_dict(self) -> dict[str, dict]:
        """Each optimizer's, by net."""
        return {name: optimizer.state_dict() for name, optimizer in self.items()}

    def load_state_dict(self, states: dict[str, dict]) -> None:
        """Of all, by net."""
        for name, optimizer in self.items():
            optimizer.load_state_dict(states[name])


@dataclass(eq=False)
class AdversarialTraining(Training):
    """A GAN in training: `model` is a `GAN`, `optimizer` one for each net, `task` a `Generate`."""

    optimizer: Optimizers
    model: GAN

    def train_epoch(self, data: Batches, schedule: Schedule, epoch: int, on_step: Callable[[], None]) -> Steps:
        """One pass over the images. Curves have `WINDOWS` points: losses, gradient norms, what the regularizer traces.

        Raises:
            Failed: a loss that is no number; the net is named.
        """
        self.model.train()
        batches = data_order(len(data), self.seed, epoch).split(schedule.batch_size)
        if len(batches) < self.task.n_dis:
            raise UserError(f"task.n_dis={self.task.n_dis} is not allowed: an epoch has {len(batches)} steps")
        curves = Curves(len(batches), (epoch - 1) * len(batches), min(WINDOWS, len(batches) // self.task.n_dis))
        for number, index in enumerate(batches, start=1):
            real = self.task.images(data, index.to(data.device))
            values = self.discriminator_step(real, schedule.clip_norm)
            if number % self.task.n_dis == 0:
                values |= self.generator_step(len(real), schedule.clip_norm)
                self.regularizer.adapt(functools.partial(self.losses, real))
            curves.add(number, values | self.regularizer.traced())
            for name in curves.not_finite():
                raise Failed(f"{name} became no finite number in step {number} of epoch {epoch}", self.records)
            on_step()
        means = curves.means()
        return Steps({"loss": means.pop("discriminator_loss"), **means}, curves=curves.points)

    def end_epoch(self, data: Splits, steps: Steps, seconds: float) -> Record:
        """As of any training; images of which nothing can be measured are a failure like a loss that is no number.

        Raises:
            Failed: a number of the epoch is not finite, or there is none.
        """
        try:
            return super().end_epoch(data, steps, seconds)
        except (Unmeasurable, torch.linalg.LinAlgError) as error:
            raise Failed(f"{error} in epoch {len(self.records) + 1}", self.records) from error

    def discriminator_step(self, real: Tensor, clip_norm: float | None) -> dict[str, Tensor]:
        """One step of the discriminator on these images and as many generated ones."""
        with torch.no_grad():
            fake = self.model.generate(len(real))
        loss = self.model.discriminator_loss(self.model.score(real), self.model.score(fake))
        total = loss + self.model.discriminator_penalty(real, fake)
        return {"discriminator_loss": loss.detach(), **self._step("discriminator", total, clip_norm)}

    def generator_step(self, count: int, clip_norm: float | None) -> dict[str, Tensor]:
        """One step of the generator with so many images."""
        loss = self.model.generator_loss(self.model.score(self.model.generate(count)))
        measured = self._step("generator", loss, clip_norm)
        self.model.update_average()
        return {"generator_loss": loss.detach(), **measured}

    def losses(self, real: Tensor) -> dict[str, Tensor]:
        """Both minimised losses as the nets stand, with fresh noise."""
        with frozen_statistics(self.model):
            fake = self.model.generate(len(real))
            scores = self.model.score(fake)
            discriminator = self.model.discriminator_loss(self.model.score(real), scores)
            discriminator = discriminator + self.model.discriminator_penalty(real, fake)
            return {"generator": self.model.generator_loss(scores), "discriminator": discriminator}

    def artifacts(self, data: Splits) -> dict[str, Tensor]:
        """Those of the regularizer, and `samples`: generated images (n, C, H, W)."""
        return {**super().artifacts(data), "samples": self.task.shown(self.model)}

    def _step(self, net: str, loss: Tensor, clip_norm: float | None) -> dict[str, Tensor]:
        """Minimise the loss, penalty included, over one net's parameters; the norm of its gradient."""
        parameters = [each for group in self.optimizer[net].param_groups for each in group["params"]]
        penalty = self.regularizer.penalty(self.model)
        self.optimizer[net].zero_grad(set_to_none=True)
        (loss if penalty is None else loss + penalty).backward(inputs=parameters)
        norm = nn.utils.clip_grad_norm_(parameters, math.inf if clip_norm is None else clip_norm)
        self.optimizer[net].step()
        return {f"{net}_gradient_norm": norm}


class Curves:
    """Means over windows of an epoch's steps, and over the epoch.

    Args:
        steps: of the epoch. before: steps of the epochs before. windows: how many, at most `steps`.
    """

    def __init__(self, steps: int, before: int, windows: int):
        self.before = before
        self.ends = {steps * window // windows for window in range(1, windows + 1)}
        self.points: dict[str, list[float]] = {}
        self.window: dict[str, list[Tensor]] = {}
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, step: int, values: dict[str, Tensor]) -> None:
        """The values of a step, counted from 1; a window that ends with it becomes a point of the curves."""
        for name, value in values.items():
            self.window.setdefault(name, []).append(value.detach().clone())  # a rate is moved in place
        if step in self.ends:
            self._close(step)

    def _close(self, step: int) -> None:
        self.points.setdefault("step", []).append(self.before + step)
        for name, values in self.window.items():
            mean = torch.stack(values).double().mean().item()
            self.points.setdefault(name, []).append(mean)
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = total + mean * len(values), count + len(values)
        self.window = {}

    def not_finite(self) -> Iterable[str]:
        """Names of curves whose last point is no finite number."""
        return [name for name, values in self.points.items() if not math.isfinite(values[-1])]

    def means(self) -> dict[str, float]:
        """The epoch's means."""
        return {name: total / count for name, (total, count) in self.sums.items()}
