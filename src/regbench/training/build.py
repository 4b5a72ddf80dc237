"""What a member's config describes, as objects: model, regularizer, task, optimizer, schedule."""

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate

from regbench.data import Splits
from regbench.errors import UserError
from regbench.models import GAN
from regbench.plan.jobs import Member
from regbench.regularizers import Regularizer
from regbench.rows.stopping import EarlyStopping, Plateau
from regbench.training import AdversarialTraining, Checkpoint, Schedule, Task, Training
from regbench.training.adversarial import NETS, Optimizers
from regbench.training.augmentation import Augmentation
from regbench.training.ranks import ranks

#: settings of a task's config that the loop reads, not the task
LOOP_KEYS = ("batch_size", "optimizer", "early_stopping", "clip_norm", "follow", "plateau", "augment")
LOOP_KEYS += ("precision", "accumulate", "channels_last")


def build(
    member: Member,
    data: Splits,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    own_noise: bool = False,
) -> Training:
    """A member before its first step. The initial weights depend on the seed alone.

    Its layers draw noise from torch's own generator, or, with `own_noise`, from one of its own in the same state.
    """
    settings = member.config
    shape = data.train.input_shape
    torch.manual_seed(member.seed)
    model = make("model", settings["model"], input_shape=shape, classes=data.classes)
    regularizer = make("regularizer", settings["regularizer"]["method"])
    regularizer.attach(model, shape)
    # Convolutions take the format of their weights, whatever their input's is.
    by_pixel = settings["task"].get("channels_last", True)
    model.to(device=device, memory_format=torch.channels_last if by_pixel else torch.contiguous_format)
    if ranks().size > 1 and device.type == "cuda":  # torch has none for a CPU: each process there has its own batch's
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    task = make("task", {key: value for key, value in settings["task"].items() if key not in LOOP_KEYS})
    kind, optimizer = (
        (AdversarialTraining if task.adversarial else Training),
        make_optimizer(settings, model, task, regularizer),
    )
    checkpoint = checkpoint or Checkpoint(None, member.id)
    torch.manual_seed(member.seed + 1)  # the noise of training does not depend on how many draws the weights took
    noise = torch.Generator(device).manual_seed(member.seed + 1) if own_noise else None
    return kind(model, regularizer, task, optimizer, member.seed, checkpoint, shape, noise)


def make_optimizer(
    settings: dict[str, Any], model: torch.nn.Module, task: Task, regularizer: Regularizer
) -> torch.optim.Optimizer | Optimizers:
    """The optimizer of the model's parameters, the regularizer's own left out; of a GAN, one for each net.

    Raises:
        UserError: a GAN without its task, or that task without a GAN.
    """

    own = {id(parameter) for parameter in regularizer.own_parameters()}

    def of(parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        params = (parameter for parameter in parameters if id(parameter) not in own)
        optimizer = make("task.optimizer", settings["task"]["optimizer"], params=params)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UserError(
                f"task.optimizer._target_={settings['task']['optimizer']['_target_']} is no optimizer of torch"
            )
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        if closure is not None and closure.default is closure.empty:
            raise UserError(f"task.optimizer: {type(optimizer).__name__} needs a closure, which the loop has not")
        return optimizer

    if task.adversarial != isinstance(model, GAN):
        allowed = "models dcgan, wgan_gp, sngan" if task.adversarial else "task generate"
        names = settings["task"]["name"], settings["model"]["name"]
        raise UserError("task={} does not fit model={}: allowed are {}".format(*names, allowed))
    if task.adversarial:
        return Optimizers({net: of(model.net_parameters(net)) for net in NETS})
    return of(model.parameters())


def make_schedule(member: Member, model: torch.nn.Module) -> Schedule:
    """What the loop reads of a member's config."""
    task = member.config["task"]
    follow = task.get("follow") or []
    if not isinstance(follow, list):
        raise UserError(f"task.follow={follow} is not allowed: a list of layers, or null")
    clip = task.get("clip_norm")
    if clip is not None and not (isinstance(clip, int | float) and clip > 0):
        raise UserError(f"task.clip_norm={clip} is not allowed: a number above 0, or null")
    _check_followed(follow, model)
    schedule = Schedule(
        member.config["epochs"],
        task["batch_size"],
        _settings("early_stopping", EarlyStopping, task),
        clip,
        tuple(follow),
        _settings("plateau", Plateau, task),
        _settings("augment", Augmentation, task),
        **{key: task[key] for key in ("precision", "accumulate", "channels_last") if key in task},
    )
    if isinstance(model, GAN) and schedule != Schedule(schedule.epochs, schedule.batch_size, clip_norm=clip):
        unread = [key for key in LOOP_KEYS if key not in ("batch_size", "optimizer", "clip_norm")]
        raise UserError(f"task={task['name']} reads none of {', '.join(unread)}: leave them out")
    return schedule


def _check_followed(follow: list[str], model: torch.nn.Module) -> None:
    """Raise UserError for a followed layer that is no dense layer of the model."""
    dense = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for name in follow:
        if name not in dense:
            raise UserError(f"task.follow={name} is no dense layer of this model: allowed are {', '.join(dense)}")


def _settings(key: str, kind: type, task: dict[str, Any]) -> Any:
    """An object of this dataclass from the task's settings under a key; None where there are none."""
    if task.get(key) is None:
        return None
    try:
        return kind(**task[key])
    except TypeError as error:
        names = ", ".join(field.name for field in dataclasses.fields(kind))
        raise UserError(f"task.{key}={task[key]} is not allowed: {names}, or null ({error})") from error


def make(key: str, config: dict[str, Any], **context: Any) -> Any:
    """Build what a config group describes; a setting that its class does not know is the user's error."""
    settings = {name: value for name, value in config.items() if name != "name"}
    try:
        return instantiate(settings, **context, _convert_="all")
    except HydraException as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        reason = str(error.__cause__ or error).splitlines()[0]
        given = ", ".join([name for name in settings if name != "_target_"]) or "none"
        raise UserError(
            f"{key}: {settings.get('_target_')} does not take these settings: {given} ({reason})"
        ) from error
