"""The adversarial loop: which net a step changes, a loop written out, curves, resuming, failures, eight Gaussians."""

import copy
import dataclasses
import functools
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from regbench.data import load_splits
from regbench.data.sources import digits
from regbench.errors import MembersFailed, failure_of
from regbench.measures.fidelity import Unmeasurable
from regbench.models import GAN, WGANGP
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import Regularizer
from regbench.rows.store import Store
from regbench.train import train
from regbench.training import AdversarialTraining, Checkpoint, Failed, Schedule, fit
from regbench.training.adversarial import NETS, Curves, Optimizers
from regbench.training.batch import data_order
from regbench.training.build import build, make_schedule
from regbench.training.generate import Generate
from regbench.training.loop import frozen_statistics
from regbench.training.stacked import why_not
from tests.measures.test_extractor import make_extractor
from tests.test_train import config, metrics

CPU = torch.device("cpu")
KINDS = ("dcgan", "wgan_gp", "sngan")
TINY = ("task=generate", "model.widths=[4,6]", "model.latent=5", "model.ema=0.9", "task.samples=30")
#: 7 steps an epoch, the last with 16 images
DCGAN = (*TINY, "model=dcgan", "budget.epochs=2")
ADAPTIVE = ("regularizer=adaptive_dropout", "regularizer.method.beta=0.01")


@pytest.fixture(scope="session")
def extractor(tmp_path_factory):
    return f"task.extractor={make_extractor(tmp_path_factory.mktemp('extractor'))}"


@pytest.fixture(scope="module")
def data():
    return load_splits(digits(), 400, 100, 0, CPU)


@functools.cache
def member_of(overrides, seed):
    (member,) = members(load_config(["budget=smoke", *DCGAN, *overrides, f"seeds=[{seed}]"]))
    return member


def begin(data, *overrides, seed=0):
    """A tiny GAN before its first step, and its schedule."""
    member = member_of(overrides, seed)
    training = build(member, data, CPU)
    training.model.train()
    return training, make_schedule(member, training.model)


def epoch(data, *overrides, seed=0, number=1):
    """The training after one epoch, and what its steps came to."""
    training, schedule = begin(data, *overrides, seed=seed)
    return training, training.train_epoch(data.train, schedule, number, lambda: None)


def real_images(data, count=32):
    return Generate("none").images(data.train, torch.arange(count))


def weights(net):
    return [weight.detach().clone() for weight in net.parameters()]


def changed(net, before):
    return [not torch.equal(*pair) for pair in zip(weights(net), before, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regularizer", ["none", "l2", "adaptive_dropout"])
def test_a_step_of_one_net_leaves_the_other_as_it_is(data, kind, regularizer):
    training, _ = begin(data, f"model={kind}", f"regularizer={regularizer}")
    model, real = training.model, real_images(data)
    generator, discriminator = weights(model.generator), weights(model.discriminator)
    training.discriminator_step(real, None)
    assert not any(changed(model.generator, generator)) and any(changed(model.discriminator, discriminator))
    assert all(weight.grad is None for weight in model.generator.parameters())
    discriminator = weights(model.discriminator)
    training.generator_step(len(real), None)
    assert all(changed(model.generator, generator)) and not any(changed(model.discriminator, discriminator))
    assert all(layer.rate.grad is None for layer in model.sites.values() if hasattr(layer, "rate"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_net_follows_the_gradient_of_its_own_loss_the_critics_with_its_penalty(data, kind):
    training, _ = begin(data, f"model={kind}")
    twin, real = copy.deepcopy(training.model), real_images(data)
    torch.manual_seed(0)
    training.discriminator_step(real, None)
    torch.manual_seed(0)
    fake = twin.generate(len(real)).detach()
    loss = twin.discriminator_loss(twin.score(real), twin.score(fake)) + twin.discriminator_penalty(real, fake)
    expected = torch.autograd.grad(loss, list(twin.discriminator.parameters()))
    found = [weight.grad for weight in training.model.discriminator.parameters()]
    torch.testing.assert_close(found, [*expected])
    twin.load_state_dict(training.model.state_dict())
    torch.manual_seed(1)
    training.generator_step(16, None)
    torch.manual_seed(1)
    loss = twin.generator_loss(twin.score(twin.generate(16)))
    expected = torch.autograd.grad(loss, list(twin.generator.parameters()))
    torch.testing.assert_close([weight.grad for weight in training.model.generator.parameters()], [*expected])


def test_the_average_is_taken_after_every_step_of_the_generator_and_of_no_other(data):
    training, _ = begin(data)
    average = weights(training.model.average.module)
    training.discriminator_step(real_images(data), None)
    assert not any(changed(training.model.average.module, average))
    training.generator_step(8, None)
    assert not any(changed(training.model.average.module, weights(training.model.generator)))  # the first step's
    first = weights(training.model.generator)
    training.generator_step(8, None)
    expected = [torch.lerp(*pair, 0.1) for pair in zip(first, weights(training.model.generator), strict=True)]
    torch.testing.assert_close(weights(training.model.average.module), expected)


@pytest.mark.parametrize("n_dis,generator_steps", [(1, 7), (2, 3), (5, 1), (7, 1)])
def test_the_generator_steps_after_every_nth_step_of_the_discriminator(data, n_dis, generator_steps):
    training, _ = epoch(data, f"task.n_dis={n_dis}")
    steps = {net: training.optimizer[net].state_dict()["state"][0]["step"].item() for net in NETS}
    assert steps == {"discriminator": 7, "generator": generator_steps}
    assert training.model.average.n_averaged.item() == generator_steps


def cross_entropy(scores, real):
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def reference_loop(model, images, orders, batch_size):
    """DCGAN as it is written in its paper: two Adams, batches of real and of generated images apart."""
    generator, discriminator = model.generator, model.discriminator
    chosen = {"lr": 0.0002, "betas": (0.5, 0.999), "eps": 1e-4}
    adams = [torch.optim.Adam(net.parameters(), **chosen) for net in (generator, discriminator)]
    losses, average = [], None
    for index in [index for order in orders for index in order.split(batch_size)]:
        real = images[index].permute(0, 3, 1, 2).float() / 127.5 - 1
        fake = generator(torch.randn(len(real), model.latent), {}).detach()
        first = cross_entropy(discriminator(real, {}), True) + cross_entropy(discriminator(fake, {}), False)
        adams[1].zero_grad()
        first.backward()
        adams[1].step()
        second = cross_entropy(discriminator(generator(torch.randn(len(real), model.latent), {}), {}), True)
        adams[0].zero_grad()
        second.backward()
        adams[0].step()
        now = [weight.detach().clone() for weight in generator.parameters()]
        average = now if average is None else [0.9 * a + 0.1 * b for a, b in zip(average, now, strict=True)]
        losses.append((first.item(), second.item()))
    return losses, average


def test_two_epochs_of_dcgan_are_those_of_a_loop_written_out(data):
    """With an eps that hides rounding: a bias before batch norm has no gradient, and Adam would take it for one."""
    eps = "+task.optimizer.eps=1e-4"
    reference, _ = begin(data, eps, seed=3)
    model = reference.model
    losses, average = reference_loop(model, data.train.images, [data_order(400, 3, n) for n in (1, 2)], 64)
    training, schedule = begin(data, eps, seed=3)
    for number in (1, 2):
        steps = training.train_epoch(data.train, schedule, number, lambda: None)
    for net in NETS:
        ours, theirs = getattr(training.model, net).state_dict(), getattr(model, net).state_dict()
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weights(training.model.average.module), average, rtol=1e-3, atol=1e-5)
    expected = [[pair[place] for pair in losses[7:]] for place in (0, 1)]
    assert steps.curves["discriminator_loss"] == pytest.approx(expected[0], rel=1e-4)
    assert steps.curves["generator_loss"] == pytest.approx(expected[1], rel=1e-4)
    other, _ = epoch(data, eps, seed=4)  # that a comparison could tell
    assert not torch.allclose(other.model.generator.project.weight, training.model.generator.project.weight)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_dis,points", [(1, 7), (2, 3), (5, 1)])
def test_curves_have_a_point_a_window_and_end_with_the_epoch(data, kind, n_dis, points):
    _, steps = epoch(data, f"model={kind}", *ADAPTIVE, f"task.n_dis={n_dis}", number=3)
    names = {f"{net}_{what}" for net in NETS for what in ("loss", "gradient_norm")}
    assert set(steps.curves) == {"step", "rate", *names}
    assert {len(values) for values in steps.curves.values()} == {points}
    assert steps.curves["step"] == [14 + 7 * window // points for window in range(1, points + 1)]
    assert all(math.isfinite(value) for values in steps.curves.values() for value in values)
    assert set(steps.train) == {"loss", "rate", *names} - {"discriminator_loss"}
    assert steps.followed == {}


def test_an_epochs_means_are_over_its_steps(data):
    """Windows of 2, 2 and 3 steps of the discriminator, and of one step of the generator each."""
    _, steps = epoch(data, "task.n_dis=2")
    assert steps.train["generator_loss"] == pytest.approx(sum(steps.curves["generator_loss"]) / 3)
    weighted = sum(count * value for count, value in zip((2, 2, 3), steps.curves["discriminator_loss"], strict=True))
    assert steps.train["loss"] == pytest.approx(weighted / 7)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 1000))
def test_windows_share_the_steps_whatever_their_number(steps, n_dis, before):
    n_dis = min(n_dis, steps)
    windows = min(10, steps // n_dis)
    curves = Curves(steps, before, windows)
    for step in range(1, steps + 1):
        values = {"each": torch.tensor(float(step))}
        curves.add(step, values | ({"some": torch.tensor(2.0 * step)} if step % n_dis == 0 else {}))
        assert curves.not_finite() == []
    ends = [steps * window // windows for window in range(1, windows + 1)]
    assert curves.points["step"] == [before + end for end in ends] and ends[-1] == steps
    starts = [0, *ends[:-1]]
    assert curves.points["each"] == [(start + 1 + end) / 2 for start, end in zip(starts, ends, strict=True)]
    assert len(curves.points["some"]) == windows
    means = curves.means()
    assert means["each"] == pytest.approx((steps + 1) / 2)
    some = [2.0 * step for step in range(1, steps + 1) if step % n_dis == 0]
    assert means["some"] == pytest.approx(sum(some) / len(some))


def test_a_curve_that_is_no_number_is_named_when_its_window_ends():
    curves = Curves(4, 0, 2)
    good, bad = torch.tensor(1.0), torch.tensor(float("nan"))
    curves.add(1, {"first": good, "second": bad})
    assert curves.not_finite() == []
    curves.add(2, {"first": good, "second": good})
    assert curves.not_finite() == ["second"]
    curves = Curves(1, 0, 1)
    curves.add(1, {"first": torch.tensor(float("inf"))})
    assert curves.not_finite() == ["first"]


def test_the_rates_curve_is_the_mean_of_its_steps(data):
    """The rate is moved in place: what a window remembers of it must not move with it."""
    training, schedule = begin(data, *ADAPTIVE, "task.batch_size=16")  # 25 steps in 10 windows
    real, seen = training.regularizer.traced, []

    def noted():
        seen.append(real()["rate"].item())
        return real()

    training.regularizer.traced = noted
    steps = training.train_epoch(data.train, schedule, 1, lambda: None)
    ends = [25 * window // 10 for window in range(1, 11)]
    windows = [seen[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    assert len(set(seen)) == 25
    assert steps.curves["rate"] == pytest.approx([sum(each) / len(each) for each in windows], abs=1e-6)
    assert steps.train["rate"] == pytest.approx(sum(seen) / 25, abs=1e-6)


def statistics(model):
    found = {name: value for name, value in model.state_dict().items() if "running" in name and "average" not in name}
    return {name: value.clone() for name, value in found.items()}


def test_what_the_rate_learns_from_leaves_running_statistics_alone(data):
    training, _ = begin(data, *ADAPTIVE)
    before = statistics(training.model)
    assert len(before) == 6  # two norms in the generator, one in the discriminator
    training.regularizer.adapt(lambda: training.losses(real_images(data)))
    torch.testing.assert_close(statistics(training.model), before, rtol=0, atol=0)
    training.discriminator_step(real_images(data), None)
    assert all(not torch.equal(value, before[name]) for name, value in statistics(training.model).items())


def test_norms_have_their_momentum_back_even_after_an_error():
    model = nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.BatchNorm1d(2, momentum=None)).train()
    with pytest.raises(ValueError, match="made up"), frozen_statistics(model):
        assert [norm.momentum for norm in model] == [0.0, 0.0]
        raise ValueError("made up")
    assert [norm.momentum for norm in model] == [0.3, None]


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_that_the_rate_learns_from_are_those_that_are_minimised(data, kind):
    training, _ = begin(data, f"model={kind}")
    model, real = training.model, real_images(data)
    twin = copy.deepcopy(model)
    torch.manual_seed(0)
    found = training.losses(real)
    torch.manual_seed(0)
    fake = twin.generate(len(real))
    scores, real_scores = twin.score(fake), twin.score(real)
    expected = twin.discriminator_loss(real_scores, scores) + twin.discriminator_penalty(real, fake)
    assert set(found) == {"generator", "discriminator"}
    torch.testing.assert_close(found["generator"], twin.generator_loss(scores))
    torch.testing.assert_close(found["discriminator"], expected)


def gradients(training, real):
    """Of both nets' weights, by name, after a step of each; the generator meets the same discriminator always."""
    before = copy.deepcopy(training.model.state_dict())
    torch.manual_seed(0)
    losses = training.discriminator_step(real, None)
    found = {f"discriminator.{name}": w.grad.clone() for name, w in training.model.discriminator.named_parameters()}
    training.model.load_state_dict(before)
    losses |= training.generator_step(len(real), None)
    found |= {f"generator.{name}": w.grad.clone() for name, w in training.model.generator.named_parameters()}
    return found, {name: value for name, value in losses.items() if name.endswith("loss")}


def test_an_l2_penalty_reaches_the_weights_of_both_nets_and_no_loss_that_is_reported(data):
    real = real_images(data)
    plain, losses = gradients(begin(data)[0], real)
    training, _ = begin(data, "regularizer=l2", "regularizer.strength=0.5")
    model = copy.deepcopy(training.model)
    found, penalised_losses = gradients(training, real)
    assert penalised_losses == losses
    for name in ("discriminator.convs.0.weight", "discriminator.head.weight", "generator.project.weight"):
        torch.testing.assert_close(found[name] - plain[name], model.get_parameter(name).detach(), rtol=1e-3, atol=1e-5)
    for name in ("discriminator.head.bias", "generator.project.bias"):
        torch.testing.assert_close(found[name], plain[name])


@pytest.mark.parametrize("kind", KINDS)
def test_entropy_guidance_reaches_both_nets(data, kind):
    real = real_images(data)
    plain, _ = gradients(begin(data, f"model={kind}")[0], real)
    guided = ("regularizer=entropy", "regularizer.method.form=log", "regularizer.strength=1.0")
    found, _ = gradients(begin(data, f"model={kind}", *guided)[0], real)
    moved = {name.split(".")[0] for name, each in found.items() if not torch.allclose(each, plain[name])}
    assert moved == set(NETS)


def test_a_penalty_is_of_the_nets_that_train_and_not_of_their_average(data):
    training, _ = begin(data, "regularizer=l2", "regularizer.strength=1.0")
    kinds = (nn.Linear, nn.Conv2d)
    nets = [module for net in NETS for module in getattr(training.model, net).modules() if isinstance(module, kinds)]
    expected = sum(layer.weight.square().sum().item() for layer in nets)
    assert training.regularizer.penalty(training.model).item() == pytest.approx(expected, rel=1e-5)


def test_gradients_are_clipped_net_by_net_and_their_whole_length_is_told(data):
    for clip in (None, 0.01):
        training, _ = begin(data)
        torch.manual_seed(0)
        told = training.discriminator_step(real_images(data), clip)["discriminator_gradient_norm"]
        length = nn.utils.get_total_norm([weight.grad for weight in training.model.discriminator.parameters()])
        assert length.item() == pytest.approx(told.item() if clip is None else clip, rel=1e-3)
        assert told > 0.1
        told = training.generator_step(8, clip)["generator_gradient_norm"]
        length = nn.utils.get_total_norm([weight.grad for weight in training.model.generator.parameters()])
        assert length.item() == pytest.approx(told.item() if clip is None else min(told.item(), clip), rel=1e-3)


def test_a_configs_clipping_reaches_the_steps(data, monkeypatch):
    asked, real = [], AdversarialTraining._step
    monkeypatch.setattr(AdversarialTraining, "_step", lambda *args: asked.append((args[1], args[3])) or real(*args))
    epoch(data, "+task.clip_norm=0.5")
    assert set(asked) == {("discriminator", 0.5), ("generator", 0.5)} and len(asked) == 14


def test_optimizers_are_saved_and_loaded_as_one(data):
    training, schedule = begin(data)
    training.train_epoch(data.train, schedule, 1, lambda: None)
    other, _ = begin(data)
    other.optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    assert set(other.optimizer.state_dict()) == set(NETS)
    for net in NETS:
        ours, theirs = (each.optimizer[net].state_dict()["state"] for each in (training, other))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def rows(folder):
    return Store(folder / "results").rows()


COMPOSED = [
    (*DCGAN, *ADAPTIVE, "regularizer.method.shared=false", "task.n_dis=2"),
    (*DCGAN, "model=wgan_gp", *ADAPTIVE, "regularizer.method.estimator=score"),
    (*DCGAN, "model=sngan", "regularizer=dropout", "regularizer.method.placement=[discriminator1]"),
    (*DCGAN, "model.ema=null", "regularizer=l2"),
]


@pytest.mark.parametrize("overrides", COMPOSED, ids=["dcgan", "wgan_gp", "sngan", "no average"])
def test_a_training_stopped_after_an_epoch_resumes_bit_for_bit(tmp_path, monkeypatch, extractor, overrides):
    train(config(tmp_path / "whole", *overrides, extractor))
    real, calls = AdversarialTraining.train_epoch, []

    def stops_in_the_second_epoch(*args):
        calls.append(1)
        steps = real(*args)
        if len(calls) == 2:
            raise KeyboardInterrupt  # the work of the epoch is done and lost
        return steps

    monkeypatch.setattr(AdversarialTraining, "train_epoch", stops_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(config(tmp_path / "parts", *overrides, extractor))
    assert not rows(tmp_path / "parts")
    torch.manual_seed(12345)  # whatever the generator held before, the checkpoint's state counts
    train(config(tmp_path / "parts", *overrides, extractor))
    (expected,), (resumed,) = rows(tmp_path / "whole"), rows(tmp_path / "parts")
    assert metrics(resumed) == metrics(expected) and len(calls) == 3
    assert resumed["artifacts"] == expected["artifacts"]


def test_the_kept_samples_are_the_tasks_beside_the_regularizers_own(data):
    training, _ = epoch(data, "regularizer=pb_edropout", "regularizer.method.placement=[discriminator1]")
    found = training.artifacts(data)
    assert torch.equal(found["samples"], training.task.shown(training.model))
    assert set(found) == {"samples", "discriminator1/ema", "discriminator1/mask"}


def test_a_row_has_curves_measures_samples_and_its_extractor(tmp_path, extractor):
    train(config(tmp_path, *DCGAN, *ADAPTIVE, extractor))
    (row,) = rows(tmp_path)
    assert [record["curves"]["step"] for record in row["epochs"]] == [[*range(1, 8)], [*range(8, 15)]]
    record = row["epochs"][-1]
    assert record["measures"]["train"]["rate"] == record["curves"]["rate"][-1] != 0.5
    assert record["test"]["full"]["fid"] > 0 and record["heldout"]["full"]["fid"] > 0
    assert row["artifacts"]["samples"]["shape"] == [20, 256] and row["artifacts"]["samples"]["grid"] == [1, 16, 16]
    assert row["provenance"]["extractor"]["name"] == "digits-cnn5"


def test_a_fixed_rate_stays_and_an_adaptive_one_moves_in_every_step(tmp_path, extractor):
    train(config(tmp_path / "fixed", *DCGAN, *ADAPTIVE, "regularizer.method.rule=fixed", extractor))
    (row,) = rows(tmp_path / "fixed")
    assert {value for record in row["epochs"] for value in record["curves"]["rate"]} == {0.5}
    train(config(tmp_path / "printed", *DCGAN, *ADAPTIVE, extractor))
    (row,) = rows(tmp_path / "printed")
    assert len({value for record in row["epochs"] for value in record["curves"]["rate"]}) == 14


@pytest.mark.parametrize("net", NETS)
def test_a_net_that_breaks_fails_its_member_alone_and_is_named(tmp_path, monkeypatch, extractor, net):
    """The second member's net breaks in its first step; its loss is the first that is no number."""
    real = getattr(AdversarialTraining, f"{net}_step")

    def breaks(self, *args):
        if self.seed == 1:
            next(getattr(self.model, net).parameters()).data.fill_(float("nan"))
        return real(self, *args)

    monkeypatch.setattr(AdversarialTraining, f"{net}_step", breaks)
    words = rf"1 of 3 members failed: seed 1: {net}_loss became no finite number in step 1 of epoch 1"
    with pytest.raises(MembersFailed, match=words):
        train(config(tmp_path, *DCGAN, extractor, "seeds=[0,1,2]"))
    assert {row["seed"]: row["status"] for row in rows(tmp_path)} == {0: "done", 1: "failed", 2: "done"}
    failed = next(row for row in rows(tmp_path) if row["seed"] == 1)
    assert failed["reason"].startswith(f"{net}_loss") and failed["epochs"] == [] and failed["artifacts"] == {}


def test_a_member_that_breaks_later_keeps_the_epochs_before(tmp_path, monkeypatch, extractor):
    real = AdversarialTraining.train_epoch

    def breaks(self, data, schedule, epoch, on_step):
        if epoch == 2:
            self.model.discriminator.head.bias.data.fill_(float("inf"))
        return real(self, data, schedule, epoch, on_step)

    monkeypatch.setattr(AdversarialTraining, "train_epoch", breaks)
    with pytest.raises(MembersFailed, match="no finite number in step 1 of epoch 2"):
        train(config(tmp_path, *DCGAN, extractor))
    (row,) = rows(tmp_path)
    assert row["status"] == "failed" and len(row["epochs"]) == 1


def test_a_generator_that_breaks_in_the_last_step_fails_in_its_evaluation(data, extractor, tmp_path):
    """No step sees it any more: the distance of its images is no number."""
    training, schedule = begin(data, extractor, "budget.epochs=1")
    training.checkpoint = Checkpoint(tmp_path / "broken.pt", "broken")
    steps = []

    def breaks():
        steps.append(1)
        if len(steps) == 7:
            training.model.average.module.project.weight.data.fill_(float("nan"))

    with pytest.raises(Failed, match=r"generated images are no finite numbers \(30 of 30 images\) in epoch 1"):
        fit(training, data, schedule, on_step=breaks)
    healthy, schedule = begin(data, extractor, "budget.epochs=1", seed=1)
    healthy.train_epoch(data.train, schedule, 1, lambda: None)
    measured = healthy.task.evaluate(healthy.model.eval(), data)
    fresh = load_splits(digits(), 400, 100, 0, CPU)
    assert measured == healthy.task.evaluate(healthy.model, fresh)  # the images that are no numbers left no trace


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_generator_that_diverges_after_its_last_step_is_a_failed_row(tmp_path, monkeypatch, extractor, value):
    """In the second epoch: the first one's record stays, and the other member goes on."""
    real = AdversarialTraining.train_epoch

    def breaks(self, data, schedule, epoch, on_step):
        steps = real(self, data, schedule, epoch, on_step)
        if epoch == 2 and self.seed == 0:
            self.model.average.module.project.weight.data.fill_(value)
        return steps

    monkeypatch.setattr(AdversarialTraining, "train_epoch", breaks)
    with pytest.raises(MembersFailed, match="1 of 2 members failed: seed 0: generated images are no finite numbers"):
        train(config(tmp_path, *DCGAN, extractor, "seeds=[0,1]"))
    found = {row["seed"]: row for row in rows(tmp_path)}
    assert found[1]["status"] == "done" and len(found[1]["epochs"]) == 2
    assert found[0]["reason"].endswith("of 30 images) in epoch 2") and len(found[0]["epochs"]) == 1


def test_an_extractor_that_would_hide_what_is_no_number_does_not(data, extractor, monkeypatch):
    """Inception rounds images to bytes, of which each is a number: the images are looked at before it."""
    training, _ = begin(data, extractor)
    real = training.task._load(CPU)
    hides = dataclasses.replace(real, network=lambda images: real.network(images.nan_to_num()))
    monkeypatch.setattr(Generate, "_load", lambda self, device: hides)
    training.model.average.module.project.weight.data.fill_(math.nan)
    with pytest.raises(Unmeasurable, match="generated images are no finite numbers"):
        training.task.evaluate(training.model.eval(), data)


def failure(cfg):
    """What the command line says of this config, and its exit status."""
    with pytest.raises(Exception) as error:
        train(cfg)
    return failure_of(error.value)


def test_a_learning_rate_that_breaks_all_is_exit_status_1_with_rows(tmp_path, extractor):
    failed = failure(config(tmp_path, *DCGAN, extractor, "seeds=[0,1]", "task.optimizer.lr=1e30"))
    assert failed.status == 1 and failed.text.startswith("2 of 2 members failed")
    assert [row["status"] for row in rows(tmp_path)] == ["failed", "failed"]
    assert all("_loss became no finite number" in row["reason"] for row in rows(tmp_path))


@pytest.mark.parametrize(
    "overrides,words",
    [
        (("task=generate", "model=cnn5"), "task=generate does not fit model=cnn5"),
        (("task=generate", "model=autoencoder"), "task=generate does not fit model=autoencoder"),
        (("task=classify", "model=dcgan"), "task=classify does not fit model=dcgan"),
        (("task=reconstruct", "model=dcgan"), "task=reconstruct does not fit model=dcgan"),
        ((*DCGAN, "task.n_dis=8"), "task.n_dis=8 is not allowed: an epoch has 7 steps"),
        ((*DCGAN, "+task.early_stopping.watch=base"), "task.early_stopping"),
    ],
)
def test_what_does_not_fit_is_one_line_exit_status_2_and_no_row(tmp_path, extractor, overrides, words):
    chosen = [extractor] if "task=generate" in overrides else []
    failed = failure(config(tmp_path, *overrides, *chosen))
    assert failed.status == 2 and words in failed.text and "\n" not in failed.text
    assert not rows(tmp_path)


def test_gans_are_trained_one_by_one_whatever_the_stack(tmp_path, extractor, caplog):
    with caplog.at_level("INFO", "regbench"):
        train(config(tmp_path, *DCGAN, extractor, "seeds=[0,1]", "budget.epochs=1", "stack=auto"))
    assert "the members are trained one by one: AdversarialTraining has steps of its own" in caplog.text
    assert [row["status"] for row in rows(tmp_path)] == ["done", "done"]
    assert all("stacked" not in row["provenance"] for row in rows(tmp_path))


def test_a_stack_changes_no_number(tmp_path, extractor, data):
    assert why_not(*begin(data)) == "AdversarialTraining has steps of its own"
    for stack in ("off", "4"):
        train(config(tmp_path / stack, *DCGAN, extractor, "seeds=[0,1]", "budget.epochs=1", f"stack={stack}"))
    assert [metrics(row) for row in rows(tmp_path / "off")] == [metrics(row) for row in rows(tmp_path / "4")]
    assert all("stacked" not in row["provenance"] for row in rows(tmp_path / "4"))


def mlp(into, width, out):
    return nn.Sequential(nn.Linear(into, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


class Points(nn.Module):
    """Noise (N, latent) -> points (N, 2)."""

    def __init__(self, latent):
        super().__init__()
        self.latent, self.layers = latent, mlp(latent, 64, 2)

    def forward(self, noise, sites):
        return self.layers(noise)


class Critic(nn.Module):
    """Points (N, 2) -> scores (N,)."""

    def __init__(self):
        super().__init__()
        self.layers = mlp(2, 64, 1)

    def forward(self, points, sites):
        return self.layers(points).squeeze(1)


class RingGAN(GAN):
    """WGAN-GP's losses over points of the plane."""

    gradient_penalty = 0.1
    discriminator_loss, generator_loss = WGANGP.discriminator_loss, WGANGP.generator_loss
    discriminator_penalty = WGANGP.discriminator_penalty

    def __init__(self):
        super().__init__(Points(latent=4), Critic(), [], ema=0.99)


ANGLES = torch.arange(8) * (math.pi / 4)
MODES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)


class Ring:
    """Eight Gaussians of standard deviation 0.05 on a ring of radius 2, in place of images: [-3, 3] becomes [0, 1]."""

    def __init__(self, count):
        generator = torch.Generator().manual_seed(0)
        modes = MODES[torch.randint(8, (count,), generator=generator)]
        self.images = ((modes + 0.05 * torch.randn(count, 2, generator=generator)) / 3 + 1) / 2

    def __len__(self):
        return len(self.images)

    @property
    def device(self):
        return self.images.device

    def unit(self, index):
        return self.images[index]


def test_eight_gaussians_are_all_found():
    torch.manual_seed(0)
    model, data = RingGAN(), Ring(128 * 1000)
    optimizers = {net: torch.optim.Adam(getattr(model, net).parameters(), lr=3e-3, betas=(0.0, 0.9)) for net in NETS}
    training = AdversarialTraining(
        model,
        Regularizer(),
        Generate("none", n_dis=2),
        Optimizers(optimizers),
        0,
        Checkpoint(Path("x"), "x"),
        (2, 1, 1),
    )
    for number in (1, 2):
        training.train_epoch(data, Schedule(epochs=2, batch_size=128), number, lambda: None)
    samples = 3 * model.sample(torch.randn(2000, 4, generator=torch.Generator().manual_seed(1)))
    distance, nearest = torch.cdist(samples, MODES).min(dim=1)
    near = distance < 0.3  # neighbouring modes are 1.5 apart
    shares = torch.bincount(nearest[near], minlength=8) / len(samples)
    assert near.float().mean() > 0.6 and shares.min() >= 0.02
