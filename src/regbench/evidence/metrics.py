"""What may be read from one training, by name: its unit, the protocols that read it, and when it is only a bound.

What goes by a protocol sees no epoch after early stopping on that protocol's split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence.groups import Group
from regbench.evidence.readings import last, ordered
from regbench.evidence.registry import Registry
from regbench.evidence.stops import base_stop, stopped, until_stop
from regbench.rows import protocols
from regbench.rows.protocols import PROTOCOLS

#: (row, protocol, evaluation mode) -> value; None where the row's method has no such value
Read = Callable[[dict, str, str], float | None]
LAST, ALL = "last epoch", "all epochs"
LEVEL_SHARE = 0.95  # of the references' mean held-out accuracy after the last epoch
UNSET = "the fixed accuracy"


@dataclass(frozen=True)
class Metric:
    """One reader of a training.

    `difference` is the unit of differences, `words` its name in a sentence. `bound` says of a row and protocol whether
    its value is only a lower bound, `why_bound` what such trainings do. `against` makes the metric from the trainings
    of the page's references, as a fixed level is; `level` then says which. `least` and `most` are the values it
    cannot pass, `failed` is what a failed training counts as (None: it has no value). `margin` is the difference below
    which two methods are called equal, fixed before any comparison.
    """

    name: str
    unit: str
    read: Read
    words: str
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    difference: str = ""
    bound: Callable[[dict, str], bool] | None = None
    why_bound: str = ""
    against: Callable[[Metric, Sequence[Group]], Metric] | None = None
    level: str = ""
    missing: str = ""
    least: float | None = None
    most: float | None = None
    margin: float | None = None
    value: float | None = None
    failed: float | None = None

    @property
    def unit_of_differences(self) -> str:
        return self.difference or {"%": "pp"}.get(self.unit, self.unit)

    @property
    def default(self) -> str:
        """The protocol that reads it where none is named."""
        return protocols.HELD_OUT if protocols.HELD_OUT in self.protocols else self.protocols[0]


METRICS = Registry("metric")


def metric(name: str, unit: str, words: str, **more) -> Callable[[Read], Read]:
    """Register a reader under a name that specs use. Raises UserError for a name that another reader has."""

    def register(read: Read) -> Read:
        return METRICS.put(name, Metric(name, unit, read, words, **more), read)

    return register


def once(*labels: str) -> dict:
    """The protocol of a metric that no choice of an epoch touches."""
    return {"protocols": labels}


#: limits of a share in percent
SHARE = {"least": 0.0, "most": 100.0}


@metric("accuracy", "%", "test accuracy", margin=0.5, **SHARE)
def accuracy(row, protocol, mode):
    return 100 * protocols.reported(until_stop(row, protocol), protocol, mode, "accuracy")


@metric("loss", "nats", "test loss", least=0.0, margin=0.02)
def loss(row, protocol, mode):
    return protocols.reported(until_stop(row, protocol), protocol, mode, "loss")


@metric("iou", "%", "IoU", margin=0.5, **SHARE)
def iou(row, protocol, mode):
    return 100 * protocols.reported(until_stop(row, protocol), protocol, mode, "iou")


@metric("train_accuracy", "%", "training accuracy")
def train_accuracy(row, protocol, mode):
    return 100 * protocols.selected(until_stop(row, protocol), protocol, mode)["train"]["accuracy"]


@metric("last_train_accuracy", "%", "training accuracy of the last epoch", margin=1.0, **once(LAST))
def last_train_accuracy(row, protocol, mode):
    return 100 * ordered(row)[-1]["train"]["accuracy"]


@metric("mean_accuracy", "%", "mean test accuracy over all epochs", margin=0.5, **SHARE, **once(ALL))
def mean_accuracy(row, protocol, mode):
    return 100 * fmean(protocols.value_at(entry, "test", mode, "accuracy") for entry in row["epochs"])


@metric("last_accuracy", "%", "test accuracy after the last epoch", **once(LAST))
def last_accuracy(row, protocol, mode):
    return 100 * last("accuracy")(row)


@metric("last_iou", "%", "IoU after the last epoch", **once(LAST))
def last_iou(row, protocol, mode):
    return 100 * last("iou")(row)


@metric("train_minus_test_accuracy", "pp", "training minus test accuracy", margin=1.0, **once(LAST))
def overfitting(row, protocol, mode):
    train = ordered(row)[-1]["train"].get("accuracy")
    if train is None:
        raise UserError(f"row {row['id']}: train.accuracy is missing in its last epoch")
    return 100 * (train - protocols.value_at(ordered(row)[-1], "test", mode, "accuracy"))


@metric("test_loss_rise", "nats", "test loss, last minus lowest", **once(LAST))
def loss_rise(row, protocol, mode):
    return last("loss")(row) - min(protocols.value_at(entry, "test", mode, "loss") for entry in row["epochs"])


@metric("seconds_per_epoch", "s", "seconds per epoch", **once(ALL))
def seconds_per_epoch(row, protocol, mode):
    return fmean(entry["seconds"] for entry in row["epochs"])


def unstopped(row: dict, protocol: str) -> bool:
    """Whether the cap on epochs ended the training, and not early stopping."""
    return not stopped(row, protocol)


CAPPED = {"bound": unstopped, "why_bound": "were ended by the cap on epochs"}


@metric("epochs", "epochs", "epochs to the stop", least=1.0, margin=1.0, **CAPPED)
def epochs(row, protocol, mode):
    return float(len(until_stop(row, protocol)["epochs"]))


@metric("seconds", "s", "seconds to the stop", **CAPPED)
def seconds(row, protocol, mode):
    return sum(entry["seconds"] for entry in until_stop(row, protocol)["epochs"])


@metric("epoch_seconds", "s", "seconds per epoch to the stop")
def epoch_seconds(row, protocol, mode):
    return seconds(row, protocol, mode) / epochs(row, protocol, mode)


@metric(
    "base_epochs",
    "epochs",
    "epochs to the stop, were the base loss watched",
    bound=lambda row, protocol: not base_stop(row, protocol)[1],
    why_bound="would have gone on",
)
def base_epochs(row, protocol, mode):
    return float(base_stop(row, protocol)[0])


@metric("epochs_run", "epochs", "epochs run", **once(ALL))
def epochs_run(row, protocol, mode):
    return float(len(row["epochs"]))


def crossing(values: Sequence[float], level: float, falling: bool = False) -> float | None:
    """Epochs until values (by epoch) reach the level, on a line between two epochs; None where they never do.

    What is there after the first epoch counts 1. `falling`: values come from above.
    """
    sign = -1 if falling else 1
    after = next((place for place, value in enumerate(values) if sign * value >= sign * level), None)
    if not after:
        return None if after is None else 1.0
    return after + (level - values[after - 1]) / (values[after] - values[after - 1])


def held_out_curve(row: dict) -> list[float]:
    """Held-out accuracy in percent by epoch, as far as early stopping on it lets the training go."""
    return [
        100 * protocols.value_at(entry, "heldout", "full", "accuracy")
        for entry in ordered(until_stop(row, protocols.HELD_OUT))
    ]


def to_level(own: Metric, references: Sequence[Group]) -> Metric:
    """Epochs to a share of the held-out accuracy that the references end with."""
    ends = [held_out_curve(row)[-1] for group in references for row in group.done]
    if not ends:
        return replace(own, level=UNSET)
    level = LEVEL_SHARE * fmean(ends)
    return replace(
        own,
        read=lambda row, protocol, mode: crossing(held_out_curve(row), level) or float(len(held_out_curve(row))),
        bound=lambda row, protocol: crossing(held_out_curve(row), level) is None,
        why_bound=f"never reach {level:.2f} % and count with their last epoch",
        level=f"{level:.2f} %",
        missing="",
        value=level,
    )


@metric(
    "epochs_to_fixed_accuracy",
    "epochs",
    "epochs to the fixed held-out accuracy",
    protocols=("held-out split",),
    against=to_level,
    missing="no finished training of a reference sets the fixed accuracy",
    least=1.0,
    margin=1.0,
)
def no_level(row, protocol, mode):
    return None
