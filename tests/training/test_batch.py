"""A step's batch: parts that add up to the whole, precision, memory format, and augmentation anew in each epoch."""

import dataclasses
import functools

import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.rows.stopping import Plateau
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.augmentation import move
from regbench.training.batch import Batch, add_gradients, batches, data_order, micro_batches
from regbench.training.loop import train_epoch
from regbench.training.schedule import Schedule
from regbench.training.state import evaluate
from regbench.training.task import Sums
from tests.test_train import config, metrics, refused
from tests.training.worlds import AUGMENT, LOG, SMALL, begun, pictures

#: sums of float32 numbers in another order: measured differences are below 1e-7
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
STRONG = [*SMALL, *LOG[:2], "strengths=[1.0]"]  # a penalty whose gradient no rounding hides
UNET = ["model=unet", "model.widths=[2,2,2,2,2]", "task=segment", "budget=smoke"]
AUTOENCODER = ["model=autoencoder", "task=reconstruct", "model.width=4"]


@functools.cache
def gradients(*overrides, index=32, **changes):
    """The gradients of one batch, what its sums come to, and what the step saw last."""
    training, data, schedule = begun(100, [*STRONG, *overrides])
    schedule = dataclasses.replace(schedule, **changes)
    sums = Sums()
    batch = Batch(torch.arange(index), None)
    *seen, share = add_gradients(training, data.train, schedule, batch, sums)
    assert share == pytest.approx(1.0)
    found = {name: parameter.grad for name, parameter in training.model.named_parameters()}
    return found, sums.means(), seen, (training, data)


def test_gradients_are_those_of_the_whole_batchs_mean_loss_and_one_penalty():
    found, means, _, (training, data) = gradients()
    training.model.zero_grad(set_to_none=True)
    inputs, targets = training.task.batch(data.train, slice(0, 32))
    loss = nn.functional.cross_entropy(training.model(inputs), targets)
    (loss + training.regularizer.penalty(training.model)).backward()
    expected = {name: parameter.grad for name, parameter in training.model.named_parameters()}
    torch.testing.assert_close(found, expected, **CLOSE)
    assert means["loss"] == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("images", [32, 5, 1])
@pytest.mark.parametrize("count", [2, 3, 32])
def test_parts_of_a_batch_add_up_to_its_gradients(images, count):
    """Of five images three parts have 2, 2 and 1; 32 parts of five images are five."""
    whole, means, _, _ = gradients(index=images)
    found, also, (inputs, targets), _ = gradients(index=images, accumulate=count)
    torch.testing.assert_close(found, whole, **CLOSE)
    assert also == pytest.approx(means, rel=1e-6)
    last = images // count if count <= images else 1
    assert len(inputs) == len(targets) == last


def test_the_penalty_of_these_tests_matters():
    with_it, without = gradients()[0], gradients("strengths=[0.0]", index=32)[0]
    assert (with_it["head.weight"] - without["head.weight"]).abs().max() > 1e-2


def test_parts_are_all_images_once_with_the_share_that_they_are_of_the_mean():
    batch = Batch(torch.tensor([7, 3, 9, 1, 4]), torch.arange(30.0).view(5, 2, 3))
    found = micro_batches(batch, 3)
    assert torch.cat([part.index for part in found]).tolist() == [7, 3, 9, 1, 4]
    assert torch.equal(torch.cat([part.maps for part in found]), batch.maps)
    assert [part.weight for part in found] == [0.4, 0.4, 0.2]
    assert len(micro_batches(batch, 9)) == 5 and len(micro_batches(batch, 1)) == 1


def test_an_epoch_in_parts_is_the_epoch():
    trained = []
    for count in (1, 3):
        training, data, schedule = begun(100, STRONG)
        schedule = dataclasses.replace(schedule, accumulate=count)
        steps = train_epoch(training, data.train, schedule, 1, lambda: None)
        trained.append((training.model.state_dict(), steps.train))
    torch.testing.assert_close(trained[0][0], trained[1][0], **CLOSE)
    assert trained[1][1] == pytest.approx(trained[0][1], rel=1e-5)


def watched(model, kind=nn.Conv2d):
    """What the layers of a kind put out, as it comes."""
    seen = []
    for module in model.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    return seen


def test_mixed_precision_keeps_weights_gradients_and_loss_in_float32():
    training, data, schedule = begun(100, [*STRONG, "+task.precision=bfloat16"])
    computed, losses = watched(training.model), []
    real = training.task.loss
    training.task.loss = lambda output, target: losses.append(real(output, target)) or losses[-1]
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    steps = train_epoch(training, data.train, schedule, 1, lambda: None)
    assert {each.dtype for each in computed} == {torch.bfloat16}
    assert {each.dtype for each in losses} == {torch.float32}
    for name, parameter in training.model.named_parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32
        assert not torch.equal(parameter, before[name]), name
    exact, data, schedule = begun(100, STRONG)
    expected = train_epoch(exact, data.train, schedule, 1, lambda: None)
    assert steps.train["loss"] == pytest.approx(expected.train["loss"], rel=0.02)
    assert steps.train["loss"] != expected.train["loss"]


def test_an_evaluation_is_in_float32_whatever_the_training_is():
    training, data, _ = begun(100, [*STRONG, "+task.precision=bfloat16"])
    computed = watched(training.model)
    evaluate(training.model, training.regularizer, training.task, data, {})
    assert {each.dtype for each in computed} == {torch.float32}


def test_float32_is_what_a_schedule_says_without_a_word():
    training, data, schedule = begun(100, STRONG)
    computed = watched(training.model)
    train_epoch(training, data.train, schedule, 1, lambda: None)
    assert {each.dtype for each in computed} == {torch.float32}


@pytest.mark.parametrize("overrides", [UNET, [*UNET, AUGMENT.lstrip("+")]], ids=["plain", "augmented"])
def test_channels_last_is_how_images_and_maps_lie_in_memory(overrides):
    numbers = []
    for by_pixel in (True, False):
        words = [*overrides, f"task.channels_last={str(by_pixel).lower()}"]
        training, data, schedule = begun(37, words, pictures())
        computed = watched(training.model, nn.Conv2d)
        batch = next(batches(data.train, schedule, 0, 1))
        inputs, *_ = add_gradients(training, data.train, schedule, batch, Sums())
        large = [each for each in computed if each.shape[1] > 1 and each.shape[2] > 1]
        expected = torch.channels_last if by_pixel else torch.contiguous_format
        assert inputs.is_contiguous(memory_format=expected)
        assert all(each.is_contiguous(memory_format=expected) for each in large) and large
        numbers.append({name: parameter.grad for name, parameter in training.model.named_parameters()})
    torch.testing.assert_close(*numbers, **CLOSE)


def test_maps_are_drawn_anew_in_each_epoch_and_for_each_batch_and_seed():
    _, data, schedule = begun(100, [*SMALL, AUGMENT])

    def drawn(seed, epoch):
        return [batch.maps for batch in batches(data.train, schedule, seed, epoch)]

    first, again = drawn(3, 1), drawn(3, 1)
    assert [len(each) for each in first] == [32, 32, 32, 4]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    others = [first[1], *(drawn(*other)[0] for other in ((3, 2), (4, 1)))]
    assert all(not torch.equal(each, first[0]) for each in others)


def test_augmentation_leaves_the_order_of_the_images_alone():
    _, data, schedule = begun(100, [*SMALL, AUGMENT])
    plain = dataclasses.replace(schedule, augmentation=None)
    found = [[each.index for each in batches(data.train, one, 3, 2)] for one in (schedule, plain)]
    assert torch.equal(torch.cat(found[0]), torch.cat(found[1]))
    assert torch.equal(torch.cat(found[0]), data_order(100, 3, 2))
    assert all(each.maps is None for each in batches(data.train, plain, 3, 2))


@pytest.mark.parametrize("count", [1, 3])
def test_what_the_network_sees_is_the_moved_images_with_their_masks(count):
    """The masks are the images' red above a level: moved together, they still are, but for pixels at an edge."""
    words = [*UNET, AUGMENT.lstrip("+"), f"task.accumulate={count}"]
    training, data, schedule = begun(37, words, pictures())
    batch = next(batches(data.train, schedule, 0, 1))
    seen, pairs = [], []
    real = training.task.loss
    training.task.loss = lambda output, target: pairs.append(target) or real(output, target)
    training.model.register_forward_pre_hook(lambda model, given: seen.append(given[0]))
    add_gradients(training, data.train, schedule, batch, Sums())
    shown = torch.cat(pairs)
    still = data.train.target(batch.index)
    images, moved = move(data.train.take(batch.index), batch.maps, still)
    torch.testing.assert_close(torch.cat(seen), images, **CLOSE)
    assert shown.dtype == torch.uint8 and torch.equal(shown, moved)
    assert (shown != still).float().mean() > 0.2


def test_a_network_that_rebuilds_its_input_rebuilds_the_moved_one():
    training, data, schedule = begun(64, [*AUTOENCODER, AUGMENT])
    inputs, targets, _ = add_gradients(
        training, data.train, schedule, next(batches(data.train, schedule, 0, 1)), Sums()
    )
    assert torch.equal(inputs, targets)
    assert not torch.equal(inputs, training.task.batch(data.train, data_order(64, 0, 1))[0])


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"precision": "float16"}, r"task\.precision=float16 is not allowed: allowed are float32, bfloat16"),
        ({"accumulate": 0}, r"task\.accumulate=0 is not allowed: parts of a batch, 1 to 8"),
        ({"accumulate": 9}, r"task\.accumulate=9 is not allowed"),
        ({"accumulate": 1.5}, r"task\.accumulate=1\.5 is not allowed"),
        ({"accumulate": True}, r"task\.accumulate=True is not allowed"),
        ({"channels_last": 1}, r"task\.channels_last=1 is not allowed: allowed are true, false"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        Schedule(epochs=1, batch_size=8, **settings)


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["+task.augment={flip: true, shear: 0.1}"], "task.augment={'flip': True, 'shear': 0.1} is not allowed: flip,"),
        (["+task.augment=strong"], "task.augment=strong is not allowed: flip, rotation, zoom, or null"),
        (["+task.plateau={patience: 3, factor: 2}"], "task.plateau.factor=2 is not allowed: a number in (0, 1)"),
        (["+task.plateau={factor: 0.5}"], "task.plateau={'factor': 0.5} is not allowed: patience, factor, watch"),
        (["+task.precision=half"], "task.precision=half is not allowed"),
        (["+task.accumulate=129"], "task.accumulate=129 is not allowed: parts of a batch, 1 to 128"),
        (
            ["model=dcgan", "task=generate", "+task.precision=bfloat16"],
            "task=generate reads none of early_stopping, follow, plateau, augment,",
        ),
        (
            ["model=dcgan", "task=generate", AUGMENT],
            "task=generate reads none of early_stopping, follow, plateau, augment,",
        ),
    ],
)
def test_wrong_settings_are_one_line_before_training(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, *overrides)


def test_an_augmented_training_on_a_plateau_resumes_bit_for_bit(tmp_path, monkeypatch):
    import regbench.training.loop as loop

    plateau = "task.plateau={patience: 1, factor: 0.5, watch: accuracy}"
    words = ["task=classify_plateau", "model.widths=[4,4,4,4,4]", "budget.epochs=5", AUGMENT.lstrip("+"), plateau]
    words.append("task.optimizer.lr=0.3")
    rates = {"whole": [], "parts": []}
    real, running = loop.train_epoch, ["whole"]

    def noted(training, data, schedule, epoch, on_step):
        rates[running[0]].append(training.optimizer.param_groups[0]["lr"])
        steps = real(training, data, schedule, epoch, on_step)
        if running[0] == "parts" and len(rates["parts"]) == 3:
            raise KeyboardInterrupt  # the work of the third epoch is lost
        return steps

    monkeypatch.setattr(loop, "train_epoch", noted)
    train(config(tmp_path / "whole", *words))
    running[0] = "parts"
    with pytest.raises(KeyboardInterrupt):
        train(config(tmp_path / "parts", *words))
    train(config(tmp_path / "parts", *words))
    whole, resumed = (Store(tmp_path / name / "results").rows()[0] for name in ("whole", "parts"))
    assert metrics(resumed) == metrics(whole)
    assert rates["parts"] == [*rates["whole"][:3], *rates["whole"][2:]]
    records, rule = whole["epochs"], Plateau(1, 0.5, "accuracy")
    assert rates["whole"] == [0.3 * rule.scale_after(records[:count]) for count in range(5)]
    assert rates["whole"][0] == 0.3 > rates["whole"][-2]  # so that a rate lowered once too often would show
