"""What only the autoencoders have: their stops and errors, and which of their rows are one training."""

from __future__ import annotations

from regbench.evidence.judging import training_of
from regbench.evidence.metrics import LAST, metric, once
from regbench.evidence.notes import Shown, note
from regbench.evidence.stops import until_stop
from regbench.rows.stopping import watched_loss

TARGET = 0.01  # "minima within 10^-2"
FIGURES = {"mnist": {"mse_at_stop": "3", "epochs": "4"}, "cifar10": {"mse_at_stop": "5", "epochs": "6"}}
#: lines with a penalty, or a constant in its place
PENALTIES = ("entropy", "constant", "entropy_base", "log", "log_base")


@metric("mse_at_stop", "1e-3", "test MSE at the stop", margin=0.5)
def mse_at_stop(row, protocol, mode):
    return 1e3 * until_stop(row, protocol)["epochs"][-1]["test"]["full"]["loss"]


@metric(
    "epochs_to_target",
    "epochs",
    f"epochs to a test MSE of {TARGET}",
    protocols=("paper",),
    missing=f"a training ended before its test MSE was {TARGET}",
    least=1.0,
    margin=1.0,
)
def epochs_to_target(row, protocol, mode):
    """None where the training ended before."""
    return next((float(e["epoch"]) for e in row["epochs"] if watched_loss(e, "test") <= TARGET), None)


@metric("had_gradient", "%", "share of trainings whose penalty ever had a gradient", margin=1.0, **once(LAST))
def had_gradient(row, protocol, mode):
    return 100.0 * any(entry["measures"]["train"].get("gradient_norm", 0.0) != 0 for entry in row["epochs"])


@note
def paper_texts(shown: Shown) -> str | None:
    """What the paper's text says about its figures; its curves are only drawn."""
    figures = {f"text on Figure {number}" for number in FIGURES.get(shown.section.dataset, {}).values()}
    said = [f"{n.row}: {n.column} {n.value:g} {n.unit}" for n in shown.section.numbers if n.table in figures]
    return f"The paper's text (its curves are only drawn): {'; '.join(said)}." if said else None


@note
def trainings(shown: Shown) -> str:
    """How many trainings the rows are."""
    rows = shown.section.rows
    return (
        f"These {len(rows):,} rows are {len({training_of(row) for row in rows}):,} trainings. Where the penalty never "
        "had a gradient a row is the training without penalty of its seed, cut off at another epoch, by construction."
    )
