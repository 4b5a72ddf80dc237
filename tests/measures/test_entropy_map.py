"""Entropy maps against numbers worked out by hand, and against the one number of the paper that is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.evidence.layer_maps import draw_maps, layer_range, read_maps
from regbench.measures import entropy_map, filter_positions, highest_layers, summarise
from regbench.paths import ROOT
from regbench.plan.experiments import load_config

#: ImageNet's VGG16 filters conv1_1 to conv3_3, (O, I, 3, 3) by layer name; not part of this repository
VGG16 = Path(os.environ.get("REGBENCH_VGG16", ROOT / "data" / "vgg16_imagenet_conv1_1_to_conv3_3.npz"))


def test_a_map_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight[:, 0, 0, 0] = torch.tensor([1.0, -np.e])
        model[3].weight.copy_(torch.tensor([[2.0, 0.0], [5.0, 3.0]]))
    changes = entropy_map(model)
    assert list(changes) == ["0", "3"]
    np.testing.assert_allclose(changes["0"], [0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(changes["3"], [np.log(6)], rtol=1e-6)
    table = summarise(changes)
    assert table["filters"].tolist() == [2, 1] and table["mean"].tolist() == pytest.approx([0.5, np.log(6)])


def test_positions_are_means_of_logs_and_their_corner_is_the_maps_mean():
    weight = torch.randn(5, 4, 3, 2)
    positions = filter_positions(weight)
    assert positions.shape == (3, 2)
    np.testing.assert_allclose(positions, np.log(np.abs(weight.numpy())).mean((0, 1)), rtol=1e-5)
    assert positions[0, 0] == pytest.approx(entropy_map({"conv": weight})["conv"].mean(), rel=1e-5)


def test_a_freshly_initialised_layer_shows_the_same_at_every_position():
    torch.manual_seed(0)
    positions = filter_positions(nn.Conv2d(64, 64, 3).weight)
    assert np.ptp(positions) < 0.1


def test_weights_that_are_no_layers_are_refused():
    with pytest.raises(UserError, match="allowed are"):
        entropy_map({"bias": torch.ones(3)})
    with pytest.raises(UserError, match="none of a 2D convolution"):
        filter_positions(torch.ones(3, 3))


TABLE = """# Entropy map of net

## net, trained

| Layer | Filters | Mean log\\|c11\\| | Means at all positions but c11 |
| :--- | ---: | ---: | ---: |
| conv1 | 1,200 | -2.19 | -2.29 to -2.03 |
| conv2 | 64 | -1.00 | - |

## net, untrained

| Layer | Filters | Mean log\\|c11\\| | Means at all positions but c11 |
| :--- | ---: | ---: | ---: |
| conv1 | 1,200 | -3.00 | -2.90 to -2.80 |
| conv2 | 64 | -inf | - |

- A note.
"""


def test_a_map_is_read_from_its_table_with_all_positions_of_the_filter(tmp_path):
    (tmp_path / "map.md").write_text(TABLE)
    maps = read_maps(tmp_path / "map.md")
    assert list(maps) == ["net, trained", "net, untrained"] and maps["net, trained"]["conv1"]["Filters"] == "1,200"
    assert layer_range(maps["net, trained"]["conv1"]) == (-2.19, -2.29, -2.03)
    assert layer_range(maps["net, untrained"]["conv1"]) == (-3.0, -3.0, -2.8)  # c11 is one of the positions
    assert layer_range(maps["net, trained"]["conv2"]) == (-1.0, -1.0, -1.0)
    (tmp_path / "none.md").write_text("# Entropy map of net\n")
    with pytest.raises(UserError, match="needed are maps of at least one layer"):
        read_maps(tmp_path / "none.md")


def test_the_picture_has_the_means_over_the_layers_and_counts_what_no_axis_shows(tmp_path, monkeypatch):
    (tmp_path / "map.md").write_text(TABLE)
    monkeypatch.setattr("regbench.evidence.layer_maps.save", lambda figure, path: figure)
    (axes,) = draw_maps(tmp_path / "map.md", "never.png").axes
    trained, untrained = axes.lines
    assert trained.get_ydata().tolist() == [-2.19, -1.0]
    assert untrained.get_ydata()[0] == -3.0 and np.isnan(untrained.get_ydata()[1])
    assert trained.get_label() == "net, trained: 1,264 filters" and "1 layers at \u2212inf" in untrained.get_label()
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (-2.29, -1.0)


@pytest.mark.skipif(not VGG16.exists(), reason=f"no {VGG16.name}: set REGBENCH_VGG16 to the file")
def test_the_papers_first_layer_of_vgg16_is_around_minus_2_2():
    weights = dict(np.load(VGG16))
    first = next(iter(weights))
    assert entropy_map(weights)[first].mean() == pytest.approx(-2.19, abs=0.005)
    # The control: the centre of the filters, which Corollary 6 does not single out, says the same.
    assert filter_positions(weights[first])[1, 1] == pytest.approx(-2.18, abs=0.005)


def test_the_highest_layers_are_a_share_by_their_means_in_forward_order():
    changes = {
        name: np.array([mean - 1, mean + 1]) for name, mean in zip("abcde", (-1.0, -3.0, -2.0, -9.0, 0.5), strict=True)
    }
    assert highest_layers(changes, 0.4) == ["a", "e"] and highest_layers(changes, 0.41) == ["a", "c", "e"]
    assert highest_layers(changes, 1.0) == list("abcde")


def test_table_2_has_the_layers_of_the_map_as_its_empirical_list():
    line = (ROOT / "results/tables/entropy-map-resnet50-imagenette.md").read_text().strip().splitlines()[-1]
    names = line.split(": ", 1)[1].rstrip(".").split(", ")
    (chosen,) = load_config(["experiment=entropy-table2"]).empirical
    assert chosen.strip("[]").split(",") == names and len(names) == 14
