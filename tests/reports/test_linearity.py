"""The linearity table: its lines, readings, tests and trends, the golden page, the README's lines and the picture."""

import csv
import io
import json
import random

import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.tables import EN_DASH, MINUS, to_csv
from regbench.experiments import cells, sweeps
from regbench.reports.linearity import curves as linearity_curves
from regbench.reports.linearity.curves import draw_linearity, places
from regbench.reports.linearity.lines import (
    BASELINE,
    DROPOUT,
    KINDS,
    L1,
    L2,
    SUBNETWORKS,
    line_of,
    linearity_sections,
    swept,
)
from regbench.reports.linearity.summary import summary
from regbench.reports.linearity.table import (
    COLUMNS,
    CSV_FIELDS,
    QUESTIONS,
    TREND_COLUMNS,
    linearity_tables,
    trends,
    write_linearity,
)
from regbench.reports.publish import publish

from .linearity_factory import GOLDEN, RATES, SWEEPS, linearity_row, sweep, with_gaps
from .rows import failed

FILES = ("linearity.md", "linearity.csv")
FALLING = {0.0: [0.6, 0.61, 0.62], 0.1: [0.5, 0.51, 0.55], 0.3: [0.4, 0.43, 0.44], 0.5: [0.3, 0.31, 0.39]}


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "linearity_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_linearity(rows, folder)}


def only_section(rows):
    (section,) = linearity_sections(rows)
    return section


def measures(rows):
    return linearity_tables(only_section(rows))[0]


def trend_table(rows):
    return linearity_tables(only_section(rows))[1]


def cell(table, label, column, columns=COLUMNS):
    row = next(row for row in table.rows if row[0].text == label)
    return row[next(i for i, name in enumerate(columns) if name.startswith(column))]


def trend_cells(table, over, of):
    (row,) = [row for row in table.rows if (row[0].text, row[1].text) == (over, of)]
    return dict(zip(TREND_COLUMNS, row, strict=True))


def records(table, **wanted):
    lines = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    return [line for line in lines if all(line[key] == value for key, value in wanted.items())]


def answer(rows, kind, metric):
    found = trends(only_section(rows))
    return next(
        trend for question, trend in found.items() if (question.kind, question.reading.metric) == (kind, metric)
    )


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.linearity_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    expected = written(frozen_rows(), tmp_path)
    rows = frozen_rows()
    random.Random(0).shuffle(rows)
    assert written(rows, tmp_path) == expected


@pytest.mark.parametrize("metric", ["additivity_gap", "subnetwork_gap", "sparsity", "weight_norm", "accuracy"])
def test_every_number_of_the_last_epoch_reaches_the_page_and_no_other_epochs_z_does(metric, tmp_path):
    rows = sweep("dropout", seeds=(0, 1), strengths=(0.1, 0.5))
    before = written(rows, tmp_path)
    row = next(row for row in rows if row["strength"] == 0.5)
    row["epochs"][-1]["test"]["full"][metric] += 0.031
    after = written(rows, tmp_path)
    assert all(before[name] != after[name] for name in FILES)
    if metric != "accuracy":
        row["epochs"][0]["test"]["full"][metric] += 0.031
        assert written(rows, tmp_path) == after


def test_lines_are_none_then_each_sweep_by_strength_and_what_has_no_row_says_so():
    table = measures([*sweep("dropout"), *[row for row in sweep("l1") if row["strength"]]])
    assert [row[0].text for row in table.rows] == [
        *("None", "Dropout rate 0.1", "Dropout rate 0.3", "Dropout rate 0.5"),
        *("L1 lambda 1e-6", "L1 lambda 1e-5", "L1 lambda 0.0001", "L2"),
    ]
    assert [c.text for c in table.rows[-1][1:]] == ["0", "not run", EN_DASH, *["not run"] * 5]
    assert cell(table, "None", "Difference").text == "reference"
    assert cell(table, "None", "Z of random").text == EN_DASH and cell(table, "None", "Z of random").footnotes == ()
    assert "n = 5, budget quick, device cpu, 2 epochs, 10,000 training images" in table.title
    assert "Dropout stands at all sites." in table.notes


def test_the_cells_are_the_experiments_own():
    """Every regularizer that the experiment trains has lines here."""
    names = {
        cell.members[0].config["regularizer"]["name"]
        for sweep in sweeps("linearity", {"dataset": ["digits"]})
        for cell in cells("linearity", sweep, ["budget=smoke"])
    }
    assert names == {kind.name for kind in KINDS}


def test_means_and_paired_differences_are_those_of_scipy_and_holm_is_over_the_table():
    rows = with_gaps(FALLING)
    table = measures(rows)
    assert cell(table, "Dropout rate 0.1", "Z, additivity gap").text == "0.520 ± 0.066"
    p_values = [scipy_stats.ttest_rel(FALLING[rate], FALLING[0.0], alternative="two-sided").pvalue for rate in RATES]
    found = [
        records(table, method=f"Dropout rate {rate:g}", metric="difference_in_additivity_gap")[0] for rate in RATES
    ]
    assert [float(each["p"]) for each in found] == pytest.approx(p_values, rel=1e-4)
    assert [float(each["p_holm"]) for each in found] == pytest.approx(stats.holm(p_values), rel=1e-4)
    assert cell(table, "Dropout rate 0.1", "Difference").text.startswith(f"{MINUS}0.090 [")


def test_accuracy_is_that_of_the_last_epoch_and_of_the_best_held_out_one():
    row = linearity_row()
    first, last = row["epochs"]
    first["heldout"]["full"]["accuracy"], last["heldout"]["full"]["accuracy"] = 0.99, 0.5
    first["test"]["full"]["accuracy"], last["test"]["full"]["accuracy"] = 0.81, 0.92
    table = measures([row])
    assert cell(table, "None", "Test acc %, last").text.startswith("92.00")
    assert cell(table, "None", "Test acc %, protocol held-out").text.startswith("81.00")


def test_sparsity_is_in_percent():
    assert cell(measures([linearity_row(sparsity=0.0425)]), "None", "Sparsity").text.startswith("4.25")


def test_a_falling_z_supports_the_essay_and_a_rising_one_speaks_against_it():
    up = {rate: [1 - value for value in values] for rate, values in FALLING.items()}
    up[0.5][0] = 0.55  # one seed out of order, so that the seeds differ
    down = {rate: [1 - value for value in values] for rate, values in up.items()}
    falls, rises = (answer(with_gaps(gaps), DROPOUT, "additivity_gap") for gaps in (down, up))
    assert falls.record.mean == pytest.approx(-(0.8 + 1 + 1) / 3) == -rises.record.mean
    assert falls.record.p < 0.05 < 0.95 < rises.record.p
    assert falls.opposite == pytest.approx(rises.record.p) and rises.opposite == pytest.approx(falls.record.p)
    assert falls.page < 0.001 and rises.page_opposite == pytest.approx(falls.page)


def test_directions_are_the_essays():
    said = {(question.kind, question.reading.metric): question.alternative for question in QUESTIONS}
    assert said == {
        (DROPOUT, "additivity_gap"): "less",
        (DROPOUT, "subnetwork_gap"): "less",
        (L1, "sparsity"): "greater",
        (L2, "weight_norm"): "less",
        (L1, "additivity_gap"): "two-sided",
        (L2, "additivity_gap"): "two-sided",
    }


def test_rate_zero_is_the_baseline_and_there_the_network_is_the_subnetwork():
    gaps = {0.0: [0.9, 0.9], 0.1: [0.5, 0.6], 0.3: [0.7, 0.7]}
    rows = with_gaps(gaps, measure="subnetwork_gap")
    for row in rows:
        if not row["strength"]:
            del row["epochs"][-1]["test"]["full"]["subnetwork_gap"]
            row["epochs"][-1]["test"]["full"]["additivity_gap"] = 0.9
    section = only_section(rows)
    assert list(swept(section, DROPOUT)) == [0.0, 0.1, 0.3]
    assert swept(section, DROPOUT)[0.0] is section.groups[BASELINE]
    # 0.9, 0.5, 0.7 and 0.9, 0.6, 0.7 against 0, 0.1, 0.3: rho = -0.5
    found = answer(rows, DROPOUT, "subnetwork_gap")
    assert found.record.mean == pytest.approx(-0.5)
    assert next(q.reading for q in QUESTIONS if q.reading.metric == "subnetwork_gap") is SUBNETWORKS


@pytest.mark.parametrize("name,of", [("l1", "Sparsity, %"), ("l2", "Weight norm")])
def test_the_essays_comparison_is_tested_beside_z_and_accuracy(name, of):
    table = trend_table(sweep(name))
    kind = {"l1": L1, "l2": L2}[name]
    found = trend_cells(table, kind.title, of)
    assert found["n"].text == "5" and found["Strengths"].text == "4"
    assert found["Page's test"].text == "p < 0.001" and "essay" in found["Tested"].text
    sign = "+" if name == "l1" else MINUS
    assert found["Spearman's rho, mean over seeds (t-test)"].text == f"{sign}1.000 [{EN_DASH}], p = {EN_DASH}"
    assert found["Accuracy: rho"].text.startswith(MINUS)
    assert trend_cells(table, kind.title, "Z, additivity gap")["Tested"].text == "either way"
    assert trend_cells(table, "Dropout rate", "Z, additivity gap")["Page's test"].text == EN_DASH


def test_trends_of_one_table_are_one_family():
    rows = list({row["id"]: row for name in SWEEPS for row in sweep(name)}.values())
    found = list(trends(only_section(rows)).values())
    pages = [trend.page for trend in found]
    assert None not in pages and [trend.page_holm for trend in found] == stats.holm(pages)
    assert [trend.record.p_holm for trend in found] == stats.holm([trend.record.p for trend in found])
    line = records(trend_table(rows), method="L1 lambda", metric="trend_of_additivity_gap")[0]
    assert line["alternative"] == "two-sided" and line["p_opposite_holm"] == "" and float(line["p_page"]) > 0


def test_a_failed_member_is_an_x_with_its_reason_and_no_trend():
    rows = sweep("dropout")
    rows = [failed(row) if (row["strength"], row["seed"]) == (0.3, 1) else row for row in rows]
    tables = linearity_tables(only_section(rows))
    x = cell(tables[0], "Dropout rate 0.3", "Z, additivity gap")
    assert x.text == "X" and "seed 1: train loss became nan in epoch 1" in x.footnotes[0]
    assert cell(tables[0], "Dropout rate 0.3", "n").text == "4 (+ 1 failed)"
    found = trend_cells(tables[1], "Dropout rate", "Z, additivity gap")
    assert found["Spearman's rho, mean over seeds (t-test)"].text == "X" and found["n"].text == "0"


def test_without_a_baseline_there_is_no_difference_and_no_trend():
    rows = [row for row in sweep("dropout") if row["strength"]]
    tables = linearity_tables(only_section(rows))
    assert cell(tables[0], "None", "Z, additivity gap").text == "not run"
    assert cell(tables[0], "Dropout rate 0.1", "Difference").footnotes == ("None was not run",)
    found = trend_cells(tables[1], "Dropout rate", "Z, additivity gap")["Spearman's rho, mean over seeds (t-test)"]
    assert found.text == EN_DASH and found.footnotes == ("strength 0, no regularizer, was not run",)


@pytest.mark.parametrize(
    "change,words",
    [
        ({"pairs": 100}, r"linearity, mnist: task.pairs differs between its rows: .*100"),
        ({"placement": ["conv1"]}, r"linearity, mnist, dropout: regularizer.method.placement differs"),
    ],
)
def test_rows_that_cannot_stand_beside_each_other_are_refused(change, words):
    rows = [*sweep("dropout", seeds=(0,)), linearity_row("dropout", 0.7, 0, **change)]
    with pytest.raises(UserError, match=words):
        linearity_sections(rows)


def test_rows_of_no_line_and_seeds_that_occur_twice_are_refused():
    with pytest.raises(UserError, match="regularizer='dropblock': allowed are none, dropout, l1, l2"):
        line_of(linearity_row("dropblock", 0.1))
    row = linearity_row()
    with pytest.raises(UserError, match="seed=0 occurs twice"):
        linearity_sections([row, {**row, "id": "again"}])


def test_a_row_without_z_is_refused():
    row = linearity_row()
    del row["epochs"][-1]["test"]["full"]["additivity_gap"]
    with pytest.raises(UserError, match=rf"row {row['id']}: epoch 2: test.full.additivity_gap is missing"):
        measures([row])


def test_summary_is_the_readmes_and_says_what_is_not_run():
    empty = summary([])
    assert empty.splitlines()[-1].startswith("| not run |")
    rows = list({row["id"]: row for name in ("dropout", "l1") for row in sweep(name)}.values())
    line = summary(linearity_sections(rows)).splitlines()[-1]
    cells = [text.strip() for text in line.strip("|").split("|")]
    assert cells[:2] == ["MNIST, quick", "5"] and cells[3].endswith("(rate 0.5)") and cells[-1] == "not run"
    assert cells[2] == cell(measures(rows), "None", "Z, additivity gap").text
    assert len({text.count("|") for text in (line, *empty.splitlines())}) == 1


def test_publishing_writes_tables_pictures_and_the_readmes_lines(tmp_path):
    rows = [*sweep("dropout", seeds=(0, 1)), linearity_row(dataset="digits", budget="smoke")]
    names = {path.relative_to(tmp_path).as_posix() for path in publish("linearity", rows, tmp_path)}
    assert names == {
        *("tables/linearity.md", "tables/linearity.csv", "tables/README.md"),
        *("figures/linearity_polynomials.png", "figures/linearity_mnist_quick.png"),
    }
    assert "| MNIST, quick | 2 |" in (tmp_path / "tables" / "README.md").read_text()
    assert "## Polynomials" in (tmp_path / "tables" / "linearity.md").read_text()
    assert not [path for path in publish("linearity", rows, tmp_path, pictures=False) if path.suffix == ".png"]


def test_the_picture_shows_z_of_both_the_seeds_and_the_accuracy(monkeypatch):
    monkeypatch.setattr(linearity_curves, "save", lambda figure, path: figure)
    rows = list({row["id"]: row for name in ("dropout", "l1") for row in sweep(name)}.values())
    figure = draw_linearity(only_section(rows), "unused.png")
    dropout, l1, accuracy, _ = figure.axes
    labels = dropout.get_legend_handles_labels()[1]
    assert labels == ["network", "random subnetworks"] and dropout.get_ylabel() == "Z, additivity gap"
    (mean,) = [line for line in dropout.lines if line.get_label() == "network"]
    assert list(mean.get_xdata()) == [0.0, *RATES]
    expected = [float(cell(measures(rows), "Dropout rate 0.5", "Z, add").text.split()[0])]
    assert mean.get_ydata()[-1:].tolist() == pytest.approx(expected, abs=5e-4)
    points = [line for line in dropout.lines if line.get_alpha() == 0.25]
    assert len(points) == 2 * 4 and all(len(line.get_ydata()) == 5 for line in points)
    assert l1.get_xscale() == "log" and l1.get_xticklabels()[0].get_text() == "0"
    assert accuracy.get_ylabel() == "test accuracy (%)" and accuracy.lines[0].get_ydata()[0] > 90


def test_the_picture_has_no_mean_where_a_training_failed(monkeypatch):
    monkeypatch.setattr(linearity_curves, "save", lambda figure, path: figure)
    rows = [failed(row) if (row["strength"], row["seed"]) == (0.3, 1) else row for row in sweep("dropout")]
    figure = draw_linearity(only_section(rows), "unused.png")
    (mean,) = [line for line in figure.axes[0].lines if line.get_label() == "network"]
    assert 0.3 not in mean.get_xdata() and len(mean.get_xdata()) == len(RATES)
    survivors = [line for line in figure.axes[0].lines if line.get_alpha() == 0.25 and 0.3 in line.get_xdata()]
    assert [len(line.get_ydata()) for line in survivors] == [4, 4]
    assert "failed members, not drawn: Dropout rate 0.3 (1 of 5)" in figure.get_suptitle()


def test_zero_stands_left_of_all_lambdas_and_at_itself_among_rates():
    section = only_section(list({row["id"]: row for name in SWEEPS for row in sweep(name)}.values()))
    assert places(L1, swept(section, L1))[0.0] == pytest.approx(1e-7)
    assert places(DROPOUT, swept(section, DROPOUT))[0.0] == 0.0


def test_pictures_are_the_same_bytes_for_the_same_rows_and_need_a_finished_one(tmp_path):
    rows = sweep("dropout", seeds=(0, 1))
    first, again = (draw_linearity(only_section(each), tmp_path / "a.png").read_bytes() for each in (rows, rows[::-1]))
    assert first == again
    with pytest.raises(UserError, match="mnist, budget quick: no finished row of a regularizer to draw"):
        draw_linearity(only_section([linearity_row()]), tmp_path / "b.png")
