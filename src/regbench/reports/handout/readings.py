"""What the handout's table reads from the row of one training: accuracies, overfitting, speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence import protocols
from regbench.evidence.groups import Group
from regbench.evidence.readings import MODE, last, ordered

LEVEL_SHARE = 0.95  # of the unregularized networks' mean held-out accuracy after the last epoch


@dataclass(frozen=True)
class Reading:
    """What is read from a row, with its unit and column."""

    metric: str
    protocol: str
    unit: str
    column: str
    read: Callable[[dict], float]


def accuracy(protocol: str) -> Callable[[dict], float]:
    """Reads the test accuracy in percent, by protocol."""
    return lambda row: 100 * protocols.reported(row, protocol, MODE, "accuracy")


def overfitting(row: dict) -> float:
    """Training accuracy, the running mean over the last epoch with all layers at work, minus test accuracy, in pp."""
    train = ordered(row)[-1]["train"].get("accuracy")
    if train is None:
        raise UserError(f"row {row['id']}: train.accuracy is missing in its last epoch")
    return 100 * (train - last("accuracy")(row))


def loss_rise(row: dict) -> float:
    """Test loss after the last epoch minus the lowest of any epoch, in nats."""
    return last("loss")(row) - min(protocols.value_at(entry, "test", MODE, "loss") for entry in row["epochs"])


def epoch_seconds(row: dict) -> float:
    """Seconds per epoch, evaluation included, the mean over epochs."""
    return fmean(entry["seconds"] for entry in row["epochs"])


def held_out(row: dict) -> list[float]:
    """Held-out accuracy in percent by epoch."""
    return [100 * protocols.value_at(entry, "heldout", MODE, "accuracy") for entry in ordered(row)]


def fixed_level(baseline: Group | None) -> float | None:
    """The held-out accuracy in percent that "epochs to" counts to; None without a finished baseline."""
    if baseline is None or not baseline.done:
        return None
    return LEVEL_SHARE * fmean(held_out(row)[-1] for row in baseline.done)


def crossing(values: Sequence[float], level: float) -> float | None:
    """Epochs until values (by epoch) reach the level, on a line between two epochs; None where they never do.

    What is there after the first epoch counts 1.
    """
    after = next((place for place, value in enumerate(values) if value >= level), None)
    if not after:
        return None if after is None else 1.0
    return after + (level - values[after - 1]) / (values[after] - values[after - 1])


def epochs_to(level: float) -> Callable[[dict], float]:
    """Reads the epochs to the level; the number of epochs, a lower bound, where a training never reaches it."""
    return lambda row: crossing(held_out(row), level) or float(len(row["epochs"]))


def never(group: Group, level: float) -> list[int]:
    """The seeds whose training never reaches the level."""
    return [row["seed"] for row in group.done if crossing(held_out(row), level) is None]


ACCURACY = Reading("accuracy", "held-out", "%", "Test acc %, protocol held-out", accuracy("held-out"))
GAP = Reading("train_minus_test_accuracy", "last epoch", "pp", "Training minus test accuracy, pp", overfitting)
RISE = Reading("test_loss_rise", "last epoch", "nats", "Test loss, last minus lowest, nats", loss_rise)
READINGS = (
    Reading("accuracy", "paper", "%", "Test acc %, protocol paper", accuracy("paper")),
    ACCURACY,
    GAP,
    RISE,
    Reading("seconds_per_epoch", "all epochs", "s", "Seconds per epoch", epoch_seconds),
)
SPEED = "epochs_to_fixed_accuracy"


def speed(level: float | None) -> Reading:
    """Epochs to the fixed level, whose column names it."""
    if level is None:
        return Reading(SPEED, "held-out split", "epochs", "Epochs to the fixed accuracy", lambda row: float("nan"))
    return Reading(SPEED, "held-out split", "epochs", f"Epochs to {level:.2f} % held-out", epochs_to(level))
