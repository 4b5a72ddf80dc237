"""The entropy paper's Table 2: lines of every combination, the paper's own table checked, coverage, README, picture."""

import dataclasses
import re

import pytest

from regbench.errors import UserError
from regbench.evidence import figures
from regbench.evidence.documents import load_all_pages
from regbench.evidence.notes import NOTES, Shown, paper_count
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.pages import build, build_table, glance
from regbench.evidence.publish import publish
from regbench.evidence.wording import EN_DASH, MINUS
from regbench.papers.entropy_guidance.imagenette.extra import pooled_deviation
from regbench.plan import experiments

from .golden_tables import built, tables
from .large_factory import large_row
from .rows import failed
from .test_best_of import cell, note, trainings

EXPERIMENT = "entropy-table2"
FIRST, FIRST_TWO = ("VGG", "vanilla", "[1]"), ("VGG", "vanilla", "[1,2]")


def table_of(rows, id="accuracies", budget="quick"):
    return tables(EXPERIMENT, rows)[budget, "imagenette", id]


def shown_with(row="", column="", **fields):
    """The accuracies beside the paper's numbers with one of them changed."""
    document, page = load_all_pages()[EXPERIMENT]
    numbers = [
        dataclasses.replace(e, **fields) if (e.table, e.row, e.column) == ("2", row, column) else e
        for e in document.numbers
    ]
    found = build(page, [large_row()], PaperNumbers("x", numbers))
    section, spec = found.sections[0], page.tables[0]
    return Shown(section, found.estimates["quick"], spec, section.lines(spec), {})


def test_the_lines_are_the_papers_18_and_each_number_of_its_table_is_in_one():
    table = table_of([large_row()])
    texts = [[each.text for each in row[4:]] for row in table.rows if row[3].text == "the paper's number"]
    assert [len(texts), len({row[0].text + row[1].text + row[2].text for row in table.rows})] == [18, 18]
    shown = [text for row in texts for text in row]
    assert len(shown) == 126 and EN_DASH not in shown and sum("(bold)" in text for text in shown) == 18
    assert cell(table, "lambda 0.001", *FIRST, "the paper's number").text == "75.6 (bold)"


def test_the_bold_check_finds_the_one_cell_that_is_not_the_highest_and_no_other():
    bold = NOTES["imagenette_bold"]
    text = bold(shown_with())
    assert "in 17 of 18 lines; ResNet, augmentation + dropout, Pre-skip: 80.8 (lambda 0.1) is bold, 82.0" in text
    right = shown_with("ResNet, augmentation + dropout, Pre-skip", "10", value=0.8, printed="0.800")
    assert bold(right).endswith("in 18 of 18 lines.")
    assert "VGG, vanilla, [1]: nothing is bold, 75.6" in bold(shown_with("VGG, vanilla, [1]", "0.001", read="printed"))


def test_the_papers_count_its_chance_and_its_replicates():
    found = paper_count(shown_with())
    assert (found.above, found.lines) == (17, 18) and found.expected == pytest.approx(18 * 6 / 7)
    assert found.at_least == pytest.approx((6 / 7) ** 18 + 18 * (6 / 7) ** 17 / 7)
    assert paper_count(shown_with("ResNet, augmentation, [1,5]", "0", value=0.9, printed="0.900")).above == 16
    assert "standard deviation 1.31 pp, at most 4.40 pp apart" in NOTES["imagenette_spread"](shown_with())
    assert pooled_deviation([[1.0, 3.0], [5.0], [2.0, 2.0]]) == pytest.approx(1.0)
    assert pooled_deviation([[1.0], [2.0]]) is None


def test_no_protocol_sees_epochs_after_its_own_stop():
    # held-out images stop the training after epoch 3, test images would after epoch 4
    table = table_of([large_row(0.0, 0, [0.5, 0.6, 0.55, 0.5, 0.9], [0.6, 0.5, 0.5, 0.9, 0.9], patience=2)])
    assert cell(table, "lambda 0", *FIRST, "protocol held-out").text.startswith("50.00")
    assert cell(table, "lambda 0", *FIRST, "protocol paper").text.startswith("60.00")


def test_of_one_training_there_is_a_gain_and_neither_interval_nor_p():
    rows = trainings({0.0: [0.60], 0.001: [0.61], 1.0: [0.64]})
    made = cell(table_of(rows), "lambda 1", *FIRST, "protocol paper")
    assert made.text == "64.00 (n = 1)" and made.footnotes == ()
    best = table_of(rows, "best")
    gain = cell(best, "Gain of the best lambda above 0, pp, protocol held-out", *FIRST)
    assert gain.text == "+4.00 at 1" and gain.footnotes == ()
    assert cell(best, "p for the best of k, protocol paper", *FIRST).text == EN_DASH
    mixed = trainings({0.0: [0.60, 0.62, 0.61]}) + trainings({0.001: [0.61, 0.60, 0.63], 1.0: [0.64]})
    assert cell(table_of(mixed, "best"), "p for the best of k, protocol paper", *FIRST).text == EN_DASH


def test_missing_cells_are_not_run_and_failed_ones_x_with_why_and_left_out_of_the_choice():
    rows = [*trainings({0.0: [0.6, 0.61], 1.0: [0.5, 0.52]}), large_row(10.0, 0, [0.9]), failed(large_row(10.0, 1))]
    first, best, epochs = (table_of(rows, id) for id in ("accuracies", "best", "epochs"))
    assert cell(first, "lambda 0.1", *FIRST, "protocol paper").text == "not run"
    made = cell(first, "lambda 10", *FIRST, "protocol paper")
    assert made.text == "X" and "lambda 10: 1 of 2 members failed (seed 1: train loss became nan" in made.footnotes[0]
    assert cell(epochs, "lambda 10", *FIRST).text == "X"
    assert [cell(best, head, *FIRST).text for head in ("Best lambda, protocol paper", "k")] == ["0", "1"]
    assert cell(best, "Best lambda, protocol paper", *FIRST_TWO).text == "not run"
    place = next(place for place, row in enumerate(first.rows) if row[0].text == "ResNet")
    assert [each.text for each in first.rows[place + 1][3:]] == ["both protocols", *["not run"] * 7]
    no_base = cell(table_of([large_row(1.0)], "best"), "Gain of the best lambda above 0, pp, protocol paper", *FIRST)
    assert (no_base.text, no_base.footnotes) == (EN_DASH, ("VGG, vanilla, lambda 0 was not run",))


def test_lambda_0_is_one_cell_in_all_lines_of_its_model_and_strategy_and_coverage_counts_it_once():
    rows = trainings({0.0: [0.6, 0.61]}) + trainings({1.0: [0.62, 0.62]}, placement="first_two")
    table = table_of(rows)
    texts = {cell(table, "lambda 0", *line, "protocol paper").text for line in (FIRST, FIRST_TWO)}
    assert len(texts) == 1 and "(n = 2)" in texts.pop()
    assert "Cells with rows: 2 of 114 (1 of 6 without the loss)." in table.notes


def test_coverage_names_lines_that_the_experiment_has_no_cell_of(monkeypatch):
    real = experiments.experiment_cells

    def without_lists(*arguments):
        for each in real(*arguments):
            if not isinstance(each.members[0].config["regularizer"]["method"].get("placement"), list):
                yield each

    monkeypatch.setattr(experiments, "experiment_cells", without_lists)
    text = note(table_of([large_row(), large_row(1.0), large_row(0.5)]), "Cells with rows")
    assert text.startswith("Cells with rows: 2 of 96 (1 of 6 without the loss). The experiment has no cell of: ResNet,")
    assert text.count("Empirical") == 3


def test_strategy_and_layers_are_read_from_the_row_and_others_have_no_line():
    def line_of(row):
        (section,) = built(EXPERIMENT, [row]).sections
        return next(iter(section.groups))[0]

    assert line_of(large_row(strategy="augmentation + dropout")) == "plain.vgg.dropout"
    named = large_row(1.0, model="resnet50", placement=["conv1", "layer2.0.conv3"])
    assert line_of(named) == "empirical.resnet.vanilla"
    for row in (large_row(1.0, placement="pre_skip"), large_row(1.0, placement=["conv1"])):
        with pytest.raises(UserError, match=r"it has no line in Table 2: .*"):
            line_of(row)
    row = large_row()
    row["config"]["model"]["dropout"] = 0.5
    with pytest.raises(UserError, match=r"it has no line in Table 2: .*model\.dropout=0\.5"):
        line_of(row)


@pytest.mark.parametrize(
    "key,options",
    [
        ("dataset.side", {"side": 128}),
        ("model.width", {"width": 1.0}),
        ("task.early_stopping.patience", {"patience": 5}),
        ("regularizer.method.eps", {"strategy": "augmentation", "eps": 1e-7}),
    ],
)
def test_rows_that_cannot_stand_beside_each_other_are_refused(key, options):
    with pytest.raises(UserError, match=f"Table 2, imagenette.*: {re.escape(key)} differs between its rows"):
        built(EXPERIMENT, [large_row(0.1), large_row(1.0, **options)])


def test_penalties_of_one_page_and_layers_of_one_line_are_the_same():
    lists = [large_row(key, model="resnet50", placement=names) for key, names in ((1.0, ["a"]), (0.1, ["b"]))]
    with pytest.raises(UserError, match=r"Empirical.*: regularizer\.method\.placement differs"):
        built(EXPERIMENT, lists)
    gentle = large_row(1.0, strategy="augmentation + dropout")
    gentle["config"]["task"]["augment"] = {"flip": True, "rotation": 0.1, "zoom": 0.2}
    with pytest.raises(UserError, match=r"task\.augment\.rotation differs"):
        built(EXPERIMENT, [large_row(strategy="augmentation"), gentle])


def test_titles_say_what_the_numbers_depend_on():
    rows = trainings({0.0: [0.6, 0.61], 1.0: [0.6]})
    wanted = ("n = 1 to 2", "budget quick", "device cuda", "3,000 training images", "64 x 64 pixels", "0.125 times")
    for id in ("accuracies", "best", "epochs"):
        assert all(part in table_of(rows, id).title for part in wanted), id


def test_the_overview_has_the_lines_that_were_run_and_how_many_have_a_best_above_0():
    assert glance(built(EXPERIMENT, trainings({0.0: [0.60], 1.0: [0.58]}))).splitlines()[2:] == [
        f"| Imagenette, quick | VGG | vanilla | [1] | 1 | +5.80 | {MINUS}2.00 at 1 |"
    ]
    assert len(glance(built(EXPERIMENT, [])).splitlines()) == 2


def test_publishing_writes_tables_and_pictures(tmp_path):
    rows = [*trainings({0.0: [0.60], 1.0: [0.62]}), failed(large_row(budget="smoke"))]
    names = {path.relative_to(tmp_path).as_posix() for path in publish(EXPERIMENT, rows, tmp_path)[1]}
    files = {f"tables/{EXPERIMENT}.{kind}" for kind in ("md", "csv", "tex")}
    assert names == {*files, "figures/entropy_table2_quick.png"}
    assert not [path for path in publish(EXPERIMENT, rows, tmp_path, pictures=False)[1] if path.suffix == ".png"]


def ours(axes, label):
    return [value for line in axes.lines if line.get_label() == label for value in line.get_ydata()]


def test_the_picture_shows_our_gains_and_the_papers():
    found = built(EXPERIMENT, [*trainings({0.0: [0.60, 0.61], 1.0: [0.62, 0.65]}), failed(large_row(10.0))])
    figure = figures.DRAWN["lines"](found.sections, found.page.figures[0], found.estimates["quick"])
    panel = figure.axes[0]
    assert panel.get_title() == "VGG, vanilla" and figure.axes[5].get_title().endswith("(ours: not run)")
    theirs = next(line for line in panel.lines if line.get_linestyle() == ":").get_ydata()
    assert theirs == pytest.approx([5.4, 5.8, 3.6, 1.8, 4.0, 3.8])
    assert ours(panel, "[1]") == pytest.approx([3.0]) and ours(panel, "_single") == pytest.approx([2.0, 4.0])
    assert "not drawn: VGG, vanilla, [1], lambda 10 (1 of 1)" in figure.get_suptitle()


def test_the_table_of_epochs_has_only_lines_with_rows_lambda_0_being_a_cell_of_each():
    found = built(EXPERIMENT, trainings({0.0: [0.6], 1.0: [0.62]}))
    table = build_table(found.estimates["quick"], found.sections[0], found.page.tables[2])
    assert [[each.text for each in row[:3]] for row in table.rows] == [list(FIRST), list(FIRST_TWO)]
    assert cell(table, "lambda 1", *FIRST).text.startswith("1.0, ")
