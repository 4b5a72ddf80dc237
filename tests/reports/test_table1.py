"""PB-EDropout's Table 1: a golden table, and that what should change a table does."""

import csv
import io
import json
import random
import subprocess
import sys

import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.tables import EN_DASH, to_csv
from regbench.reports.pb_edropout.table1 import COLUMNS, CSV_FIELDS, build_table1, write_table1

from .factory import GOLDEN, PAPER, make_row, table_rows
from .rows import failed

PAPER_NUMBERS = load_paper_numbers(PAPER)
FILES = ("table1.md", "table1.csv", "table1.tex")


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "table1_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_table1(rows, PAPER_NUMBERS, folder)}


def only_table(rows, budget="quick"):
    (table,) = build_table1(rows, PAPER_NUMBERS, budget)
    return table


def cell(table, label, column):
    row = next(row for row in table.rows if row[0].text == label)
    return row[next(i for i, name in enumerate(COLUMNS) if name.startswith(column))]


def records(table):
    lines = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    return {(line["method"], line["metric"], line["protocol"]): line for line in lines}


def rows_with(accuracies):
    """{regularizer: test accuracies by seed}, one epoch each."""
    return [make_row(name, s, [a]) for name, values in accuracies.items() for s, a in enumerate(values)]


def test_golden_table(tmp_path):
    """After a change that is meant: python -m tests.reports.factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    expected = written(frozen_rows(), tmp_path)
    for seed in range(3):
        rows = frozen_rows()
        random.Random(seed).shuffle(rows)
        assert written(rows, tmp_path) == expected


@pytest.mark.parametrize(
    "path", [("test", "full", "accuracy"), ("test", "mask", "loss"), ("measures", "mask", "conv1/masked")]
)
def test_every_number_reaches_the_page(tmp_path, path):
    rows = frozen_rows()
    before = written(rows, tmp_path)
    row = next(row for row in rows if row["config"]["regularizer"]["name"] == "pb_edropout")
    for entry in row["epochs"]:
        entry[path[0]][path[1]][path[2]] += 0.005
    after = written(rows, tmp_path)
    assert all(before[name] != after[name] for name in FILES)


def test_numbers_against_scipy():
    accuracies = {
        "none": [0.980, 0.982, 0.979],
        "dropout": [0.981, 0.985, 0.9795],
        "random_patch": [0.9825, 0.983, 0.981],
    }
    found = records(only_table(rows_with(accuracies)))
    line = found["Classic dropout", "accuracy", "held-out"]
    values = [100 * each for each in accuracies["dropout"]]
    low, high = scipy_stats.t.interval(0.95, 2, sum(values) / 3, scipy_stats.sem(values))
    assert [float(line[k]) for k in ("mean", "low", "high")] == pytest.approx([98.18333, low, high], rel=1e-5)
    pairs = [("dropout", "none"), ("random_patch", "none"), ("dropout", "random_patch")]
    raw = [scipy_stats.ttest_rel(accuracies[a], accuracies[b]).pvalue for a, b in pairs]
    printed = [
        found["Classic dropout", "difference_to_baseline", "held-out"]["p_baseline_holm"],
        found["Random patches (same K)", "difference_to_baseline", "held-out"]["p_baseline_holm"],
        found["Classic dropout", "difference_to_random", "held-out"]["p_random_holm"],
    ]
    assert [float(p) for p in printed] == pytest.approx(stats.holm(raw), rel=1e-4)


def test_more_comparisons_raise_the_corrected_p():
    few = [row for row in table_rows() if row["config"]["regularizer"]["name"] in ("none", "dropout")]
    key = ("Classic dropout", "difference_to_baseline", "held-out")
    alone, among = records(only_table(few))[key], records(only_table(table_rows()))[key]
    assert alone["p"] == among["p"] == alone["p_baseline_holm"]
    assert float(among["p_baseline_holm"]) > float(alone["p_baseline_holm"])


def test_paper_numbers_stand_beside_ours_as_printed():
    table = only_table(table_rows())
    assert cell(table, "Baseline / No dropout", "Acc %, paper's number").text == "99.290"
    assert cell(table, "PB-EDropout-Mask", "Mask %, paper's number").text == "15.28"
    assert cell(table, "PB-EDropout-Mask", "Mask %, counted").text == "15.28"
    assert cell(table, "PB-EDropout-Full", "Mask %, counted").text == "0.00"
    assert cell(table, "DropBlock", "Acc %, paper's number").text == EN_DASH
    digits = only_table(table_rows(dataset="digits"))
    assert {cell(digits, row[0].text, "Acc %, paper's number").text for row in digits.rows} == {EN_DASH}


def test_title_states_what_the_numbers_depend_on():
    title = only_table(table_rows(seeds=(0, 1), dataset="cifar10")).title
    assert title == "Table 1, CIFAR-10: n = 2, budget quick, device cpu, 2 epochs, 55,000 training images"
    rows = table_rows()
    rows[-1]["provenance"]["device"] = "cuda"
    assert "device cpu and cuda" in only_table(rows[1:]).title
    assert "n = 2 to 3" in only_table(rows[1:]).title


def test_a_failed_member_is_an_x_with_its_reason_and_no_mean():
    rows = [make_row(name, seed) for name in ("none", "dropout") for seed in (0, 1, 2)]
    rows[4] = failed(rows[4], "loss became nan in epoch 3")
    table = only_table(rows)
    for column in (
        "Acc %, protocol paper",
        "Acc %, protocol held",
        "Difference to base",
        "Loss, protocol paper",
    ):
        found = cell(table, "Classic dropout", column)
        assert found.text == "X"
        assert found.footnotes == ("Classic dropout: 1 of 3 members failed (seed 1: loss became nan in epoch 3)",)
    assert cell(table, "Classic dropout", "n").text == "2 (+ 1 failed)"
    assert records(table)["Classic dropout", "accuracy", "paper"]["mean"] == ""
    everything = only_table([failed(row) for row in rows])
    assert cell(everything, "Classic dropout", "Acc %, protocol paper").text == "X"


def test_a_failed_baseline_leaves_no_difference():
    rows = [failed(make_row("none", 0)), make_row("none", 1), make_row("dropout", 0), make_row("dropout", 1)]
    assert cell(only_table(rows), "Classic dropout", "Difference to baseline").text == "X"
    without = cell(only_table(rows[2:]), "Classic dropout", "Difference to baseline")
    assert (without.text, without.footnotes) == (EN_DASH, ("Baseline / No dropout was not run",))


def test_a_method_without_rows_was_not_run():
    table = only_table([make_row("none", seed) for seed in (0, 1)])
    row = next(row for row in table.rows if row[0].text == "DropBlock")
    assert [each.text for each in row[3:7]] == ["not run"] * 4
    assert row[1].text == "0"


def test_fewer_seeds_are_marked_and_paired_by_seed():
    rows = [make_row("none", seed) for seed in (0, 1, 2)] + [make_row("dropout", seed) for seed in (0, 2)]
    table = only_table(rows)
    count = cell(table, "Classic dropout", "n")
    assert count.text == "2" and "which has 3" in count.footnotes[0]
    difference = cell(table, "Classic dropout", "Difference to baseline")
    assert difference.footnotes == ("paired over the seeds in common with Baseline / No dropout: 0, 2",)


def test_one_seed_and_equal_values_print_a_dash_with_a_footnote():
    one = only_table([make_row("none", 0), make_row("dropout", 0)])
    assert cell(one, "Baseline / No dropout", "Acc %, protocol paper").text.endswith(f"± {EN_DASH}")
    assert f"p = {EN_DASH}" in cell(one, "Classic dropout", "Difference to baseline").text
    equal = only_table(rows_with({"none": [0.9, 0.8], "dropout": [0.91, 0.81]}))
    difference = cell(equal, "Classic dropout", "Difference to baseline")
    assert difference.text == f"+1.00 [{EN_DASH}], p = {EN_DASH}"
    assert difference.footnotes == ("all 2 differences are equal: no interval and no test",)
    assert "nan" not in to_csv([one, equal], CSV_FIELDS)


def test_selection_gap_and_smallest_difference_stand_below():
    rows = [make_row("none", seed, [0.96, 0.95], heldout=[0.5, 0.6]) for seed in (0, 1)]
    rows += [make_row("dropout", seed, [0.96, 0.93 + seed / 100], heldout=[0.5, 0.6]) for seed in (0, 1)]
    table = only_table(rows)
    assert any("minus accuracy by protocol held-out): +1.75 pp, mean over 2 rows" in n for n in table.notes)
    found = records(table)["Classic dropout", "smallest_difference_80", "held-out"]
    expected = stats.smallest_effect(stats.paired_test({0: 93, 1: 94}, {0: 95, 1: 95}))
    assert float(found["mean"]) == pytest.approx(expected, rel=1e-5)
    assert any(f"Classic dropout {expected:.2f}" in note for note in table.notes)


def test_rows_that_must_not_share_a_table_are_refused():
    with pytest.raises(UserError, match=r"dataset.train_images differs between its rows: \d+ .* and \d+"):
        only_table([make_row("none", 0), make_row("dropout", 0, train_images=1000)])
    with pytest.raises(UserError, match=r"dropout: regularizer.strength differs between its rows: 0.15 .* and 0.5"):
        only_table([make_row("dropout", 0), make_row("dropout", 1, strength=0.5)])
    with pytest.raises(UserError, match="regularizer='l2': allowed are none, dropout"):
        only_table([make_row("l2", 0)])
    with pytest.raises(UserError, match="dataset='duts': allowed are digits, mnist"):
        only_table([make_row("none", 0, dataset="duts")])


def test_both_names_of_the_standardized_variant_are_one_method():
    row = make_row("pb_edropout", 0, layer={"variant": "standardized"})
    for each in (row, make_row("pb_edropout_standardized", 0)):
        table = only_table([each])
        assert cell(table, "PB-EDropout-Full", "n").text == "0"
        assert cell(table, "PB-EDropout-Full (standardized energies)", "n").text == "1"


def test_budgets_have_their_own_sections_in_order(tmp_path):
    rows = [row for budget in ("smoke", "paper", "quick") for row in table_rows((0,), budget=budget)]
    page = written(rows, tmp_path)["table1.md"].decode()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Budget `paper`",
        "## Budget `quick`",
        "## Budget `smoke`",
    ]
    assert page.count("### Table 1, MNIST: n = 1, budget") == 3
    assert len(build_table1(rows, PAPER_NUMBERS, "quick")) == 1


def test_datasets_come_in_the_papers_order():
    rows = [make_row("none", 0, dataset=name) for name in ("cifar100", "mnist", "digits", "cifar10")]
    titles = [table.title.split(":")[0] for table in build_table1(rows, PAPER_NUMBERS, "quick")]
    assert titles == ["Table 1, digits", "Table 1, MNIST", "Table 1, CIFAR-10", "Table 1, CIFAR-100"]


def test_a_page_without_rows_says_so(tmp_path):
    assert "Not run: there is no row yet (n = 0)." in written([], tmp_path)["table1.md"].decode()
    assert build_table1(table_rows(), PAPER_NUMBERS, "paper") == []


def test_reports_load_without_torch_hydra_or_wandb():
    program = (
        "import sys, regbench.reports.publish, regbench.reports.claims.report;"
        "import regbench.reports.gan.table1, regbench.reports.gan.summary, regbench.reports.gan.samples;"
        "assert not {'torch', 'hydra', 'wandb'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
