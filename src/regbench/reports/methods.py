"""The methods of PB-EDropout's Table 1: their names, the mode they are read in, the paper's own labels."""

from __future__ import annotations

from dataclasses import dataclass

from regbench.errors import UserError

PB = "pb_edropout"
PB_STANDARDIZED = "pb_edropout_standardized"


@dataclass(frozen=True)
class Method:
    """One line of the table. `paper_row` is the paper's own label, None for what the paper lacks."""

    regularizer: str
    mode: str
    label: str
    paper_row: str | None = None


BASELINE = Method("none", "full", "Baseline / No dropout", "Baseline / No Dropout")
CLASSIC = Method("dropout", "full", "Classic dropout", "Classic Dropout")
PB_MASK = Method(PB, "mask", "PB-EDropout-Mask", "PB-EDropout-Mask (ours)")
PB_FULL = Method(PB, "full", "PB-EDropout-Full", "PB-EDropout-Full (ours)")
RANDOM = Method("random_patch", "full", "Random patches (same K)")
METHODS = (
    BASELINE,
    CLASSIC,
    PB_MASK,
    PB_FULL,
    RANDOM,
    Method("spatial_dropout", "full", "Spatial dropout"),
    Method("dropblock", "full", "DropBlock"),
    Method(PB_STANDARDIZED, "mask", "PB-EDropout-Mask (standardized energies)"),
    Method(PB_STANDARDIZED, "full", "PB-EDropout-Full (standardized energies)"),
)
DATASETS = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
SITE = "conv1"  # every dropout method of this paper stands at conv1 only


def regularizer_of(row: dict) -> str:
    """The regularizer of a row, PB-EDropout's variants kept apart. Raises UserError for an unknown one."""
    settings = row["config"]["regularizer"]
    name = settings["name"]
    if name == PB and layer_of(row).get("variant") == "standardized":
        name = PB_STANDARDIZED
    allowed = tuple(dict.fromkeys(method.regularizer for method in METHODS))
    if name not in allowed:
        raise UserError(f"row {row['id']}: regularizer={name!r}: allowed are {', '.join(allowed)}")
    return name


def dataset_of(row: dict) -> str:
    """The dataset's name. Raises UserError for one that this paper's tables do not hold."""
    name = row["config"]["dataset"]["name"]
    if name not in DATASETS:
        raise UserError(f"row {row['id']}: dataset={name!r}: allowed are {', '.join(DATASETS)}")
    return name


def layer_of(row: dict) -> dict:
    """The settings of the layer that the regularizer places, empty if it places none."""
    method = row["config"]["regularizer"].get("method") or {}
    return method.get("layer") or {}
