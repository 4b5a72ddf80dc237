"""Which epoch is reported."""

import pytest

from regbench.errors import UserError
from regbench.evidence.metrics import METRICS
from regbench.rows.protocols import reported, select_epoch, selected

from . import made_up
from .factory import make_row


def test_each_protocol_picks_by_its_own_split_and_reports_test():
    row = make_row(accuracies=[0.90, 0.95, 0.93], heldout=[0.80, 0.81, 0.99], losses=[0.3, 0.2, 0.1])
    assert reported(row, "paper", "full", "accuracy") == 0.95
    assert reported(row, "held-out", "full", "accuracy") == 0.93
    assert reported(row, "paper", "full", "loss") == 0.2
    assert reported(row, "held-out", "full", "loss") == 0.1


def test_each_mode_picks_its_own_epoch():
    row = make_row("pb_edropout", accuracies=[0.90, 0.95], mask=[0.94, 0.91])
    assert selected(row, "paper", "full")["epoch"] == 2
    assert selected(row, "paper", "mask")["epoch"] == 1


def test_no_protocol_sees_an_epoch_after_the_stop_on_its_own_split():
    row = made_up.row(test=(0.90, 0.91, 0.97, 0.99, 0.995), losses=[1.0, 1.1, 0.5, 0.4, 0.3])
    row["config"]["task"]["early_stopping"] = {"patience": 1, "watch": "base"}
    for entry, loss in zip(row["epochs"], (1.0, 0.9, 0.8, 0.9, 0.7), strict=True):
        entry["heldout"]["full"]["loss"] = loss
    for protocol, stop, accuracy, loss in (("paper", 2, 91.0, 1.1), ("held-out", 4, 99.0, 0.4)):
        found = {name: METRICS[name].read(row, protocol, "full") for name in ("epochs", "seconds", "accuracy", "loss")}
        assert found == pytest.approx({"epochs": stop, "seconds": stop, "accuracy": accuracy, "loss": loss})


def test_ties_go_to_the_earlier_epoch_whatever_the_order():
    epochs = make_row(accuracies=[0.9, 0.95, 0.95], losses=[0.1, 0.3, 0.1])["epochs"]
    assert select_epoch(epochs, "test", "full")["epoch"] == 2
    assert select_epoch(epochs[::-1], "test", "full")["epoch"] == 2
    assert select_epoch(epochs[::-1], "test", "full", "loss", "min")["epoch"] == 1
    assert select_epoch(epochs, "test", "full", "loss", "max")["epoch"] == 2


def test_what_cannot_be_selected_is_an_error():
    row = make_row(accuracies=[0.9, 0.95])
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 1: test.mask.accuracy is missing"):
        selected(row, "paper", "mask")
    with pytest.raises(UserError, match="protocol='test': allowed are paper, held-out"):
        selected(row, "test", "full")
    with pytest.raises(UserError, match="direction='best'"):
        select_epoch(row["epochs"], "test", "full", direction="best")
    with pytest.raises(UserError, match="at least one epoch"):
        select_epoch([], "test", "full")
    row["epochs"][0]["test"]["full"]["accuracy"] = float("nan")
    with pytest.raises(UserError, match=r"accuracy=nan"):
        selected(row, "paper", "full")
    lossy = make_row(accuracies=[0.9], losses=[float("inf")])
    with pytest.raises(UserError, match="loss=inf is not finite"):
        reported(lossy, "paper", "full", "loss")
