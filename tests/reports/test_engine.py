"""The engine on a paper of nobody: estimates against scipy, families, bounds, failures, refusals of rows and specs."""

import csv
import io
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from matplotlib.image import imread
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import documents, figures, stats
from regbench.evidence.documents import load_all_pages, load_documents
from regbench.evidence.pages import CSV_FIELDS, build, build_table, write_page
from regbench.evidence.publish import publish_page
from regbench.evidence.spec import FigureSpec, Panel, load_page
from regbench.evidence.tables import to_csv
from regbench.evidence.wording import EN_DASH
from regbench.paths import ROOT

from . import made_up
from .made_up import row, rows_of, with_images
from .rows import failed

PLAIN, DAMPED = (97.0, 97.5, 98.0, 97.2, 97.9), (98.0, 98.1, 98.9, 98.3, 98.2)


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    (document,) = load_documents([made_up.folder(tmp_path_factory.mktemp("papers"))]).values()
    return document


def built(paper, rows, **changes):
    return build(replace(paper.pages[0], **changes), rows, paper.numbers)


def table_of(paper, rows, id="measures", dataset="mnist", budget="quick"):
    found = built(paper, rows)
    section = next(each for each in found.sections if (each.dataset, each.budget) == (dataset, budget))
    spec = next(each for each in found.page.tables if each.id == id)
    return build_table(found.estimates[budget], section, spec)


def cell(table, label, head):
    line = next(each for each in table.rows if each[0].text == label)
    return line[next(place for place, name in enumerate(table.columns) if name.startswith(head))]


def lines_of(table, **wanted):
    found = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    return [line for line in found if all(line[key] == value for key, value in wanted.items())]


def pair(**options):
    return rows_of("none", PLAIN, **options) + rows_of("damp", DAMPED, **options)


# ------------------------------------------------------------------------------------------------------- estimates
def test_means_and_differences_are_those_of_scipy(paper):
    table = table_of(paper, pair())
    mean = cell(table, "Dampened 0.1", "Acc %, protocol held-out").text
    low, high = scipy_stats.t.interval(0.95, 4, loc=sum(DAMPED) / 5, scale=scipy_stats.sem(DAMPED))
    assert mean == f"{sum(DAMPED) / 5:.2f} ± {(high - low) / 2:.2f}"
    difference = cell(table, "Dampened 0.1", "Acc, pp, minus plain").text
    expected = scipy_stats.ttest_rel(DAMPED, PLAIN, alternative="greater")
    interval = scipy_stats.ttest_rel(DAMPED, PLAIN).confidence_interval()
    assert difference == f"+0.78 [+{interval.low:.2f}, +{interval.high:.2f}], p = {expected.pvalue:.3f}"


def test_a_claimed_comparison_is_one_sided_and_corrected_over_all_data_sets_of_its_budget(paper):
    wanted = {"metric": "difference_in_accuracy", "line": "Dampened 0.1", "against": "Plain"}
    (alone,) = lines_of(table_of(paper, pair()), **wanted)
    one = scipy_stats.ttest_rel(DAMPED, PLAIN, alternative="greater").pvalue
    assert float(alone["p"]) == pytest.approx(one, rel=1e-5) and alone["direction"] == "greater"
    assert float(alone["p_opposite"]) == pytest.approx(1 - one, rel=1e-5)
    assert alone["p_holm"] == alone["p"] and alone["family"] == "Dampening, Table 1"
    rows = pair() + pair(dataset="cifar10") + pair(budget="paper")
    (both,) = lines_of(table_of(paper, rows), **wanted)
    assert float(both["p_holm"]) == pytest.approx(2 * one, rel=1e-5)  # another budget is another family
    note = table_of(paper, rows).notes[-1]
    assert note.startswith("p: in the claimed direction, Holm-corrected over a family of all data sets of this budget")
    assert "*Dampening, Table 1* (2 tests)" in note


def test_what_no_family_names_is_two_sided_and_corrected_over_its_own_table(paper):
    other = (96.0, 97.9, 97.4, 98.8, 97.0)
    rows = [*pair(), *rows_of("other", other)]
    found = lines_of(table_of(paper, rows), family="others")
    assert {(line["line"], line["against"]) for line in found} == {("Other", "Plain"), ("Dampened 0.1", "Other")}
    pairs = {"Plain": (other, PLAIN), "Other": (DAMPED, other)}
    p_values = {line["against"]: scipy_stats.ttest_rel(*pairs[line["against"]]).pvalue for line in found}
    corrected = dict(zip(p_values, stats.holm(list(p_values.values())), strict=True))
    for line in found:
        assert float(line["p"]) == pytest.approx(p_values[line["against"]], rel=1e-5)
        assert float(line["p_holm"]) == pytest.approx(corrected[line["against"]], rel=1e-5)
        assert line["direction"] == "two-sided" and line["p_opposite"] == ""


def test_a_pair_is_tested_once_and_its_mirror_refers_to_it(paper):
    table = table_of(paper, [*pair(), *rows_of("other", PLAIN)])
    mirrored = cell(table, "Plain", "Acc, pp, minus other")
    assert mirrored.text == EN_DASH and mirrored.footnotes == ("see Other, Acc, pp, minus plain",)
    assert cell(table, "Plain", "Acc, pp, minus plain").text == "reference"


def test_equal_differences_have_an_exact_test_and_no_interval(paper):
    rows = rows_of("none", [97.0, 97.5, 98.0]) + rows_of("damp", [97.5, 98.0, 98.5])
    found = cell(table_of(paper, rows), "Dampened 0.1", "Acc, pp, minus plain")
    assert found.text == "+0.50, p = 0.125"  # 1 of 2^3 patterns of signs
    assert found.footnotes == ("all 3 differences are equal: no interval; p is that of an exact permutation test",)


def test_the_protocols_pick_epochs_on_their_own_splits(paper):
    rows = [row(seed=seed, test=(0.9, 0.95), heldout=(0.8, 0.7)) for seed in (0, 1)]
    table = table_of(paper, rows)
    assert cell(table, "Plain", "Acc %, protocol paper").text.startswith("95.00")
    assert cell(table, "Plain", "Acc %, protocol held-out").text.startswith("90.00")
    assert "Selection gap (accuracy by protocol paper minus accuracy by protocol held-out): +5.00 pp" in table.notes[0]


def trend_rows(by_strength):
    return [
        row("damp" if strength else "none", seed, (0.9,), strength, losses=[loss])
        for strength, losses in by_strength.items()
        for seed, loss in enumerate(losses)
    ]


def test_a_trend_is_the_mean_rank_correlation_over_seeds_with_the_base_at_zero(paper):
    rows = trend_rows({0.0: [4, 4, 4, 3], 0.1: [3, 2, 3, 4], 0.2: [2, 3, 1, 2], 0.3: [1, 1, 2, 1]})
    table = table_of(paper, rows, "trends")
    rhos = [-1.0, -0.8, -0.8, -0.8]
    test = scipy_stats.ttest_1samp(rhos, 0, alternative="less")
    (line,) = lines_of(table, metric="trend_of_loss")
    assert float(line["mean"]) == pytest.approx(-0.85) and float(line["p"]) == pytest.approx(test.pvalue, rel=1e-4)
    values = [[r["epochs"][0]["test"]["full"]["loss"] for r in rows if r["seed"] == seed] for seed in range(4)]
    page = scipy_stats.page_trend_test([each[::-1] for each in values], method="exact").pvalue
    assert float(line["p_page"]) == pytest.approx(page, rel=1e-4)
    assert [each.text for each in table.rows[-1]][:2] == ["Dampened", "Test loss"]


def test_seeds_that_all_agree_leave_the_t_test_silent_and_page_answers(paper):
    rows = trend_rows({0.0: [4, 4, 4], 0.1: [3, 3, 3], 0.2: [2, 2, 2]})
    (line,) = lines_of(table_of(paper, rows, "trends"), metric="trend_of_loss")
    assert line["mean"] == "-1" and line["low"] == "" and line["p"] == line["p_page"] != ""
    assert line["note"].endswith("no interval and no t-test; p is that of Page's test")


@pytest.mark.parametrize(
    "strengths, words",
    [({0.1: [1, 2], 0.2: [1, 1]}, "Plain was not run"), ({0.0: [1, 2], 0.2: [1, 1]}, "fewer than 3 settings")],
)
def test_a_trend_that_cannot_be_says_why(strengths, words, paper):
    (line,) = lines_of(table_of(paper, trend_rows(strengths), "trends"), metric="trend_of_loss")
    assert line["status"] == "absent" and words in line["note"]


# ------------------------------------------------------------------------------------------- bounds, failures, gaps
SLOW, FAST = (0.5, 0.6, 0.9, 0.9), (0.5, 0.9, 0.9, 0.9)


def speed_rows(damped, plain=SLOW):
    return [row("none", seed, plain) for seed in range(5)] + [row("damp", seed, damped) for seed in range(5)]


def test_a_level_is_that_of_the_references_and_names_the_column(paper):
    table = table_of(paper, speed_rows(FAST))
    assert table.columns[7] == "Epochs to 85.50 %"
    assert cell(table, "Plain", "Epochs to").text.startswith("2.9")  # 2 + (0.855 - 0.6) / 0.3 = 2.85
    assert cell(table, "Dampened 0.1", "Epochs to").text.startswith("1.9")


def test_a_bound_is_marked_and_no_test_gains_by_it(paper):
    never = cell(table_of(paper, speed_rows((0.5, 0.5, 0.5, 0.5))), "Dampened 0.1", "Epochs to 85.50 %")
    assert never.text == "> 4.0"
    why = "5 of 5 trainings of Dampened 0.1 never reach 85.50 % and count with their last epoch"
    assert never.footnotes == (why,)
    rows = [row("none", s, (0.5, 0.5, 0.5, 0.9 + s / 100)) for s in range(5)]
    rows += [row("damp", s, (0.5, 0.8 + s / 1000, 0.8, 0.8)) for s in range(5)]
    # fewer epochs are claimed, and the line's own are larger than they seem: no p in the claimed direction
    (line,) = lines_of(table_of(paper, rows), metric="difference_in_epochs_to_fixed_accuracy", line="Dampened 0.1")
    assert line["p"] == "" and line["bound"] == "lower" and "a test that gains by this is not made" in line["note"]
    assert line["low"] == "" and line["p_opposite"] != ""


def test_a_bound_on_the_careful_side_keeps_its_test(paper):
    # one reference never arrives: the true difference is larger than the one seen
    rows = [row("none", s, (0.5, 0.6, 0.9 + s / 100, 0.9)) for s in range(4)] + [row("none", 4, (0.5, 0.5, 0.5, 0.5))]
    rows += [row("damp", s, (0.5, 0.9 + s / 100, 0.9, 0.9)) for s in range(5)]
    (line,) = lines_of(table_of(paper, rows), metric="difference_in_epochs_to_fixed_accuracy", line="Dampened 0.1")
    assert line["p"] != "" and line["p_opposite"] == "" and line["low"] == ""
    assert line["note"].startswith("1 of 5 trainings of Plain never reach")


def test_a_failed_member_is_an_x_with_its_reason_and_no_mean(paper):
    rows = pair()
    rows[7] = failed(rows[7], "loss became nan\nin epoch 3 | of 5")
    table = table_of(paper, rows)
    found = cell(table, "Dampened 0.1", "Acc %, protocol held-out")
    reason = "Dampened 0.1: 1 of 5 members failed (seed 2: loss became nan in epoch 3 | of 5)"
    assert (found.text, found.footnotes) == ("X", (reason,))
    assert cell(table, "Dampened 0.1", "Acc, pp, minus plain").text == "X"
    assert cell(table, "Dampened 0.1", "n").text == "4 (+ 1 failed)"
    trend = table_of(paper, rows, "trends").rows[-1][2]
    assert trend.text == "X" and trend.footnotes == (reason,)


def test_a_failed_baseline_leaves_no_difference_and_one_not_run_is_said(paper):
    rows = pair()
    rows[0] = failed(rows[0])
    assert cell(table_of(paper, rows), "Dampened 0.1", "Acc, pp, minus plain").text == "X"
    table = table_of(paper, rows_of("damp", DAMPED))
    missing = cell(table, "Dampened 0.1", "Acc, pp, minus plain")
    assert (missing.text, missing.footnotes) == (EN_DASH, ("Plain was not run",))
    assert cell(table, "Plain", "Acc %, protocol held-out").text == "not run" and cell(table, "Plain", "n").text == "0"


def test_a_sweep_has_a_line_a_value_as_it_rises_and_one_that_says_so_without_rows(paper):
    rows = rows_of("none", PLAIN) + [row("damp", test=(0.9,), strength=each) for each in (0.5, 0.01, 1e-7)]
    labels = [line[0].text for line in table_of(paper, rows).rows]
    assert labels == ["Plain", "Dampened 1e-7", "Dampened 0.01", "Dampened 0.5", "Other"]
    assert [line[0].text for line in table_of(paper, rows_of("none", PLAIN)).rows] == ["Plain", "Dampened", "Other"]


def test_fewer_seeds_are_counted_and_paired_by_seed(paper):
    rows = rows_of("none", PLAIN) + rows_of("damp", DAMPED)[1:3]
    table = table_of(paper, rows)
    assert [cell(table, label, "n").text for label in ("Plain", "Dampened 0.1")] == ["5", "2"]
    found = cell(table, "Dampened 0.1", "Acc, pp, minus plain")
    assert found.text.startswith("+0.75") and found.footnotes == ("paired over the seeds in common with Plain: 1, 2",)
    apart = [row("none", 0), row("damp", 7)]
    assert cell(table_of(paper, apart), "Dampened 0.1", "Acc, pp, minus plain").footnotes == (
        "no seed in common with Plain",
    )


def test_one_training_has_neither_interval_nor_test(paper):
    table = table_of(paper, [row("none"), row("damp")])
    found = cell(table, "Dampened 0.1", "Acc, pp, minus plain")
    assert found.text == "0.00" and found.footnotes == ()
    assert table.title == "Dampening, MNIST: n = 1, budget quick, device cpu, 2 epochs, 55,000 training images"


def test_the_papers_numbers_stand_as_printed_and_in_the_csv(paper):
    table = table_of(paper, pair())
    assert cell(table, "Dampened 0.1", "Acc %, paper's").text == "98.50"
    assert cell(table, "Other", "Acc %, paper's").text == EN_DASH
    (line,) = lines_of(table, protocol="the paper's number", line="Plain")
    assert (line["metric"], line["mean"]) == ("accuracy", "98")


def test_the_largest_budget_comes_first_and_an_incomplete_one_is_printed(paper, tmp_path):
    rows = [*pair(), *pair(budget="smoke"), *rows_of("none", [99.0, 99.1], budget="paper")]
    path = write_page(built(paper, rows), tmp_path)[0]
    assert re.findall(r"## Budget `(\w+)`", path.read_text()) == ["paper", "quick", "smoke"]
    assert "| Dampened | 0 | 98.50 | not run |" in path.read_text()
    empty = write_page(built(paper, []), tmp_path)[0].read_text()
    assert "there is no row yet (n = 0)" in empty


def test_sources_split_a_line_and_numbers_of_the_paper_may_be_a_ratio(tmp_path):
    numbers = (
        made_up.NUMBERS
        + """
- {table: "1", row: Plain, column: Seconds, value: 90.0, printed: "90", unit: s, n: 1, spread: null, read: printed}
- {table: "1", row: Plain, column: Epochs, value: 7.0, printed: "7", unit: epochs, n: 1, spread: null, read: printed}
"""
    )
    table = """
- id: measures
  title: "Split, {dataset}"
  sources: ["the paper's number", paper, held-out]
  columns:
  - {head: Method, label: true}
  - {head: Source, name: source}
  - {head: n, n: true}
  - {head: Acc, metric: accuracy, paper: "{dataset} Acc"}
  - {head: Seconds, metric: seconds_per_epoch, protocol: all epochs, paper: Seconds / Epochs}
"""
    head, rest = made_up.PAGE.split("tables:\n- id: measures")
    page = head + "tables:" + table + "- id: trends" + rest.split("- id: trends")[1]
    (document,) = load_documents([made_up.folder(tmp_path, page, numbers)]).values()
    rows = [row(seed=seed, test=(0.9, 0.95), heldout=(0.8, 0.7)) for seed in (0, 1)]
    lines = [[each.text for each in line] for line in table_of(document, rows).rows]
    assert lines[:3] == [
        ["Plain", "the paper's number", "1", "98.00", "12.86"],
        ["Plain", "protocol paper", "2", "95.00", "1.00"],
        ["Plain", "protocol held-out", "2", "90.00", "1.00"],
    ]
    assert lines[3:] == [
        ["Dampened", "the paper's number", "1", "98.50", EN_DASH],
        ["Dampened", "both protocols", "0", "not run", "not run"],
        ["Other", "both protocols", "0", "not run", "not run"],
    ]


def test_fewer_images_than_the_papers_are_a_subset_and_shared_settings_are_shared_by_all_lines(paper):
    section = built(paper, pair(), full={"mnist": 60_001}).sections[0]
    assert section.title("On {dataset}").startswith("On MNIST (a subset): n = 5")
    assert built(paper, pair(), full={"mnist": 60_000}).sections[0].name == "MNIST"
    rows = [row("damp"), row("other")]
    for each, form in zip(rows, ("log", "reciprocal"), strict=True):
        each["config"]["regularizer"]["method"]["form"] = form
    built(paper, rows)
    with pytest.raises(
        UserError, match=r"Dampening, mnist: regularizer\.method\.form differs between its rows: '(log|rec)"
    ):
        built(paper, [*rows, row()], share=("regularizer.method.form",))


def test_images_are_drawn_of_the_seed_that_most_lines_hold(paper, monkeypatch):
    spec = FigureSpec("x", "images", "Masks, {dataset}", lines=("plain", "damped"), artifact="test/predicted")
    rows = [row(seed=0), with_images(row(seed=1)), with_images(row(seed=2)), with_images(row("damp", 2))]
    section = built(paper, rows).sections[0]
    assert [(line.label, each["seed"]) for line, each in figures.holding(section, spec)] == [
        ("Plain", 2),
        ("Dampened 0.1", 2),
    ]
    titled = replace(spec, first="test/mask", panels=(Panel("seed {seed}, {value} %", metric="accuracy"),))
    assert figures.holding(section, titled) == []
    section = built(paper, [with_images(each, "test/mask") for each in rows]).sections[0]
    monkeypatch.setattr(figures, "input_images", lambda dataset: None)
    figure = figures.DRAWN["images"]([section], titled, None)
    monkeypatch.setattr(figures, "input_images", lambda dataset: [[[0.5]]] * 8)
    beside = figures.DRAWN["images"]([section], titled, None)  # the inputs of as many images as the rows hold
    assert len(beside.axes) == len(figure.axes) + 2 and beside.axes[0].get_ylabel() == "input"
    count = len(figure.axes) // 3  # a row a line, a column an image
    assert count == 2 and [axes.get_ylabel() for axes in figure.axes[::count]] == [
        "true mask",
        "Plain\nseed 2, 95.00 %",
        "Dampened 0.1\nseed 2, 95.00 %",
    ]


# -------------------------------------------------------------------------------------------------- refusals of rows
@pytest.mark.parametrize(
    "change, words",
    [
        ({"train_images": 100}, "Dampening, mnist: dataset.train_images differs between its rows: 55000"),
        ({"lr": 0.2}, "task.lr differs between its rows"),
        ({"dataset": "svhn"}, "dataset='svhn': allowed are mnist, cifar10"),
        ({"name": "unknown"}, "it has no line in Dampening: regularizer.name='unknown': allowed are none, damp, other"),
    ],
)
def test_rows_that_cannot_stand_beside_each_other_are_refused(change, words, paper):
    with pytest.raises(UserError, match=re.escape(words)):
        built(paper, [*pair(), row(**{"name": "other", "test": (0.97,), **change})])


def test_other_images_settings_along_a_sweep_and_repeated_seeds_are_refused(paper):
    with pytest.raises(UserError, match=r"provenance.data.digest differs between its rows: 'aa'"):
        built(paper, [row(seed=0, digest="aa"), row(seed=1, digest="bb"), row(seed=2)])
    swept = [row("damp", strength=0.1), row("damp", strength=0.2)]
    swept[1]["config"]["regularizer"]["method"]["form"] = "log"
    with pytest.raises(UserError, match=r"Dampening, mnist, Dampened.*: regularizer.method.form differs"):
        built(paper, swept)
    elsewhere = [row("none"), row("damp", strength=0.1, lr=0.2)]
    with pytest.raises(UserError, match=r"Dampening, mnist, Dampened.*: task.lr differs between its rows"):
        built(paper, elsewhere, free=("regularizer", "task.lr"))  # lines may differ in it, a sweep and its base not
    with pytest.raises(UserError, match="seed=0 occurs twice"):
        built(paper, [row("none"), {**row("none"), "id": "edited"}])
    with pytest.raises(UserError, match="status='maybe': allowed are done, failed"):
        built(paper, [{**row("none"), "status": "maybe"}])


# ------------------------------------------------------------------------------------------------- refusals of specs
@pytest.mark.parametrize(
    "old, new, words",
    [
        ("what: Dampening", "what: Dampening\ncolour: red", "key 'colour' is unknown: allowed are experiment, what"),
        ("{head: n, n: true}", "{head: n, count: true}", "table 1, column 2: key 'count' is unknown: allowed are head"),
        ("{head: n, n: true}", "{n: true}", "table 1, column 2: key 'head' is missing"),
        ("{head: n, n: true}", "{head: n, n: 3}", "table 1, column 2: n=3 is not a bool"),
        ("metric: loss,", "metric: sharpness,", "family falls: metric='sharpness': allowed are accuracy, loss"),
        ("protocol: paper}", "protocol: best}", "protocol='best': allowed are paper, held-out"),
        ("minus: other, test", "minus: nobody, test", "minus='nobody': allowed are plain, damped, other"),
        ("base: plain", "base: nobody", "line damped: base='nobody': allowed are plain, damped, other"),
        ("direction: greater", "direction: up", "direction='up': allowed are greater, less, two-sided"),
        ("notes: [gap]", "notes: [gaps]", "table measures: note 'gaps' is unknown: allowed are"),
        ("kind: epochs", "kind: pie", "figure 1: kind='pie': allowed are epochs, setting"),
        ("tests: [falls]", "tests: [mine]", "tests='mine': allowed are main, speed, falls"),
        ("over: [damped], said", "said", "a test of loss needs lines and minus, or over"),
    ],
)
def test_a_spec_with_a_wrong_entry_is_refused_in_one_line(old, new, words, tmp_path):
    assert old in made_up.PAGE
    with pytest.raises(UserError, match=re.escape(words)) as refused:
        load_documents([made_up.folder(tmp_path, made_up.PAGE.replace(old, new, 1))])
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)


def test_a_comparison_is_of_one_family_and_tested_once(paper, tmp_path):
    twice = made_up.PAGE.replace(
        "    - {metric: loss",
        "    - {metric: accuracy, direction: less, lines: [damped], minus: [plain]}\n    - {metric: loss",
    )
    (document,) = load_documents([made_up.folder(tmp_path, twice)]).values()
    with pytest.raises(UserError, match=r"family falls: Dampened 0.1, accuracy, mnist is tested twice"):
        build(document.pages[0], pair(), None)


def test_papers_without_numbers_of_one_name_or_nowhere_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"paper dampening: .*numbers.yaml is missing"):
        load_documents([made_up.folder(tmp_path / "a", numbers=None)])
    folders = [made_up.folder(tmp_path / each) for each in "bc"]
    with pytest.raises(UserError, match="paper 'dampening' is there twice"):
        load_documents(folders)
    with pytest.raises(UserError, match="experiment 'dampening' has two pages: of paper dampening and of other"):
        load_documents([made_up.folder(tmp_path / "d"), made_up.folder(tmp_path / "e", name="other")])
    with pytest.raises(UserError, match=r"REGBENCH_PAPERS: .* is no folder"):
        load_documents([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="no such file"):
        load_page(tmp_path / "table.yaml")


# -------------------------------------------------------------------------------------------------------- all at once
def test_a_paper_of_ones_own_is_found_and_publishes_tables_and_figures(tmp_path, monkeypatch):
    monkeypatch.setenv(documents.SEARCH, str(made_up.folder(tmp_path / "papers")))
    document, page = load_all_pages()["dampening"]
    written = publish_page(document, page, pair(), tmp_path / "results")[1]
    names = {path.name for path in written}
    assert names == {"dampening.md", "dampening.csv", "dampening.tex", "dampening_mnist_quick.png"}
    assert imread(written[-1]).ndim == 3
    again = publish_page(document, page, pair()[::-1], tmp_path / "again")[1]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_an_extra_registers_what_only_this_paper_has(tmp_path):
    extra = """
        from regbench.evidence.metrics import metric

        @metric("made_up_share", "%", "a made-up share")
        def made_up_share(row, protocol, mode):
            return 42.0
    """
    page = made_up.PAGE.replace("metric: accuracy, protocol: paper}", "metric: made_up_share}")
    (document,) = load_documents([made_up.folder(tmp_path, page, extra__py=extra)]).values()
    found = build(document.pages[0], [row()], document.numbers)
    table = build_table(found.estimates["quick"], found.sections[0], document.pages[0].tables[0])
    assert cell(table, "Plain", "Acc %, protocol paper").text.startswith("42.00")


def test_shipped_papers_keep_to_the_rules_of_the_house():
    for document in load_documents([documents.OWN]).values():
        for path in document.folder.rglob("extra.py"):
            assert len(path.read_text().splitlines()) <= 150, path
        for page in document.pages:
            assert page.guide.startswith("# "), page.experiment


def test_reports_load_without_torch_hydra_or_wandb():
    code = (
        "import sys; from regbench.evidence import documents, figures, pages, answers; documents.load_documents(); "
        "sys.exit(', '.join({'torch', 'torchvision', 'hydra', 'wandb'} & set(sys.modules)) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
