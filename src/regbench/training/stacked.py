"""Many members trained at once: their weights are one batch dimension, and a step of all is one call.

Members that share everything but seed and strength are stacked with `torch.func`. Each keeps its own initial weights,
order of images, noise, gradient clipping, early stopping and failures, as if it trained alone: equal to the plain loop
within float tolerance, whoever its neighbours are. Only the steps are stacked; between epochs every member is an
ordinary model with an ordinary optimizer and checkpoint, so one that was stopped in a stack may go on alone, and the
reverse.
"""

import copy
import inspect
import logging
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from regbench.data import Batches, Splits
from regbench.plan.deadline import check_time
from regbench.regularizers import Regularizer, SiteLayers
from regbench.regularizers.parts.sites import outputs
from regbench.training.batch import data_order
from regbench.training.followed import Followed
from regbench.training.loop import Training, is_out_of_memory, memory_failure, train_epoch
from regbench.training.ranks import ranks
from regbench.training.schedule import Schedule
from regbench.training.state import Failed, Record, Steps
from regbench.training.task import Sums

log = logging.getLogger("regbench")

#: optimizers that treat every element alike, so that one of them serves many members
ELEMENTWISE = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad)
TRIAL_STEPS = 5
TRIAL_SIZES = (4, 16)
HOPELESS = 1.25  # so much slower than the best so far: larger stacks are not tried


def why_not(training: Training, schedule: Schedule) -> str | None:
    """Why this training cannot be stacked with others of its kind; None: it can."""
    if ranks().size > 1:
        return "several processes train one member"
    if not schedule.plain:
        return "augment, plateau, precision, accumulate or channels_last is set"
    if type(training) is not Training:
        return f"{type(training).__name__} has steps of its own"
    if type(training.optimizer) not in ELEMENTWISE:
        return f"{type(training.optimizer).__name__} does not treat every element alike"
    if training.model.state_dict().keys() != dict(training.model.named_parameters()).keys():
        return "the model has state beside its parameters"
    for module in training.model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and not hasattr(module, "draw"):
            return f"{type(module).__name__} draws noise of its own"
    regularizer = training.regularizer
    if regularizer.adapts():
        return f"{type(regularizer).__name__} learns from every step"
    if type(regularizer).penalty is not Regularizer.penalty:
        return f"{type(regularizer).__name__}.penalty is more than strength times unit_penalty"
    if isinstance(regularizer, SiteLayers):
        silent = [type(layer).__name__ for layer in regularizer.layers.values() if not hasattr(layer, "draw")]
        return f"{silent[0]} draws noise of its own" if silent else None
    return None


def fit_stacked(
    trainings: list[Training],
    data: Splits,
    schedule: Schedule,
    on_epoch: Callable[[Training, Record], None] = lambda training, record: None,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Training, Failed | None]]:
    """Train all members to their ends, each from its checkpoint; yields each when it is finished or has failed.

    Members that have finished the same number of epochs are stacked; those behind go first and catch up.
    """
    for training in trainings:
        training.resume()
    waiting = list(trainings)
    while waiting:
        for training in [each for each in waiting if schedule.ended(each.records)]:
            waiting.remove(training)
            yield training, None
        epoch = min((len(each.records) for each in waiting), default=0) + 1
        together = [each for each in waiting if len(each.records) + 1 == epoch]
        check_time(sum(each.records[-1]["seconds"] for each in together if each.records))
        for training, failure in _epoch(together, data, schedule, epoch, on_epoch, on_step):
            waiting.remove(training)
            yield training, failure


def _epoch(
    trainings: list[Training],
    data: Splits,
    schedule: Schedule,
    epoch: int,
    on_epoch: Callable[[Training, Record], None],
    on_step: Callable[[], None],
) -> Iterator[tuple[Training, Failed]]:
    """One epoch of all; yields those that fail in it. A stack that memory cannot hold is halved."""
    if not trainings:
        return
    start = time.perf_counter()
    noise = [each.noise.get_state() for each in trainings]
    failure = None
    try:
        epochs = train_stacked_epoch(trainings, data.train, schedule, epoch, on_step)
    except RuntimeError as error:
        failure = memory_failure(error, trainings[0])
    if failure is not None and len(trainings) == 1:
        yield trainings[0], failure
        return
    if failure is not None:  # outside of the except block: the stack that did not fit is freed by now
        for each, state in zip(trainings, noise, strict=True):
            each.noise.set_state(state)
        half = len(trainings) // 2
        log.warning("no memory for %d members at once: going on with %d", len(trainings), half)
        for part in (trainings[:half], trainings[half:]):
            yield from _epoch(part, data, schedule, epoch, on_epoch, on_step)
        return
    seconds = (time.perf_counter() - start) / len(trainings)
    for training, steps in zip(trainings, epochs, strict=True):
        try:
            on_epoch(training, training.end_epoch(data, steps, seconds))
        except Failed as error:
            yield training, error
        except RuntimeError as error:
            yield training, memory_failure(error, training)


def train_stacked_epoch(
    trainings: list[Training],
    data: Batches,
    schedule: Schedule,
    epoch: int,
    on_step: Callable[[], None] = lambda: None,
) -> list[Steps]:
    """`loop.train_epoch` of all members at once; their models and optimizers are those after the epoch."""
    device = data.device
    stack = Stack(trainings)
    orders = torch.stack([data_order(len(data), training.seed, epoch) for training in trainings]).to(device)
    sums, followed = Sums(), Followed()
    for index in orders.split(schedule.batch_size, dim=1):
        followed.see({name: stack.parameters[f"{name}.weight"] for name in schedule.follow})
        loss, counted = stack.step(data, index, schedule.clip_norm)
        sums.add(loss, counted, index.shape[1])
        for _ in trainings:
            on_step()
    followed.see({name: stack.parameters[f"{name}.weight"] for name in schedule.follow})
    stack.hand_back()
    values = {name: each.tolist() for name, each in followed.values().items()}
    means = sums.means_of(len(trainings))
    return [Steps(each, {name: every[i] for name, every in values.items()}) for i, each in enumerate(means)]


class Stack:
    """Members' parameters and optimizer state, stacked along a first dimension, for some steps."""

    def __init__(self, trainings: list[Training]):
        self.trainings = trainings
        first = trainings[0]
        members = [dict(each.model.named_parameters()) for each in trainings]
        self.parameters = {
            name: torch.stack([each[name].detach() for each in members]).requires_grad_() for name in members[0]
        }
        self.strengths = torch.tensor(
            [each.regularizer.strength for each in trainings], device=next(first.model.parameters()).device
        )
        self.optimizer = self._stacked_optimizer()
        noisy = {name: module for name, module in first.model.named_modules() if hasattr(module, "draw")}
        shapes = outputs(first.model, noisy, first.input_shape) if noisy else {}
        self.noisy = {name: found[0] for name, found in shapes.items()}
        self.losses = vmap(self._losses, in_dims=(0, 0, 0, 0))
        self.template = _Losses(first)
        self.template.train()

    def step(self, data: Batches, index: Tensor, clip_norm: float | None) -> tuple[Tensor, dict[str, Tensor]]:
        """One step of every member on its own images, index (members, batch); returns losses (members,) and counts."""
        task = self.trainings[0].task
        inputs, targets = task.batch(data, index.flatten())
        inputs, targets = (each.unflatten(0, index.shape) for each in (inputs, targets))
        self.optimizer.zero_grad(set_to_none=True)
        losses, counted = self.losses(self.parameters, self._noise(index.shape[1]), inputs, targets)
        total = losses["base"]
        if "unit_penalty" in losses:
            total = total + self.strengths * losses["unit_penalty"]
        total.sum().backward()
        if clip_norm is not None:
            clip_each(list(self.parameters.values()), clip_norm)
        self.optimizer.step()
        return losses["base"], counted

    def _losses(self, parameters: dict[str, Tensor], noise: dict[str, Tensor], inputs: Tensor, targets: Tensor):
        named = {f"model.{name}": value for name, value in {**parameters, **noise}.items()}
        return functional_call(self.template, named, (inputs, targets))

    def _noise(self, batch: int) -> dict[str, Tensor]:
        """What each member's layers draw from its own generator, by layer, (members, ...)."""
        drawn = [
            {
                name: each.model.get_submodule(name).draw((batch, *shape), each.noise)
                for name, shape in self.noisy.items()
            }
            for each in self.trainings
        ]
        return {f"{name}.noise": torch.stack([each[name] for each in drawn]) for name in self.noisy}

    def _stacked_optimizer(self) -> torch.optim.Optimizer:
        """One optimizer over the stacked parameters, with the stacked state of the members' optimizers."""
        first = self.trainings[0].optimizer
        asked = inspect.signature(type(first)).parameters
        settings = {key: value for key, value in first.param_groups[0].items() if key in asked and key != "params"}
        optimizer = type(first)(self.parameters.values(), **settings)
        states = [each.optimizer.state_dict() for each in self.trainings]
        if states[0]["state"]:
            stacked = {
                number: {
                    key: _stack([each["state"][number][key] for each in states]) for key in states[0]["state"][number]
                }
                for number in states[0]["state"]
            }
            optimizer.load_state_dict({"state": stacked, "param_groups": optimizer.state_dict()["param_groups"]})
        return optimizer

    @torch.no_grad()
    def hand_back(self) -> None:
        """Write every member's parameters and optimizer state back to it."""
        state = self.optimizer.state_dict()["state"]
        for i, training in enumerate(self.trainings):
            for name, parameter in training.model.named_parameters():
                parameter.copy_(self.parameters[name][i])
            own = {number: {key: _slice(value, i) for key, value in entry.items()} for number, entry in state.items()}
            groups = training.optimizer.state_dict()["param_groups"]
            training.optimizer.load_state_dict({"state": own, "param_groups": groups})


class _Losses(nn.Module):
    """A member's losses of one batch, as one module: what it calls sees the parameters that torch.func puts in."""

    def __init__(self, training: Training):
        super().__init__()
        self.model, self.regularizer, self.task = training.model, training.regularizer, training.task

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        output = self.model(inputs)
        losses = {"base": self.task.loss(output, targets)}
        unit_penalty = self.regularizer.unit_penalty(self.model)
        if unit_penalty is not None:
            losses["unit_penalty"] = unit_penalty
        return losses, self.task.counted(output.detach(), targets)


def clip_each(parameters: list[Tensor], most: float) -> None:
    """Cut every member's gradient to the norm `most`, as torch.nn.utils.clip_grad_norm_ cuts one member's."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
    factor = (most / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _stack(values: list) -> object:
    """State of many optimizers as one: step counters are equal, and stay one number, of its own."""
    return torch.stack(values) if torch.is_tensor(values[0]) and values[0].dim() else copy.deepcopy(values[0])


def _slice(value: object, i: int) -> object:
    return value[i].clone() if torch.is_tensor(value) and value.dim() else copy.deepcopy(value)


def best_size(trainings: list[Training], data: Splits, schedule: Schedule) -> int:
    """How many members to train at once: a few steps of copies are timed, 1 means the plain loop."""
    sizes = sorted({1, len(trainings), *(size for size in TRIAL_SIZES if size < len(trainings))})
    times: dict[int, float] = {}
    for size in sizes:
        try:
            times[size] = _seconds_a_member(trainings[:size], data, schedule)
        except RuntimeError as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            break
        if times[size] > HOPELESS * min(times.values()):
            break
    best = min(times, key=times.get)
    shown = ", ".join(f"{size}: {1e3 * seconds:.2f}" for size, seconds in times.items())
    log.info("members at once and ms for a step of one of them: %s; taking %d", shown, best)
    return best


def _seconds_a_member(trainings: list[Training], data: Splits, schedule: Schedule) -> float:
    """Time of one member's step, alone or in this stack, after a step that does not count."""
    copies = [copy.copy(each) for each in trainings]
    for each in copies:
        each.model, each.regularizer, each.optimizer = copy.deepcopy((each.model, each.regularizer, each.optimizer))
        each.noise = torch.Generator(data.train.device).manual_seed(0)

    def steps(count: int) -> float:
        few = data.train.first(count * schedule.batch_size)
        start = time.perf_counter()
        if len(copies) == 1:
            train_epoch(copies[0], few, schedule, 1, lambda: None)
        else:
            train_stacked_epoch(copies, few, schedule, 1)
        if few.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    random_state = torch.get_rng_state()
    steps(1)
    seconds = steps(TRIAL_STEPS)
    torch.set_rng_state(random_state)
    return seconds / TRIAL_STEPS / len(copies)
