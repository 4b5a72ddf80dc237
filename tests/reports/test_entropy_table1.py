"""The entropy paper's Table 1: the best of k by both protocols, its tests, the null control, and a golden page."""

import csv
import io
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.best_of_many import best_of, chance_of_any, dunnett_p
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.tables import EN_DASH, MINUS, to_csv
from regbench.reports.entropy.cnn_groups import ARCHITECTURES
from regbench.reports.entropy.cnn_table import COLUMNS, CSV_FIELDS, build_entropy_table1, write_entropy_table1
from regbench.reports.publish import publish

from .entropy_factory import GOLDEN, PAPER, entropy_row, null_rows, rows_of
from .rows import failed

PAPER_NUMBERS = load_paper_numbers(PAPER)
FILES = ("entropy-table1.md", "entropy-table1.csv", "entropy-table1.tex")
BASE = [0.60, 0.61, 0.59, 0.605]
GOOD = [0.63, 0.62, 0.625, 0.64]
BETTER = [0.64, 0.63, 0.62, 0.645]
BAD = [0.55, 0.56, 0.54, 0.53]


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "entropy-table1_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_entropy_table1(rows, PAPER_NUMBERS, folder)}


def tables(rows, budget="quick"):
    return build_entropy_table1(rows, PAPER_NUMBERS, budget)


def cell(table, column, architecture="[32, 32]"):
    row = next(row for row in table.rows if row[0].text == architecture)
    return row[next(i for i, name in enumerate(COLUMNS) if name.startswith(column))]


def record(table, metric, protocol, choice=None, architecture="[32, 32]"):
    """The CSV line of this record; `choice` is needed for accuracies of one strength only."""
    lines = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    wanted = {"metric": metric, "protocol": protocol, "architecture": architecture}
    wanted |= {} if choice is None else {"choice": choice}
    return next(line for line in lines if all(line[key] == value for key, value in wanted.items()))


def percent(values):
    return 100 * np.array(values)


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.entropy_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    expected = written(frozen_rows(), tmp_path)
    for seed in range(2):
        rows = frozen_rows()
        random.Random(seed).shuffle(rows)
        assert written(rows, tmp_path) == expected


@pytest.mark.parametrize("path", [("test", "full"), ("heldout", "full"), ("train",)])
def test_every_accuracy_reaches_the_page(path, tmp_path):
    rows = frozen_rows()
    before = written(rows, tmp_path)
    for row in rows:
        if row["strength"] and row["status"] == "done":
            target = row["epochs"][0]
            for key in path:
                target = target[key]
            target["accuracy"] += 0.05
    after = written(rows, tmp_path)
    assert all(before[name] != after[name] for name in FILES)


def test_paper_protocol_against_scipy():
    (table,) = tables(rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER, 10.0: BAD}))
    found = record(table, "gain", "paper")
    expected = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False, alternative="greater")
    interval = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False).confidence_interval()
    difference = percent(BETTER).mean() - percent(BASE).mean()
    assert (found["choice"], found["k"], found["n"]) == ("1", "3", "4")
    assert [float(found[k]) for k in ("mean", "low", "high", "p")] == pytest.approx(
        [difference, *interval, expected.pvalue], rel=1e-5
    )
    printed = cell(table, "Gain in val acc, pp, protocol paper").text
    assert printed.startswith(f"+{difference:.2f} [") and printed.endswith(f"p = {expected.pvalue:.3f}")
    assert cell(table, "Best lambda, protocol paper").text == "1"


def test_held_out_protocol_is_paired_and_one_sided():
    (table,) = tables(rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER}))
    found = record(table, "gain", "held-out")
    expected = scipy_stats.ttest_rel(BETTER, BASE, alternative="greater")
    assert float(found["p"]) == pytest.approx(expected.pvalue, rel=1e-5)
    low, high = scipy_stats.ttest_rel(percent(BETTER), percent(BASE)).confidence_interval()
    assert [float(found["low"]), float(found["high"])] == pytest.approx([low, high], rel=1e-5)


def test_a_worse_penalty_has_a_high_p():
    (table,) = tables(rows_of({0.0: BASE, 1.0: BAD}))
    for protocol in ("paper", "held-out"):
        found = record(table, "gain", protocol)
        assert float(found["mean"]) < 0 and float(found["p"]) > 0.95
        assert float(found["p_best_of_k"]) > 0.95


def test_each_protocol_chooses_epoch_and_strength_on_its_own_split():
    def rows(strength, test, heldout):
        return [entropy_row(strength, s, [a + s / 1000 for a in test], heldout) for s in range(3)]

    # On the test split 0.01 is best, in epoch 2; on held-out images 1 is, in epoch 1.
    table = tables(
        rows(0.0, [0.60, 0.62], [0.5, 0.4])
        + rows(0.01, [0.61, 0.70], [0.51, 0.41])
        + rows(1.0, [0.63, 0.65], [0.56, 0.42])
    )[0]
    assert [cell(table, f"Best lambda, protocol {name}").text for name in ("paper", "held-out")] == ["0.01", "1"]
    assert float(record(table, "gain", "paper")["mean"]) == pytest.approx(8)
    assert float(record(table, "gain", "held-out")["mean"]) == pytest.approx(3)
    assert [float(record(table, "accuracy", name)["mean"]) for name in ("paper", "held-out")] == pytest.approx(
        [62.1, 60.1]
    )
    found = {c: float(record(table, "accuracy", "held-out", c)["mean"]) for c in ("0.01", "1")}
    assert found == pytest.approx({"0.01": 61.1, "1": 63.1})


def test_train_accuracy_is_that_of_the_epoch_and_strength_best_on_test():
    # Held-out images prefer the other epoch of the baseline.
    rows = [entropy_row(0.0, s, [0.6, 0.5], [0.1, 0.2], train=[0.7 + s / 100, 0.9]) for s in range(3)]
    rows += [entropy_row(1.0, s, [0.6, 0.7], train=[0.9, 0.75 + s / 50]) for s in range(3)]
    rows += [entropy_row(0.1, s, [0.6, 0.6], train=[0.99, 0.99 + s / 500]) for s in range(3)]
    (table,) = tables(rows)
    assert float(record(table, "train_accuracy", "paper")["mean"]) == pytest.approx(71)
    found = record(table, "train_gain", "paper")
    expected = scipy_stats.ttest_ind([75, 77, 79], [70, 71, 72], equal_var=False, alternative="greater")
    assert [float(found["mean"]), float(found["p"])] == pytest.approx([6, expected.pvalue], rel=1e-5)


def test_equal_means_choose_the_smaller_strength():
    (table,) = tables(rows_of({0.0: BASE, 10.0: GOOD, 0.01: GOOD[::-1], 1.0: GOOD}))
    assert cell(table, "Best lambda, protocol paper").text == "0.01"


def test_holm_over_the_lines_of_a_table():
    samples = {(32,): (BASE, GOOD), (64,): (GOOD, BETTER), (128,): (GOOD, BAD)}
    rows = [row for w, (base, best) in samples.items() for row in rows_of({0.0: base, 1.0: best}, widths=w)]
    (table,) = tables(rows)
    raw = [scipy_stats.ttest_rel(best, base, alternative="greater").pvalue for base, best in samples.values()]
    names = ["[32]", "[64]", "[128]"]
    found = [float(record(table, "gain", "held-out", architecture=name)["p_holm"]) for name in names]
    assert found == pytest.approx(stats.holm(raw), rel=1e-4) and found != pytest.approx(raw, rel=1e-2)
    printed = cell(table, "Gain in val acc, pp, protocol held-out", "[64]").text
    assert printed.endswith(f"p = {found[1]:.3f}")
    plain = scipy_stats.ttest_ind(percent(BETTER), percent(GOOD), equal_var=False, alternative="greater").pvalue
    assert cell(table, "Gain in val acc, pp, protocol paper", "[64]").text.endswith(f"p = {plain:.3f}")
    assert float(record(table, "gain", "paper", architecture="[64]")["p_holm"]) > plain + 0.05
    best = [float(record(table, "gain", "paper", architecture=name)["p_best_of_k"]) for name in names]
    corrected = [float(record(table, "gain", "paper", architecture=name)["p_best_of_k_holm"]) for name in names]
    assert corrected == pytest.approx(stats.holm(best))


def test_dunnett_against_scipy_called_directly():
    (table,) = tables(rows_of({0.0: BASE, 0.01: BAD, 0.1: GOOD, 1.0: BETTER}))
    groups = [percent(values) for values in (BAD, GOOD, BETTER)]
    found = scipy_stats.dunnett(*groups, control=percent(BASE), alternative="greater", random_state=1).pvalue
    assert float(record(table, "gain", "paper")["p_best_of_k"]) == pytest.approx(found.min(), abs=2e-4)
    assert cell(table, "p for the best of k, protocol paper").text == f"p = {found.min():.3f} ({found.min():.3f})"
    # One of one is a plain pooled t-test: nothing was chosen.
    alone = dunnett_p({"1": GOOD}, BASE)["1"]
    assert alone == pytest.approx(scipy_stats.ttest_ind(GOOD, BASE, alternative="greater").pvalue, abs=2e-4)
    few = [0.601, 0.615, 0.6, 0.605]
    assert dunnett_p({"1": few, "2": BASE, "3": BASE}, BASE)["1"] > dunnett_p({"1": few}, BASE)["1"] + 0.1


def test_the_p_of_a_choice_on_held_out_images_is_that_of_the_chosen():
    rows = rows_of({0.0: BASE, 1.0: BETTER})
    rows += [entropy_row(0.01, s, [a], [0.9]) for s, a in enumerate([0.62, 0.60, 0.61, 0.62])]
    (table,) = tables(rows)
    assert cell(table, "Best lambda, protocol held-out").text == "0.01"
    groups = [percent([0.62, 0.60, 0.61, 0.62]), percent(BETTER)]
    found = scipy_stats.dunnett(*groups, control=percent(BASE), alternative="greater", random_state=1).pvalue
    assert float(record(table, "gain", "held-out")["p_best_of_k"]) == pytest.approx(found[0], abs=2e-4)
    assert found[0] > found[1] + 0.05


def test_without_spread_or_degrees_of_freedom_nothing_is_tested():
    assert dunnett_p({"1": [0.5, 0.5]}, [0.4, 0.4]) is None
    assert dunnett_p({"1": [0.5], "2": [0.6]}, [0.4]) is None
    (table,) = tables(rows_of({0.0: [0.6], 1.0: [0.7]}))
    assert cell(table, "Gain in val acc, pp, protocol paper").text == f"+10.00 [{EN_DASH}], p = {EN_DASH}"
    assert cell(table, "p for the best of k, protocol paper").text == f"p = {EN_DASH} ({EN_DASH})"
    assert "nan" not in to_csv([table], CSV_FIELDS)
    with pytest.raises(UserError, match="one or more groups with one or more values"):
        best_of({"1": []})


@pytest.mark.parametrize(("k", "n"), [(1, 5), (6, 10)])
def test_chance_of_any_against_simulated_trainings(k, n):
    rng = np.random.default_rng(0)
    groups, control = rng.normal(size=(4000, k, n)), rng.normal(size=(4000, 1, n))
    p = scipy_stats.ttest_ind(groups, control, axis=-1, equal_var=False, alternative="greater").pvalue
    assert chance_of_any(k, n) == pytest.approx((p.min(axis=1) < 0.05).mean(), abs=0.02)


def test_chance_of_any_refuses_what_cannot_be_tested():
    with pytest.raises(UserError, match="n=1"):
        chance_of_any(2, 1)


def test_null_groups_stand_in_for_strengths():
    rows = rows_of({0.0: BASE, 1.0: BAD})
    real, null = tables(rows + null_rows({1: GOOD, 2: BETTER, 3: BAD}))
    assert "null control" in null.title and "penalty on the first convolution" in real.title
    assert real.rows == tables(rows)[0].rows
    found = record(null, "gain", "paper")
    expected = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False, alternative="greater").pvalue
    assert (found["choice"], found["k"]) == ("2", "3") and float(found["p"]) == pytest.approx(expected, rel=1e-5)
    paired = scipy_stats.ttest_rel(BETTER, BASE, alternative="greater").pvalue
    assert float(record(null, "gain", "held-out")["p"]) == pytest.approx(paired, rel=1e-5)
    assert null.rows[3][1].text == "4"
    assert cell(null, "Gain in val acc, pp, paper's number").text == EN_DASH
    assert null.columns[12] == "Best null group, protocol paper"
    assert any("1 of 1 in the null control" in note and "0 of 1 here" in note for note in real.notes)


def test_a_null_group_without_rows_is_left_out_and_counted():
    rows = rows_of({0.0: BASE, 0.01: GOOD, 0.1: BAD, 1.0: BETTER})
    _, null = tables(rows + null_rows({1: GOOD, 3: BAD}))
    count = cell(null, "k")
    assert (count.text, count.footnotes) == ("2", ("[32, 32]: no rows of null group 2",))
    # Three strengths ask for three groups in each of nine lines; two are there.
    assert any("2 groups have rows, 25 have none" in note for note in null.notes)


def test_without_a_null_control_the_page_says_so():
    tables_found = tables(rows_of({0.0: BASE, 1.0: GOOD}))
    assert len(tables_found) == 1
    assert any("the null control was not run" in note for note in tables_found[0].notes)


def test_shares_are_also_given_over_the_architectures_that_both_tables_have():
    rows = rows_of({0.0: BASE, 1.0: BETTER}) + rows_of({0.0: BASE, 1.0: BAD}, widths=[64]) + null_rows({1: BETTER})
    real, _ = tables(rows)
    text = next(note for note in real.notes if note.startswith("Lines with p < 0.05"))
    assert "1 of 2 here, 1 of 1 in the null control (over the architectures tested in both: 1 of 1 and 1 of 1)" in text


def test_all_nine_architectures_have_a_line():
    (table,) = tables(rows_of({0.0: BASE, 1.0: GOOD}))
    assert tuple(row[0].text for row in table.rows) == ARCHITECTURES
    assert {name.count(",") for name in ARCHITECTURES} == {0, 1, 2} and len(set(ARCHITECTURES)) == 9
    empty = next(row for row in table.rows if row[0].text == "[128]")
    ours = [each.text for name, each in zip(COLUMNS, empty, strict=True) if "protocol" in name]
    assert set(ours) == {"not run"} and len(ours) == 10
    assert [cell(table, column, "[128]").text for column in ("n", "k")] == ["0", "0"]


def test_baselines_alone_have_a_table():
    (table,) = tables(rows_of({0.0: BASE}))
    assert cell(table, "Base val acc %, protocol paper").text.startswith("60.1")
    assert cell(table, "Gain in val acc, pp, protocol paper").text == "not run"
    assert table.notes[0] == f"Lambdas: {EN_DASH} (not run)."


def test_the_papers_numbers_stand_beside_ours():
    (table,) = tables(rows_of({0.0: BASE, 1.0: GOOD}))
    assert cell(table, "Base train acc %, paper's", "[32, 32, 32]").text == "74.41"
    assert cell(table, "Base val acc %, paper's", "[32, 32, 32]").text == "67.89"
    assert cell(table, "Gain in train acc, pp, paper's", "[32, 32, 32]").text == "+1.25, p = 0.0179"
    assert cell(table, "Gain in train acc, pp, paper's", "[128, 128]").text == f"{MINUS}0.87"
    assert cell(table, "Gain in val acc, pp, paper's", "[128, 128]").text == "+0.63, p = 0.0210"
    assert "In the paper's own table: 9 of 9 lines." in table.notes
    assert record(table, "gain", "paper")["paper_p"] == "0.0043"


def test_the_paper_prints_no_gain_for_other_placements_and_datasets():
    (table,) = tables(rows_of({0.0: BASE}) + rows_of({1.0: GOOD}, placement="convolutions"))
    assert cell(table, "Base val acc %, paper's").text == "67.45"
    assert cell(table, "Gain in val acc, pp, paper's").text == EN_DASH
    (table,) = tables(rows_of({0.0: BASE, 1.0: GOOD}, dataset="mnist"))
    assert cell(table, "Base val acc %, paper's").text == EN_DASH
    assert not any("paper's own table" in note for note in table.notes)


def test_placements_are_tables_of_their_own_and_share_the_baseline():
    rows = rows_of({0.0: BASE, 1.0: GOOD}) + rows_of({1.0: BAD}, placement="convolutions", eps=0.001)
    first, every = tables(rows + rows_of({0.0: BASE}, widths=(32,)))
    assert "first convolution" in first.title and "all convolutions" in every.title
    assert "placement convolutions, form reciprocal, eps 0.001" in every.notes[0]
    means = [float(record(table, "gain", "paper")["mean"]) for table in (first, every)]
    assert means == pytest.approx([100 * (np.mean(v) - np.mean(BASE)) for v in (GOOD, BAD)])
    one_block = cell(every, "k", "[32]")
    assert one_block.text == "0" and "its first convolution is all of them" in one_block.footnotes[0]


def test_a_failed_member_is_an_x_with_its_reason():
    rows = rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER})
    rows = [failed(row) if (row["strength"], row["seed"]) == (1.0, 2) else row for row in rows]
    (table,) = tables(rows)
    for column in ("Gain in val acc, pp, protocol paper", "Best lambda, protocol held", "p for the best of k"):
        found = cell(table, column)
        assert found.text == "X"
        assert found.footnotes == (
            "[32, 32], lambda 1: 1 of 4 members failed (seed 2: train loss became nan in epoch 1)",
        )
    assert cell(table, "Base val acc %, protocol paper").text.startswith("60.12")
    assert cell(table, "k").footnotes == ()
    assert record(table, "gain", "paper")["mean"] == ""
    assert record(table, "accuracy", "paper", "0.01")["status"] == "done"
    assert record(table, "accuracy", "paper", "1")["status"] == "failed"


def test_a_failed_or_missing_baseline_leaves_no_gain():
    rows = rows_of({0.0: BASE, 1.0: GOOD})
    (table,) = tables([failed(rows[0]), *rows[1:]])
    assert cell(table, "Base val acc %, protocol paper").text == "X"
    assert cell(table, "Gain in val acc, pp, protocol held").text == "X"
    (table,) = tables([row for row in rows if row["strength"]])
    found = cell(table, "Gain in val acc, pp, protocol paper")
    assert (found.text, found.footnotes) == (EN_DASH, ("the baseline was not run",))


def test_a_failed_null_member_is_an_x_in_the_null_table_only():
    rows = null_rows({1: GOOD})
    real, null = tables([*rows_of({0.0: BASE, 1.0: GOOD}), failed(rows[0]), *rows[1:]])
    assert cell(null, "Gain in val acc, pp, protocol paper").text == "X"
    assert cell(real, "Gain in val acc, pp, protocol paper").text.startswith("+2.")


def test_fewer_seeds_are_paired_over_those_in_common_and_said():
    (table,) = tables(rows_of({0.0: BASE, 0.01: BAD, 1.0: BETTER[:3]}))
    held_out = cell(table, "Gain in val acc, pp, protocol held")
    assert held_out.footnotes == ("paired over the seeds in common with the baseline: 0, 1, 2",)
    assert float(record(table, "gain", "held-out")["mean"]) == pytest.approx(
        100 * np.mean(np.subtract(BETTER, BASE)[:3])
    )
    paper = cell(table, "Gain in val acc, pp, protocol paper")
    assert paper.footnotes == ("lambda 1 has n = 3, the baseline n = 4: Welch's test takes all of both",)
    assert float(record(table, "gain", "paper")["mean"]) == pytest.approx(100 * (np.mean(BETTER[:3]) - np.mean(BASE)))
    assert cell(table, "k").footnotes == ("[32, 32]: fewer seeds than the baseline's 4: lambda 1 (n = 3)",)


def test_a_strength_that_a_line_lacks_is_said():
    rows = rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER}) + rows_of({0.0: BASE, 1.0: GOOD}, widths=(32,))
    (table,) = tables(rows)
    assert cell(table, "k", "[32]").footnotes == ("[32]: no rows of lambda 0.01",)
    assert cell(table, "k").footnotes == ()


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_the_likeness_of_trainings_of_one_seed_is_stated():
    (table,) = tables(rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER[:3]}))
    mean = np.mean([np.corrcoef(BASE, GOOD)[0, 1], np.corrcoef(BASE[:3], BETTER[:3])[0, 1]])
    text = next(note for note in table.notes if note.startswith("Correlation over seeds"))
    assert f"{mean:+.2f}".replace("-", MINUS) + ", mean over 2 groups" in text
    (table,) = tables(rows_of({0.0: [0.6, 0.6, 0.6], 0.01: GOOD[:3]}) + rows_of({1.0: GOOD[:2]}))
    assert not any(note.startswith("Correlation over seeds") for note in table.notes)


def test_notes_state_settings_power_and_the_gradient():
    rows = rows_of({0.0: BASE})
    rows += [entropy_row(1.0, s, [0.6, 0.61 + s / 1000], norms=[s + 1.0, 0.5]) for s in range(4)]
    rows = [{**row, "config": {**row["config"], "epochs": 2}} for row in rows]
    rows += [entropy_row(k, s, [0.6, 0.61], widths=(64,), norms=[8.0, 4.0]) for k in (0.0, 1.0) for s in range(4)]
    (table,) = tables(rows)
    assert table.title == (
        "Entropy guidance, Table 1, CIFAR-10, penalty on the first convolution: "
        "n = 4, budget quick, device cpu, 2 epochs, 10,000 training images"
    )
    assert table.notes[0].startswith(
        "Lambdas: 1; placement first, form reciprocal, eps 1e-07; leaky ReLU of slope 0.01"
    )
    gradient = next(note for note in table.notes if note.startswith("Norm of the penalty's gradient"))
    assert "at lambda 1: 2.5 to 8, 0.5 to 4." in gradient
    assert record(table, "gradient_norm_median", "first epoch", "1")["mean"] == "2.5"
    comparison = stats.paired_test(dict(enumerate([61, 61.1, 61.2, 61.3])), dict(enumerate(percent(BASE))), "greater")
    smallest = stats.smallest_effect(comparison, alternative="greater")
    assert float(record(table, "smallest_gain_80", "held-out")["mean"]) == pytest.approx(smallest, rel=1e-5)
    power = next(note for note in table.notes if note.startswith("Smallest difference"))
    assert f"[32, 32] {smallest:.2f} (" in power and "one-sided" in power
    assert table.notes[-1] == "Code versions: abc (16 rows)."


def test_budgets_are_never_mixed(tmp_path):
    rows = [row for name in ("smoke", "paper", "quick") for row in rows_of({0.0: BASE, 1.0: GOOD}, budget=name)]
    page = written(rows, tmp_path)["entropy-table1.md"].decode()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Budget `paper`",
        "## Budget `quick`",
        "## Budget `smoke`",
    ]
    assert page.count("n = 4, budget") == 3
    assert tables(rows, "quick") == tables(rows_of({0.0: BASE, 1.0: GOOD}))
    assert "Not run: there is no row yet (n = 0)." in written([], tmp_path)["entropy-table1.md"].decode()


def test_rows_that_must_not_share_a_table_are_refused():
    def refused(more, message):
        with pytest.raises(UserError, match=message) as caught:
            tables(rows_of({0.0: BASE, 1.0: GOOD}) + more)
        assert "\n" not in str(caught.value)

    refused(
        rows_of({0.1: GOOD}, eps=0.001), r"regularizer.method.eps differs between its rows: \S+ .* and \S+ .*share it"
    )
    refused(rows_of({0.0: BASE}, widths=(64,), slope=0.3), "model.slope differs between its rows")
    refused(rows_of({0.1: GOOD}, train_images=45000), "dataset.train_images differs between its rows")
    refused(null_rows({1: BASE}, train_images=45000), "null control: dataset.train_images differs")
    refused(rows_of({0.1: GOOD}, placement="all"), "placement='all': allowed are first, convolutions")
    refused(rows_of({0.1: GOOD}, placement=["convs.0"]), r"placement=\['convs.0'\]: allowed are first, convolutions")
    refused([entropy_row(1.0, 100)], "seed=100 with strength=1: seeds from 100 on are the null control's")
    refused(rows_of({0.0: BASE}, widths=(16,)), r"widths=\[16\]: allowed are cnn_blocks with \[32\], \[64\]")
    other = entropy_row(1.0, 0)
    other["config"]["regularizer"]["name"] = "l2"
    refused([other], "regularizer='l2': allowed are none, entropy")


def test_publish_writes_the_three_files(tmp_path):
    names = [path.relative_to(tmp_path).as_posix() for path in publish("entropy-table1", frozen_rows(), tmp_path)]
    assert names == [f"tables/{name}" for name in FILES]


def test_the_report_loads_without_torch_hydra_or_wandb():
    program = "import sys, regbench.reports.entropy.cnn_table;assert not {'torch', 'hydra', 'wandb'} & set(sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
