"""The figures: what is drawn, and that the files depend on the rows alone."""

import base64

import numpy as np
import pytest
from matplotlib.image import imread

from regbench.errors import UserError
from regbench.evidence.figures import curve_values, draw_figures
from regbench.evidence.groups import make_group
from regbench.papers.pb_edropout.table1.extra import pb_edropout_masks, read_masks

from .factory import make_row, table_rows, with_masks
from .golden_tables import built, page_of
from .rows import failed


def draw_curves(rows, folder):
    """Figure 1, one file a budget."""
    return draw_figures(built("table1", rows), folder)


def draw_masks(rows, folder):
    return pb_edropout_masks(built("table1", rows), folder)


def test_curves_are_the_trainings_of_a_group_by_epoch_in_percent():
    group = make_group([make_row(seed=s, accuracies=[0.9, 0.9 + s / 100]) for s in (0, 1, 2)], "none")
    values = curve_values(group, "test.accuracy", "full")
    assert list(values) == [1, 2] and values[1] == pytest.approx([90] * 3) and values[2] == pytest.approx([90, 91, 92])
    assert [np.mean(each) for each in curve_values(group, "train.accuracy", "full").values()] == pytest.approx([90, 95])


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
    panels = [[page.lines[name].label for name in panel.lines] for panel in page.figures[0].panels]
    training, evaluation = draw_curves(table_rows(), page.folder)[0].axes
    assert [line.get_label() for line in evaluation.lines] == panels[1] and len(panels[1]) == 5
    # Mask and Full are one training.
    assert [line.get_label() for line in training.lines] == [d for d in panels[1] if d != "PB-EDropout-Mask"]
    mask, full = (evaluation.lines[panels[1].index(f"PB-EDropout-{mode}")] for mode in ("Mask", "Full"))
    assert (full.get_ydata() - mask.get_ydata()).tolist() == pytest.approx([0.1, 0.1])


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
    assert set(page.looks) == drawn
    looks = {tuple(look) for look in page.looks.values()}
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
