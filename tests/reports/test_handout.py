"""The handout's table: readings, tests in its directions, bounds, the golden page, the README's lines, the picture."""

import csv
import io
import json
import random

import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.tables import EN_DASH, to_csv
from regbench.experiments import cells, sweeps
from regbench.reports.handout import curves as handout_curves
from regbench.reports.handout.curves import draw_handout
from regbench.reports.handout.methods import METHODS, handout_sections
from regbench.reports.handout.readings import SPEED, crossing, epoch_seconds, loss_rise, overfitting
from regbench.reports.handout.summary import summary
from regbench.reports.handout.table import (
    CSV_FIELDS,
    NO_LEVEL,
    UNTESTED,
    differences,
    handout_tables,
    level_of,
    write_handout,
)
from regbench.reports.publish import publish

from .handout_factory import GOLDEN, NAMES, handout_row
from .rows import failed

FILES = ("handout.md", "handout.csv")
LABELS = {method.regularizer: method.label for method in METHODS}


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "handout_rows.jsonl").read_text().splitlines()]


def all_rows(seeds=range(5), **options):
    return [handout_row(name, seed, **options) for name in NAMES for seed in seeds]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_handout(rows, folder)}


def only_section(rows):
    (section,) = handout_sections(rows)
    return section


def tables(rows):
    return handout_tables(only_section(rows))


def cell(table, name, column):
    row = next(row for row in table.rows if row[0].text == LABELS[name])
    return row[next(i for i, title in enumerate(table.columns) if title.startswith(column))]


def records(table, **wanted):
    lines = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    return [line for line in lines if all(line[key] == value for key, value in wanted.items())]


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.handout_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    expected = written(frozen_rows(), tmp_path)
    rows = frozen_rows()
    random.Random(0).shuffle(rows)
    assert written(rows, tmp_path) == expected


@pytest.mark.parametrize("split,place", [("test", "full"), ("heldout", "full"), ("train", None)])
def test_every_number_of_the_last_epoch_reaches_the_page(split, place, tmp_path):
    rows = all_rows((0, 1))
    before = written(rows, tmp_path)
    metrics = rows[0]["epochs"][-1][split]
    (metrics[place] if place else metrics)["accuracy"] -= 0.031
    after = written(rows, tmp_path)
    assert all(before[name] != after[name] for name in FILES)


def test_readings_by_hand():
    row = handout_row(
        heldout=[0.5, 0.7, 0.6], test=[0.8, 0.6, 0.7], train=[0.9, 0.9, 0.95], losses=[0.5, 0.2, 0.3], seconds=2.0
    )
    assert overfitting(row) == pytest.approx(25.0)
    assert loss_rise(row) == pytest.approx(0.1)
    assert epoch_seconds(row) == pytest.approx(2.0)
    table, _ = tables([row])
    assert cell(table, "none", "Test acc %, protocol paper").text.startswith("80.00")
    assert cell(table, "none", "Test acc %, protocol held-out").text.startswith("60.00")
    assert cell(table, "none", "Training minus test").text.startswith("25.00")
    assert cell(table, "none", "Test loss, last minus lowest").text.startswith("0.1000")
    assert cell(table, "none", "Seconds").text.startswith("2.00")
    del row["epochs"][-1]["train"]["accuracy"]
    with pytest.raises(UserError, match=f"row {row['id']}: train.accuracy is missing"):
        overfitting(row)


@pytest.mark.parametrize(
    "values,expected",
    [
        ([0.8, 1.0], 1.0),
        ([0.5, 0.8], 2.0),
        ([0.6, 0.9, 0.2], 1 + 2 / 3),
        ([0.4, 0.2, 0.6, 1.0], 3.5),
        ([0.1, 0.7], None),
    ],
)
def test_epochs_to_a_level_lie_on_a_line(values, expected):
    found = crossing(values, 0.8)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_level_is_a_share_of_what_the_baseline_ends_with_and_names_the_column():
    rows = [
        handout_row("none", 0, [0.5, 0.8]),
        handout_row("none", 1, [0.95, 0.9]),
        handout_row("batchnorm", 0, [0.6, 1]),
    ]
    section = only_section(rows)
    assert level_of(section) == pytest.approx(0.95 * 85)
    table, _ = handout_tables(section)
    assert table.columns[-1] == "Epochs to 80.75 % held-out"
    assert cell(table, "batchnorm", "Epochs").text.startswith("1.5")


def test_what_never_arrives_is_a_lower_bound_and_no_test_gains_by_it():
    low, high = [0.1, 0.2, 0.3, 0.4], [0.2, 0.5, 0.8, 0.9]
    rows = [handout_row("none", seed, [0.2, 0.3, 0.8 - 0.01 * seed, 0.9]) for seed in range(3)]
    rows += [handout_row("batchnorm", seed, low if seed == 1 else high) for seed in range(3)]
    first, second = tables(rows)
    measured = cell(first, "batchnorm", "Epochs")
    assert measured.text.startswith("> ") and "1 of 3 trainings of Batch norm never reach" in measured.footnotes[0]
    compared = cell(second, "batchnorm", "Epochs")
    assert (
        compared.text.endswith(f"p = {EN_DASH}") and UNTESTED in compared.footnotes and f"[{EN_DASH}]" in compared.text
    )
    # where only the baseline is slow, its bound makes the test careful: it is made
    slow = [handout_row("none", seed, [0.2, 0.3, 0.4, 0.90 if seed else 0.3]) for seed in range(3)]
    fast = [handout_row("batchnorm", seed, [0.85, 0.86 + 0.01 * seed, 0.9, 0.9]) for seed in range(3)]
    compared = cell(tables(slow + fast)[1], "batchnorm", "Epochs")
    assert UNTESTED not in compared.footnotes and "of None never reach" in " ".join(compared.footnotes)
    assert not compared.text.endswith(f"p = {EN_DASH}")


def test_differences_are_tested_where_the_handout_says_something_and_in_its_direction():
    section = only_section(all_rows())
    found = differences(section)
    tested = {key: record for key, record in found.items() if record.p is not None}
    assert set(tested) == {
        ("dropout", "accuracy"),
        ("batchnorm", "accuracy"),
        ("dropout_batchnorm", "accuracy"),
        ("dropout", "train_minus_test_accuracy"),
        ("batchnorm", SPEED),
    }
    values = {name: [overfitting(row) for row in section.groups[name].done] for name in ("none", "dropout")}
    expected = scipy_stats.ttest_rel(values["dropout"], values["none"], alternative="less").pvalue
    assert tested["dropout", "train_minus_test_accuracy"].p == pytest.approx(expected)
    assert [record.p_holm for record in tested.values()] == stats.holm([record.p for record in tested.values()])
    assert all(record.low is not None for record in found.values())


def test_each_direction_is_the_handouts_and_its_opposite_is_in_the_csv():
    _, table = tables(all_rows())
    said = {(line["method"], line["metric"]): line["alternative"] for line in records(table) if line["alternative"]}
    assert said == {
        ("Dropout", "difference_in_accuracy"): "greater",
        ("Batch norm", "difference_in_accuracy"): "greater",
        ("Dropout and batch norm", "difference_in_accuracy"): "greater",
        ("Dropout", "difference_in_train_minus_test_accuracy"): "less",
        ("Batch norm", f"difference_in_{SPEED}"): "less",
    }
    assert [column.rsplit(" (", 1)[-1] for column in table.columns[1:]] == [
        *("p: higher)", "p: lower)", table.columns[3], "p: fewer)")
    ]
    (line,) = records(table, method="Batch norm", metric="difference_in_accuracy")
    assert float(line["p"]) < 0.05 and float(line["p_opposite_holm"]) == 1.0
    worse = [handout_row("none", seed, [0.9, 0.95], test=[0.8, 0.95]) for seed in range(3)]
    worse += [handout_row("dropout", seed, [0.8, 0.9], test=[0.8, 0.9 - 0.01 * seed]) for seed in range(3)]
    (line,) = records(tables(worse)[1], method="Dropout", metric="difference_in_accuracy")
    assert float(line["p_holm"]) > 0.9 and 0 < float(line["p_opposite_holm"]) < 0.1


def test_the_cells_are_the_experiments_own_and_their_layers_are_named():
    configs = [
        cell.members[0].config
        for sweep in sweeps("handout", {"dataset": ["digits"]})
        for cell in cells("handout", sweep, ["budget=smoke"])
    ]
    assert {config["regularizer"]["name"] for config in configs} == set(NAMES)
    rows = []
    for config in configs:
        row = handout_row(config["regularizer"]["name"], dataset="digits")
        rows.append({**row, "config": {**row["config"], "regularizer": config["regularizer"]}})
    table, _ = tables(rows)
    (note,) = [note for note in table.notes if note.startswith("Layers")]
    assert note == (
        "Layers. Dropout: Dropout (p 0.5) at the last site; Batch norm: BatchNorm (share 1) at all sites; "
        "Dropout and batch norm: BatchNorm at all sites, then Dropout (p 0.5) at the last site."
    )


def test_failed_and_missing_methods_are_said_to_be_so():
    rows = [handout_row("none", 0), failed(handout_row("dropout", 0))]
    first, second = tables(rows)
    x = cell(first, "dropout", "Test acc %, protocol paper")
    assert x.text == "X" and "seed 0: train loss became nan in epoch 1" in x.footnotes[0]
    assert cell(first, "batchnorm", "Training").text == "not run" and cell(first, "batchnorm", "n").text == "0"
    assert cell(second, "dropout", "Test acc").text == "X" and cell(second, "batchnorm", "Epochs").text == "not run"
    without = tables([handout_row("dropout", 0)])
    assert cell(without[0], "dropout", "Epochs").footnotes == (NO_LEVEL,)
    assert cell(without[1], "dropout", "Test acc").footnotes == ("None was not run",)
    assert without[0].columns[-1] == "Epochs to the fixed accuracy"


def test_rows_that_cannot_stand_beside_each_other_are_refused():
    longer = handout_row("dropout", 0, [0.5] * 6)
    with pytest.raises(UserError, match="handout, mnist: epochs differs between its rows"):
        handout_sections([handout_row("none", 0), longer])
    with pytest.raises(UserError, match=r"handout, mnist, dropout: regularizer\.strength differs"):
        handout_sections([handout_row("dropout", 0), handout_row("dropout", 1, strength=0.2)])
    row = handout_row("dropout", 0)
    row["config"]["regularizer"]["name"] = "dropblock"
    with pytest.raises(UserError, match="regularizer='dropblock': allowed are none, dropout, batchnorm"):
        handout_sections([row])


def test_summary_is_the_readmes_and_says_what_is_not_run():
    empty = summary([])
    assert empty.splitlines()[-1].startswith("| not run |")
    rows = [row for row in all_rows() if row["config"]["regularizer"]["name"] != "dropout"]
    lines = summary(handout_sections(rows)).splitlines()[2:]
    cells = [[text.strip() for text in line.strip("|").split("|")] for line in lines]
    assert [each[1] for each in cells] == [method.label for method in METHODS]
    assert cells[1][2:] == ["0", "not run", "not run", "not run"]
    table, _ = tables(rows)
    assert cells[2][3:] == [
        cell(table, "batchnorm", column).text for column in ("Test acc %, protocol held-out", "Training", "Epochs")
    ]
    assert len({line.count("|") for line in (*lines, *empty.splitlines())}) == 1


def test_publishing_writes_tables_pictures_and_the_readmes_lines(tmp_path):
    rows = [*all_rows((0, 1)), failed(handout_row(dataset="digits"))]
    names = {path.relative_to(tmp_path).as_posix() for path in publish("handout", rows, tmp_path)}
    assert names == {
        *("tables/handout.md", "tables/handout.csv", "tables/README.md", "figures/handout_mnist_quick.png")
    }
    assert "| MNIST, quick | Batch norm | 2 |" in (tmp_path / "tables" / "README.md").read_text()
    assert not [path for path in publish("handout", rows, tmp_path, pictures=False) if path.suffix == ".png"]


def test_the_picture_shows_all_methods_in_training_and_held_out(monkeypatch):
    monkeypatch.setattr(handout_curves, "save", lambda figure, path: figure)
    rows = all_rows((0, 1))
    section = only_section(rows)
    training, held_out = draw_handout(section, "unused.png").axes
    assert held_out.get_legend_handles_labels()[1] == [method.label for method in METHODS]
    accuracies = [row["epochs"][0]["heldout"]["full"]["accuracy"] for row in rows if not row["strength"]]
    assert held_out.lines[0].get_ydata()[0] == pytest.approx(50 * sum(accuracies))
    trained = [row["epochs"][0]["train"]["accuracy"] for row in rows if not row["strength"]]
    assert training.lines[0].get_ydata()[0] == pytest.approx(50 * sum(trained))
    assert held_out.lines[-1].get_linestyle() == ":" and held_out.lines[-1].get_ydata()[0] == level_of(section)
    assert "failed members, not drawn: Dropout (1 of " in section_heading([*rows, failed(handout_row("dropout", 2))])


def section_heading(rows):
    return only_section(rows).heading("Handout", LABELS.get)


def test_pictures_are_the_same_bytes_for_the_same_rows_and_need_a_finished_one(tmp_path):
    rows = all_rows((0, 1))
    first, again = (draw_handout(only_section(each), tmp_path / "a.png").read_bytes() for each in (rows, rows[::-1]))
    assert first == again
    with pytest.raises(UserError, match="mnist, budget quick: no finished row to draw"):
        draw_handout(only_section([failed(handout_row())]), tmp_path / "b.png")
