"""The best of several values of a line, through the entropy paper's pages: the choice, its tests, the null, chance."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.best_of_many import best_of, chance_of_any, control_beaten, dunnett_p
from regbench.evidence.choices import count
from regbench.evidence.notes import Shown
from regbench.evidence.pages import CSV_FIELDS
from regbench.evidence.tables import to_csv
from regbench.evidence.wording import EN_DASH, MINUS

from .entropy_factory import entropy_row, null_rows, rows_of
from .golden_tables import built, tables
from .large_factory import large_row
from .rows import failed

BASE = [0.60, 0.61, 0.59, 0.605]
GOOD = [0.63, 0.62, 0.625, 0.64]
BETTER = [0.64, 0.63, 0.62, 0.645]
BAD = [0.55, 0.56, 0.54, 0.53]
PAPER, HELD_OUT = "Gain in val acc, pp, protocol paper", "Gain in val acc, pp, protocol held-out"


def table_of(rows, id="first", dataset="cifar10", budget="quick"):
    return tables("entropy-table1", rows)[budget, dataset, id]


def cell(table, column, *labels):
    """The cell of the first column whose head begins so, in the line whose first cells are these."""
    labels = labels or ("[32, 32]",)
    row = next(row for row in table.rows if tuple(each.text for each in row[: len(labels)]) == labels)
    return row[next(place for place, head in enumerate(table.columns) if head.startswith(column))]


def record(table, protocol, metric="accuracy", line="[32, 32]", kind="best_gain_in_"):
    """The record of a gain, or of the mean of one line."""
    wanted = {"line": line, "metric": kind + metric, "protocol": protocol}
    return next(each for each in table.records if all(each[key] == value for key, value in wanted.items()))


def note(table, start):
    return next((each for each in table.notes if each.startswith(start)), None)


def percent(values):
    return 100 * np.array(values)


# ------------------------------------------------------------------------------------------------ choice and tests
def test_the_papers_way_is_welchs_uncorrected_test_of_the_best_on_test_images():
    table = table_of(rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER, 10.0: BAD}))
    found = record(table, "paper")
    welch = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False)
    one = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False, alternative="greater").pvalue
    expected = [np.mean(percent(BETTER)) - np.mean(percent(BASE)), *welch.confidence_interval(), one, 1 - one]
    assert [found[key] for key in ("mean", "low", "high", "p", "p_opposite")] == pytest.approx(expected)
    assert (found["choice"], found["k"], found["n"]) == (1.0, 3, 4)
    assert cell(table, PAPER).text.endswith(f"p = {one:.3f}")
    assert cell(table, "Best lambda, protocol paper").text == "1"


def test_held_out_images_choose_and_the_test_is_paired_and_one_sided():
    found = record(table_of(rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER})), "held-out")
    assert found["p"] == pytest.approx(scipy_stats.ttest_rel(BETTER, BASE, alternative="greater").pvalue)
    interval = scipy_stats.ttest_rel(percent(BETTER), percent(BASE)).confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx(tuple(interval))
    worse = table_of(rows_of({0.0: BASE, 1.0: BAD}))
    for protocol in ("paper", "held-out"):
        found = record(worse, protocol)
        assert found["mean"] < 0 and found["p"] > 0.95 and found["p_best"] > 0.95


def test_each_protocol_chooses_epoch_and_strength_on_its_own_split():
    def rows(strength, test, heldout):
        return [entropy_row(strength, s, [a + s / 1000 for a in test], heldout) for s in range(3)]

    # On the test split 0.01 is best, in epoch 2; on held-out images 1 is, in epoch 1.
    found = rows(0.0, [0.60, 0.62], [0.5, 0.4]) + rows(0.01, [0.61, 0.70], [0.51, 0.41])
    table = table_of(found + rows(1.0, [0.63, 0.65], [0.56, 0.42]))
    assert [record(table, name)["choice"] for name in ("paper", "held-out")] == [0.01, 1.0]
    assert [record(table, name)["mean"] for name in ("paper", "held-out")] == pytest.approx([8, 3])
    means = [
        record(table, "held-out", line=f"[32, 32]{line}", kind="")["mean"]
        for line in (", baseline", ", lambda 0.01", ", lambda 1")
    ]
    assert means == pytest.approx([60.1, 61.1, 63.1])  # every cell that was chosen among is in the CSV


def test_training_accuracy_is_that_of_the_epoch_and_strength_best_on_test_images():
    # Held-out images prefer the other epoch of the baseline.
    rows = [entropy_row(0.0, s, [0.6, 0.5], [0.1, 0.2], train=[0.7 + s / 100, 0.9]) for s in range(3)]
    rows += [entropy_row(1.0, s, [0.6, 0.7], train=[0.9, 0.75 + s / 50]) for s in range(3)]
    rows += [entropy_row(0.1, s, [0.6, 0.6], train=[0.99, 0.99 + s / 500]) for s in range(3)]
    found = record(table_of(rows), "paper", "train_accuracy")
    expected = scipy_stats.ttest_ind([75, 77, 79], [70, 71, 72], equal_var=False, alternative="greater").pvalue
    assert (found["mean"], found["p"]) == pytest.approx((6, expected))


def test_equal_means_choose_the_smaller_value():
    table = table_of(rows_of({0.0: BASE, 10.0: GOOD, 0.01: GOOD[::-1], 1.0: GOOD}))
    assert cell(table, "Best lambda, protocol paper").text == "0.01"
    with pytest.raises(UserError, match="one or more groups with one or more values"):
        best_of({"1": []})


def test_holm_runs_over_the_lines_of_a_table_each_kind_of_p_by_itself():
    samples = {(32,): (BASE, GOOD), (64,): (GOOD, BETTER), (128,): (GOOD, BAD)}
    rows = [row for w, (base, best) in samples.items() for row in rows_of({0.0: base, 1.0: best}, widths=w)]
    table, names = table_of(rows), ["[32]", "[64]", "[128]"]
    raw = [scipy_stats.ttest_rel(best, base, alternative="greater").pvalue for base, best in samples.values()]
    found = [record(table, "held-out", line=name)["p_holm"] for name in names]
    assert found == pytest.approx(stats.holm(raw)) and found != pytest.approx(raw)
    assert cell(table, HELD_OUT, "[64]").text.endswith(f"p = {found[1]:.3f}")
    plain = scipy_stats.ttest_ind(percent(BETTER), percent(GOOD), equal_var=False, alternative="greater").pvalue
    assert cell(table, PAPER, "[64]").text.endswith(f"p = {plain:.3f}")  # the paper's way corrects nothing
    best = [record(table, "paper", line=name) for name in names]
    assert [each["p_best_holm"] for each in best] == pytest.approx(stats.holm([each["p_best"] for each in best]))
    assert note(table, "p: ") == "p: gains one-sided, Holm-corrected over the 3 lines tested here."


def test_the_p_that_allows_for_the_choice_is_dunnetts():
    table = table_of(rows_of({0.0: BASE, 0.01: BAD, 0.1: GOOD, 1.0: BETTER}))
    groups = [percent(values) for values in (BAD, GOOD, BETTER)]
    p = scipy_stats.dunnett(*groups, control=percent(BASE), alternative="greater", random_state=1).pvalue
    assert record(table, "paper")["p_best"] == pytest.approx(p.min(), abs=2e-4)
    assert cell(table, "p for the best of k, protocol paper").text == f"p = {p.min():.3f} ({p.min():.3f})"
    # One of one is a plain pooled t-test: nothing was chosen.
    alone = dunnett_p({"1": GOOD}, BASE)["1"]
    assert alone == pytest.approx(scipy_stats.ttest_ind(GOOD, BASE, alternative="greater").pvalue, abs=2e-4)
    few = [0.601, 0.615, 0.6, 0.605]
    assert dunnett_p({"1": few, "2": BASE, "3": BASE}, BASE)["1"] > dunnett_p({"1": few}, BASE)["1"] + 0.1


def test_of_a_choice_on_held_out_images_it_is_the_p_of_the_chosen_and_not_the_smallest():
    rows = rows_of({0.0: BASE, 1.0: BETTER})
    rows += [entropy_row(0.01, s, [a], [0.9]) for s, a in enumerate([0.62, 0.60, 0.61, 0.62])]
    table = table_of(rows)
    groups = [percent([0.62, 0.60, 0.61, 0.62]), percent(BETTER)]
    p = scipy_stats.dunnett(*groups, control=percent(BASE), alternative="greater", random_state=1).pvalue
    found = record(table, "held-out")
    assert found["choice"] == 0.01 and found["p_best"] == pytest.approx(p[0], abs=2e-4) and p[0] > p[1] + 0.05


def test_without_spread_or_degrees_of_freedom_nothing_is_tested():
    assert dunnett_p({"1": [0.5, 0.5]}, [0.4, 0.4]) is None
    assert dunnett_p({"1": [0.5], "2": [0.6]}, [0.4]) is None
    table = table_of(rows_of({0.0: [0.6], 1.0: [0.7]}))
    assert cell(table, PAPER).text == "+10.00"
    assert cell(table, "p for the best of k, protocol paper").text == EN_DASH
    assert "nan" not in to_csv([table], CSV_FIELDS)


# ----------------------------------------------------------------------------------------- gaps, failures, fewer seeds
def test_a_value_with_a_failed_training_is_left_out_of_the_choice_and_k_says_why():
    rows = rows_of({0.0: BASE, 0.01: GOOD, 1.0: BETTER})
    table = table_of([failed(row) if (row["strength"], row["seed"]) == (1.0, 2) else row for row in rows])
    reason = "[32, 32], lambda 1: 1 of 4 members failed (seed 2: train loss became nan in epoch 1)"
    assert cell(table, "k").text == "1" and cell(table, "k").footnotes[1] == reason
    assert record(table, "paper")["choice"] == 0.01
    assert record(table, "paper", line="[32, 32], lambda 1", kind="")["status"] == "failed"
    every = table_of([failed(row) if row["strength"] else row for row in rows])
    assert cell(every, PAPER).text == "X" and reason.replace("1 of 4", "4 of 4")[:30] in cell(every, PAPER).footnotes[1]


def test_a_failed_or_missing_baseline_leaves_no_gain():
    rows = rows_of({0.0: BASE, 1.0: GOOD})
    table = table_of([failed(rows[0]), *rows[1:]])
    assert cell(table, "Base val acc %, protocol paper").text == "X" and cell(table, HELD_OUT).text == "X"
    found = cell(table_of([row for row in rows if row["strength"]]), PAPER)
    assert (found.text, found.footnotes) == (EN_DASH, ("[32, 32], baseline was not run",))
    alone = table_of(rows_of({0.0: BASE}))
    assert cell(alone, PAPER).text == "not run" and alone.notes[0] == f"Lambdas: {EN_DASH} (not run)."


def test_fewer_seeds_are_paired_over_those_in_common_and_said():
    table = table_of(rows_of({0.0: BASE, 0.01: BAD, 1.0: BETTER[:3]}))
    assert cell(table, HELD_OUT).footnotes == ("paired over the seeds in common with [32, 32], baseline: 0, 1, 2",)
    assert record(table, "held-out")["mean"] == pytest.approx(100 * np.mean(np.subtract(BETTER, BASE)[:3]))
    said = "[32, 32], lambda 1 has n = 3, [32, 32], baseline n = 4: Welch's test takes all of both"
    assert cell(table, PAPER).footnotes == (said,)
    assert record(table, "paper")["mean"] == pytest.approx(100 * (np.mean(BETTER[:3]) - np.mean(BASE)))
    missing, few = cell(table, "k").footnotes
    assert missing == "[32, 32]: no rows of lambda 0.0001, 0.001, 0.1, 10"
    assert few == "[32, 32]: fewer seeds than the base's 4: lambda 1 (n = 3)"


def test_a_line_without_any_row_says_so_and_has_the_papers_numbers():
    table = table_of(rows_of({0.0: BASE, 1.0: GOOD}))
    empty = next(row for row in table.rows if row[0].text == "[128]")
    ours = [each.text for head, each in zip(table.columns, empty, strict=True) if "protocol" in head]
    assert set(ours) == {"not run"} and [cell(table, name, "[128]").text for name in ("n", "k")] == ["0", "0"]
    assert len(table.rows) == 9 and cell(table, "Base val acc %, paper's", "[32, 32, 32]").text == "67.89"
    assert cell(table, "Gain in train acc, pp, paper's", "[32, 32, 32]").text == "+1.25, p = 0.0179"
    assert cell(table, "Gain in train acc, pp, paper's", "[128, 128]").text == f"{MINUS}0.87"
    (printed,) = [e for e in table.records if (e["line"], e["p"]) == ("[32, 32]", 0.0043)]
    assert (printed["protocol"], printed["metric"], printed["mean"]) == ("the paper's number", "accuracy", 0.76)
    assert "In the paper's own table: 9 of 9 lines." in table.notes
    mnist = table_of(rows_of({0.0: BASE, 1.0: GOOD}, dataset="mnist"), dataset="mnist")
    assert cell(mnist, "Base val acc %, paper's").text == EN_DASH and note(mnist, "In the paper's own") is None


# ------------------------------------------------------------------------------------------------- null and chance
def test_null_groups_stand_in_for_strengths_and_change_nothing_else():
    rows = rows_of({0.0: BASE, 1.0: BAD})
    real, null = (table_of(rows + null_rows({1: GOOD, 2: BETTER, 3: BAD}), id) for id in ("first", "null"))
    assert real.rows == table_of(rows).rows
    found = record(null, "paper")
    p = scipy_stats.ttest_ind(percent(BETTER), percent(BASE), equal_var=False, alternative="greater").pvalue
    assert (found["choice"], found["k"]) == (2, 3) and found["p"] == pytest.approx(p)
    paired = scipy_stats.ttest_rel(BETTER, BASE, alternative="greater").pvalue
    assert record(null, "held-out")["p"] == pytest.approx(paired)
    assert cell(null, "n").text == "4" and cell(null, "k").footnotes == ("[32, 32]: no rows of null group 4, 5, 6",)
    assert "3 groups have rows, 51 have none" in null.notes[0]
    assert "0 of 1 here, 1 of 1 in the null control" in note(real, "Lines with p < 0.05")
    assert "the null control was not run" in note(table_of(rows), "Lines with p < 0.05")
    with_failed = [*rows, *(failed(row) for row in null_rows({1: GOOD}))]
    assert cell(table_of(with_failed, "null"), PAPER).text == "X"
    assert cell(table_of(with_failed), PAPER).text.startswith(MINUS)


def test_shares_are_also_given_over_the_lines_that_both_tables_have():
    rows = rows_of({0.0: BASE, 1.0: BETTER}) + rows_of({0.0: BASE, 1.0: BAD}, widths=[64]) + null_rows({1: BETTER})
    text = note(table_of(rows), "Lines with p < 0.05")
    assert "1 of 2 here, 1 of 1 in the null control (over the lines tested in both: 1 of 1 and 1 of 1)" in text


def test_placements_are_tables_of_their_own_and_share_the_baseline():
    rows = rows_of({0.0: BASE, 1.0: GOOD}) + rows_of({1.0: BAD}, placement="convolutions", eps=0.001)
    first, every = (table_of(rows, id) for id in ("first", "convolutions"))
    assert "placement convolutions, form reciprocal, eps 0.001" in every.notes[0]
    means = [record(table, "paper")["mean"] for table in (first, every)]
    assert means == pytest.approx([100 * (np.mean(v) - np.mean(BASE)) for v in (GOOD, BAD)])
    assert ("quick", "cifar10", "null") not in {
        (s.budget, s.dataset, spec.id)
        for s in built("entropy-table1", rows).sections
        for spec in s.page.tables
        if s.shows(spec)
    }


@pytest.mark.parametrize(("k", "n"), [(1, 5), (6, 10)])
def test_the_chance_of_any_is_that_of_simulated_trainings(k, n):
    rng = np.random.default_rng(0)
    groups, control = rng.normal(size=(4000, k, n)), rng.normal(size=(4000, 1, n))
    p = scipy_stats.ttest_ind(groups, control, axis=-1, equal_var=False, alternative="greater").pvalue
    assert chance_of_any(k, n) == pytest.approx((p.min(axis=1) < 0.05).mean(), abs=0.02)
    with pytest.raises(UserError, match="n=1"):
        chance_of_any(2, 1)


@pytest.mark.parametrize(("k", "n"), [(2, 2), (6, 2), (3, 5)])
def test_the_chance_of_any_is_dunnetts_p_of_a_statistic_at_the_edge_of_the_t_test(k, n):
    control = np.arange(n, dtype=float)
    shift = scipy_stats.t.isf(0.05, (k + 1) * (n - 1)) * control.std(ddof=1) * math.sqrt(2 / n)
    p = dunnett_p({str(place): control + shift for place in range(k)}, control)
    assert [chance_of_any(k, n)] * k == pytest.approx(list(p.values()), abs=5e-4)


@pytest.mark.parametrize("family", [[1], [3], [1, 2], [2, 1, 1], [1, 1, 1, 1]])
def test_chance_alone_is_what_all_orders_of_equal_cells_give(family):
    starts = [1 + sum(family[:place]) for place in range(len(family))]
    counted = [0] * (len(family) + 1)
    for ranks in itertools.permutations(range(1 + sum(family))):
        best_ones = [max(ranks[a : a + k]) > ranks[0] for a, k in zip(starts, family, strict=True)]
        counted[sum(best_ones)] += 1
    assert control_beaten([family]) == pytest.approx([each / sum(counted) for each in counted])


def test_chance_of_families_is_that_of_independent_ones():
    first, second, both = control_beaten([[2, 1]]), control_beaten([[3]]), control_beaten([[2, 1], [3]])
    assert sum(both) == pytest.approx(1)
    assert both[0] == pytest.approx(first[0] * second[0]) and both[3] == pytest.approx(first[2] * second[1])
    # a control that lines share makes all of them miss together more often than controls of their own
    assert control_beaten([[6, 6]])[0] > control_beaten([[6], [6]])[0] and control_beaten([]) == (1.0,)
    with pytest.raises(UserError, match="one or more treated cells"):
        control_beaten([[0]])


def trainings(accuracies, **options):
    """{lambda: test accuracies by seed}, one epoch each, of Table 2."""
    return [
        large_row(strength, seed, [value], **options)
        for strength, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def shown_of(rows, id="best"):
    found = built("entropy-table2", rows)
    section, spec = found.sections[0], next(each for each in found.page.tables if each.id == id)
    return Shown(section, found.estimates["quick"], spec, section.lines(spec), {})


def test_a_line_is_counted_where_its_best_cell_is_not_its_base():
    rows = trainings({0.0: [0.6, 0.61], 0.001: [0.5, 0.5], 1.0: [0.62, 0.63]})
    shown = shown_of([*rows, *trainings({0.001: [0.55, 0.56]}, placement="first_two")])
    found = count(shown.section, shown.lines, "paper")
    assert (found.above, found.lines, found.chances) == (1, 2, control_beaten([[2, 1]]))
    assert found.at_least == pytest.approx(sum(control_beaten([[2, 1]])[1:]))
    tie = shown_of(trainings({0.0: [0.6]}) + trainings({0.001: [0.6]}))
    assert count(tie.section, tie.lines, "paper").above == 0  # the smaller lambda's
    alone = shown_of([large_row()])
    assert count(alone.section, alone.lines, "paper").lines == 0


# ----------------------------------------------------------------------------------------------------------- notes
def test_the_title_and_the_smallest_effect_are_those_of_the_trainings():
    rows = rows_of({0.0: BASE})
    rows += [entropy_row(1.0, s, [0.6, 0.61 + s / 1000], norms=[s + 1.0, 0.5]) for s in range(4)]
    rows = [{**row, "config": {**row["config"], "epochs": 2}} for row in rows]
    rows += [entropy_row(k, s, [0.6, 0.61], widths=(64,), norms=[8.0, 4.0]) for k in (0.0, 1.0) for s in range(4)]
    table = table_of(rows)
    assert table.title.endswith("n = 4, budget quick, device cpu, 2 epochs, 10,000 training images")
    comparison = stats.paired_test(dict(enumerate([61, 61.1, 61.2, 61.3])), dict(enumerate(percent(BASE))))
    smallest = stats.smallest_effect(comparison, alternative="greater")
    assert record(table, "held-out")["smallest_80"] == pytest.approx(smallest)


@pytest.mark.parametrize(
    "more, words",
    [
        (rows_of({0.1: GOOD}, eps=0.001), r"\[?.*regularizer.method.eps differs between its rows: \S+ .* and \S+ "),
        (rows_of({0.0: BASE}, widths=(64,), slope=0.3), "model.slope differs between its rows"),
        (null_rows({1: BASE}, train_images=45000), "dataset.train_images differs between its rows"),
        (rows_of({0.1: GOOD}, placement="all"), "regularizer.method.placement='all': allowed are first, convolutions"),
        ([entropy_row(1.0, 100, [0.6])], "seed_group=1: allowed are 0"),
    ],
)
def test_rows_that_must_not_share_a_table_are_refused(more, words):
    with pytest.raises(UserError, match=words) as caught:
        table_of(rows_of({0.0: BASE, 1.0: GOOD}) + more)
    assert "\n" not in str(caught.value) and re.search("Table 1", str(caught.value))
