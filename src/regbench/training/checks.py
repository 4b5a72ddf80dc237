"""Settings that are right alone and do not go together: said before anything is trained."""

import torch

from regbench.data import Batches, Splits
from regbench.errors import UserError
from regbench.training import Schedule, Training
from regbench.training.ranks import ranks


def check_parts(training: Training, data: Splits, names: dict[str, str]) -> None:
    """Raise UserError where task, model and dataset do not fit each other.

    The training is spent: its random numbers, and what its layers remember, have moved.

    Args:
        names: of `task`, `model` and `dataset`, as configs call them.
    """
    if training.task.adversarial and ranks().size > 1:
        raise UserError(f"task={names['task']} trains in one process: allowed with torchrun are other tasks")
    if training.task.target_dims == 1 and data.classes < 2:
        raise UserError(
            f"task={names['task']} does not fit dataset={names['dataset']}, which has no labels: allowed are datasets "
            "with labels"
        )
    training.task.check(training.model, data.train, names)
    for key, split in (("budget.heldout_images", data.heldout), ("the test images", data.test)):
        if len(split) < training.task.least_images:
            least = training.task.least_images
            raise UserError(f"{key}={len(split)} is too few for task={names['task']}: allowed are {least} or more")


def check_schedule(training: Training, schedule: Schedule, data: Batches, task: str) -> None:
    """Raise UserError where the schedule asks for what task, regularizer or model cannot do; the training is spent.

    Args:
        data: the training images. task: its name, as configs call it.
    """
    check_watched(training, schedule, task)
    check_adaptation(training, schedule)
    check_batches(training, schedule, data)


def check_watched(training: Training, schedule: Schedule, name: str) -> None:
    """Raise UserError where early stopping or the plateau watches what the task does not measure."""
    for key, rule in (("early_stopping", schedule.stopping), ("plateau", schedule.plateau)):
        if rule is not None and rule.watch not in training.task.watchable:
            allowed = ", ".join(training.task.watchable)
            raise UserError(f"task.{key}.watch={rule.watch} does not fit task={name}: allowed are {allowed}")


def check_adaptation(training: Training, schedule: Schedule) -> None:
    """Raise UserError where a regularizer that learns from every step would see another step than the network's."""
    if training.regularizer.adapts() and (schedule.accumulate > 1 or schedule.precision != "float32"):
        raise UserError(
            f"task.accumulate={schedule.accumulate} task.precision={schedule.precision}: a regularizer that adapts to "
            "every step allows 1 and float32 only"
        )


def check_batches(training: Training, schedule: Schedule, data: Batches) -> None:
    """Raise UserError where a step's smallest part is one image, and batch norm needs more."""
    last = len(data) % schedule.batch_size or schedule.batch_size
    if training.task.adversarial or last // (schedule.accumulate * ranks().size) > 1:
        return
    inputs, _ = training.task.batch(data, slice(0, 1))
    try:
        with torch.no_grad():
            training.model.train()(inputs)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            f"budget.train_images={len(data)} task.batch_size={schedule.batch_size} "
            f"task.accumulate={schedule.accumulate} in {ranks().size} processes: one image goes through the network "
            "alone, which batch norm cannot normalise here: allowed are settings that leave 2 or more"
        ) from error
