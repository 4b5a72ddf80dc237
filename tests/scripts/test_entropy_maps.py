"""The entropy maps' command: a table and a picture from a file of filters, and one line for what cannot be read."""

import numpy as np
import pytest
import torch
import torchvision

from regbench.errors import UserError
from regbench.evidence.layer_maps import draw_all
from tests.commands import load_script

entropy_maps = load_script("entropy_maps")

FILTERS = {"conv1_1": (64, 3, 3, 3), "conv1_2": (64, 64, 3, 3)}


def filters(path):
    generator = np.random.default_rng(0)
    np.savez(path, **{name: generator.normal(size=shape).astype(np.float32) for name, shape in FILTERS.items()})
    return path


def test_a_file_of_filters_becomes_a_table_and_a_picture(tmp_path):
    table, picture = entropy_maps.publish("vgg16", filters(tmp_path / "w.npz"), tmp_path)
    text = table.read_text()
    assert "| conv1_1 | 192 |" in text and "vgg16, weights of w.npz" in text and "untrained" in text
    before = picture.read_bytes()
    picture.unlink()
    assert draw_all(tmp_path) == {"entropy_map_vgg16": picture} and picture.read_bytes() == before  # from the table
    with np.load(tmp_path / "w.npz") as file:
        mean = np.log(np.abs(file["conv1_1"][:, :, 0, 0])).mean()
    assert f"| {mean:.2f} |" in text


def test_a_state_dict_of_the_network_is_read_too(tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.resnet50(weights=None)
    torch.save(network.state_dict(), tmp_path / "resnet.pt")
    found, source = entropy_maps.trained_filters("resnet50", tmp_path / "resnet.pt")
    assert torch.equal(found["conv1"], network.conv1.weight) and source == "weights of resnet.pt"


@pytest.mark.parametrize("name,content", [("w.npz", b"no archive"), ("w.pt", b"no pickle"), ("w.npz", b"")])
def test_a_broken_file_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as error:
        entropy_maps.trained_filters("vgg16", tmp_path / name)
    assert "\n" not in str(error.value)


def test_what_is_missing_or_misfits_is_said(tmp_path):
    with pytest.raises(UserError, match="network=alexnet is not known"):
        entropy_maps.publish("alexnet", None, tmp_path)
    with pytest.raises(UserError, match="no such file"):
        entropy_maps.publish("vgg16", tmp_path / "none.npz", tmp_path)
    np.savez(tmp_path / "flat.npz", a=np.zeros(3))
    with pytest.raises(UserError, match="no convolutional weight"):
        entropy_maps.publish("vgg16", tmp_path / "flat.npz", tmp_path)
    np.savez(tmp_path / "other.npz", conv=np.ones((2, 3, 3, 3), np.float32))
    with pytest.raises(UserError, match=r"layer conv is \(2, 3, 3, 3\)"):
        entropy_maps.publish("vgg16", tmp_path / "other.npz", tmp_path)
