"""The figures: what is drawn, and that the files depend on the rows alone."""

import base64

import numpy as np
import pytest
from matplotlib.image import imread

from regbench.errors import UserError
from regbench.evidence.groups import make_group
from regbench.reports.pb_edropout.curves import STYLES, curve, draw_curves
from regbench.reports.pb_edropout.masks import draw_masks, read_masks

from .factory import make_row, table_rows, with_masks
from .rows import failed


def test_curve_is_the_mean_over_seeds_with_its_interval():
    group = make_group([make_row(seed=s, accuracies=[0.9, 0.9 + s / 100]) for s in (0, 1, 2)], "none")
    epochs, estimates = curve(group, ("test", "full"))
    assert epochs == [1, 2]
    assert [estimate.mean for estimate in estimates] == pytest.approx([90, 91])
    assert estimates[0].half_width is None and estimates[1].half_width == pytest.approx(2.484, abs=1e-3)
    assert [e.mean for e in curve(group, ("train",))[1]] == pytest.approx([90, 95])


def test_curves_are_the_same_bytes_for_the_same_rows_in_any_order(tmp_path):
    rows = table_rows()
    first = draw_curves(rows, tmp_path / "new" / "a.png", "quick").read_bytes()
    assert draw_curves(rows[::-1], tmp_path / "b.png", "quick").read_bytes() == first
    rows[0]["epochs"][0]["test"]["full"]["accuracy"] -= 0.01
    assert draw_curves(rows, tmp_path / "c.png", "quick").read_bytes() != first
    assert b"Software" not in first and b"matplotlib" not in first


def test_each_split_and_each_dataset_has_its_panels(tmp_path):
    rows = [make_row("none", s, [0.9, 0.91], heldout=[0.7, 0.8]) for s in (0, 1)]
    test = imread(draw_curves(rows, tmp_path / "test.png", "quick"))
    held_out = imread(draw_curves(rows, tmp_path / "heldout.png", "quick", split="heldout"))
    assert test.shape == held_out.shape and not np.array_equal(test, held_out)
    two = rows + [make_row("none", s, dataset="cifar10") for s in (0, 1)]
    assert imread(draw_curves(two, tmp_path / "two.png", "quick")).shape[0] > 1.5 * test.shape[0]


def test_what_each_panel_shows(monkeypatch):
    monkeypatch.setattr("regbench.reports.pb_edropout.curves.save", lambda figure, path: figure)
    training, evaluation = draw_curves(table_rows(), "unused.png", "quick").axes
    drawn = [method.label for method in STYLES]
    assert [line.get_label() for line in evaluation.lines] == drawn
    # Mask and Full are one training.
    assert [line.get_label() for line in training.lines] == [d for d in drawn if d != "PB-EDropout-Mask"]
    mask, full = (evaluation.lines[drawn.index(f"PB-EDropout-{mode}")] for mode in ("Mask", "Full"))
    assert (full.get_ydata() - mask.get_ydata()).tolist() == pytest.approx([0.1, 0.1])


def test_failed_members_are_not_drawn(tmp_path):
    rows = [make_row("none", s) for s in (0, 1)]
    with_failure = [*rows, failed(make_row("none", 2))]
    drawn = draw_curves(with_failure, tmp_path / "a.png", "quick").read_bytes()
    assert drawn != draw_curves(rows, tmp_path / "b.png", "quick").read_bytes()  # the heading counts it
    with pytest.raises(UserError, match="no finished row to draw"):
        draw_curves([failed(row) for row in rows], tmp_path / "c.png", "quick")


def test_curves_refuse_what_cannot_be_drawn(tmp_path):
    with pytest.raises(UserError, match="budget='paper': no finished row to draw; there are budgets quick"):
        draw_curves(table_rows(), tmp_path / "a.png", "paper")
    with pytest.raises(UserError, match="split='train': allowed are test, heldout"):
        draw_curves(table_rows(), tmp_path / "a.png", "quick", split="train")
    with pytest.raises(UserError, match=r"Figure 1, mnist.*epochs differs"):
        draw_curves([make_row("none", 0), make_row("dropout", 0, [0.9])], tmp_path / "a.png", "quick")


def test_every_method_has_a_look_of_its_own():
    looks = {(style.color, style.dash, style.marker) for style in STYLES.values()}
    assert len(looks) == len({style.color for style in STYLES.values()}) == len(STYLES) == 5


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


def test_mask_pictures_have_one_block_per_dataset_and_variant(tmp_path):
    one = [with_masks(make_row("pb_edropout", seed), channels=4) for seed in (1, 0)]
    first = draw_masks(one, tmp_path / "a.png")
    assert first.read_bytes() == draw_masks([one[1]], tmp_path / "b.png").read_bytes()
    two = [*one, with_masks(make_row("pb_edropout_standardized", 0), channels=4), make_row("none", 0)]
    assert imread(draw_masks(two, tmp_path / "c.png")).shape[0] > 1.5 * imread(first).shape[0]


def test_masks_refuse_nothing_to_draw_and_mixed_budgets(tmp_path):
    with pytest.raises(UserError, match="artifact 'conv1/ema': none of the 1 rows has it"):
        draw_masks([make_row("none", 0)], tmp_path / "a.png")
    rows = [with_masks(make_row("pb_edropout", 0))]
    rows += [with_masks(make_row("pb_edropout", 0, dataset="cifar10", budget="smoke"))]
    with pytest.raises(UserError, match="these rows have quick, smoke"):
        draw_masks(rows, tmp_path / "a.png")


def test_the_applied_mask_is_drawn_where_a_row_has_it():
    row = small_masks([[255, 0, 51, 102], [9, 9, 9, 9]])
    applied = np.array([[255, 0, 255, 0], [0, 255, 255, 0]], dtype=np.uint8)
    encoded = base64.b64encode(applied.tobytes()).decode()
    row["artifacts"]["conv1/mask"] = {**row["artifacts"]["conv1/ema"], "uint8": encoded}
    masks = read_masks(row)
    assert masks.applied and masks.k == 2
    assert masks.kept.tolist() == [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]
    assert not read_masks(small_masks([[1, 2, 3, 4]])).applied
