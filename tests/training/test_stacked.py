"""Members trained at once: each has the numbers of the plain loop, whoever its neighbours are."""

import dataclasses

import pytest
import torch
from torch import nn

import regbench.training.stacked as stacked_module
from regbench.data import load_splits
from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import NormPenalty
from regbench.rows.store import Store
from regbench.train import train
from regbench.training import Checkpoint, Training, fit, fit_stacked
from regbench.training.build import build, make_schedule
from regbench.training.stacked import clip_each, why_not
from regbench.training.stacks import stack_key
from regbench.training.state import numbers
from tests.test_train import config, interrupt, metrics

CPU = torch.device("cpu")
AUTOENCODER = ("model=autoencoder", "task=reconstruct", "model.width=12")
CNN = ("model=cnn_blocks", "model.widths=[4,4]")
LOG = (*AUTOENCODER, "regularizer=entropy", "regularizer.method.form=log")
DROPOUT = (*AUTOENCODER, "regularizer=dropout", "regularizer.method.placement=[latent]")
MOMENTUM = ("task.optimizer._target_=torch.optim.SGD", "+task.optimizer.momentum=0.9", "task.optimizer.lr=0.05")
SEEDS = "seeds=[0,1,2]"
NOT_PLAIN = "augment, plateau, precision, accumulate or channels_last"
NOT_PLAIN_SETTINGS = ("augment={flip: true}", "plateau={patience: 1}", "precision=bfloat16")
NOT_PLAIN_SETTINGS += ("accumulate=2", "channels_last=false")
#: after two epochs the measured differences are below 3e-7, relative in a record and absolute in a weight
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def data():
    splits = load_splits(digits(), 300, 60, 0, CPU)
    assert len(splits.train) % 128 == 44  # the last batch of every epoch here is a smaller one
    return splits


@pytest.fixture
def job(data, tmp_path):
    """What these overrides ask for: the members, how to begin one, and their schedule."""
    return lambda *overrides: Job(data, tmp_path, overrides)


class Job:
    def __init__(self, data, folder, overrides):
        self.data, self.folder = data, folder
        self.members = members(load_config(["budget=smoke", "budget.epochs=2", *overrides]))
        self.schedule = make_schedule(self.members[0], self.begin(0, "schedule").model)

    def begin(self, number, name, own_noise=True):
        member = self.members[number]
        return build(member, self.data, CPU, Checkpoint(self.folder / name / f"{member.id}.pt", member.id), own_noise)

    def stacked(self, *chosen, name="stacked"):
        """The trainings of these members, all by default, after they were trained at once."""
        trainings = [self.begin(number, name) for number in chosen or range(len(self.members))]
        assert [failure for _, failure in fit_stacked(trainings, self.data, self.schedule)] == [None] * len(trainings)
        return trainings

    def alone(self):
        """All trainings after the plain loop."""
        trainings = []
        for number in range(len(self.members)):
            trainings.append(self.begin(number, "alone", own_noise=False))
            fit(trainings[-1], self.data, self.schedule)
        return trainings


def assert_close(records, expected):
    """The same epochs with the same numbers within float tolerance; accuracies may differ by one image."""
    assert len(records) == len(expected)
    for found, wanted in zip(records, expected, strict=True):
        found, wanted = ({k: v for k, v in numbers(each) if k != "seconds"} for each in (found, wanted))
        assert found.keys() == wanted.keys()
        for place, value in wanted.items():
            tolerance = 1.01 / 60 if place.endswith("accuracy") else CLOSE["atol"]
            assert found[place] == pytest.approx(value, rel=CLOSE["rtol"], abs=tolerance), place


def assert_same(trainings, expected):
    """The same records and the same weights, within float tolerance."""
    for ours, theirs in zip(trainings, expected, strict=True):
        assert_close(ours.records, theirs.records)
        torch.testing.assert_close(ours.model.state_dict(), theirs.model.state_dict(), **CLOSE)


def assert_different(trainings, others):
    """That a comparison could tell: the weights differ by more than the tolerance."""
    for ours, theirs in zip(trainings, others, strict=True):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(ours.model.state_dict(), theirs.model.state_dict(), **CLOSE)


@pytest.mark.parametrize(
    "overrides",
    [
        (*AUTOENCODER, SEEDS),
        (*CNN, SEEDS),
        (*LOG, "seeds=[0,1]", "strengths=[0.001,0.1]"),
        (*AUTOENCODER, "regularizer=l2", "seeds=[0,1]", "strengths=[0.0001,0.1]"),
        (*CNN, "regularizer=entropy", "strengths=[0.0001,0.01]"),
        (*CNN, *MOMENTUM, SEEDS),
    ],
    ids=["autoencoder", "cnn", "log", "l2", "reciprocal", "momentum"],
)
def test_members_trained_at_once_are_those_of_the_plain_loop(job, overrides):
    ours = job(*overrides)
    together = ours.stacked()
    assert_same(together, ours.alone())
    assert_different(together[1:], together[:-1])


@pytest.mark.parametrize(
    "overrides",
    [
        DROPOUT,
        (*CNN, "regularizer=spatial_dropout"),
        pytest.param(
            (*CNN, "regularizer=dropout"),
        ),
    ],
    ids=["latent", "spatial", "conv1"],
)
def test_each_member_draws_the_noise_that_it_would_draw_alone(job, overrides):
    ours = job(*overrides, "seeds=[0,1]", "strengths=[0.1,0.5]")
    assert_same(ours.stacked(), ours.alone())


@pytest.mark.parametrize("overrides", [(*LOG, "strengths=[0.01]"), DROPOUT], ids=["log", "dropout"])
def test_a_members_numbers_do_not_depend_on_who_else_is_stacked(job, overrides):
    ours = job(*overrides, "seeds=[0,1,2,3,4]")
    five = ours.stacked(name="five")
    assert_same(ours.stacked(0, 1, name="two"), five[:2])
    assert_same(ours.stacked(4, 3, 2, 1, 0, name="reversed"), five[::-1])


def test_what_is_followed_does_not_depend_on_who_else_is_stacked(job):
    ours = job(*AUTOENCODER, "model.width=100", "seeds=[0,1]", "budget.epochs=1")
    followed = []
    for chosen in ((0,), (0, 1)):
        trainings = [ours.begin(number, f"{chosen}") for number in chosen]
        with torch.no_grad():
            trainings[0].model.encoder.weight.mul_(0.5)
        list(fit_stacked(trainings, ours.data, ours.schedule))
        followed.append(trainings[0].records[0]["measures"]["steps"])
    assert followed[1] == pytest.approx(followed[0], rel=1e-4)


@pytest.mark.parametrize(
    "overrides,kinds",
    [
        (("regularizer=entropy", "strengths=[0.1,0.001]"), 1),
        (("regularizer=dropout", "regularizer.method.placement=[latent]", "strengths=[0.1,0.2]"), 1),
        (("regularizer=entropy", "regularizer.method.eps=${regularizer.strength}", "strengths=[0.1,0.001]"), 2),
    ],
)
def test_only_members_that_share_all_but_seed_and_strength_are_stacked(overrides, kinds):
    found = members(load_config([*AUTOENCODER, *overrides, "seeds=[0,1]"]))
    assert len({stack_key(member) for member in found}) == kinds


def test_gradients_are_clipped_member_by_member(job):
    overrides = (*CNN, "regularizer=l2", "strengths=[0.001,1.0]", *MOMENTUM)
    clipped = job(*overrides, "+task.clip_norm=0.05")
    together = clipped.stacked()
    assert_same(together, clipped.alone())
    assert_different(together, job(*overrides).stacked())


def test_clipping_a_stack_is_torchs_clipping_of_each():
    torch.manual_seed(0)
    sizes = torch.tensor([0.01, 1.0, 100.0])  # the first is shorter than the limit
    parameters = [torch.zeros(3, *shape, requires_grad=True) for shape in ((4,), (5, 4), (2, 3, 3, 3), (6,))]
    for parameter in parameters[:-1]:  # the last has no gradient
        parameter.grad = torch.randn(parameter.shape) * sizes.view(-1, *[1] * (parameter.dim() - 1))
    expected = []
    for i in range(3):
        alone = [torch.zeros_like(parameter[i], requires_grad=True) for parameter in parameters]
        for mine, parameter in zip(alone[:-1], parameters[:-1], strict=True):
            mine.grad = parameter.grad[i].clone()
        nn.utils.clip_grad_norm_(alone, 0.5)
        expected.append([mine.grad for mine in alone[:-1]])
    before = parameters[1].grad.clone()
    clip_each(parameters, 0.5)
    for i in range(3):
        torch.testing.assert_close([parameter.grad[i] for parameter in parameters[:-1]], expected[i])
    assert torch.equal(parameters[1].grad[0], before[0]) and not torch.allclose(parameters[1].grad[1], before[1])


def test_members_leave_at_their_own_epochs_and_the_others_go_on(job):
    """The control with lambda / eps of 1e8, 1e5 and 1: the larger, the sooner float32 hides what is learned."""
    control = ("regularizer=constant", "strengths=[1e-7,10.0,0.01]", "task.early_stopping.patience=2")
    ours = job(*AUTOENCODER, *control, "budget.epochs=8")
    trainings = [ours.begin(number, "stacked") for number in range(3)]
    left = [training.regularizer.strength for training, _ in fit_stacked(trainings, ours.data, ours.schedule)]
    assert left == [10.0, 0.01, 1e-7]
    lengths = [len(training.records) for training in trainings]
    assert lengths[0] == 8 and lengths[1] == 3 and 3 < lengths[2] < 8
    assert_same(trainings, ours.alone())


@pytest.mark.parametrize("layer,clip", [("encoder", "+task.clip_norm=null"), ("decoder", "+task.clip_norm=1.0")])
def test_a_member_that_breaks_fails_alone(job, layer, clip):
    ours = job(*LOG, SEEDS, clip)
    trainings = [ours.begin(number, "stacked") for number in range(3)]
    with torch.no_grad():
        trainings[1].model.get_submodule(layer).weight[0, 0] = float("nan")
    ended = list(fit_stacked(trainings, ours.data, ours.schedule))
    assert [training.seed for training, _ in ended] == [1, 0, 2]
    assert str(ended[0][1]) == "train loss became nan in epoch 1" and ended[0][1].records == []
    assert [failure for _, failure in ended[1:]] == [None, None]
    expected = ours.alone()
    assert_same([trainings[0], trainings[2]], [expected[0], expected[2]])


def test_a_member_that_breaks_later_keeps_the_epochs_before(job):
    ours = job(*AUTOENCODER, SEEDS, "budget.epochs=3")
    trainings = [ours.begin(number, "stacked") for number in range(3)]

    def breaks_after_its_second_epoch(training, record):
        if training.seed == 1 and record["epoch"] == 2:
            training.model.decoder.bias.data.fill_(float("nan"))

    leaving = fit_stacked(trainings, ours.data, ours.schedule, breaks_after_its_second_epoch)
    ended = {training.seed: failure for training, failure in leaving}
    assert ended[0] is None and ended[2] is None and "in epoch 3" in str(ended[1])
    expected = ours.alone()
    assert_close(ended[1].records, expected[1].records[:2])
    assert_same([trainings[0], trainings[2]], [expected[0], expected[2]])


def rows(folder):
    return Store(folder / "results").rows()


def assert_rows_close(found, expected):
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["status"] == theirs["status"] == "done"
        assert_close(ours["epochs"], theirs["epochs"])


def stops_in_the_second_epoch(monkeypatch):
    real, calls = stacked_module.train_stacked_epoch, []

    def stops(*args):
        result = real(*args)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt  # the work of the epoch is done and lost
        return result

    monkeypatch.setattr(stacked_module, "train_stacked_epoch", stops)


@pytest.mark.parametrize("overrides", [DROPOUT, (*AUTOENCODER, *MOMENTUM)], ids=["dropout", "momentum"])
def test_a_killed_stack_goes_on_from_its_last_epoch_stacked_or_alone(tmp_path, monkeypatch, overrides):
    train(config(tmp_path / "whole", *overrides, SEEDS, "stack=3", "budget.epochs=2"))
    expected = rows(tmp_path / "whole")
    for again, how in (("again", "stack=3"), ("alone", "stack=off")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stops_in_the_second_epoch(patch)
            train(config(tmp_path / again, *overrides, SEEDS, "stack=3", "budget.epochs=2"))
        assert not rows(tmp_path / again)
        assert len(list((tmp_path / again / "outputs" / "checkpoints").glob("*.pt"))) == 3
        torch.manual_seed(12345)  # whatever the generator held before, the checkpoint's state counts
        train(config(tmp_path / again, *overrides, SEEDS, how, "budget.epochs=2"))
    assert [metrics(row) for row in rows(tmp_path / "again")] == [metrics(row) for row in expected]
    assert_rows_close(rows(tmp_path / "alone"), expected)
    assert not list(tmp_path.rglob("*.pt"))


def test_a_training_that_began_alone_goes_on_in_a_stack(tmp_path, monkeypatch):
    train(config(tmp_path / "whole", *DROPOUT, SEEDS, "stack=off"))
    interrupt(config(tmp_path / "parts", *DROPOUT, SEEDS, "stack=off"), monkeypatch)
    train(config(tmp_path / "parts", *DROPOUT, SEEDS, "stack=3"))
    assert_rows_close(rows(tmp_path / "parts"), rows(tmp_path / "whole"))


def test_members_that_were_stopped_at_different_epochs_end_with_the_same(job, monkeypatch):
    ours = job(*DROPOUT, SEEDS, "budget.epochs=3")
    real, saved = Checkpoint.save, []

    def stops_between_two_members(self, *args):
        saved.append(1)
        if len(saved) == 5:  # three after the first epoch, one of the second
            raise KeyboardInterrupt
        return real(self, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", stops_between_two_members)
        ours.stacked(name="parts")
    resumed = [ours.begin(number, "parts") for number in range(3)]
    for training in resumed:
        training.resume()
    assert [len(training.records) for training in resumed] == [2, 1, 1]
    assert_same(ours.stacked(name="parts"), ours.alone())


@pytest.mark.parametrize(
    "override,reason",
    [
        ("regularizer=pb_edropout", "the model has state beside its parameters"),
        ("regularizer=dropblock", "DropBlock2d draws noise of its own"),
        ("task.optimizer._target_=torch.optim.Adafactor", "Adafactor does not treat every element alike"),
        ("task.optimizer._target_=torch.optim.AdamW", None),
        ("regularizer=dropout", None),
        *((f"+task.{setting}", f"{NOT_PLAIN} is set") for setting in NOT_PLAIN_SETTINGS),
        ("+task.precision=float32", None),
        ("+task.early_stopping={patience: 3}", None),
    ],
)
def test_what_cannot_be_stacked_says_why(job, override, reason):
    ours = job(override)
    assert why_not(ours.begin(0, "asked"), ours.schedule) == reason


def test_models_with_other_state_or_other_noise_say_why(job):
    ours = job(*CNN)
    training = ours.begin(0, "asked")
    assert why_not(training, ours.schedule) is None

    def reason(*layers):
        model = nn.Sequential(nn.Conv2d(1, 2, 3), *layers)
        return why_not(dataclasses.replace(training, model=model), ours.schedule)

    assert reason() is None
    assert reason(nn.BatchNorm2d(2)) == "the model has state beside its parameters"
    assert reason(nn.Dropout(0.1)) == "Dropout draws noise of its own"


def test_what_cannot_be_stacked_is_trained_one_by_one(tmp_path, caplog):
    with caplog.at_level("INFO", "regbench"):
        train(config(tmp_path, *CNN, "regularizer=dropblock", "seeds=[0,1]", "budget.epochs=1", "stack=2"))
    assert "the members are trained one by one: DropBlock2d draws noise of its own" in caplog.text
    assert [row["status"] for row in rows(tmp_path)] == ["done", "done"]
    assert all("stacked" not in row["provenance"] for row in rows(tmp_path))


@pytest.mark.parametrize("value", ["0", "many", "true"])
def test_a_stack_that_is_none_is_refused_before_training(tmp_path, monkeypatch, value):
    monkeypatch.setattr("regbench.training.run.Run.train", lambda *args: pytest.fail("trained"))
    with pytest.raises(UserError, match=r"stack=.* is not allowed: allowed are auto, off, or a number of members"):
        train(config(tmp_path, f"stack={value}"))
    assert not rows(tmp_path)


def test_stacks_of_two_and_those_that_are_timed_store_the_rows_of_the_plain_loop(tmp_path):
    five = (*LOG, "seeds=[0,1,2,3,4]", "budget.epochs=2")
    for how in ("off", "2", "auto"):
        train(config(tmp_path / how, *five, f"stack={how}"))
    expected = rows(tmp_path / "off")
    assert len(expected) == 5 and all("stacked" not in row["provenance"] for row in expected)
    assert_rows_close(rows(tmp_path / "2"), expected)
    assert_rows_close(rows(tmp_path / "auto"), expected)
    assert sorted(row["provenance"]["stacked"] for row in rows(tmp_path / "2")) == [1, 2, 2, 2, 2]


def test_timing_stacks_leaves_the_members_as_they_are(job):
    ours = job(*DROPOUT, SEEDS)
    trainings = [ours.begin(number, "timed") for number in range(3)]
    state = torch.get_rng_state()
    assert stacked_module.best_size(trainings, ours.data, ours.schedule) in (1, 3)
    assert torch.equal(torch.get_rng_state(), state)
    untouched = [ours.begin(number, "untouched") for number in range(3)]
    for timed, fresh in zip(trainings, untouched, strict=True):
        torch.testing.assert_close(timed.model.state_dict(), fresh.model.state_dict(), rtol=0, atol=0)
        assert torch.equal(timed.noise.get_state(), fresh.noise.get_state())
        assert timed.records == [] and not timed.optimizer.state_dict()["state"]


def test_a_stack_that_memory_cannot_hold_is_halved(job, monkeypatch):
    real, sizes = stacked_module.train_stacked_epoch, []

    def holds_two(trainings, *args):
        sizes.append(len(trainings))
        if len(trainings) > 2:
            raise torch.OutOfMemoryError("made up")
        return real(trainings, *args)

    monkeypatch.setattr(stacked_module, "train_stacked_epoch", holds_two)
    ours = job(*AUTOENCODER, "seeds=[0,1,2,3,4]", "budget.epochs=1")
    assert_same(ours.stacked(), ours.alone())
    assert sizes == [5, 2, 3, 1, 2]


def test_a_member_that_memory_cannot_hold_alone_fails(job, monkeypatch):
    def holds_none(*args):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(stacked_module, "train_stacked_epoch", holds_none)
    ours = job(*AUTOENCODER, "seeds=[0,1]")
    ended = list(fit_stacked([ours.begin(number, "stacked") for number in range(2)], ours.data, ours.schedule))
    assert [str(failure).split(":")[0] for _, failure in ended] == ["out of memory in epoch 1"] * 2


def test_an_error_that_is_not_about_memory_is_not_hidden(job, monkeypatch):
    def breaks(*args):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(stacked_module, "train_stacked_epoch", breaks)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        job(*AUTOENCODER, "seeds=[0,1]").stacked()


@pytest.mark.parametrize("overrides", [(*AUTOENCODER, "regularizer=l2"), DROPOUT], ids=["l2", "dropout"])
def test_running_out_of_memory_within_an_epoch_changes_no_number(job, monkeypatch, overrides):
    real, calls = stacked_module.Stack.step, []

    def runs_out_in_the_middle_of_the_second_epoch(self, *args):
        calls.append(1)
        if len(calls) == 5:  # of three steps an epoch
            raise torch.OutOfMemoryError("made up")
        return real(self, *args)

    monkeypatch.setattr(stacked_module.Stack, "step", runs_out_in_the_middle_of_the_second_epoch)
    ours = job(*overrides, "seeds=[0,1,2,3]")
    assert_same(ours.stacked(), ours.alone())


def test_a_penalty_of_its_own_is_not_stacked(job):
    class Own(NormPenalty):
        def penalty(self, model):
            return super().penalty(model) + 1.0

    ours = job(*AUTOENCODER, "regularizer=l2")
    training = ours.begin(0, "own")
    assert why_not(training, ours.schedule) is None
    training.regularizer = Own(0.1, 2)
    assert "Own.penalty is more than strength times unit_penalty" in why_not(training, ours.schedule)


def test_memory_that_runs_out_in_the_evaluation_fails_that_member_alone(job, monkeypatch):
    ours = job(*AUTOENCODER, SEEDS)
    trainings = [ours.begin(number, "evaluation") for number in range(3)]
    real = Training.end_epoch

    def end_epoch(training, *arguments):
        if training is trainings[1]:
            raise torch.OutOfMemoryError("made up")
        return real(training, *arguments)

    monkeypatch.setattr(Training, "end_epoch", end_epoch)
    failures = {id(training): failure for training, failure in fit_stacked(trainings, ours.data, ours.schedule)}
    assert "out of memory in epoch 1" in str(failures[id(trainings[1])])
    assert failures[id(trainings[0])] is None and len(trainings[2].records) == 2


def test_a_size_that_does_not_fit_is_not_taken(job, monkeypatch):
    ours = job(*AUTOENCODER, SEEDS)
    trainings = [ours.begin(number, "sizes") for number in range(3)]

    def seconds(chosen, data, schedule):
        if len(chosen) > 1:
            raise torch.OutOfMemoryError("made up")
        return 1.0

    monkeypatch.setattr(stacked_module, "_seconds_a_member", seconds)
    assert stacked_module.best_size(trainings, ours.data, ours.schedule) == 1
