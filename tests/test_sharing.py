"""One training for several members: what is served is what would have been trained, and nothing else is served."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from regbench.plan.experiments import load_config
from regbench.plan.jobs import member_id, members, unregularized
from regbench.regularizers import ConstantPenalty, Entropy
from regbench.regularizers.entropy import OVERFLOW, dense_entropy_change, highest_entropy_change
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.sharing import served_provenance
from tests.test_train import config, metrics

AUTOENCODER = (
    "model=autoencoder",
    "task=reconstruct",
    "task.early_stopping.patience=2",
    "budget.epochs=4",
    "stack=off",
)
EPS = "regularizer.method.eps=1e-7"
WIDE = (*AUTOENCODER, "model.width=100", EPS, "strengths=[0.0001,10.0]")
ENTROPY = (*WIDE, "regularizer=entropy", "regularizer.method.placement=first")
CONSTANT = (*WIDE, "regularizer=constant")


def baseline(folder, *overrides):
    """Train the unregularized member; its row."""
    train(config(folder, *AUTOENCODER, "model.width=100", *overrides))
    return next(row for row in Store(folder / "results").rows() if row["strength"] == 0.0)


def rows(folder):
    """The rows of members with a strength, by strength."""
    found = [row for row in Store(folder / "results").rows() if row["strength"] != 0.0]
    return sorted(found, key=lambda row: row["strength"])


@pytest.mark.parametrize("overrides", [ENTROPY, CONSTANT], ids=["entropy", "constant"])
@pytest.mark.parametrize("watch", ["compound", "base"])
def test_a_served_member_has_the_numbers_of_a_trained_one(tmp_path, overrides, watch):
    rule = f"task.early_stopping.watch={watch}"
    before = baseline(tmp_path / "served")
    train(config(tmp_path / "served", *overrides, rule))
    train(config(tmp_path / "trained", *overrides, rule))
    served, trained = rows(tmp_path / "served"), rows(tmp_path / "trained")
    assert [row["provenance"].get("served_by") for row in served] == [before["id"]] * 2
    assert [row["provenance"].get("served_by") for row in trained] == [None] * 2
    for ours, theirs in zip(served, trained, strict=True):
        assert metrics(ours) == metrics(theirs)
        assert {**ours, "provenance": 0, "epochs": 0, "sha256": 0} == {
            **theirs,
            "provenance": 0,
            "epochs": 0,
            "sha256": 0,
        }
    assert [len(row["epochs"]) for row in served] == [4, 3 if watch == "compound" else 4]
    penalties = [row["epochs"][0]["measures"]["train"]["penalty"] for row in served]
    assert penalties == pytest.approx([1e3, 1e8], rel=1e-5)


PLATEAU = "+task.plateau={patience: 1, factor: 0.5, watch: compound}"


def test_a_member_whose_learning_rate_falls_earlier_than_its_baselines_is_trained(tmp_path):
    """At 1e8 float32 hides what is learned: the plateau of the compound loss comes at once, at 1e3 as without it."""
    rule = "task.early_stopping.watch=base"
    before = baseline(tmp_path / "served", PLATEAU, rule)
    train(config(tmp_path / "served", *CONSTANT, PLATEAU, rule))
    train(config(tmp_path / "trained", *CONSTANT, PLATEAU, rule))
    served, trained = rows(tmp_path / "served"), rows(tmp_path / "trained")
    assert [row["provenance"].get("served_by") for row in served] == [before["id"], None]
    assert [metrics(row) for row in served] == [metrics(row) for row in trained]
    assert [row["epochs"][-1]["train"] == before["epochs"][-1]["train"] for row in served] == [True, False]


def test_a_baseline_in_the_same_job_is_trained_first_and_serves_the_others(tmp_path):
    overrides = [override for override in CONSTANT if not override.startswith("strengths")]
    train(config(tmp_path, *overrides, "strengths=[10.0,0.0,0.0001]", "seeds=[0,1]"))
    of_seed = {row["seed"]: row["id"] for row in Store(tmp_path / "results").rows() if row["strength"] == 0.0}
    assert len(rows(tmp_path)) == 4
    assert all(row["provenance"]["served_by"] == of_seed[row["seed"]] for row in rows(tmp_path))


def test_a_served_member_trains_nothing_and_is_never_served_again(tmp_path, monkeypatch):
    baseline(tmp_path)
    monkeypatch.setattr("regbench.training.loop.train_epoch", lambda *args: pytest.fail("trained"))
    train(config(tmp_path, *ENTROPY))
    assert [row["status"] for row in rows(tmp_path)] == ["done", "done"]
    monkeypatch.setattr("regbench.training.run.Run.serve", lambda *args: pytest.fail("served again"))
    train(config(tmp_path, *ENTROPY))


def test_a_member_that_was_begun_and_is_then_served_leaves_no_checkpoint(tmp_path):
    baseline(tmp_path)
    member = members(config(tmp_path, *CONSTANT))[0]
    path = tmp_path / "outputs" / "checkpoints" / f"{member.id}.pt"
    path.write_bytes(b"of an interrupted training")
    train(config(tmp_path, *CONSTANT))
    assert len(rows(tmp_path)) == 2 and not path.exists()


def test_the_log_form_is_trained(tmp_path):
    before = baseline(tmp_path)
    train(config(tmp_path, *ENTROPY, "regularizer.method.form=log", "strengths=[0.0001]"))
    assert_trained(tmp_path, before)


def test_a_narrow_layer_whose_penalty_has_a_gradient_is_trained(tmp_path):
    before = baseline(tmp_path, "model.width=8")
    train(config(tmp_path, *ENTROPY, "model.width=8", "strengths=[0.0001]"))
    assert_trained(tmp_path, before)


def test_a_layer_that_is_not_followed_is_trained(tmp_path):
    """The decoder's penalty is one too, but nothing tells that it had no gradient at any step."""
    before = baseline(tmp_path)
    train(config(tmp_path, *ENTROPY, "regularizer.method.placement=all", "strengths=[0.0001]"))
    assert "served_by" not in rows(tmp_path)[0]["provenance"]
    assert len(rows(tmp_path)[0]["epochs"]) == len(before["epochs"])


def assert_trained(folder, before):
    """There is one row, its penalty had a gradient, and its numbers are none of the baseline's."""
    (row,) = rows(folder)
    assert row["status"] == "done" and "served_by" not in row["provenance"]
    assert all(epoch["measures"]["train"]["gradient_norm"] > 0 for epoch in row["epochs"])
    assert row["epochs"][-1]["train"] != before["epochs"][-1]["train"]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {**row, "status": "failed", "reason": "made up"},
        lambda row: {**row, "epochs": row["epochs"][:2]},
    ],
    ids=["failed", "shorter"],
)
def test_a_baseline_that_failed_or_ended_too_early_serves_nobody(tmp_path, change):
    before = baseline(tmp_path)
    Store(tmp_path / "results").write(change(before))
    train(config(tmp_path, *CONSTANT))
    assert [len(row["epochs"]) for row in rows(tmp_path)] == [4, 3]
    assert all("served_by" not in row["provenance"] for row in rows(tmp_path))


def test_a_baseline_of_another_seed_width_or_rule_serves_nobody(tmp_path):
    baseline(tmp_path, "seeds=[1]")
    for override in ("seeds=[0]", "model.width=90", "task.early_stopping.patience=3"):
        train(config(tmp_path, *CONSTANT, "seeds=[1]", override, "strengths=[10.0]"))
    assert len(rows(tmp_path)) == 3
    assert all("served_by" not in row["provenance"] for row in rows(tmp_path))


def dense_layer(size, change, seed=0):
    """A dense layer with a random weight of this log|det|."""
    generator = torch.Generator().manual_seed(seed)
    orthogonal = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q
    layer = nn.Linear(size, size)
    with torch.no_grad():
        layer.weight.copy_(math.exp(change / size) * orthogonal)
    return layer


def reciprocal_gradient(layer, strength, eps):
    """Of the penalty, and whether it is said to have none."""
    regularizer = Entropy(strength, form="reciprocal", eps=eps)
    wrapped = nn.Sequential(layer)
    regularizer.attach(wrapped, (1, 1, layer.in_features))
    steps = {"0/highest_entropy_change": highest_entropy_change(layer.weight.detach()).item()}
    gradient = torch.autograd.grad(regularizer.penalty(wrapped), layer.weight)[0]
    return gradient, regularizer.has_no_gradient(steps)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 90),
    st.floats(0.01, 60),
    st.sampled_from([1e-7, 1e-5, 1e-3, 1.0]),
    st.floats(1e-4, 10),
    st.integers(0, 99),
)
def test_where_there_is_said_to_be_no_gradient_autograd_finds_zero(size, below, eps, strength, seed):
    layer = dense_layer(size, math.log(eps) - OVERFLOW - below, seed)
    gradient, none = reciprocal_gradient(layer, strength, eps)
    assert not gradient.any()
    assert none or highest_entropy_change(layer.weight) > dense_entropy_change(layer.weight)  # its bound was read


@pytest.mark.parametrize("eps", [1e-7, 1e-5, 1e-3])
def test_just_above_the_threshold_there_is_a_gradient_and_it_is_said_so(eps):
    """e^88.7 still is a float32."""
    gradient, none = reciprocal_gradient(dense_layer(60, math.log(eps) - 88.5), 1.0, eps)
    assert gradient.any() and not none
    gradient, none = reciprocal_gradient(dense_layer(60, math.log(eps) - OVERFLOW - 0.1), 1.0, eps)
    assert not gradient.any() and none


def test_every_placed_layer_has_to_be_without_a_gradient():
    regularizer = Entropy(1.0, eps=1e-3)
    regularizer.attach(nn.Sequential(dense_layer(20, 0.0), dense_layer(20, 0.0, seed=1)), (1, 1, 20))
    low, high = {"0/highest_entropy_change": -200.0}, {"1/highest_entropy_change": -20.0}
    assert regularizer.has_no_gradient(low | {"1/highest_entropy_change": -200.0})
    assert not regularizer.has_no_gradient(low | high)
    assert not regularizer.has_no_gradient(low)
    assert not regularizer.has_no_gradient({})


def test_only_dense_layers_in_the_reciprocal_form_and_the_control_are_said_to_have_no_gradient():
    convolution, log = Entropy(1.0), Entropy(1.0, form="log")
    convolution.attach(nn.Sequential(nn.Conv2d(1, 1, 3)), (1, 8, 8))
    log.attach(nn.Sequential(dense_layer(20, 0.0)), (1, 1, 20))
    assert not convolution.has_no_gradient({})
    assert not log.has_no_gradient({"0/highest_entropy_change": -1000.0})
    assert ConstantPenalty(1.0).has_no_gradient({})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.floats(-400, 50), st.integers(0, 99))
def test_the_bound_never_lies_below_the_change(size, change, seed):
    layer = dense_layer(size, max(change, -20.0 * size), seed)
    assert highest_entropy_change(layer.weight) >= dense_entropy_change(layer.weight) - 1e-2


def ids(*overrides):
    return [member.id for member in members(load_config(["model=autoencoder", "task=reconstruct", *overrides]))]


def test_the_baseline_of_a_member_is_the_member_of_strength_zero():
    member = members(load_config(["model=autoencoder", "task=reconstruct", "regularizer=entropy", "seeds=[4]"]))[0]
    config = unregularized(member.config)
    assert [member_id(config)] == ids("regularizer=none", "seeds=[4]")
    assert unregularized(config) == config and member.config["regularizer"]["name"] == "entropy"


def test_a_served_row_says_where_its_numbers_were_computed():
    origin = {"code": "today", "device": "cpu", "command": "train.py", "data": {"digest": "new"}}
    baseline = {"id": "b", "provenance": {"code": "before", "dirty": True, "device": "cuda", "seconds": 9.0}}
    made = served_provenance(baseline, origin)
    assert made["code"] == "before" and made["device"] == "cuda" and made["dirty"] is True
    assert made["command"] == "train.py" and "data" not in made  # what images the numbers are of, nobody has kept
    baseline["provenance"]["data"] = {"digest": "old"}
    assert served_provenance(baseline, origin)["data"] == {"digest": "old"}
    made = served_provenance(baseline, origin)
    assert made["served_by"] == "b" and made["served_with"] == "today" and made["seconds"] == 0.0


@pytest.mark.parametrize("digests,served", [(("one", "one"), True), (("one", "two"), False), ((None, "two"), True)])
def test_a_baseline_of_other_images_serves_nobody(tmp_path, monkeypatch, digests, served):
    before, now = ({"digest": digest} if digest else {} for digest in digests)
    monkeypatch.setattr("regbench.data.prepared.Prepared.provenance", lambda prepared: before)
    baseline(tmp_path)
    monkeypatch.setattr("regbench.data.prepared.Prepared.provenance", lambda prepared: now)
    train(config(tmp_path, *CONSTANT))
    assert [row["provenance"].get("served_by") is not None for row in rows(tmp_path)] == [served] * 2
    assert [row["provenance"].get("data") for row in rows(tmp_path)] == [before if served else now] * 2


def test_sharing_can_be_switched_off(tmp_path):
    baseline(tmp_path)
    train(config(tmp_path, *CONSTANT, "share=false"))
    assert [row["provenance"].get("served_by") for row in rows(tmp_path)] == [None, None]
