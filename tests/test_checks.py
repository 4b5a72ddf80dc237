"""Settings that are right alone and do not go together are one line before anything is trained."""

from dataclasses import replace

import numpy as np
import pytest

from regbench.data.prepared import Prepared
from regbench.data.sources import digits
from regbench.regularizers import AdaptiveDropoutLayers, Combined, Regularizer
from regbench.train import train
from tests.test_train import config, refused
from tests.training.worlds import begun, pictures

RESNET = ["model=resnet50", "model.width=0.0625"]
UNET = ["model=unet", "task=segment", "model.widths=[4,4,4,4,4]"]
STOP, PLATEAU = "task.early_stopping={patience: 2, watch: accuracy}", "+task.plateau={patience: 2, watch: accuracy}"


def enlarged(*_):
    """The digits at 32 x 32 pixels."""
    small = digits()
    images = {key: each.repeat(2, 1).repeat(2, 2) for key, each in small.arrays.items() if key.endswith("images")}
    return replace(small, arrays=small.arrays | images)


@pytest.mark.parametrize("rule,key", [(STOP, "early_stopping"), (PLATEAU, "plateau")])
def test_an_accuracy_can_be_watched_only_where_there_is_one(tmp_path, monkeypatch, rule, key):
    said = refused(tmp_path, monkeypatch, "model=autoencoder", "task=reconstruct", rule)
    assert said == f"task.{key}.watch=accuracy does not fit task=reconstruct: allowed are compound, base"


@pytest.mark.parametrize(
    "words,data",
    [
        (["model=cnn5"], None),
        (["model=cnn5", "task=linearity"], None),
        (["model=autoencoder", "task=reconstruct"], None),
        (UNET, pictures()),
    ],
)
def test_a_task_measures_an_accuracy_where_one_can_be_watched(words, data):
    training, data, _ = begun(37, words, data)
    assert ("accuracy" in training.task.measure(training.model.eval(), data.heldout)) == (
        "accuracy" in training.task.watchable
    )


def test_a_gan_stops_at_no_loss(tmp_path, monkeypatch):
    said = refused(tmp_path, monkeypatch, "model=dcgan", "task=generate", "+task.early_stopping={patience: 2}")
    assert said.startswith("task=generate reads none of early_stopping, follow, plateau, augment, precision,")


@pytest.mark.parametrize("sizes", [(385, 128, 1), (400, 128, 16), (384, 128, 128)])
def test_one_image_alone_is_refused_where_batch_norm_sees_one_pixel(tmp_path, monkeypatch, sizes):
    """ResNet-50 makes 1 x 1 maps of 32 x 32 pixels."""
    monkeypatch.setattr("regbench.training.inputs.load_prepared", enlarged)
    images, batch, parts = sizes
    words = [f"budget.train_images={images}", f"task.batch_size={batch}", f"+task.accumulate={parts}"]
    said = refused(tmp_path, monkeypatch, *RESNET, *words)
    assert f"budget.train_images={images} task.batch_size={batch} task.accumulate={parts} in 1 processes" in said
    assert "allowed are settings that leave 2 or more" in said


@pytest.mark.parametrize("words", [[*RESNET, "budget.train_images=386"], ["model=cnn5", "budget.train_images=385"]])
def test_one_image_alone_is_trained_where_it_can_be(tmp_path, monkeypatch, words):
    """Two images have a variance, and a network without batch norm needs none."""
    trained = []
    monkeypatch.setattr("regbench.training.inputs.load_prepared", enlarged)
    monkeypatch.setattr("regbench.training.run.Run.train", lambda run, job: trained.extend(job))
    train(config(tmp_path, *words))
    assert len(trained) == 1


AUTOENCODER = ["model=autoencoder", "task=reconstruct"]


@pytest.mark.parametrize("name", ["pb_edropout", "random_patch", "dropblock", "spatial_dropout"])
def test_what_drops_parts_of_maps_is_refused_behind_a_dense_layer(tmp_path, monkeypatch, name):
    said = refused(tmp_path, monkeypatch, *AUTOENCODER, f"regularizer={name}", "regularizer.method.placement=[latent]")
    assert said == "placement=latent has no map (H, W), which this layer needs: allowed are none of this model"


def test_a_dataset_without_labels_is_none_of_classification(tmp_path, monkeypatch):
    faces = {f"{part}_images": np.zeros((600, 16, 16, 3), np.uint8) for part in ("train", "test")}
    none = {f"{part}_labels": np.zeros(600, np.int64) for part in ("train", "test")}
    prepared = Prepared("made", "generation", ["face"], "made by a test", faces | none)
    monkeypatch.setattr("regbench.training.inputs.load_prepared", lambda *args: prepared)
    said = refused(tmp_path, monkeypatch, "model=cnn5")
    assert said == "task=classify does not fit dataset=digits, which has no labels: allowed are datasets with labels"


def test_a_combination_adapts_where_a_part_does(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr("regbench.training.run.Run.train", lambda run, job: trained.extend(job))
    train(config(tmp_path, "regularizer=dropout_batchnorm", "+task.accumulate=2"))
    assert len(trained) == 1
    adaptive, plain = AdaptiveDropoutLayers(), Regularizer()
    assert Combined([plain, adaptive]).adapts() and not Combined([plain, plain]).adapts()
    said = refused(tmp_path, monkeypatch, "regularizer=adaptive_dropout", "+task.accumulate=2")
    assert "a regularizer that adapts to every step allows 1 and float32 only" in said
