"""Extractors: trained, stored, read back, refused; and what a task measures of generated images with one."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regbench.data import Batches, Splits, load_splits
from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.measures.extractor import FOLDER, Classifier, Extractor, Inception, load_extractor
from regbench.models import CNN5, DCGAN
from regbench.rows.store import Store
from regbench.train import train
from regbench.training import generate
from regbench.training.generate import SHOWN, Generate
from tests.commands import load_script
from tests.test_train import config, refused

CPU = torch.device("cpu")


def command(folder, *overrides, dataset="digits", again=False):
    """The script's command line for a tiny classifier, all files in this folder."""
    tiny = ["model.widths=[4,4,4,4,4]", "budget.epochs=1", "task.batch_size=16", "task.optimizer.lr=0.01"]
    tiny += ["threads=1", f"paths.outputs={folder}/outputs", *overrides]
    arguments = ["train_extractor.py", dataset, "--folder", str(folder), *(["--again"] if again else [])]
    return [*arguments, *(part for override in tiny for part in ("--set", override))]


def run_script(folder, *overrides, **arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command(folder, *overrides, **arguments))
        return load_script("train_extractor").main()


def make_extractor(folder) -> Path:
    """A tiny classifier of digits, trained for an epoch by the script."""
    assert run_script(folder) == 0
    return folder / "digits-cnn5.pt"


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return make_extractor(tmp_path_factory.mktemp("extractor"))


@pytest.fixture(scope="module")
def data():
    return load_splits(digits(), 400, 100, 0, CPU)


@pytest.fixture
def altered(path, tmp_path):
    """Writes a copy of the trained file with some of it changed, under a name of its own."""

    def write(name="altered", **changes):
        saved = torch.load(path, weights_only=True)
        torch.save({key: value for key, value in {**saved, **changes}.items() if value is not None}, tmp_path / name)
        return str((tmp_path / name).rename(tmp_path / f"{name}.pt"))

    return write


def test_what_was_trained_is_read_back_with_its_accuracy(path):
    extractor = load_extractor(str(path), CPU)
    saved = torch.load(path, weights_only=True)
    assert extractor.described() == {
        "name": "digits-cnn5",
        "accuracy": saved["test_accuracy"],
        "sha256": extractor.sha256,
        "features": 4,
    }
    assert len(extractor.sha256) == 64 and extractor.channels == 1
    assert saved["config"]["model"]["widths"] == [4] * 5 and len(saved["records"]) == 1
    test = load_splits(digits(), 1000, 200, 0, CPU).test
    features, logits = extractor(test.unit(slice(None)))
    assert features.shape == (500, 4) and logits.shape == (500, 10)
    right = (logits.argmax(dim=1) == test.targets).double().mean().item()
    assert right == pytest.approx(saved["test_accuracy"]) and right > 0.2


def test_it_evaluates_and_learns_nothing(path, data):
    extractor = load_extractor(str(path), CPU)
    assert not any(module.training for module in extractor.network.modules())
    assert not any(weight.requires_grad for weight in extractor.network.parameters())
    images = data.test.unit(slice(0, 8)).requires_grad_()
    first, second = extractor(images), extractor(images)
    assert torch.equal(first[0], second[0]) and not first[0].requires_grad
    alone, _ = extractor(images[:1])
    torch.testing.assert_close(alone, first[0][:1])


def test_features_are_the_means_over_the_last_sites_maps():
    model, images = CNN5((2, 28, 28), 10, widths=[4] * 5), torch.rand(5, 2, 28, 28)
    mean, std = torch.tensor([100.0, 50.0]), torch.tensor([20.0, 70.0])
    seen = []
    handle = model.sites["conv5"].register_forward_hook(lambda module, inputs, output: seen.append(output))
    features, logits = Classifier(model, mean, std, (2, 28, 28))(images)
    handle.remove()
    assert seen[0].shape == (5, 4, 3, 3)
    torch.testing.assert_close(features, seen[0].mean(dim=(2, 3)))
    expected = model((255 * images - mean.view(2, 1, 1)) / std.view(2, 1, 1))
    torch.testing.assert_close(logits, expected)
    assert not model.sites["conv5"]._forward_hooks


@pytest.mark.parametrize("side", [8, 28, 32])
def test_images_of_another_size_are_resized(path, side):
    extractor, images = load_extractor(str(path), CPU), torch.rand(3, 1, side, side)
    resized = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    for found, expected in zip(extractor(images), extractor(resized), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_digest_is_of_weights_and_standardisation_and_not_of_the_name(path, altered):
    saved = torch.load(path, weights_only=True)
    key = next(iter(saved["model"]))
    nudged = {**saved["model"], key: saved["model"][key] + 1e-6}
    same, other = load_extractor(altered("same"), CPU), load_extractor(altered("nudged", model=nudged), CPU)
    digest = load_extractor(str(path), CPU).sha256
    assert same.sha256 == digest and same.name == "same"
    assert other.sha256 != digest
    assert load_extractor(altered("brighter", mean=saved["mean"] + 1), CPU).sha256 != digest


def test_an_extractor_that_is_there_is_kept_unless_asked(path, tmp_path, capsys):
    kept = tmp_path / "digits-cnn5.pt"
    kept.write_bytes(b"mine")
    assert run_script(tmp_path) == 0
    assert kept.read_bytes() == b"mine" and f"{kept} is there" in capsys.readouterr().out
    assert run_script(tmp_path, again=True) == 0
    assert load_extractor(str(kept), CPU).sha256 == load_extractor(str(path), CPU).sha256  # the seed is the same
    assert "% of the test images right" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.rglob("checkpoints/*.pt"))


@pytest.mark.parametrize(
    "overrides,dataset,words",
    [
        ([], "unheard_of", "unheard_of"),
        (["model.widths=[4]"], "digits", "model.widths=[4]"),
        (["model.unknown=1"], "digits", "unknown"),
        (["paths.data=/nonexistent", "download=false"], "mnist", "prepare_data.py mnist"),
    ],
)
def test_the_script_says_in_one_line_what_is_wrong(tmp_path, capsys, overrides, dataset, words):
    assert run_script(tmp_path, *overrides, dataset=dataset) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error: ") and words in said[-1]
    assert not list(tmp_path.glob("*.pt"))


def test_the_digits_extractor_that_comes_with_the_repository_is_good(data):
    extractor = load_extractor("digits-cnn5", CPU)
    _, logits = extractor(data.test.unit(slice(None)))
    right = (logits.argmax(dim=1) == data.test.targets).double().mean().item()
    assert right == pytest.approx(extractor.accuracy, abs=0.003) and right > 0.95


def test_a_file_that_is_missing_names_the_others_and_how_to_make_it():
    known = sorted(path.stem for path in FOLDER.glob("*.pt"))
    for name in ("unheard_of", "/nonexistent/unheard_of.pt"):
        with pytest.raises(UserError, match=r"unheard_of.*there is no .*unheard_of\.pt.*make extractors") as error:
            load_extractor(name, CPU)
        assert "\n" not in str(error.value) and all(each in str(error.value) for each in ["inception", *known])


class Unknown:
    """What a file must not bring along."""


#: files that are none, by what is wrong with them
BROKEN = {
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not an extractor"),
    "of a class": lambda path: torch.save({"config": Unknown()}, path),
    "of a list": lambda path: torch.save([1, 2], path),
    "of a tensor": lambda path: torch.save(torch.zeros(3), path),
    "a checkpoint": lambda path: torch.save({"member": "x", "model": {}, "epochs": []}, path),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_extractor_is_one_line(tmp_path, kind):
    path = tmp_path / "broken.pt"
    BROKEN[kind](path)
    with pytest.raises(UserError, match=r"task\.extractor=.*broken\.pt is no trained classifier") as error:
        load_extractor(str(path), CPU)
    assert "\n" not in str(error.value)


def test_a_file_that_was_cut_off_is_one_line(path, tmp_path):
    cut = tmp_path / "cut.pt"
    cut.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="is no trained classifier") as error:
        load_extractor(str(cut), CPU)
    assert "\n" not in str(error.value)


def described(path, **settings):
    """The file's config, its model's settings changed."""
    saved = torch.load(path, weights_only=True)["config"]
    return {**saved, "model": {**saved["model"], **settings}}


@pytest.mark.parametrize("missing", ["model", "config", "input_shape", "classes", "mean", "test_accuracy"])
def test_a_file_that_lacks_something_is_one_line(altered, missing):
    with pytest.raises(UserError, match="is no trained classifier of this code") as error:
        load_extractor(altered(f"without_{missing}", **{missing: None}), CPU)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [{"widths": [8, 8, 8, 8, 8]}, {"_target_": "regbench.models.Gone"}, {"widths": [4]}, {"unknown": 1}],
    ids=["widths", "target", "refused", "unknown"],
)
def test_a_file_of_another_network_is_one_line(path, altered, settings):
    changed = altered("other", config=described(path, **settings))
    with pytest.raises(UserError, match="is no trained classifier of this code") as error:
        load_extractor(changed, CPU)
    assert "\n" not in str(error.value)


def test_a_file_cannot_have_code_run(path, altered, tmp_path):
    """Weights are read without unpickling objects; the settings beside them must be as harmless."""
    made = tmp_path / "made"
    settings = {"widths": {"_target_": "os.mkdir", "path": str(made)}}
    with pytest.raises(UserError, match="is no trained classifier of this code"):
        load_extractor(altered("harmful", config=described(path, **settings)), CPU)
    assert not made.exists()


def coloured(split):
    return replace(split, images=split.images.expand(-1, -1, -1, 3))


def test_images_with_other_channels_are_refused_before_training(path, data):
    model = DCGAN((3, 16, 16), 10, widths=[4])
    names = {"task": "generate", "model": "dcgan"}
    with pytest.raises(UserError, match="is of images with 1 channels, these have 3"):
        Generate(str(path)).check(model, coloured(data.train), names)
    Generate(str(path)).check(DCGAN((1, 16, 16), 10, widths=[4]), data.train, names)


GENERATE = ["task=generate", "model=dcgan", "model.widths=[4]"]


@pytest.mark.parametrize(
    "override,words",
    [
        ("task.extractor=unheard_of", "task.extractor=unheard_of: there is no"),
        ("task.samples=1", "task.samples=1 is not allowed: an integer of 2 or more"),
        ("task.samples=many", "task.samples=many is not allowed"),
        ("task.n_dis=0", "task.n_dis=0 is not allowed: an integer of 1 or more"),
        ("task.n_dis=1.5", "task.n_dis=1.5 is not allowed"),
        ("+task.early=1", "early"),
    ],
)
def test_wrong_settings_of_the_task_are_one_line_and_leave_no_row(tmp_path, monkeypatch, override, words):
    assert words in refused(tmp_path, monkeypatch, *GENERATE, override)


def test_inception_without_a_download_is_one_line_that_names_the_others(tmp_path, monkeypatch):
    def offline(*args, **settings):
        raise URLError("no network")

    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", offline)
    monkeypatch.setattr("regbench.training.run.Run.train", lambda *args: pytest.fail("trained"))
    load_extractor.cache_clear()
    with pytest.raises(UserError, match=r"task\.extractor=inception: its weights cannot be downloaded") as error:
        train(config(tmp_path, *GENERATE, "task.extractor=inception"))
    assert "no network" in str(error.value) and "digits-cnn5" in str(error.value) and "\n" not in str(error.value)
    assert not Store(tmp_path / "results").rows()


class Levels(nn.Module):
    """In torchmetrics' Inception's place: what it is given is what it returns."""

    def __init__(self, name, features):
        super().__init__()
        assert (name, features) == ("inception-v3-compat", ["2048", "logits_unbiased"])

    def _torch_fidelity_forward(self, levels):
        return levels, levels.flatten(1)


def test_inception_is_given_three_channels_of_whole_levels(monkeypatch):
    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", Levels)
    grey = torch.tensor([0.0, 0.4, 1.0, 1.2, 100.4 / 255, 100.6 / 255]).view(1, 1, 2, 3)
    _, levels = Inception()(grey)
    assert levels.dtype == torch.uint8 and levels.view(3, 6).tolist() == [[0, 102, 255, 255, 100, 101]] * 3
    _, levels = Inception()(torch.arange(3).view(1, 3, 1, 1) / 255)
    assert levels.flatten().tolist() == [0, 1, 2]


def test_inception_has_its_features_and_logits_without_bias(monkeypatch):
    module = "torch_fidelity.feature_extractor_inceptionv3"
    monkeypatch.setattr(f"{module}.load_state_dict_from_url", lambda *args, **settings: {})
    monkeypatch.setattr(f"{module}.FeatureExtractorInceptionV3.load_state_dict", lambda self, state: None)
    inception = Inception().eval()
    features, logits = inception(torch.rand(2, 1, 16, 16))
    assert features.shape == (2, 2048) and logits.shape == (2, 1008)
    torch.testing.assert_close(logits, features @ inception.network.fc.weight.T)


MEASURES = {"fid", "diversity", "inception_score", "effective_classes"}


def untrained():
    torch.manual_seed(0)
    return DCGAN((1, 16, 16), 10, widths=[4, 6], latent=5).eval()


def test_an_evaluation_has_the_measures_of_generated_and_of_real_images(path, data):
    task = Generate(str(path), samples=150)
    found = task.evaluate(untrained(), data)
    assert set(found) == {"heldout", "test"}
    for values in found.values():
        assert set(values) == MEASURES | {"real_fid", "real_inception_score", "real_effective_classes"}
        assert 0 < values["real_fid"] < 0.5 * values["fid"]
        assert values["real_effective_classes"] > 1 and values["diversity"] < 0.5
    assert found["heldout"]["fid"] != found["test"]["fid"]
    assert found["heldout"]["inception_score"] == found["test"]["inception_score"]
    assert task.provenance() == {"extractor": load_extractor(str(path), CPU).described()}


def test_an_evaluation_is_the_same_every_time_and_leaves_the_noise_of_training_alone(path, data):
    torch.manual_seed(5)
    state, model = torch.get_rng_state(), untrained()
    torch.set_rng_state(state)
    first = Generate(str(path), samples=60).evaluate(model, data)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert Generate(str(path), samples=60).evaluate(model, data) == first
    fresh = load_splits(digits(), 400, 100, 0, CPU)  # nothing of these images was remembered
    assert Generate(str(path), samples=60).evaluate(model, fresh) == first


def test_what_is_measured_of_real_images_is_measured_once(path, monkeypatch):
    data = load_splits(digits(), 200, 50, 0, CPU)
    asked = []
    real = Batches.unit
    monkeypatch.setattr(Batches, "unit", lambda self, index: asked.append(len(index)) or real(self, index))
    Generate(str(path), samples=60).evaluate(untrained(), data)
    assert sum(asked) == 60 + 50 + 500
    Generate(str(path), samples=60).evaluate(untrained(), data)
    assert sum(asked) == 60 + 50 + 500
    other = Generate(str(path), samples=70).evaluate(untrained(), data)
    assert sum(asked) == 60 + 50 + 500 + 70
    fresh = load_splits(digits(), 200, 50, 0, CPU)
    assert Generate(str(path), samples=70).evaluate(untrained(), fresh) == other


def test_more_samples_than_training_images_are_compared_with_all_of_these(path, data):
    few = Splits(data.heldout, data.test, data.heldout, 10)  # 100 training images
    assert set(Generate(str(path), samples=130).evaluate(untrained(), few)["test"]) > MEASURES


class ByGrey(nn.Module):
    """Of an image of one grey it knows the class: a tenth of the grey levels each. Keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, images):
        self.given.append(images)
        grey = images.mean(dim=(1, 2, 3))
        return torch.stack([grey, grey.square()], dim=1), 100.0 * F.one_hot((10 * grey).long().clamp(0, 9), 10)


def sorted_by_class(count):
    """Images of one grey each, a tenth of them of each class, first all of class 0."""
    classes = torch.arange(count) * 10 // count
    images = (13 + 25 * classes).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 4, 1)
    return Batches(images.contiguous(), classes, torch.zeros(1), torch.ones(1))


@pytest.fixture
def by_grey(monkeypatch):
    extractor = Extractor("by grey", ByGrey(), 1, 1.0, "0" * 64, 2)
    monkeypatch.setattr(generate, "load_extractor", lambda name, device: extractor)
    return extractor.network


def test_an_extractor_is_given_images_between_0_and_1_generated_ones_and_real_ones(by_grey, data):
    model = untrained()
    Generate("by grey", samples=200).evaluate(model, data)
    given = torch.cat(by_grey.given)
    assert len(given) == 200 + 200 + 100 + 500 and given.min() >= 0 and given.max() <= 1
    generated = given[:200]
    torch.manual_seed(0)
    others = (model.sample(torch.randn(200, 5)) + 1) / 2
    torch.testing.assert_close(generated.mean(dim=0), others.mean(dim=0), atol=0.01, rtol=0)
    assert not torch.equal(generated[0], generated[1]) and not torch.equal(generated[0], generated[128])


def test_real_images_are_of_all_classes_where_the_folder_is_sorted_by_class(by_grey):
    data = Splits(sorted_by_class(2000), sorted_by_class(300), sorted_by_class(500), 10)
    model = DCGAN((1, 4, 4), 10, widths=[2], latent=3).eval()
    found = Generate("by grey", samples=200).evaluate(model, data)["test"]
    assert found["real_effective_classes"] > 9 and found["real_inception_score"] > 5
    assert found["real_fid"] < 0.01  # of a twentieth of the variance, were they of the first class alone


def of_grey(*levels):
    """Images of these grey levels, one each."""
    images = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 4, 1)
    return Batches(images.contiguous(), torch.zeros(len(levels), dtype=torch.int64), torch.zeros(1), torch.ones(1))


def test_each_splits_distances_are_those_to_its_own_images(monkeypatch):
    """One feature, the grey: a distance is (m - m')^2 + (s - s')^2, m a mean and s^2 a variance of N - 1."""

    def grey(images):
        found = images.mean(dim=(1, 2, 3))
        return found.unsqueeze(1), 100.0 * F.one_hot((10 * found).long().clamp(0, 9), 10)

    extractor = Extractor("grey", grey, 1, 1.0, "1" * 64, 1)
    monkeypatch.setattr(generate, "load_extractor", lambda name, device: extractor)
    made = torch.tensor([0.25, 0.45, 0.65, 0.85]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    model = SimpleNamespace(latent=1, sample=lambda noise: 2 * made - 1)
    data = Splits(of_grey(0, 255), of_grey(51, 102), of_grey(51, 153, 255), 10)
    found = Generate("grey", samples=4).evaluate(model, data)
    mean, variance = 0.55, (2 * 0.3**2 + 2 * 0.1**2) / 3
    real_mean, real_variance = 0.5, 0.5
    for split, m, v in (("heldout", 0.3, 0.02), ("test", 0.6, 0.16)):
        assert found[split] == pytest.approx(
            {
                "fid": (mean - m) ** 2 + (variance**0.5 - v**0.5) ** 2,
                "diversity": variance / v,
                "inception_score": 1.0,  # of tenths of one image each
                "effective_classes": 4.0,
                "real_fid": (real_mean - m) ** 2 + (real_variance**0.5 - v**0.5) ** 2,
                "real_inception_score": 1.0,
                "real_effective_classes": 2.0,
            },
            rel=1e-5,
        ), split


def test_samples_that_are_shown_are_of_the_same_noise_whatever_was_trained(path):
    model = untrained()
    torch.manual_seed(1)
    first = Generate(str(path)).shown(model)
    torch.manual_seed(2)
    assert torch.equal(Generate(str(path)).shown(model), first)
    assert first.shape == (SHOWN, 1, 16, 16) and first.min() >= 0 and first.max() <= 1
    assert not torch.equal(first[0], first[1])


def test_training_images_are_scaled_to_what_the_generator_makes(path, data):
    images = Generate(str(path)).images(data.train, torch.tensor([3, 5]))
    expected = data.train.images[[3, 5]].permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(images, expected)
