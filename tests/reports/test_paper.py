"""The paper's numbers as data."""

import pytest
import yaml

from regbench.errors import UserError
from regbench.reports.paper import load_paper_numbers

from .factory import PAPER

# Table 1 as printed, typed a second time: row -> the nine numbers in reading order.
TABLE_1 = """
Baseline / No Dropout | 99.290 0.0227 0% 77.230 1.1954 0% 47.050 3.2010 0%
Classic Dropout | 99.270 0.0240 0% 77.350 0.7808 0% 45.140 2.3475 0%
PB-EDropout-Mask (ours) | 99.380 0.0189 15.28 77.530 1.1944 15.31 47.240 3.1711 15.31
PB-EDropout-Full (ours) | 99.450 0.0189 0% 77.620 1.2349 0% 47.450 3.1187 0%
"""


@pytest.fixture
def content():
    return yaml.safe_load(PAPER.read_text(encoding="utf-8"))


def write(tmp_path, content):
    path = tmp_path / "paper.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_every_number_of_table_1_is_there():
    numbers = load_paper_numbers(PAPER)
    assert numbers.paper == "pb_edropout" and len(numbers) == 36
    columns = [f"{d} {m}" for d in ("MNIST", "CIFAR-10", "CIFAR-100") for m in ("Acc", "Loss", "Mask%")]
    for line in TABLE_1.strip().splitlines():
        row, printed = line.split(" | ")
        assert [numbers.find("1", row, column).printed for column in columns] == printed.split()


def test_mask_share_is_that_of_the_feature_maps():
    """22 of 144 patches at 24 x 24, 30 of 196 at 28 x 28."""
    numbers = load_paper_numbers(PAPER)
    for dataset, share in (("MNIST", 22 / 144), ("CIFAR-10", 30 / 196), ("CIFAR-100", 30 / 196)):
        found = numbers.find("1", "PB-EDropout-Mask (ours)", f"{dataset} Mask%")
        assert found.value == round(100 * share, 2) and found.unit == "%" and found.n is None


def test_a_place_without_a_number_is_none():
    assert load_paper_numbers(PAPER).find("1", "DropBlock", "MNIST Acc") is None


def test_errors_name_what_is_wrong(tmp_path, content):
    with pytest.raises(UserError, match="no such file"):
        load_paper_numbers(tmp_path / "none.yaml")
    first = content["numbers"][0]
    for changed, message in (
        ({**first, "value": 99.92}, "value=99.92 is not the printed number '99.290'"),
        ({**first, "colour": 1}, "key 'colour' is missing or unknown"),
        ({key: first[key] for key in first if key != "n"}, "key 'n' is missing or unknown"),
    ):
        with pytest.raises(UserError, match=f"number 1: {message}"):
            load_paper_numbers(write(tmp_path, content | {"numbers": [changed]}))
    with pytest.raises(UserError, match="occurs twice"):
        load_paper_numbers(write(tmp_path, content | {"numbers": [first, first]}))
    with pytest.raises(UserError, match="'source' is missing"):
        load_paper_numbers(write(tmp_path, {key: content[key] for key in content if key != "source"}))
