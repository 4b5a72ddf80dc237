"""Model, regularizer, optimizer and task of a member, from its config."""

from typing import Any

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate

from regbench.data import Splits
from regbench.errors import UserError
from regbench.jobs import Member
from regbench.regularizers import Regularizer
from regbench.training import Classify


def build(
    member: Member, data: Splits, device: torch.device
) -> tuple[torch.nn.Module, Regularizer, torch.optim.Optimizer]:
    """Model, regularizer and optimizer of a member. The initial weights depend on the seed alone."""
    settings = member.config
    shape = data.train.input_shape
    torch.manual_seed(member.seed)
    model = make("model", settings["model"], input_shape=shape, classes=data.classes)
    regularizer = make("regularizer", settings["regularizer"]["method"])
    regularizer.attach(model, shape)
    model.to(device=device, memory_format=torch.channels_last)
    make_task(settings["task"])
    optimizer = make("task.optimizer", settings["task"]["optimizer"], params=model.parameters())
    torch.manual_seed(member.seed + 1)  # the noise of training does not depend on how many draws the weights took
    return model, regularizer, optimizer


def make_task(config: dict[str, Any]) -> Classify:
    """The task, from those of its settings that are not the loop's."""
    return make("task", {key: value for key, value in config.items() if key not in ("batch_size", "optimizer")})


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
