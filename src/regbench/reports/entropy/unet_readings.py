"""What the entropy paper's Table 3 reads from one training of a U-Net, by protocol, and what it claims of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from regbench.evidence.stops import at_best, base_stop, stopped, until_stop

#: (row, protocol) -> value
Reader = Callable[[dict, str], float]


@dataclass(frozen=True, eq=False)
class Reading:
    """One column: its unit, that of its differences, the paper's name of it, and what reads it from a row.

    `claimed`: the direction in which the paper says that the loss moves it. `bound` says of a row whether the value is
    only a lower bound, as the cap on epochs came before the stop.
    """

    metric: str
    column: str
    unit: str
    difference: str
    read: Reader
    paper_column: str | None = None
    claimed: str | None = None
    bound: Callable[[dict, str], bool] = lambda row, protocol: False


def epochs(row: dict, protocol: str) -> float:
    """The epoch at which early stopping on the protocol's split ends the training; the last where it never did."""
    return float(len(until_stop(row, protocol)["epochs"]))


def seconds(row: dict, protocol: str) -> float:
    """Time of the epochs up to that stop, evaluations included."""
    return sum(entry["seconds"] for entry in until_stop(row, protocol)["epochs"])


def _unstopped(row: dict, protocol: str) -> bool:
    return not stopped(row, protocol)


EPOCHS = Reading(
    "epochs", "Epochs to the stop", "epochs", "epochs", epochs, "# of Epochs", claimed="less", bound=_unstopped
)
ACCURACY = Reading(
    *("accuracy", "Accuracy, %", "%", "pp", lambda row, protocol: 100 * at_best(row, protocol, "accuracy"), "Accuracy"),
    claimed="greater",
)
IOU = Reading(
    *("iou", "IoU, %", "%", "pp", lambda row, protocol: 100 * at_best(row, protocol, "iou"), "IOU"),
    claimed="greater",
)
READINGS = (
    EPOCHS,
    Reading(
        *("base_epochs", "Epochs to the stop, were the base loss watched", "epochs", "epochs"),
        lambda row, protocol: float(base_stop(row, protocol)[0]),
        bound=lambda row, protocol: not base_stop(row, protocol)[1],
    ),
    Reading("seconds", "Training time, s", "s", "s", seconds, "Training Time (s)", bound=_unstopped),
    Reading(
        *("epoch_seconds", "Seconds per epoch", "s", "s"),
        lambda row, protocol: seconds(row, protocol) / epochs(row, protocol),
    ),
    ACCURACY,
    IOU,
)
#: the differences to lambda 0 that are printed and tested, in the direction of the paper's claim
COMPARED = (EPOCHS, ACCURACY, IOU)
