"""What a claim may be about: the metrics that are read from one row, by the names that claims.yaml uses.

As in the tables, no protocol sees an epoch after early stopping on its own split has ended the training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

from regbench.errors import UserError
from regbench.evidence import protocols
from regbench.evidence.groups import Group
from regbench.evidence.stops import stop_epoch, stopped, until_stop
from regbench.reports.entropy.autoencoder_findings import TARGET
from regbench.reports.entropy.autoencoders import epochs_to as epochs_to_error
from regbench.reports.entropy.autoencoders import mse
from regbench.reports.handout.readings import LEVEL_SHARE, crossing, epochs_to, fixed_level, held_out, overfitting
from regbench.reports.methods import SITE

#: (row, protocol, mode) -> value
Reader = Callable[[dict, str, str], float]


@dataclass(frozen=True)
class Reading:
    """One metric: its unit, that of its differences, its name in a sentence.

    `is_bound` says of a row whether the value is only a lower bound, as where a cap ended the training. `protocols` are
    those that it can be read by. `against` makes the reading from the group that others are held against, where what is
    read depends on it. `least` is the smallest value that there can be: a reference within 1 of it leaves little
    to gain.
    """

    unit: str
    difference: str
    words: str
    read: Reader
    is_bound: Callable[[dict, str], bool] = lambda row, protocol: False
    protocols: tuple[str, ...] = tuple(protocols.PROTOCOLS)
    against: Callable[[Group], Reading] | None = None
    least: float | None = None


def accuracy(row: dict, protocol: str, mode: str) -> float:
    """Test accuracy in percent at the protocol's epoch."""
    return 100 * protocols.reported(until_stop(row, protocol), protocol, mode, "accuracy")


def loss(row: dict, protocol: str, mode: str) -> float:
    """Test loss at the protocol's epoch of best accuracy."""
    return protocols.reported(until_stop(row, protocol), protocol, mode, "loss")


def mean_accuracy(row: dict, protocol: str, mode: str) -> float:
    """The mean over all epochs of the test accuracy in percent: high early, high throughout."""
    return 100 * fmean(protocols.value_at(entry, "test", mode, "accuracy") for entry in row["epochs"])


def epochs_to_target(row: dict, protocol: str, mode: str) -> float:
    """Epochs until the test error is at most TARGET; the last epoch, a bound, where it never is."""
    return float(epochs_to_error(row, TARGET) or len(row["epochs"]))


def epochs_to_level(reference: Group) -> Reading:
    """Epochs to the fixed held-out accuracy that the reference sets, as in the handout's table."""

    def own(row: dict) -> dict:
        return until_stop(row, protocols.HELD_OUT)

    level = fixed_level(replace(reference, done=tuple(own(row) for row in reference.done)))
    return replace(
        READINGS["epochs_to_level"],
        read=lambda row, protocol, mode: epochs_to(level)(own(row)),
        is_bound=lambda row, protocol: crossing(held_out(own(row)), level) is None,
    )


def masked_share(row: dict, protocol: str, mode: str) -> float:
    """Patches masked in this evaluation mode, in percent."""
    return 100 * _measure(protocols.selected(row, protocol, mode), mode, "masked", row)


def zero_probability(row: dict, protocol: str, mode: str) -> float:
    """Patches of Gibbs probability exactly 0 in the last epoch of training, in percent: noise alone ranks them."""
    return 100 * _measure(row["epochs"][-1], "train", "zero_probability", row)


def _measure(entry: dict, phase: str, name: str, row: dict) -> float:
    try:
        return entry["measures"][phase][f"{SITE}/{name}"]
    except KeyError:
        raise UserError(f"row {row['id']}: measures.{phase} lacks {SITE}/{name}") from None


READINGS: dict[str, Reading] = {
    "accuracy": Reading("%", "pp", "test accuracy", accuracy),
    "loss": Reading("nats", "nats", "test loss", loss),
    "overfitting": Reading(
        "pp",
        "pp",
        "training minus test accuracy",
        lambda row, protocol, mode: overfitting(row),
        protocols=("last epoch",),
    ),
    "mean_accuracy": Reading("%", "pp", "test accuracy, mean over epochs", mean_accuracy, protocols=("all epochs",)),
    "epochs_to_level": Reading(
        "epochs",
        "epochs",
        f"epochs to {100 * LEVEL_SHARE:.0f} % of the reference's last held-out accuracy",
        lambda row, protocol, mode: float("nan"),
        protocols=("held-out split",),
        against=epochs_to_level,
        least=1.0,
    ),
    "masked_share": Reading("%", "pp", "masked patches", masked_share),
    "zero_probability": Reading("%", "pp", "patches of probability exactly 0", zero_probability),
    "stop_epoch": Reading(
        "epochs",
        "epochs",
        "stopping epoch",
        lambda row, protocol, mode: float(stop_epoch(row, protocol)),
        lambda row, protocol: not stopped(row, protocol),
    ),
    "mse_at_stop": Reading(
        "1e-3", "1e-3", "test MSE at the stop", lambda row, protocol, mode: 1e3 * mse(row, protocol)
    ),
    "epochs_to_target": Reading(
        "epochs",
        "epochs",
        f"epochs to a test MSE of {TARGET:g}",
        epochs_to_target,
        lambda row, protocol: epochs_to_error(row, TARGET) is None,
    ),
}
