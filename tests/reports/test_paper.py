"""The papers' numbers as data."""

from collections import Counter

import pytest
import yaml

from regbench.errors import UserError
from regbench.evidence.documents import OWN
from regbench.evidence.numbers import PaperSigns, load_paper_numbers

from .factory import PAPER

ENTROPY = OWN / "entropy_guidance" / "numbers.yaml"
GAN = OWN / "adaptive_dropout_gan" / "numbers.yaml"

# Table 1 as printed, typed a second time: row -> the nine numbers in reading order.
TABLE_1 = """
Baseline / No Dropout | 99.290 0.0227 0% 77.230 1.1954 0% 47.050 3.2010 0%
Classic Dropout | 99.270 0.0240 0% 77.350 0.7808 0% 45.140 2.3475 0%
PB-EDropout-Mask (ours) | 99.380 0.0189 15.28 77.530 1.1944 15.31 47.240 3.1711 15.31
PB-EDropout-Full (ours) | 99.450 0.0189 0% 77.620 1.2349 0% 47.450 3.1187 0%
"""

# The entropy paper's tables as printed, typed a second time.
ENTROPY_1 = """
[32] | 0.7387 0.6402 +0.0015 +0.0052 0.0035
[64] | 0.7612 0.6452 +0.0031 +0.0077 0.0155
[128] | 0.7736 0.6479 +0.0076 +0.0074 0.0016
[32, 32] | 0.7444 0.6745 +0.0081 +0.0076 0.0043
[64, 64] | 0.7924 0.6954 +0.0065 +0.0052 0.0065
[128, 128] | 0.8447 0.7061 -0.0087 +0.0063 0.0210
[32, 32, 32] | 0.7441 0.6789 +0.0125 +0.0114 0.0004
[64, 64, 64] | 0.8152 0.7026 +0.0054 +0.0064 0.0130
[128, 128, 128] | 0.8890 0.7098 +0.0041 +0.0053 0.0151
"""
ENTROPY_2 = """
VGG, vanilla, [1] | 0.698 0.752 0.756 0.734 0.716 0.738 0.736
VGG, vanilla, [1,2] | 0.726 0.720 0.720 0.726 0.718 0.730 0.750
VGG, augmentation, [1] | 0.804 0.796 0.828 0.794 0.800 0.814 0.804
VGG, augmentation, [1,2] | 0.816 0.816 0.806 0.824 0.796 0.780 0.800
VGG, augmentation + dropout, [1] | 0.854 0.854 0.874 0.826 0.836 0.868 0.866
VGG, augmentation + dropout, [1,2] | 0.858 0.860 0.862 0.854 0.864 0.854 0.848
ResNet, vanilla, [1] | 0.792 0.766 0.782 0.764 0.784 0.784 0.786
ResNet, vanilla, [1,5] | 0.776 0.782 0.802 0.778 0.776 0.774 0.766
ResNet, vanilla, Pre-skip | 0.748 0.766 0.812 0.770 0.786 0.814 0.778
ResNet, vanilla, Empirical | 0.778 0.782 0.774 0.776 0.792 0.810 0.776
ResNet, augmentation, [1] | 0.786 0.784 0.778 0.752 0.814 0.772 0.770
ResNet, augmentation, [1,5] | 0.780 0.782 0.786 0.762 0.768 0.760 0.750
ResNet, augmentation, Pre-skip | 0.780 0.794 0.760 0.774 0.766 0.808 0.792
ResNet, augmentation, Empirical | 0.784 0.802 0.746 0.766 0.768 0.768 0.754
ResNet, augmentation + dropout, [1] | 0.776 0.802 0.796 0.798 0.810 0.792 0.796
ResNet, augmentation + dropout, [1,5] | 0.776 0.812 0.798 0.806 0.776 0.810 0.796
ResNet, augmentation + dropout, Pre-skip | 0.792 0.802 0.796 0.794 0.808 0.790 0.820
ResNet, augmentation + dropout, Empirical | 0.804 0.806 0.806 0.824 0.804 0.800 0.798
"""
ENTROPY_3 = """
MSE, 0.00 | 20 9276.82 0.8290 0.6693
MSE + Entropy, 0.0001 | 24 13202.78 0.8336 0.6823
MSE + Entropy, 0.001 | 21 8304.54 0.8316 0.6724
MSE + Entropy, 0.01 | 19 8590.74 0.8316 0.6602
MSE + Entropy, 0.1 | 23 9038.20 0.8305 0.6626
MSE + Entropy, 1.00 | 23 11374.05 0.8349 0.6734
MSE + Entropy, 10.00 | 36 14358.95 0.8300 0.6786
"""
# The adaptive-dropout paper's Table 1 as printed, typed a second time: IS and FID on MNIST, CIFAR-10, CelebA.
GAN_1 = """
DCGAN | 8.12 22.3 6.44 38.7 3.21 45.6
WGAN-GP | 8.45 21.1 6.78 34.5 3.35 42.2
SNGAN | 8.61 20.5 7.02 32.8 3.52 39.7
AGNN-ADR | 9.23 18.2 7.59 29.6 3.87 36.4
"""
EXPERIMENTS = ("Experiments, maximum with entropy loss", "Experiments")
STRENGTHS = (0, 0.0001, 0.001, 0.01, 0.1, 1, 10)
COLUMNS = {
    "1": (
        *(f"Mean {what} Acc." for what in ("Base Train", "Base Val.", "Delta Train", "Delta Val.")),
        "Delta Val. Acc., p",
    ),
    "2": tuple(str(strength) for strength in STRENGTHS),
    "3": ("# of Epochs", "Training Time (s)", "Accuracy", "IOU"),
}
SIGNS = {
    "3b": ["------", "+-----", "++----", "+++---", "+++---", "+++---", "+++---"],
    "4b": [" ++++++", "- +++++", "-- ++++", "---    ", "----   ", "-----  ", "------ "],
    "5b": ["   ----", "   ----", "   ----", "+++    ", "+++    ", "+++    ", "+++    "],
    "6b": [" ++++++", "- +++++", "-- ++++", "--- +++", "---    ", "---    ", "---    "],
}


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


def grid(**changed):
    fields = {"figure": "9b", "dataset": "MNIST", "measure": "MSE", "width": 80, "alpha": 0.01, "n": 10}
    fields |= {"strengths": [0, 0.1], "columns": [0, 0.1], "cells": [[" ", "+"], ["-", " "]], "read": "printed"}
    return fields | changed


def test_every_number_of_the_entropy_paper_s_tables_is_there():
    numbers = load_paper_numbers(ENTROPY)
    for table, typed in (("1", ENTROPY_1), ("2", ENTROPY_2), ("3", ENTROPY_3)):
        for line in typed.strip().splitlines():
            row, printed = line.split(" | ")
            assert [numbers.find(table, row, column).printed for column in COLUMNS[table]] == printed.split()
    # the one gain of training accuracy with a p
    assert numbers.find("1", "[32, 32, 32]", "Delta Train Acc., p").value == 0.0179


def test_entropy_paper_s_numbers_by_place_and_by_number_of_trainings():
    numbers = load_paper_numbers(ENTROPY)
    counts = Counter(number.table for number in numbers)
    assert numbers.paper == "entropy_guidance" and len(numbers) == 217
    assert (counts["1"], counts["2"], counts["3"]) == (9 * 5 + 1, 18 * 7, 7 * 4)
    assert all(number.n == {"1": 10, "2": 1, "3": 1}.get(number.table, number.n) for number in numbers)
    assert all(number.spread is None for number in numbers)
    from_text = [number for number in numbers if number.table.startswith("text on ")]
    assert len(from_text) == 17 and all(number.read.startswith("from the text") for number in from_text)


def test_numbers_of_the_text():
    numbers = load_paper_numbers(ENTROPY)
    stop = "MNIST, lambda_1 >= 0.0001"
    for table, row, column, value in (
        ("Figure 1", "VGG16, ImageNet", "Mean change per filter, first layer", -2.2),
        ("Figure 1", "VGG16, ImageNet", "Mean change per filter, later layers", -5.5),
        ("Figure 3", "MNIST, lower lambda_1", "Validation MSE", 0.003),
        ("Figure 3", "MNIST, larger lambda_1", "Validation MSE", 0.01),
        ("Figure 4", "MNIST, lambda_1 = 0", "Stopping epoch, over", 40),
        ("Figure 4", stop, "Stopping epoch, low", 8),
        ("Figure 4", stop, "Stopping epoch, high", 10),
        ("Figure 4", stop, "Reduction of epochs", 80),
        ("Figure 6", "CIFAR-10, lambda_1 >= 0.01", "Stopping epoch, high", 10),
        ("Figures 3-6", "entropy loss", "Speed of convergence, up to", 4),
        ("Figures 3-6", "entropy loss", "Validation MSE of the minima, within", 0.01),
        ("Table 3", "U-Net", "Faster by", 10),
    ):
        assert numbers.find(f"text on {table}", row, column).value == value


def test_seventeen_of_eighteen_and_the_bold_number_that_is_no_maximum():
    numbers = load_paper_numbers(ENTROPY)
    rows = dict.fromkeys(number.row for number in numbers if number.table == "2")
    best, bold = {}, {}
    for row in rows:
        found = [numbers.find("2", row, column) for column in COLUMNS["2"]]
        best[row] = max(found, key=lambda number: number.value)
        (bold[row],) = [number for number in found if number.read == "printed in bold"]
    helped = [row for row in rows if best[row].column != "0"]
    printed = [numbers.find("text on Table 2", "VGG and ResNet", c).value for c in EXPERIMENTS]
    assert [len(helped), len(rows)] == printed == [17, 18]
    assert [row for row in rows if best[row] != bold[row]] == ["ResNet, augmentation + dropout, Pre-skip"]


def test_signs_are_found_by_figure_as_printed():
    numbers = load_paper_numbers(ENTROPY)
    for figure, rows in SIGNS.items():
        found = numbers.signs(figure)
        assert isinstance(found, PaperSigns) and ["".join(row) for row in found.cells] == rows
        assert found.strengths == STRENGTHS and found.columns == STRENGTHS[: len(rows[0])]
        assert (found.alpha, found.n, found.width) == (0.01, 10, 180 if figure == "4b" else 80)
    assert numbers.signs("3b").dataset == "MNIST" and numbers.signs("6b").measure == "stopping epoch"
    assert numbers.signs("3b").sign(10, 0) == "+" and numbers.signs("3b").sign(0, 10) is None
    assert numbers.signs("7b") is None and load_paper_numbers(PAPER).signs("3b") is None


def test_printed_tests_that_contradict_themselves():
    numbers = load_paper_numbers(ENTROPY)
    larger = [(a, b) for a in STRENGTHS[3:] for b in STRENGTHS[3:] if a < b]
    diagonal = [(a, a) for a in STRENGTHS[:6]]
    assert set(numbers.signs("3b").contradictions()) == {*diagonal, *(pair for pair in larger if pair[1] < 10)}
    assert numbers.signs("4b").contradictions() == tuple(larger)
    assert numbers.signs("5b").contradictions() == ()
    assert numbers.signs("6b").contradictions() == ((0.01, 0.1), (0.01, 1), (0.01, 10))


@pytest.mark.parametrize(
    "cells, expected",
    [
        ([[" ", "+"], ["-", " "]], ()),
        ([[" ", "+"], ["+", " "]], ((0, 0.1),)),
        ([[" ", "+"], [" ", " "]], ((0, 0.1),)),
        ([["+", " "], [" ", "-"]], ((0, 0), (0.1, 0.1))),
    ],
)
def test_contradictions_by_cell(tmp_path, content, cells, expected):
    numbers = load_paper_numbers(write(tmp_path, content | {"signs": [grid(cells=cells)]}))
    assert numbers.signs("9b").contradictions() == expected


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"cells": [[" ", "+"]]}, "cells has 1 rows, strengths has 2"),
        ({"cells": [[" ", "+"], ["-"]]}, "row 2 of cells has 1 cells, columns has 2"),
        ({"cells": [[" ", "+"], "- "]}, "cells=.* is not a list of rows, each a list of symbols"),
        ({"cells": [[" ", "++"], ["-", " "]]}, r"row 1 of cells holds '\+\+': allowed are '\+', '-', ' '"),
        ({"cells": [[" ", "+"], ["-", None]]}, "row 2 of cells holds None: allowed are"),
        ({"strengths": [0, "1e-4"]}, "strengths=.* is not a list of numbers"),
        ({"columns": [0, 0]}, "columns=.* names a strength twice"),
        ({"width": "wide"}, "width='wide' is not a number"),
        ({"colour": 1}, "key 'colour' is missing or unknown"),
    ],
)
def test_wrong_signs_name_file_and_figure(tmp_path, content, changed, message):
    with pytest.raises(UserError, match=rf"paper\.yaml, figure 9b: {message}") as error:
        load_paper_numbers(write(tmp_path, content | {"signs": [grid(**changed)]}))
    assert "\n" not in str(error.value)


def test_signs_of_no_figure_or_of_one_figure_twice(tmp_path, content):
    for signs, message in (
        ([grid(), grid()], "paper.yaml, figure 9b: its signs occur twice"),
        ([{key: value for key, value in grid().items() if key != "figure"}], "signs 1: key 'figure' is missing"),
        (None, "signs=None is not a list of grids"),
    ):
        with pytest.raises(UserError, match=message):
            load_paper_numbers(write(tmp_path, content | {"signs": signs}))


def test_every_number_of_the_adaptive_dropout_paper_is_there():
    numbers = load_paper_numbers(GAN)
    assert numbers.paper == "adaptive_dropout_gan" and len(numbers) == 24
    columns = [f"{dataset} {score}" for dataset in ("MNIST", "CIFAR-10", "CelebA") for score in ("IS", "FID")]
    for line in GAN_1.strip().splitlines():
        row, printed = line.split(" | ")
        assert [numbers.find("1", row, column).printed for column in columns] == printed.split()
    assert all(number.n is None and number.spread is None for number in numbers)
    assert all(number.unit == number.column.rsplit(" ", 1)[1] for number in numbers)


def test_what_the_adaptive_dropout_paper_s_numbers_say_of_themselves():
    """Its notes: one order in all columns, and IS of MNIST above that of CIFAR-10."""
    numbers = load_paper_numbers(GAN)
    rows = [line.split(" | ")[0] for line in GAN_1.strip().splitlines()]
    for dataset in ("MNIST", "CIFAR-10", "CelebA"):
        scores, fids = ([numbers.find("1", row, f"{dataset} {each}").value for row in rows] for each in ("IS", "FID"))
        assert scores == sorted(scores) and fids == sorted(fids, reverse=True)
    for row in rows:
        assert numbers.find("1", row, "MNIST IS").value > numbers.find("1", row, "CIFAR-10 IS").value
