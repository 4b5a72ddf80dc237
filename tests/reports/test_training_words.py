"""The sentences below the entropy paper's Tables 2 and 3 on how their rows were trained."""

import pytest

from regbench.evidence.training_words import training_words
from regbench.papers.entropy_guidance.extra import loss_words

from .large_factory import large_row, unet_row


def trained(task=None, processes=None, **options):
    """A row of Table 2 with these settings of its task, trained by so many processes."""
    row = large_row(**options)
    row["config"]["task"].update(task or {})
    row["provenance"].update({} if processes is None else {"processes": processes})
    return row


def test_what_every_row_has_is_said_and_defaults_are_not():
    words = training_words([trained({"precision": "float32", "accumulate": 1}, processes=1)])
    assert words == (
        "SGD, learning rate 0.01, batches of 32. Early stopping watches the accuracy, with patience 25 and least "
        "change 0. Held out of the training data: 500 images."
    )


@pytest.mark.parametrize(
    "task,text",
    [
        ({"precision": "bfloat16"}, "batches of 32, mixed precision bfloat16."),
        ({"accumulate": 4}, "batches of 32 in 4 parts."),
        (
            {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}},
            "SGD, learning rate 0.01, momentum 0.9, weight decay 0.1, batches of 32.",
        ),
        (
            {"plateau": {"patience": 10, "factor": 0.1, "watch": "accuracy"}},
            "The learning rate is multiplied by 0.1 after 10 epochs without a higher accuracy on held-out images.",
        ),
        (
            {"plateau": {"patience": 3, "factor": 0.5, "watch": "base"}},
            "The learning rate is multiplied by 0.5 after 3 epochs without a lower base loss on held-out images.",
        ),
        ({"early_stopping": None}, "batches of 32. No early stopping. Held out"),
    ],
)
def test_what_changes_the_numbers_is_said(task, text):
    assert text in training_words([trained(task)])


def test_the_loss_watched_is_said_or_that_lines_differ():
    words = training_words([unet_row()])
    assert "Early stopping watches the base loss, with patience 3 and least change 0.01." in words
    words = training_words([unet_row(), unet_row(0.001)])
    assert "Early stopping watches the base loss or the compound loss, as each line says, with patience 3" in words


@pytest.mark.parametrize("patience,never", [(29, False), (30, True), (31, True)])
def test_a_cap_that_no_stop_can_come_before_is_said(patience, never):
    assert ("It can never fire: the cap is 30 epochs." in training_words([trained(patience=patience)])) == never


def test_processes_are_said_where_more_than_one_trained():
    assert "Processes at one training: 1 or 4." in training_words([trained(), trained(processes=4)])
    assert "Processes at one training: 2." in training_words([trained(processes=2)])
    assert "Processes" not in training_words([trained(), trained(processes=1)])


def test_an_eps_that_is_not_below_the_papers_is_a_deviation():
    method = {"form": "reciprocal", "eps": 0.001}
    assert loss_words(method) == "The loss: form reciprocal, eps 0.001 (a deviation: the paper's is below 0.001)."
    assert loss_words(method | {"eps": 1e-7}) == "The loss: form reciprocal, eps 1e-07."
