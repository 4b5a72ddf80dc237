"""The entropy paper's Table 3: stops, readings, differences, the paper's own seconds, Figure 10, a golden page."""

import json
import random

import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.stops import base_stop
from regbench.evidence.tables import EN_DASH
from regbench.experiments import cells, sweeps
from regbench.jobs import member_id
from regbench.reports.entropy import unet_masks
from regbench.reports.entropy.unet_paper import better_note, speed_note
from regbench.reports.entropy.unet_readings import IOU, epochs, seconds
from regbench.reports.entropy.unet_rows import MAIN, PAPER_LINES, PLAIN, Line, line_of, parts
from regbench.reports.entropy.unet_summary import summary
from regbench.reports.entropy.unet_table import CAPPED, differences, unet_tables, write_entropy_table3
from regbench.reports.publish import publish

from .large_factory import GOLDEN, PAPER, unet_row
from .rows import failed

NUMBERS = load_paper_numbers(PAPER)
FILES = ("entropy-table3.md", "entropy-table3.csv", "entropy-table3.tex")
FLAT = [0.2, 0.1, 0.095, 0.095, 0.095]  # with patience 3 and 0.01, the stop is after epoch 5
STEP = Line(MAIN, "compound", 0.001)
NAMES = ("Loss", "lambda", "Layers", "Watched")


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "entropy-table3_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_entropy_table3(rows, NUMBERS, folder)}


def only_part(rows):
    (part,) = parts(rows)
    return part


def tables(rows):
    return unet_tables(only_part(rows), NUMBERS)


def cell(table, line, column, source=None):
    wanted = (line.loss, f"{line.strength:g}", line.layers or EN_DASH, line.watch)
    row = next(
        row for row in table.rows if tuple(each.text for each in row[:4]) == wanted and source in (None, row[4].text)
    )
    return row[table.columns.index(column)]


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.large_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    rows = frozen_rows()
    random.Random(0).shuffle(rows)
    assert written(rows, tmp_path) == {name: (GOLDEN / name).read_bytes() for name in FILES}


def test_each_protocol_stops_on_its_own_split_and_reports_its_best_epoch_before():
    row = unet_row(
        losses=[*FLAT, 0.08, 0.08],
        heldout=[0.2, 0.19, 0.17, 0.15, 0.15, 0.15, 0.15],
        accuracies=[0.7, 0.72, 0.71, 0.7, 0.7, 0.7, 0.9],
        ious=[0.5, 0.52, 0.51, 0.5, 0.5, 0.5, 0.6],
        seconds=2.0,
    )
    assert [epochs(row, protocol) for protocol in ("paper", "held-out")] == [5, 7]
    assert [seconds(row, protocol) for protocol in ("paper", "held-out")] == [10, 14]
    table, _ = tables([row])
    found = {
        source: [cell(table, PLAIN, column, source).text.split()[0] for column in ("Accuracy, %", "IoU, %")]
        for source in ("protocol paper", "protocol held-out")
    }
    assert found == {"protocol paper": ["72.00", "52.00"], "protocol held-out": ["90.00", "60.00"]}


def test_a_falling_penalty_keeps_a_training_going_and_the_base_loss_says_when_it_would_have_ended():
    falling = [1 - 0.02 * number for number in range(8)]
    row = unet_row(10.0, losses=[*FLAT, 0.095, 0.095, 0.095], penalties=falling)
    assert epochs(row, "paper") == 8 and base_stop(row, "paper") == (5, True)
    line = Line(MAIN, "compound", 10.0)
    table, _ = tables([row])
    assert cell(table, line, "Epochs to the stop", "protocol paper").text == "> 8.0"
    assert cell(table, line, "Training time, s", "protocol paper").text.startswith("> ")
    assert cell(table, line, "Epochs to the stop, were the base loss watched", "protocol paper").text.startswith("5.0")
    constant = unet_row(1.0, losses=FLAT)
    assert epochs(constant, "paper") == 5 and base_stop(constant, "paper") == (5, True)
    short = unet_row(1.0, losses=FLAT[:4], patience=2, penalties=[1, 1, 1, 1])
    assert base_stop(short, "paper") == (4, True)
    assert base_stop(unet_row(1.0, losses=FLAT[:3], penalties=[1, 1, 1]), "paper") == (3, False)


def test_a_capped_stop_has_no_interval_and_no_test():
    rows = [unet_row(0.0, seed, FLAT) for seed in range(3)]
    rows += [unet_row(0.001, seed, FLAT[: 4 + (seed > 0)]) for seed in range(3)]
    found = differences(only_part(rows))[STEP, "epochs"]
    assert found.mean == pytest.approx(-1 / 3) and found.p is None and found.low is None and found.notes == (CAPPED,)


def test_differences_are_paired_one_sided_and_corrected_over_the_table():
    base, treated = [0.80, 0.81, 0.82], [0.83, 0.82, 0.85]
    rows = [unet_row(0.0, seed, FLAT, [value] * 5) for seed, value in enumerate(base)]
    rows += [unet_row(0.001, seed, FLAT, [value] * 5) for seed, value in enumerate(treated)]
    found = differences(only_part(rows))
    expected = scipy_stats.ttest_rel(treated, base, alternative="greater").pvalue
    assert found[STEP, "accuracy"].p == pytest.approx(expected) and found[STEP, "accuracy"].mean == pytest.approx(7 / 3)
    # accuracy and IoU are tested, the epochs are all equal
    assert found[STEP, "accuracy"].p_holm == pytest.approx(2 * expected)
    assert found[STEP, "epochs"].p is None


def test_one_training_has_neither_interval_nor_p():
    first, second = tables([unet_row(0.0, losses=FLAT), unet_row(0.001, losses=FLAT)])
    made = cell(first, STEP, "Epochs to the stop", "protocol paper")
    assert made.text == f"5.0 ± {EN_DASH}" and made.footnotes == ("one value only: no interval",)
    gain = cell(second, STEP, "IoU, pp, ours (p: higher)")
    assert gain.text.endswith(f"[{EN_DASH}], p = {EN_DASH}")
    assert gain.footnotes == ("one difference only: no interval and no test",) and second.notes[-1].endswith("0.")


def test_missing_lines_are_not_run_and_failed_ones_x_with_why():
    rows = [unet_row(0.0), unet_row(0.001), failed(unet_row(0.001, 1))]
    first, second = tables(rows)
    assert cell(first, Line(MAIN, "compound", 10.0), "IoU, %", "both protocols").text == "not run"
    made = cell(first, STEP, "IoU, %", "protocol paper")
    assert made.text == "X" and "1 of 2 members failed (seed 1: train loss became nan" in made.footnotes[0]
    assert cell(second, STEP, "Accuracy, pp, ours (p: higher)").text == "X"
    without = tables([unet_row(0.001)])[1]
    assert cell(without, STEP, "Accuracy, pp, ours (p: higher)").footnotes == ("lambda 0 was not run",)


def test_the_papers_lines_stand_beside_ours_and_its_seconds_per_epoch_are_computed():
    table, second = tables([unet_row()])
    theirs = [[each.text for each in row[6:]] for row in table.rows if row[4].text == "the paper's number"]
    assert len(theirs) == 7 == len(PAPER_LINES)
    assert theirs[0] == ["20", EN_DASH, "9276.82", "463.84", "82.90", "66.93"]
    assert theirs[-1] == ["36", EN_DASH, "14358.95", "398.86", "83.00", "67.86"]
    assert cell(second, STEP, "Epochs to the stop, epochs, the paper's number").text == "+1.0"
    note = speed_note(NUMBERS)
    assert "10.5 % fewer seconds at lambda 0.001, in 21 epochs against 20" in note
    assert "from 393 to 550 (464 without the loss)" in note and note.endswith("at lambda 0.01 (19) only.")
    assert "at 6 of 6 lambdas, its IoU at 4" in better_note(NUMBERS)


def test_rows_find_their_line_and_others_are_refused():
    assert line_of(unet_row(0.001, watch="base")) == Line(MAIN, "base", 0.001) and line_of(unet_row()) == PLAIN
    assert Line(MAIN, "base", 0.001).paper_row is None and Line("skips", "compound", 0.001).paper_row is None
    assert Line(MAIN, "compound", 10.0).paper_row == "MSE + Entropy, 10.00"
    with pytest.raises(UserError, match="placement='all': allowed are up, layer_2"):
        line_of(unet_row(0.001, placement="all"))
    with pytest.raises(UserError, match="dataset='mnist': allowed are coco, duts"):
        parts([unet_row(dataset="mnist")])
    with pytest.raises(UserError, match=r"Table 3, duts, budget quick: task\.early_stopping\.patience differs"):
        parts([unet_row(), unet_row(0.001, patience=5)])
    with pytest.raises(UserError, match=r"regularizer\.method\.eps differs"):
        parts([unet_row(1.0), unet_row(0.001, eps=1e-7)])


def test_titles_name_the_substitute_the_subset_and_what_the_numbers_depend_on():
    (coco, duts) = parts([unet_row(), unet_row(dataset="coco")])
    assert (coco.dataset, coco.name) == ("coco", "COCO (a subset)") and duts.name.endswith("in the place of COCO")
    assert only_part([unet_row(dataset="coco", train_images=59950)]).name == "COCO"
    for table in unet_tables(duts, NUMBERS):
        for part in ("n = 1", "budget quick", "device cuda", "284 training images", "128 x 128 pixels", "widths 8, 16"):
            assert part in table.title


def test_the_cells_are_the_experiments_own():
    configs = [
        member.config
        for sweep in sweeps("entropy-table3", {"dataset": ["duts"]})
        for found in cells("entropy-table3", sweep, ["budget=smoke", "seeds=[0]"])
        for member in found.members
    ]
    unique = {member_id(config): config for config in configs}
    rows = [
        unet_row(config["regularizer"]["strength"]) | {"id": key, "config": config, "budget": "smoke"}
        for key, config in unique.items()
    ]
    part = only_part(rows)
    assert len(part.lines) == 7 + 2 + 4 and {line.watch for line in part.lines} == {"base", "compound"}


def test_summary_is_the_readmes_and_says_what_is_not_run():
    empty = summary([])
    assert empty.splitlines()[-1].startswith("| not run: `make reproduce-entropy-table3` |")
    rows = [unet_row(0.0, seed, FLAT, [0.8 + 0.01 * seed] * 5) for seed in (0, 1)] + [unet_row(0.001, 0, FLAT[:4])]
    lines = summary(parts(rows)).splitlines()
    assert lines[2].startswith("| DUTS-TR and ECSSD in the place of COCO, quick | 0 | 2 | 5.0 ±") and len(lines) == 4
    assert "| 0.001 | 1 | > 4.0 |" in lines[3]
    assert len({line.count("|") for line in (*lines, *empty.splitlines())}) == 1


def test_publishing_writes_tables_masks_and_the_readmes_lines(tmp_path):
    rows = [unet_row(0.0, masks=True), unet_row(0.001, masks=True), unet_row(dataset="coco")]
    names = {path.relative_to(tmp_path).as_posix() for path in publish("entropy-table3", rows, tmp_path)}
    assert names == {
        *(f"tables/{name}" for name in FILES),
        *("tables/README.md", "figures/entropy_figure10_duts_quick.png"),
    }
    assert not [path for path in publish("entropy-table3", rows, tmp_path, pictures=False) if path.suffix == ".png"]


def test_figure_10_shows_the_masks_of_one_seed_beside_the_true_ones(monkeypatch):
    monkeypatch.setattr(unet_masks, "save", lambda figure, path: figure)
    rows = [unet_row(0.0, 0, masks=True), unet_row(1.0, 0), unet_row(0.001, watch="base", masks=True)]
    rows += [unet_row(key, 1, masks=True) for key in (0.0, 0.001, 1.0)]
    figure = unet_masks.draw_masks(only_part(rows), "unused.png")
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_title()]
    assert titles == ["true mask", "lambda = 0", "lambda = 0.001", "lambda = 1"] and len(figure.axes) == 2 * 4
    assert figure.get_suptitle().endswith("shown: seed 1")
    row = next(row for row in rows if (row["strength"], row["seed"]) == (1.0, 1))
    ious = [epoch["test"]["full"]["iou"] for epoch in row["epochs"]]
    chosen = IOU.read(row, "held-out")
    assert figure.axes[3].get_title().split("\n")[1:] == [f"IoU {100 * ious[-1]:.1f} %", f"table {chosen:.1f} %"]
    true, plain = (figure.axes[place].images[0].get_array() for place in (0, 1))
    assert true.min() == 0 and true.max() == 1 and plain.max() == pytest.approx(0.95, abs=0.01)
    with pytest.raises(UserError, match="no finished row of duts, budget quick, has it"):
        unet_masks.draw_masks(only_part([unet_row()]), "unused.png")
