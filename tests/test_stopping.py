"""Early stopping: the epoch at which a rule ends a training, with the penalty in the watched loss and without."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.errors import UserError
from regbench.rows.stopping import EarlyStopping, Plateau, watched, watched_loss


def records(losses, penalty=0.0, test=None):
    """Epochs with these held-out losses, and the same test losses unless told."""
    return [
        {
            "heldout": {"full": {"loss": heldout}},
            "test": {"full": {"loss": tested}},
            "measures": {"train": {"penalty": penalty}},
        }
        for heldout, tested in zip(losses, losses if test is None else test, strict=True)
    ]


def test_a_best_first_epoch_ends_a_training_after_patience_more():
    rule = EarlyStopping(patience=7)
    assert rule.stop([0.1] + [0.2] * 20) == 8
    assert rule.stop([0.1] * 8) == 8
    assert rule.stop([0.1] * 7) is None


def test_an_improvement_begins_the_waiting_anew():
    rule = EarlyStopping(patience=3)
    assert rule.stop([5, 4, 4, 4, 3, 3, 3, 3, 1]) == 8
    assert rule.stop([5, 4, 4.5, 4.2, 4.1, 1]) == 5  # better than the epoch before, but not than the best


def test_it_never_stops_while_the_loss_falls_or_before_there_is_one():
    rule = EarlyStopping(patience=1)
    assert rule.stop(1 / epoch for epoch in range(1, 100)) is None
    assert rule.stop([]) is None


def test_an_improvement_of_min_delta_or_less_does_not_count():
    falling = [1.0, 0.75, 0.5, 0.25, 0.0]
    assert EarlyStopping(patience=2, min_delta=0.125).stop(falling) is None
    assert EarlyStopping(patience=2, min_delta=0.25).stop(falling) is None  # two epochs are 0.5 below the best
    assert EarlyStopping(patience=1, min_delta=0.25).stop(falling) == 2
    assert EarlyStopping(patience=2, min_delta=0.5).stop(falling) == 3


def test_a_loss_that_is_no_number_is_no_improvement():
    assert EarlyStopping(patience=2).stop([1.0, float("nan"), float("nan")]) == 3


def test_a_large_penalty_hides_a_falling_loss():
    """float32 counts in steps of 0.0078 at 1e5."""
    falling = [0.05 - 0.04 * epoch / 200 for epoch in range(201)]
    hidden, small = records(falling, penalty=1e5), records(falling, penalty=1e-3)
    compound, base = EarlyStopping(patience=7), EarlyStopping(patience=7, watch="base")
    assert watched_loss(hidden[0], "test", "compound") == 100000.046875
    assert watched_loss(hidden[0], "test", "base") == 0.05
    assert compound.stop_on(hidden, "heldout") == 1 + 7
    assert base.stop_on(hidden, "heldout") is None
    assert compound.stop_on(small, "heldout") is None


def test_a_penalty_that_falls_is_an_improvement_of_the_compound_loss_alone():
    falling = [{**each, "measures": {"train": {"penalty": 1.0 / n}}} for n, each in enumerate(records([0.1] * 9), 1)]
    assert EarlyStopping(patience=3).stop_on(falling, "test") is None
    assert EarlyStopping(patience=3, watch="base").stop_on(falling, "test") == 4


def test_without_a_penalty_the_compound_loss_is_the_tasks():
    record = records([0.125])[0] | {"measures": {"train": {}}}
    assert watched_loss(record, "heldout", "compound") == watched_loss(record, "heldout", "base") == 0.125


losses = st.lists(st.floats(0, 10), min_size=1, max_size=40)
near = st.lists(st.integers(0, 40).map(lambda step: 0.01 + 1e-4 * step), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(losses | near, st.integers(1, 8), st.floats(-1e9, 1e9, width=32))
def test_a_constant_penalty_never_makes_a_training_longer(values, patience, penalty):
    epochs = records(values, penalty)
    compound = EarlyStopping(patience).stop_on(epochs, "test")
    base = EarlyStopping(patience, watch="base").stop_on(epochs, "test")
    assert base is None or (compound is not None and compound <= base)


def test_a_training_ends_when_the_rule_has_stopped_on_both_splits():
    rule = EarlyStopping(patience=2)
    falls, rests = [0.5, 0.4, 0.3, 0.2], [0.5, 0.5, 0.5, 0.5]
    assert rule.ended(records(rests, test=rests))
    assert not rule.ended(records(rests, test=falls))
    assert not rule.ended(records(falls, test=rests))
    assert not rule.ended([])


def test_splits_may_stop_at_different_epochs():
    rule = EarlyStopping(patience=2)
    epochs = records([0.5] * 5, test=[0.5, 0.4, 0.3, 0.3, 0.3])
    assert rule.stop_on(epochs, "heldout") == 3 and rule.stop_on(epochs, "test") == 5
    assert [rule.ended(epochs[:count]) for count in range(1, 6)] == [False, False, False, False, True]


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"patience": 0}, r"task\.early_stopping\.patience=0"),
        ({"patience": 2.5}, r"task\.early_stopping\.patience=2\.5"),
        ({"patience": "many"}, r"task\.early_stopping\.patience=many"),
        ({"min_delta": -0.1}, r"task\.early_stopping\.min_delta=-0\.1"),
        ({"min_delta": float("nan")}, r"task\.early_stopping\.min_delta=nan"),
        ({"min_delta": float("inf")}, r"task\.early_stopping\.min_delta=inf"),
        ({"watch": "penalty"}, r"task\.early_stopping\.watch=penalty .* compound, base"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, words):
    with pytest.raises(UserError, match=words):
        EarlyStopping(**{"patience": 7, **arguments})


def accurate(accuracies, test=None, losses=None, penalty=0.0):
    """Epochs with these held-out accuracies, and the same test accuracies unless told."""
    losses = [0.5] * len(accuracies) if losses is None else losses
    epochs = records(losses, penalty)
    for record, heldout, tested in zip(epochs, accuracies, accuracies if test is None else test, strict=True):
        record["heldout"]["full"]["accuracy"], record["test"]["full"]["accuracy"] = heldout, tested
    return epochs


def test_of_an_accuracy_higher_is_better():
    rule = EarlyStopping(patience=2, watch="accuracy")
    assert rule.stop_on(accurate([0.1, 0.2, 0.3, 0.4]), "heldout") is None
    assert rule.stop_on(accurate([0.4, 0.3, 0.35, 0.5]), "heldout") == 3
    assert rule.stop_on(accurate([0.4, 0.4, 0.4]), "test") == 3
    assert rule.stop_on(accurate([0.1, 0.2, 0.3], test=[0.3, 0.2, 0.1]), "test") == 3
    assert EarlyStopping(patience=1, min_delta=0.25, watch="accuracy").stop_on(accurate([0.0, 0.25]), "test") == 2
    assert EarlyStopping(patience=1, min_delta=0.125, watch="accuracy").stop_on(accurate([0.0, 0.25]), "test") is None


def test_a_watched_accuracy_is_blind_to_losses_and_penalties():
    rising, penalised = [0.1, 0.5, 0.9], accurate([0.3] * 3, losses=[0.3, 0.2, 0.1], penalty=1e5)
    rule = EarlyStopping(patience=2, watch="accuracy")
    assert rule.stop_on(accurate([0.1, 0.2, 0.3], losses=rising, penalty=1e5), "heldout") is None
    assert rule.stop_on(penalised, "heldout") == 3


def test_an_accuracy_that_is_not_there_is_said():
    with pytest.raises(UserError, match="watch=accuracy is not allowed for a task without one"):
        watched(records([0.5])[0], "heldout", "accuracy")


#: few levels, so that ties and returns to the best so far come up
levels = st.lists(st.integers(0, 6).map(lambda step: step / 8), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(levels, st.integers(1, 5), st.sampled_from([0.1, 0.5]), st.sampled_from(["accuracy", "base"]))
def test_a_plateau_is_torchs_with_one_epoch_less_of_patience(values, patience, factor, watch):
    """Torch lowers the rate in the epoch after `patience` bad ones, Keras (the papers' words) in the last of them."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    mode = "max" if watch == "accuracy" else "min"
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor, patience - 1, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    plateau = Plateau(patience, factor, watch)
    epochs = accurate(values) if watch == "accuracy" else records(values)
    assert plateau.scale_after([]) == 1.0
    for count, value in enumerate(values, start=1):
        theirs.step(value)
        assert plateau.scale_after(epochs[:count]) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_a_plateau_lowers_the_rate_after_patience_epochs_and_then_counts_anew():
    """The best first epoch, then nothing: Keras' callback with patience 2 reduces after epochs 3, 5 and 7."""
    epochs = accurate([0.5] * 7)
    scales = [Plateau(patience=2).scale_after(epochs[:count]) for count in range(8)]
    assert scales == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_a_plateau_looks_at_held_out_images_alone():
    epochs = accurate([0.1, 0.2, 0.3], test=[0.3, 0.2, 0.1])
    assert Plateau(patience=1).scale_after(epochs) == 1.0
    assert Plateau(patience=1).scale_after(accurate([0.3, 0.2], test=[0.2, 0.3])) == pytest.approx(0.1)


def test_a_plateau_of_the_compound_loss_sees_the_penalty():
    falling = [0.05 - 0.04 * epoch / 20 for epoch in range(10)]
    hidden = records(falling, penalty=1e6)
    assert Plateau(patience=3, watch="compound").scale_after(hidden) < 1
    assert Plateau(patience=3, watch="base").scale_after(hidden) == 1


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"patience": 0}, r"task\.plateau\.patience=0 is not allowed: an integer of 1 or more"),
        ({"patience": True}, r"task\.plateau\.patience=True"),
        ({"factor": 0}, r"task\.plateau\.factor=0 is not allowed: a number in \(0, 1\)"),
        ({"factor": 1.0}, r"task\.plateau\.factor=1\.0"),
        ({"factor": float("nan")}, r"task\.plateau\.factor=nan"),
        ({"watch": "loss"}, r"task\.plateau\.watch=loss is not allowed: allowed are compound, base, accuracy"),
    ],
)
def test_wrong_settings_of_a_plateau_are_refused_by_name(arguments, words):
    with pytest.raises(UserError, match=words):
        Plateau(**{"patience": 10, **arguments})
