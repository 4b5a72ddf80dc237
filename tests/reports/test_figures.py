"""The figures: what is drawn, and that the files depend on the rows alone."""

import base64
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.evidence.arrays import input_images
from regbench.evidence.figures import curve_values, draw_figures, draw_level, drawn_values, limits
from regbench.evidence.groups import make_group
from regbench.evidence.metrics import METRICS
from regbench.evidence.spec import Panel
from regbench.evidence.stats import mean_interval
from regbench.evidence.style import LineStyle, draw_mean, log_axis, new_figure
from regbench.papers.pb_edropout.masks.extra import most_uneven, pb_edropout_masks, random_average, read_masks
from tests.commands import load_script

from .factory import make_row, table_rows, with_masks
from .golden_tables import built, page_of
from .rows import failed

input_images_script = load_script("input_images")


def draw_curves(rows, folder):
    """Figure 1, one file a budget."""
    return draw_figures(built("table1", rows), folder)


def draw_masks(rows, folder):
    return pb_edropout_masks(built("table1", rows), folder)


def test_curves_are_the_trainings_of_a_group_by_epoch_in_percent():
    group = make_group([make_row(seed=s, accuracies=[0.9, 0.9 + s / 100]) for s in (0, 1, 2)], "none")
    values = curve_values(group, "test.accuracy", "full")
    assert list(values) == [1, 2] and list(values[1]) == [0, 1, 2]
    assert list(values[1].values()) == pytest.approx([90] * 3) and values[2][2] == pytest.approx(92)
    train = curve_values(group, "train.accuracy", "full")
    assert [np.mean(list(each.values())) for each in train.values()] == pytest.approx([90, 95])


def test_curves_are_the_same_bytes_for_the_same_rows_in_any_order(tmp_path):
    rows = table_rows()
    (first,) = draw_curves(rows, tmp_path / "new" / "a")
    assert first.name == "pb_edropout_figure1_quick.png"
    assert draw_curves(rows[::-1], tmp_path / "b")[0].read_bytes() == first.read_bytes()
    rows[0]["epochs"][0]["test"]["full"]["accuracy"] -= 0.01
    assert draw_curves(rows, tmp_path / "c")[0].read_bytes() != first.read_bytes()
    assert b"Software" not in first.read_bytes() and b"matplotlib" not in first.read_bytes()


def test_each_dataset_has_its_panels_and_each_budget_its_file(tmp_path):
    rows = [make_row("none", s) for s in (0, 1)]
    two = rows + [make_row("none", s, dataset="cifar10") for s in (0, 1)]
    (one,), (both,) = draw_curves(rows, tmp_path / "one"), draw_curves(two, tmp_path / "two")
    assert imread(both).shape[0] > 1.5 * imread(one).shape[0]
    names = [path.name for path in draw_curves([*rows, make_row("none", budget="paper")], tmp_path)]
    assert names == ["pb_edropout_figure1_paper.png", "pb_edropout_figure1_quick.png"]


def test_what_each_panel_shows(monkeypatch):
    monkeypatch.setattr("regbench.evidence.figures.save", lambda figure, path: figure)
    page = page_of("table1")
    labels = [page.lines[name].label for name in page.figures[0].panels[0].lines]
    evaluation, above, training = draw_curves(table_rows(), page.folder)[0].axes
    named = [[line for line in axes.lines if line.get_label() in labels] for axes in (evaluation, above, training)]
    assert [line.get_label() for line in named[0]] == labels and len(labels) == 5
    assert [line.get_label() for line in named[1]] == labels[1:]  # the baseline is the zero line
    # Mask and Full are one training.
    assert [line.get_label() for line in named[2]] == [each for each in labels[1:] if each != "PB-EDropout-Mask"]
    mask, full = (named[0][labels.index(f"PB-EDropout-{mode}")] for mode in ("Mask", "Full"))
    assert (full.get_ydata() - mask.get_ydata()).tolist() == pytest.approx([0.1, 0.1])
    for line, own in zip(named[1], named[0][1:], strict=True):
        assert line.get_ydata() == pytest.approx(own.get_ydata() - named[0][0].get_ydata())
        assert line.get_color() == own.get_color()


def test_differences_are_those_of_the_seeds_that_both_have():
    rows = [make_row("none", seed, [0.90 + seed / 100, 0.95]) for seed in (0, 1, 2)]
    rows += [make_row("dropout", seed, [0.92 + 2 * seed / 100, 0.90]) for seed in (1, 2, 3)]
    (section,) = built("table1", rows).sections
    page = section.page
    panel = next(each for each in page.figures[0].panels if each.minus and each.curve == "test.accuracy")
    found = drawn_values(section, panel, page.lines["classic"])
    assert list(found) == [1, 2] and list(found[1]) == [1, 2]  # seed 0 has no dropout, seed 3 no baseline
    assert found[1] == pytest.approx({1: 3.0, 2: 4.0}) and found[2] == pytest.approx({1: -5.0, 2: -5.0})


def marks(samples, limits, bars):
    """What is drawn of values 100 or less at 0, 1, ...: (ends of the intervals, points)."""
    axes, style = new_figure(3, 3).subplots(), LineStyle("black", "-", "o")
    means = [mean_interval(each) for each in samples]
    draw_mean(axes, range(len(samples)), means, samples, style, "a", limits, bars=bars)
    bands = [each.get_paths()[0].vertices[:, 1] for each in axes.collections if each.get_paths()]
    ends = [(float(np.nanmin(each)), float(np.nanmax(each))) for each in bands if not np.isnan(each).all()]
    single = [line for line in axes.lines if line.get_label() == "_single"]
    return sorted(set(ends)), sorted(float(y) for line in single for y in line.get_ydata() if not np.isnan(y))


@pytest.mark.parametrize("bars", [True, False])
def test_no_interval_leaves_the_range_of_its_quantity(bars):
    values = [92.0, 99.0, 99.5, 100.0, 100.0]
    found = mean_interval(values)
    assert found.high > 100
    low, high = marks([values], (0, 100), bars)[0][-1]
    assert (low, high) == (pytest.approx(found.low), 100)
    assert marks([values], (None, None), bars)[0][-1] == pytest.approx((found.low, found.high))
    assert marks([values], (97, None), bars)[0][-1] == pytest.approx((97, found.high))


@pytest.mark.parametrize("bars", [True, False])
def test_below_5_values_they_stand_as_points_without_an_interval(bars):
    assert marks([[1.0, 2.0, 4.0, 8.0]], (None, None), bars) == ([], [1.0, 2.0, 4.0, 8.0])
    ends, points = marks([[1.0, 2.0, 4.0, 8.0, 9.0]], (None, None), bars)
    assert len(ends) == 1 and points == []
    assert marks([[3.0]], (None, None), bars) == ([], [])  # one training is its own mean


@pytest.mark.parametrize("short,lines", [(False, 3), (True, 0)])
def test_a_long_curve_has_a_line_a_training_unless_one_ends_before_the_others(short, lines):
    samples = [[float(step), 2.0 * step, 3.0 * step] for step in range(40)]
    samples[-1] = samples[-1][: 2 if short else 3]
    axes = new_figure(3, 3).subplots()
    draw_mean(axes, range(40), [mean_interval(each) for each in samples], samples, LineStyle("red", "-", "o"), "a")
    single = [line for line in axes.lines if line.get_label() == "_single"]
    assert sum(line.get_linestyle() == "-" for line in single) == lines and len(single) == 3
    assert single[1].get_ydata()[7] == 14.0


def test_limits_of_shares_of_metrics_and_of_their_differences():
    assert limits(Panel(""), True) == (0, 100) and limits(Panel("", minus=True), True) == (-100, 100)
    assert limits(Panel(""), False) == (None, None) and limits(Panel("", limits=(0, 0.9)), False) == (0, 0.9)
    assert limits(Panel("", limits=(0, None), minus=True), False) == (None, None)
    assert limits(Panel(""), False, METRICS["loss"]) == (0.0, None)
    assert limits(Panel(""), True, METRICS["last_accuracy"]) == (0.0, 100.0)


def test_a_level_far_from_a_log_axis_is_told_and_does_not_empty_the_panel():
    for value, drawn in ((4.0, True), (0.03, False)):
        axes = new_figure(3, 3).subplots()
        axes.plot([1, 2], [8.0, 20.0])
        axes.set_ylabel("FID")
        log_axis(axes.yaxis)
        low = axes.get_ylim()[0]
        draw_level(axes, value, METRICS["real_fid"])
        (label,) = axes.get_legend_handles_labels()[1]
        assert label == METRICS["real_fid"].words + ": 0.03, far below" * (not drawn)
        assert (axes.get_ylim()[0] < low) == drawn and axes.get_ylabel() == "FID (log scale)"
    assert all(float(each.get_text()) for each in axes.get_yticklabels())


def test_failed_members_are_not_drawn(tmp_path):
    rows = [make_row("none", s) for s in (0, 1)]
    (drawn,) = draw_curves([*rows, failed(make_row("none", 2))], tmp_path / "a")
    assert drawn.read_bytes() != draw_curves(rows, tmp_path / "b")[0].read_bytes()  # the heading counts it
    assert draw_curves([failed(row) for row in rows], tmp_path / "c") == []


def test_curves_refuse_rows_that_may_not_stand_beside_each_other(tmp_path):
    with pytest.raises(UserError, match=r"Table 1, mnist.*epochs differs"):
        draw_curves([make_row("none", 0), make_row("dropout", 0, [0.9])], tmp_path)


@pytest.mark.parametrize("experiment", ["table1", "handout"])
def test_every_line_has_a_look_of_its_own(experiment):
    page = page_of(experiment)
    drawn = {name for figure in page.figures for panel in figure.panels for name in panel.lines}
    assert set(page.styles) == drawn
    looks = {tuple(look) for look in page.styles.values()}
    assert len(looks) == len({color for color, _, _ in looks}) == len(drawn)


def small_masks(values, masked=0.5):
    row = make_row("pb_edropout", 0)
    values = np.array(values, dtype=np.uint8)
    artifact = {"shape": list(values.shape), "grid": [2, 2], "scale": 255}
    row["artifacts"] = {"conv1/ema": artifact | {"uint8": base64.b64encode(values.tobytes()).decode()}}
    for entry in row["epochs"]:
        entry["measures"]["mask"]["conv1/masked"] = masked
    return row


def test_masks_without_the_applied_mask_keep_the_top_k_dropping_the_first_of_equals():
    masks = read_masks(small_masks([[255, 0, 51, 102], [9, 9, 9, 9]]))
    assert masks.ema[0].tolist() == [[1.0, 0.0], [0.2, 0.4]]
    assert masks.kept.tolist() == [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]
    assert (masks.k, masks.patches) == (2, 4)
    assert read_masks(small_masks([[255, 0, 51, 102]], masked=0.25)).kept.sum() == 3
    many = with_masks(make_row("pb_edropout", 0), channels=1)
    many["artifacts"]["conv1/ema"]["uint8"] = base64.b64encode(bytes([7] * 72 + [8] * 72)).decode()
    assert read_masks(many).kept.ravel().tolist() == [0] * 22 + [1] * 50 + [1] * 72
    many["epochs"][-1]["measures"]["mask"]["conv1/masked"] = (144 - 20) / 144  # (1 - this) * 144 is below 20
    assert read_masks(many).k == 20


def test_masks_fall_back_on_the_rate_where_nothing_was_counted():
    row = small_masks([[255, 0, 51, 102]])
    for entry in row["epochs"]:
        entry["measures"] = {}
    assert read_masks({**row, "strength": 0.15}).k == 3
    assert read_masks({**row, "strength": 0.25}).k == 3
    assert read_masks(with_masks(make_row("pb_edropout", 0), grid=(14, 14))).k == 166


def test_masks_of_a_wrong_shape_are_an_error():
    row = small_masks([[255, 0, 51, 102]])
    row["artifacts"]["conv1/ema"]["grid"] = [2, 3]
    with pytest.raises(UserError, match=r"conv1/ema has 4 values, shape=\[1, 4\], grid=\[2, 3\]"):
        read_masks(row)


def test_the_control_of_the_masks_keeps_k_patches_at_random_in_the_same_average():
    average = random_average((4, 12, 12), k=122, batch=64)
    assert average.shape == (4, 12, 12) and average.mean() == pytest.approx(122 / 144)
    # a batch's mean has variance p (1 - p) / 64, its moving average (1 - 0.9) / (1 + 0.9) of that
    p = 122 / 144
    assert average.std() == pytest.approx((p * (1 - p) / 64 * 0.1 / 1.9) ** 0.5, rel=0.15)
    assert np.array_equal(average, random_average((4, 12, 12), k=122, batch=64))


def test_the_channels_shown_are_the_most_uneven_ones_in_their_order():
    average = np.zeros((20, 2, 2))
    average[:, 0, 0] = [0.1 * ((7 * channel) % 20) for channel in range(20)]
    wanted = sorted(range(20), key=lambda channel: -((7 * channel) % 20))[:8]
    assert most_uneven(average) == sorted(wanted) and most_uneven(average[:3]) == [0, 1, 2]


def test_inputs_are_kept_as_a_strip_of_test_images_of_at_most_64_pixels(tmp_path, monkeypatch):
    grey = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(2, 16, 16, 1)
    strip = input_images_script.strip(grey)
    assert strip.shape == (16, 32, 3) and np.array_equal(strip[:, 16:, 2], grey[1, ..., 0])
    large = np.zeros((1, 128, 128, 3), dtype=np.uint8)
    large[0, 0, 0], large[0, 1, 1] = 200, 100  # the mean of a block of 2 x 2 pixels is 75
    assert input_images_script.strip(large).shape == (64, 64, 3) and input_images_script.strip(large)[0, 0, 0] == 75
    monkeypatch.setattr(sys, "argv", ["input_images.py", "digits", "--into", str(tmp_path)])
    assert input_images_script.main() == 0
    found, images = input_images("digits", tmp_path), digits().arrays["test_images"]
    assert found.shape == (8, 16, 16, 3) and input_images("mnist", tmp_path) is None
    step = len(images) // 8
    assert (255 * found[3, ..., 1]).round().tolist() == images[3 * step, ..., 0].tolist()


def test_mask_pictures_have_one_block_per_dataset_and_variant_and_a_file_per_budget(tmp_path):
    one = [with_masks(make_row("pb_edropout", seed), channels=4) for seed in (1, 0)]
    (first,) = draw_masks(one, tmp_path / "a")
    assert first.read_bytes() == draw_masks([one[1]], tmp_path / "b")[0].read_bytes()
    two = [*one, with_masks(make_row("pb_edropout_standardized", 0), channels=4), make_row("none", 0)]
    assert imread(draw_masks(two, tmp_path / "c")[0]).shape[0] > 1.5 * imread(first).shape[0]
    smoke = [*one, with_masks(make_row("pb_edropout", 0, dataset="cifar10", budget="smoke"))]
    names = [path.name for path in draw_masks(smoke, tmp_path / "d")]
    assert names == ["pb_edropout_masks_quick.png", "pb_edropout_masks_smoke.png"]
    assert draw_masks([make_row("none", 0)], tmp_path / "e") == []


def test_the_applied_mask_is_drawn_where_a_row_has_it():
    row = small_masks([[255, 0, 51, 102], [9, 9, 9, 9]])
    applied = np.array([[255, 0, 255, 0], [0, 255, 255, 0]], dtype=np.uint8)
    encoded = base64.b64encode(applied.tobytes()).decode()
    row["artifacts"]["conv1/mask"] = {**row["artifacts"]["conv1/ema"], "uint8": encoded}
    masks = read_masks(row)
    assert masks.applied and masks.k == 2
    assert masks.kept.tolist() == [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]
    assert not read_masks(small_masks([[1, 2, 3, 4]])).applied
