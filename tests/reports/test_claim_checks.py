"""The consistency checks: each of them on numbers that pass and on numbers that do not."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from regbench.errors import UserError
from regbench.evidence.claims import CHANCES, CHECKS
from regbench.evidence.documents import OWN, load_documents
from regbench.evidence.numbers import PaperNumber, PaperNumbers, PaperSigns, load_paper_numbers
from regbench.papers.entropy_guidance.extra import _convolution

from .factory import PAPER

load_documents()  # registers the checks of every paper
checks, chances = SimpleNamespace(**CHECKS), SimpleNamespace(**CHANCES)
GOOD, BAD = True, False
ENTROPY = load_paper_numbers(OWN / "entropy_guidance" / "numbers.yaml")
PB = load_paper_numbers(PAPER)
GAN = load_paper_numbers(OWN / "adaptive_dropout_gan" / "numbers.yaml")
HANDOUT = load_paper_numbers(PAPER.parents[1] / "dropout_batchnorm_handout" / "numbers.yaml")


def paper(table, rows, bold=()):
    """Numbers by row and column; bold ones are named (row, column)."""
    numbers = [
        PaperNumber(
            table, row, column, value, str(value), "%", 1, None, "in bold" if (row, column) in bold else "printed"
        )
        for row, cells in rows.items()
        for column, value in cells.items()
    ]
    return PaperNumbers("made up", numbers)


def table2(**rows):
    """Rows of Table 2: the value without the loss, then those with it."""
    columns = ("0", "0.0001", "0.001")
    cells = {name: dict(zip(columns, values, strict=True)) for name, values in rows.items()}
    best = [(name, max(row, key=row.get)) for name, row in cells.items()]
    return paper("2", cells, bold=best)


def signs(figure, cells, width=80):
    return PaperSigns(figure, "MNIST", "MSE", width, 0.01, 10, (0.0, 0.1), (0.0, 0.1), cells, "printed")


def place(row, column, table="2"):
    return {"table": table, "row": row, "column": column}


def test_the_row_of_lowest_loss():
    found = checks.ranks_first(PB, "1", "PB-EDropout-Mask (ours)", ["CIFAR-10 Loss"], "lowest")
    assert found.good == BAD and "1.1944" in found.found and "0.7808 (Classic Dropout)" in found.found
    assert checks.ranks_first(PB, "1", "Classic Dropout", ["CIFAR-10 Loss"], "lowest").good == GOOD
    assert checks.ranks_first(PB, "1", "PB-EDropout-Full (ours)", ["CIFAR-10 Acc"], "highest").good == GOOD
    with pytest.raises(UserError, match="no number at table='1', row='Nobody'"):
        checks.ranks_first(PB, "1", "Nobody", ["CIFAR-10 Loss"], "lowest")


def test_masked_patches_and_gaps():
    counted = {"MNIST Mask%": 144, "CIFAR-10 Mask%": 196}
    assert checks.masked_patches(PB, "1", "PB-EDropout-Mask (ours)", counted, 0.85).good == GOOD
    assert checks.masked_patches(PB, "1", "PB-EDropout-Mask (ours)", {"MNIST Mask%": 196}, 0.85).good == BAD
    rows = ("PB-EDropout-Full (ours)", "Baseline / No Dropout", ["CIFAR-10 Acc"])
    found = checks.gaps_against_images(PB, "1", *rows, 10_000)
    assert found.good == BAD and "+0.39 pp, standard error 0.42 pp" in found.found
    assert checks.gaps_against_images(PB, "1", *rows, 1_000_000).good == GOOD


def test_gains_are_held_against_those_of_another_column():
    references = ["Baseline / No Dropout", "Classic Dropout"]
    harder = ["CIFAR-10 Acc", "CIFAR-100 Acc"]
    found = checks.gains_larger(PB, "1", "PB-EDropout-Full (ours)", references, harder, "MNIST Acc", 10_000)
    assert found.good == GOOD
    assert "Baseline / No Dropout: CIFAR-10 Acc +0.39 pp, CIFAR-100 Acc +0.40 pp, MNIST Acc +0.16 pp" in found.found
    # sqrt(0.7723 * 0.2277 / 10,000) is 0.42 pp, sqrt(0.9929 * 0.0071 / 10,000) is 0.084 pp
    assert "over Baseline / No Dropout: CIFAR-10 Acc 0.9, CIFAR-100 Acc 0.8, MNIST Acc 1.9" in found.details[0]
    turned = checks.gains_larger(PB, "1", "PB-EDropout-Full (ours)", references, ["MNIST Acc"], harder[0], 10_000)
    assert turned.good == BAD
    # over one reference only
    mask = checks.gains_larger(PB, "1", "PB-EDropout-Mask (ours)", references, ["CIFAR-100 Acc"], harder[0], 100)
    assert mask.good == BAD and "over Classic Dropout: CIFAR-100 Acc +2.10 pp, CIFAR-10 Acc +0.18 pp" in mask.found


def test_a_check_says_what_it_goes_by():
    assert checks.crossover(None, 0.1).why == "the algorithm as printed does not do so"
    assert checks.log_loss_direction(None).why == "the document's formula does not bear it out"
    assert checks.dropout_expectation(None, [0.8], 0.5).why == "the document's formula bears it out"
    assert checks.polynomial_degrees(None).why == "a simulation of ours bears it out"
    assert checks.u_shape_before_training(None, [64, 128], 3).why.split(", ")[0] == "initial weights"
    chance = "the document's own numbers are within what chance alone gives"
    assert checks.count_beyond_chance(ENTROPY, "2").why == chance
    assert checks.bold_is_highest(ENTROPY, "2").why == "the document's own numbers do not bear it out"


def test_table_2_of_the_entropy_paper():
    bold = checks.bold_is_highest(ENTROPY, "2")
    assert bold.good == BAD and "bold 0.808, highest 0.820 at 10" in bold.found and "17 of 18" in bold.found
    chance = checks.count_beyond_chance(ENTROPY, "2")
    exact = 18 * (6 / 7) ** 17 * (1 / 7) + (6 / 7) ** 18
    assert chance.good == BAD and f"{exact:.2f}" == "0.25" and chance.found.endswith("probability 0.25")
    assert "126 of 126" in checks.resolution(ENTROPY, "2", 0.002, place("U-Net", "Faster by", "text on Table 3")).found
    assert checks.best_strengths(ENTROPY, "2", 0.001).good == GOOD
    assert checks.best_strengths(ENTROPY, "2", 10).good == BAD
    assert checks.highest_row(ENTROPY, "2", "ResNet", "Empirical").good == GOOD
    assert checks.highest_row(ENTROPY, "2", "VGG", "[1,2]").good == BAD


def test_made_up_rows_of_table_2():
    clear = table2(**{f"m, s{i}, l": (0.5, 0.61, 0.62) for i in range(20)})
    assert checks.bold_is_highest(clear, "2").good == GOOD
    assert checks.count_beyond_chance(clear, "2").good == GOOD
    low, high = place("low", "x", "t"), place("high", "x", "t")
    limits = list(paper("t", {"low": {"x": 10.0}, "high": {"x": 13.0}, "20": {"x": 20.0}, "19": {"x": 19.0}}))
    both = PaperNumbers("made up", [*clear, *limits])
    assert checks.gains_between(both, "2", low, high).good == GOOD
    assert checks.gains_between(both, "2", high, high).good == BAD
    assert checks.count_with_loss(both, "2", place("20", "x", "t"), place("20", "x", "t")).good == GOOD
    assert checks.count_with_loss(both, "2", place("19", "x", "t"), place("20", "x", "t")).good == BAD
    assert checks.base_spread(both, "2", high).good == GOOD
    spread = PaperNumbers("made up", [*table2(**{"m, s, a": (0.5, 0.6, 0.6), "m, s, b": (0.7, 0.6, 0.6)}), *limits])
    found = checks.base_spread(spread, "2", high)
    assert found.good == BAD and "differ by 20.00 pp" in found.found
    assert checks.rows_above(spread, "2", [["m, s, b", "m, s, a"]]).good == GOOD
    assert checks.rows_above(spread, "2", [["m, s, a", "m, s, b"]]).good == BAD


def test_table_3_of_the_entropy_paper():
    assert checks.better_than_first(ENTROPY, "3", "Accuracy").good == GOOD
    iou = checks.better_than_first(ENTROPY, "3", "IOU", nearly=True)
    assert iou.good == BAD and iou.found.startswith("4 of 6") and iou.found.endswith("probability 0.43")
    faster = checks.faster_by(
        ENTROPY, "3", "# of Epochs", "Training Time (s)", place("U-Net", "Faster by", "text on Table 3")
    )
    assert (
        faster.good == BAD
        and "393 to 550 seconds" in faster.found
        and "10.5 % fewer seconds in 21 epochs" in faster.found
    )
    rows = {"a": {"e": 20.0, "s": 200.0}, "b": {"e": 10.0, "s": 100.0}, "c": {"e": 30.0, "s": 300.0}}
    fine = PaperNumbers("made up", [*paper("3", rows), *paper("t", {"x": {"y": 40.0}})])
    assert checks.faster_by(fine, "3", "e", "s", place("x", "y", "t")).good == GOOD


def test_cells_that_share_their_first_are_above_it_together_more_often_than_coins():
    cells = np.random.default_rng(0).normal(size=(40_000, 7))
    above = (cells[:, 1:] > cells[:, :1]).sum(axis=1)
    for least, said in ((6, 1 / 7), (4, 3 / 7)):
        assert np.mean(above >= least) == pytest.approx(said, abs=0.01)
    found = checks.better_than_first(ENTROPY, "3", "Accuracy").found
    assert found.startswith("6 of 6") and found.endswith("probability 0.14")


def test_sizes_that_agree_and_that_do_not():
    numbers = paper("t", {"a": {"f": 4.0, "r": 75.0, "b": 40.0, "n": 10.0, "h": 0.004, "l": 0.003, "z": 0.01}})
    at = {name: place("a", name, "t") for name in "frbnhlz"}
    assert checks.speedups_agree(numbers, at["f"], at["r"], at["b"], [at["n"]]).good == GOOD
    assert checks.speedups_agree(numbers, at["n"], at["r"], at["b"], [at["n"]]).good == BAD
    assert checks.difference_of_order(numbers, at["h"], at["l"], 0.001).good == GOOD
    order = checks.difference_of_order(numbers, at["h"], at["l"], 0.001)
    assert order.found.endswith("than to its tenth or its tenfold: 0.00032 to 0.0032")
    assert checks.difference_of_order(numbers, at["z"], at["l"], 0.001).good == BAD
    found = checks.all_positive(ENTROPY, "1", "Mean Delta Train Acc.")
    assert found.good == BAD and "not [128, 128] -0.0087" in found.found
    assert checks.all_positive(ENTROPY, "1", "Mean Delta Val. Acc.").good == GOOD


def test_the_gan_table():
    order = checks.same_order(GAN, "1", "AGNN-ADR")
    assert order.good == GOOD and f"{0.25**6:.2g}" in order.found
    assert checks.same_order(GAN, "1", "DCGAN").good == BAD
    found = checks.scores_compare(GAN, "1", "MNIST IS", "CIFAR-10 IS", 10)
    assert found.good is None and "MNIST IS is above CIFAR-10 IS in 4 of 4 rows (8.12 to 9.23" in found.why
    other = checks.scores_compare(GAN, "1", "CIFAR-10 IS", "MNIST IS", 10)
    assert other.good is None and "in 0 of 4 rows" in other.why


def test_grids_of_signs():
    words = {figure: checks.signs_agree(ENTROPY, figure).good for figure in ("3b", "4b", "5b", "6b")}
    assert words == {"3b": BAD, "4b": BAD, "5b": GOOD, "6b": BAD}
    found = checks.signs_below(ENTROPY, ["3b", "5b"])
    assert found.good == BAD and found.found == "Figure 3b: 0 of 6 lower, 6 higher; Figure 5b: 0 of 6 lower, 4 higher"
    widths = checks.widths_on_grid(ENTROPY, ["3b", "4b", "5b", "6b"], 20, 260, 40)
    assert widths.good == BAD and "3b: 80, 5b: 80 and 6b: 80" in widths.found
    assert checks.widths_on_grid(ENTROPY, ["4b"], 20, 260, 40).good == GOOD
    up, down = (((" ", "-"), ("+", " ")), ((" ", "+"), ("-", " ")))
    grids = PaperNumbers("made up", [], {"a": signs("a", up), "b": signs("b", down), "c": signs("c", up)})
    assert checks.signs_inverse(grids, "a", "b").good == GOOD
    assert checks.signs_inverse(grids, "a", "c").good == BAD
    assert checks.signs_below(grids, ["b"]).good == GOOD
    assert checks.signs_inverse(ENTROPY, "3b", "4b").good == BAD


def test_a_grid_that_lacks_its_diagonal_or_its_last_column_is_read_both_ways():
    both = checks.signs_agree(ENTROPY, "3b").found
    assert "read without the column of 10: 9 of its pairs of strengths contradict themselves (0 and 0; " in both
    assert "read without the diagonal: 6 of its pairs of strengths contradict themselves (0.01 and 0.1; " in both
    assert "read" not in checks.signs_agree(ENTROPY, "4b").found
    found = checks.signs_inverse(ENTROPY, "3b", "4b").found
    assert found.startswith(
        "3b read without the column of 10: 27 of 36 signs are inverse; 3b read without the diagonal"
    )
    lost = PaperSigns("a", "MNIST", "MSE", 80, 0.01, 10, (0.0, 0.1), (0.0,), (("-",), ("+",)), "printed")
    grids = PaperNumbers("made up", [], {"a": lost, "b": signs("b", ((" ", "+"), ("-", " ")))})
    # As its header has it, a sample is lower than itself; with the diagonal put back, it is consistent.
    assert checks.signs_agree(grids, "a").good == checks.signs_inverse(grids, "a", "b").good == GOOD
    assert lost.readings()["read without the diagonal"].cells == ((" ", "-"), ("+", " "))


def test_the_completed_convolution_convolves_and_has_the_determinant_of_its_corner():
    kernel, image = (
        np.array([[2.0, 1], [4, 3], [-2, 1]]),
        np.array([[3, 4, 1, 2], [0, 0, 5, 6], [2, 1, 0, 3], [1, 4, 2, 5.0]]),
    )
    for last in (False, True):
        output = (_convolution(kernel, 4, 4, last) @ image.ravel()).reshape(4, 4)
        window = output[2:, 1:] if last else output[:2, :3]
        assert window.tolist() == [[7, 22, 45], [13, 3, 26]]  # the paper's Z of Example 5
    arguments = {"filter": kernel.tolist(), "height": 4, "width": 4}
    assert checks.determinant_of_example(None, **arguments).found == (
        "numerically det = 64; c11 to the power of 6 is 64"
    )
    found = checks.completion_is_unique(None, **arguments)
    assert found.good == BAD and f"{math.log(64):.2f}" in found.found and "0.00 nats (c_pq = 1)" in found.found
    assert checks.completion_is_unique(None, [[2, 1], [1, 2]], 4, 4).good == GOOD


def test_formulas():
    assert checks.determinant_is_positive(None, [[3, 0, 9], [1, 5, -1], [0, 4, -2]]).good == BAD
    assert checks.log_loss_direction(None).good == BAD
    assert checks.crossover(None, 0.1).good == BAD
    assert checks.crossover(None, 0.6).good == GOOD
    assert checks.dropout_expectation(None, [0.8, 0.5], 0.5).good == GOOD
    assert checks.polynomial_degrees(None).good is GOOD


def test_the_handouts_examples():
    right = ([0.8, 0.5, 0.3, 0.9], [1, 0, 1, 0], 0.5, "2.4")
    assert checks.dropout_example(HANDOUT, *right).good == GOOD
    assert checks.dropout_example(HANDOUT, right[0], [1, 1, 1, 0], 0.5, "2.4").good == BAD
    assert checks.batchnorm_example(HANDOUT, [1, 2, 3, 4], "3.4").good == GOOD
    assert checks.batchnorm_example(HANDOUT, [1, 2, 3, 5], "3.4").good == BAD
    with pytest.raises(UserError, match="has 4 numbers, computed are 2"):
        checks.dropout_example(HANDOUT, [1, 2], [1, 1], 0.5, "2.4")


def test_chances_are_those_of_simulated_tables():
    rng = np.random.default_rng(0)
    ranks = rng.normal(size=(20_000, 4)).argmax(axis=1)
    assert f"{100 * np.mean(ranks == 0):.0f} %" == "25 %" in chances.best_of_equals(None, 4)
    assert "50 % of cases, of 3 columns at once in 12.5 %" in chances.best_of_equals(None, 4, 3, 2)
    n, k = 10, 6
    scores = rng.normal(size=(4000, k + 1, n))
    means, spread = scores.mean(axis=2), scores.var(axis=2, ddof=1)
    best = means[:, 1:].argmax(axis=1) + 1
    every = np.arange(len(best))
    t = (means[every, best] - means[:, 0]) / np.sqrt((spread[every, best] + spread[:, 0]) / n)
    share = np.mean(t > 1.734)  # the quantile of 18 degrees of freedom
    said = float(chances.best_of_strengths(None, k, n, 9).split(" at 0.05 in ")[1].split(" %")[0])
    assert said == pytest.approx(100 * share, abs=3)


def test_a_u_net_is_a_u_before_any_training():
    answer = checks.u_shape_before_training(None, [64, 128, 256, 512, 1024], 3)
    assert answer.good == BAD and "before any training the map is a U" in answer.found
    # PyTorch: b = 1 / sqrt(9 * inputs); inputs 3 at the first, 1,024 at the lowest, 64 at the last convolution
    means = [math.log(1 / math.sqrt(9 * inputs)) - 1 for inputs in (3, 1024, 64)]
    assert all(f"{abs(mean):.2f}" in answer.found.split("PyTorch's")[1] for mean in means)
    assert checks.u_shape_before_training(None, [64, 64, 64, 64, 64], 3).good == GOOD


def test_the_mean_of_an_initial_filter_is_that_of_a_drawn_one():
    torch.manual_seed(0)
    drawn = torch.nn.Conv2d(512, 512, 3).weight[:, :, 0, 0].abs().log().mean().item()
    assert drawn == pytest.approx(math.log(1 / math.sqrt(9 * 512)) - 1, abs=0.01)


def test_the_determinant_of_a_square_part_is_not_the_entropy_of_a_gaussian():
    found = checks.theorem_3_of_gaussian(None, 20, 60, 784)
    assert found.good is BAD and "60 x 784" in found.found
    assert checks.theorem_3_of_gaussian(None, 3, 20, 20).good is GOOD  # of a square layer both are log |det|


def test_the_steeper_of_two_penalties_depends_on_eps():
    assert checks.reciprocal_is_steeper(None, 1e-7).good is BAD  # only above eps squared
    assert checks.reciprocal_is_steeper(None, 1e-25).good is GOOD


def test_cuts_of_a_grid_of_signs_into_two_groups():
    words = {figure: checks.two_groups(ENTROPY, figure).good for figure in ("3b", "5b")}
    assert words == {"3b": BAD, "5b": GOOD}


def test_rows_in_which_the_loss_helps_and_layers_that_are_suggested():
    assert checks.helps_in_all_but_first(ENTROPY, "2", "ResNet").good is GOOD
    found = checks.best_as_suggested(ENTROPY, "2", {"VGG": "[1]", "ResNet": "Empirical"})
    assert found.good is BAD and found.found.startswith("in 4 of 6; not ResNet, vanilla: Pre-skip")
    plain = table2(**{"m, s, a": (0.6, 0.5, 0.5), "m, s, b": (0.5, 0.6, 0.5)})
    assert checks.helps_in_all_but_first(plain, "2", "m").good is GOOD
    assert checks.best_as_suggested(plain, "2", {"m": "a"}).good is GOOD


def test_a_small_variance_is_no_1_after_normalization_and_alpha_hardly_moves():
    assert checks.output_variance(None, [1, 2, 3, 4], 1e-5).good is BAD
    assert checks.output_variance(None, [1, 2, 3, 4], 1e-12).good is GOOD
    assert checks.alpha_moves(None, 0.05, 1.0, 0.1).good is BAD
    assert checks.alpha_moves(None, 0.5, 1.0, 0.1).good is GOOD
