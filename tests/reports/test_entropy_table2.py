"""The entropy paper's Table 2: cells, the best of a line, chance alone, the paper's own table, a golden page."""

import itertools
import json
import random
import subprocess
import sys

import pytest

from regbench.errors import UserError
from regbench.evidence.best_of_many import control_beaten, dunnett_p
from regbench.evidence.numbers import PaperNumbers, load_paper_numbers
from regbench.evidence.tables import EN_DASH, MINUS
from regbench.experiments import experiment_cells
from regbench.reports.entropy import large_gains, large_notes
from regbench.reports.entropy.large_best import best, count, gains
from regbench.reports.entropy.large_cells import configured
from regbench.reports.entropy.large_paper import base_spread, paper_count, pooled_deviation, wrong_bold
from regbench.reports.entropy.large_rows import EMPIRICAL, LINES, Line, pages, placement_of, strategy_of
from regbench.reports.entropy.large_summary import summary
from regbench.reports.entropy.large_table import large_tables, write_entropy_table2
from regbench.reports.publish import publish

from .large_factory import GOLDEN, PAPER, large_row
from .rows import failed

NUMBERS = load_paper_numbers(PAPER)
FILES = ("entropy-table2.md", "entropy-table2.csv", "entropy-table2.tex")
FIRST, FIRST_TWO = Line("vgg16", "vanilla", "first"), Line("vgg16", "vanilla", "first_two")


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "entropy-table2_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_entropy_table2(rows, NUMBERS, folder)}


def only_page(rows):
    (page,) = pages(rows)
    return page


def trainings(accuracies, **options):
    """{lambda: test accuracies by seed}, one epoch each."""
    return [
        large_row(strength, seed, [value], **options)
        for strength, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def cell(table, line, column, source=None):
    row = next(
        row
        for row in table.rows
        if tuple(each.text for each in row[:3]) == line.texts and source in (None, row[3].text)
    )
    return row[table.columns.index(column)]


def changed(numbers, row, column, **fields):
    """The paper's numbers with one of them changed."""
    return PaperNumbers(
        numbers.paper,
        [
            type(each)(
                **{**each.__dict__, **(fields if (each.table, each.row, each.column) == ("2", row, column) else {})}
            )
            for each in numbers
        ],
    )


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.large_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    rows = frozen_rows()
    random.Random(0).shuffle(rows)
    assert written(rows, tmp_path) == {name: (GOLDEN / name).read_bytes() for name in FILES}


def test_every_accuracy_of_a_protocols_epoch_reaches_the_page(tmp_path):
    rows = trainings({0.0: [0.6, 0.61], 1.0: [0.62, 0.63]})
    before = written(rows, tmp_path)
    for split in ("test", "heldout"):
        row = json.loads(json.dumps(rows))
        row[3]["epochs"][0][split]["full"]["accuracy"] -= 0.2
        after = written(row, tmp_path)
        # held-out accuracies only choose: between 1 lambda and none they move the best cell of that protocol
        assert before["entropy-table2.md"] != after["entropy-table2.md"], split


def test_the_lines_are_the_papers_18_and_each_number_of_its_table_is_in_one():
    rows = {number.row for number in NUMBERS if number.table == "2"}
    assert {line.name for line in LINES} == rows and len(LINES) == 18
    table = large_tables(only_page([large_row()]), NUMBERS)[0]
    shown = [each.text for row in table.rows if row[3].text == "the paper's number" for each in row[4:]]
    assert len(shown) == 126 and EN_DASH not in shown
    assert sum("(bold)" in text for text in shown) == 18
    assert cell(table, FIRST, "lambda 0.001", "the paper's number").text == "75.6 (bold)"


def test_the_bold_check_finds_the_one_cell_that_is_not_the_highest_and_no_other():
    (wrong,) = wrong_bold(NUMBERS)
    assert wrong.startswith("ResNet, augmentation + dropout, Pre-skip: 80.8 (lambda 0.1) is bold, 82.0 (lambda 10)")
    right = changed(NUMBERS, "ResNet, augmentation + dropout, Pre-skip", "10", value=0.8, printed="0.800")
    assert wrong_bold(right) == []
    worse = changed(NUMBERS, "VGG, vanilla, [1]", "0.001", read="printed")
    assert any(each.startswith("VGG, vanilla, [1]: nothing is bold, 75.6") for each in wrong_bold(worse))


def test_the_papers_count_its_chance_and_its_replicates():
    found = paper_count(NUMBERS)
    assert (found.with_loss, found.lines) == (17, 18)
    assert found.expected == pytest.approx(18 * 6 / 7)
    assert found.at_least == pytest.approx((6 / 7) ** 18 + 18 * (6 / 7) ** 17 / 7)
    deviation, widest = base_spread(NUMBERS)
    assert widest == pytest.approx(4.4) and deviation == pytest.approx(1.31, abs=0.01)
    assert pooled_deviation([[1.0, 3.0], [5.0], [2.0, 2.0]]) == pytest.approx(1.0)
    assert pooled_deviation([[1.0], [2.0]]) is None
    fewer = changed(NUMBERS, "ResNet, augmentation, [1,5]", "0", value=0.9, printed="0.900")
    assert paper_count(fewer).with_loss == 16


@pytest.mark.parametrize("family", [[1], [3], [1, 2], [2, 1, 1], [1, 1, 1, 1]])
def test_chance_alone_is_what_all_orders_of_equal_cells_give(family):
    starts = [1 + sum(family[:place]) for place in range(len(family))]
    counted = [0] * (len(family) + 1)
    for ranks in itertools.permutations(range(1 + sum(family))):
        best_ones = [max(ranks[a : a + k]) > ranks[0] for a, k in zip(starts, family, strict=True)]
        counted[sum(best_ones)] += 1
    assert control_beaten([family]) == pytest.approx([each / sum(counted) for each in counted])


def test_chance_of_families_is_that_of_independent_ones():
    first, second = control_beaten([[2, 1]]), control_beaten([[3]])
    both = control_beaten([[2, 1], [3]])
    assert sum(both) == pytest.approx(1)
    assert both[0] == pytest.approx(first[0] * second[0]) and both[3] == pytest.approx(first[2] * second[1])
    # a control that lines share makes all of them miss together more often than controls of their own
    assert control_beaten([[6, 6]])[0] > control_beaten([[6], [6]])[0]
    assert control_beaten([]) == (1.0,)
    with pytest.raises(UserError, match="one or more treated cells"):
        control_beaten([[0]])


def test_a_line_is_counted_where_its_best_cell_has_the_loss_on():
    rows = trainings({0.0: [0.6, 0.61], 0.001: [0.5, 0.5], 1.0: [0.62, 0.63]})
    rows += trainings({0.001: [0.55, 0.56]}, placement="first_two")
    page = only_page(rows)
    assert (best(page, FIRST, "paper"), best(page, FIRST_TWO, "paper")) == (1.0, 0.0)
    found = count(page, "paper")
    assert (found.with_loss, found.lines) == (1, 2)
    assert found.chances == control_beaten([[2, 1]])
    assert found.at_least == pytest.approx(sum(control_beaten([[2, 1]])[1:]))
    better = trainings({0.0: [0.6]}) + trainings({0.001: [0.6]})
    assert count(only_page(better), "paper").with_loss == 0  # a tie is the smaller lambda's
    assert count(only_page([large_row()]), "paper").lines == 0


def test_each_protocol_chooses_on_its_own_split_and_prints_test():
    rows = [large_row(0.0, 0, [0.60], [0.60]), large_row(0.001, 0, [0.70], [0.50]), large_row(1.0, 0, [0.65], [0.66])]
    page = only_page(rows)
    assert (best(page, FIRST, "paper"), best(page, FIRST, "held-out")) == (0.001, 1.0)
    found = gains(page)
    assert found[FIRST, "paper"].record.mean == pytest.approx(10) and found[FIRST, "held-out"].strength == 1.0
    assert found[FIRST, "held-out"].record.mean == pytest.approx(5)


def test_no_protocol_sees_epochs_after_its_own_stop():
    # held-out images stop the training after epoch 3, test images would after epoch 4
    row = large_row(0.0, 0, [0.5, 0.6, 0.55, 0.5, 0.9], [0.6, 0.5, 0.5, 0.9, 0.9], patience=2)
    table = large_tables(only_page([row]), NUMBERS)[0]
    assert cell(table, FIRST, "lambda 0", "protocol held-out").text.startswith("50.00")
    assert cell(table, FIRST, "lambda 0", "protocol paper").text.startswith("60.00")


def test_the_p_of_a_gain_is_dunnetts_and_with_one_training_there_is_none():
    values = {0.0: [0.60, 0.61, 0.59], 0.001: [0.60, 0.62, 0.60], 1.0: [0.64, 0.65, 0.62]}
    found = gains(only_page(trainings(values)))[FIRST, "paper"]
    percent = {strength: [100 * each for each in each_values] for strength, each_values in values.items()}
    expected = dunnett_p({"a": percent[0.001], "b": percent[1.0]}, percent[0.0])
    assert found.p == pytest.approx(min(expected.values()), abs=1e-3) and found.p_holm == found.p
    assert found.strength == 1.0 and found.record.low < found.record.mean < found.record.high
    single = only_page(trainings({0.0: [0.60], 0.001: [0.61], 1.0: [0.64]}))
    assert gains(single)[FIRST, "paper"].p is None
    first, second, _ = large_tables(single, NUMBERS)
    made = cell(first, FIRST, "lambda 1", "protocol paper")
    assert made.text == f"64.00 ± {EN_DASH} (n = 1)" and made.footnotes == ("one value only: no interval",)
    gain = cell(second, FIRST, "Gain of the best lambda above 0, pp, protocol held-out")
    assert gain.text == "+4.00 at 1" and gain.footnotes == ("one difference only: no interval and no test",)
    assert cell(second, FIRST, "p for the best of k, protocol paper (Holm)").text == EN_DASH
    mixed = [*trainings({0.0: [0.60, 0.62, 0.61]}), *trainings({0.001: [0.61, 0.60, 0.63], 1.0: [0.64]})]
    assert gains(only_page(mixed))[FIRST, "paper"].p is None


def test_missing_cells_are_not_run_and_failed_ones_x_with_why_and_left_out_of_the_choice():
    rows = [*trainings({0.0: [0.6, 0.61], 1.0: [0.5, 0.52]}), large_row(10.0, 0, [0.9]), failed(large_row(10.0, 1))]
    page = only_page(rows)
    first, second, third = large_tables(page, NUMBERS)
    assert cell(first, FIRST, "lambda 0.1", "protocol paper").text == "not run"
    made = cell(first, FIRST, "lambda 10", "protocol paper")
    assert made.text == "X" and "lambda 10: 1 of 2 members failed (seed 1: train loss became nan" in made.footnotes[0]
    assert cell(third, FIRST, "lambda 10").text == "X"
    assert best(page, FIRST, "paper") == 0.0 and cell(second, FIRST, "k").text == "1"
    assert cell(second, FIRST_TWO, "Best lambda, protocol paper").text == "not run"
    other = next(row for row in first.rows if row[0].text == "ResNet")
    assert [each.text for each in first.rows[first.rows.index(other) + 1][3:]] == ["both protocols", *["not run"] * 7]
    all_failed = large_tables(only_page([large_row(), failed(large_row(1.0))]), NUMBERS)[1]
    assert cell(all_failed, FIRST, "Best lambda, protocol paper").text == "X"
    no_base = large_tables(only_page([large_row(1.0)]), NUMBERS)[1]
    gain = cell(no_base, FIRST, "Gain of the best lambda above 0, pp, protocol paper")
    assert gain.text == EN_DASH and gain.footnotes == ("lambda 0 was not run",)


def test_lambda_0_is_one_cell_in_all_lines_of_its_model_and_strategy():
    rows = trainings({0.0: [0.6, 0.61]}) + trainings({1.0: [0.62, 0.62]}, placement="first_two")
    table = large_tables(only_page(rows), NUMBERS)[0]
    texts = {cell(table, line, "lambda 0", "protocol paper").text for line in (FIRST, FIRST_TWO)}
    assert len(texts) == 1 and "(n = 2)" in texts.pop()
    assert "Cells with rows: 2 of 114 (1 of 6 without the loss)." in table.notes


def test_strategy_and_layers_are_read_from_the_row():
    words = {strategy_of(large_row(strategy=name)) for name in ("vanilla", "augmentation", "augmentation + dropout")}
    assert words == {"vanilla", "augmentation", "augmentation + dropout"}
    assert placement_of(large_row(1.0, model="resnet50", placement=["conv1", "layer2.0.conv3"])) == EMPIRICAL
    with pytest.raises(UserError, match="placement='pre_skip': allowed are first, first_two"):
        placement_of(large_row(1.0, placement="pre_skip"))
    with pytest.raises(UserError, match=r"placement=.'conv1'.: allowed are first, first_two"):
        placement_of(large_row(1.0, placement=["conv1"]))
    row = large_row()
    row["config"]["model"]["dropout"] = 0.5
    with pytest.raises(UserError, match=r"dropout=0\.5 without augment"):
        strategy_of(row)


@pytest.mark.parametrize(
    "key,options",
    [
        (r"dataset\.side", {"side": 128}),
        (r"model\.width", {"width": 1.0}),
        (r"task\.early_stopping\.patience", {"patience": 5}),
    ],
)
def test_rows_that_cannot_stand_beside_each_other_are_refused(key, options):
    with pytest.raises(UserError, match=f"Table 2, budget quick: {key} differs between its rows"):
        pages([large_row(), large_row(1.0, **options)])


def test_penalties_of_one_page_and_layers_of_one_line_are_the_same():
    with pytest.raises(UserError, match=r"regularizer\.method\.eps differs"):
        pages([large_row(1.0), large_row(0.1, eps=1e-7)])
    lists = [large_row(key, model="resnet50", placement=names) for key, names in ((1.0, ["a"]), (0.1, ["b"]))]
    with pytest.raises(UserError, match=r"ResNet, vanilla, Empirical: regularizer\.method\.placement differs"):
        pages(lists)
    gentle = large_row(1.0, strategy="augmentation + dropout")
    gentle["config"]["task"]["augment"] = {"flip": True, "rotation": 0.1, "zoom": 0.2}
    with pytest.raises(UserError, match=r"task\.augment\.rotation differs"):
        pages([large_row(strategy="augmentation"), gentle])


def test_the_cells_are_the_experiments_own_and_a_list_of_layers_is_empirical():
    composed = experiment_cells("entropy-table2", ("smoke",))
    configs = {member.id: member.config for found in composed for member in found.members if member.seed == 0}
    rows = [large_row(config["regularizer"]["strength"], 0, [0.5]) for config in configs.values()]
    rows = [
        row | {"config": config, "id": key, "budget": "smoke"}
        for row, (key, config) in zip(rows, configs.items(), strict=True)
    ]
    page = only_page(rows)
    assert {*((family, 0.0) for family in page.plain), *page.penalized} == configured()
    assert {line for line, _ in page.penalized} == set(LINES) and len(page.plain) == 6
    listed = [row for row in rows if isinstance(row["config"]["regularizer"]["method"].get("placement"), list)]
    assert {placement_of(row) for row in listed} == {EMPIRICAL} and len(listed) == 3 * 6


def test_coverage_counts_what_the_experiment_can_run_and_names_lines_that_it_cannot(monkeypatch):
    rows = [large_row(), large_row(1.0), large_row(1.0, placement="first_two"), large_row(0.5)]
    wanted = {place for place in configured() if getattr(place[0], "placement", "") != EMPIRICAL}
    monkeypatch.setattr(large_notes, "configured", lambda: wanted)
    note = large_notes.coverage_note(only_page(rows))
    assert note.startswith("Cells with rows: 3 of 96 (1 of 6 without the loss). The experiment has no cell of: ResNet,")
    assert note.count("Empirical") == 3


def test_titles_say_what_the_numbers_depend_on_and_a_quick_run_is_no_reproduction(tmp_path):
    page = only_page(trainings({0.0: [0.6, 0.61], 1.0: [0.6]}))
    for table in large_tables(page, NUMBERS):
        for part in (
            "n = 1 to 2",
            "budget quick",
            "device cuda",
            "3,000 training images",
            "64 x 64 pixels",
            "0.125 times",
        ):
            assert part in table.title
    text = written(page.rows, tmp_path)["entropy-table2.md"].decode()
    assert "`quick` is not a reproduction" in text and "are no reproduction" in text


def test_summary_is_the_readmes_and_says_what_is_not_run():
    empty = summary([], NUMBERS)
    assert empty.splitlines()[-1] == "| not run: `make reproduce-entropy-table2` | | |"
    lines = summary(pages(trainings({0.0: [0.60], 1.0: [0.58]})), NUMBERS).splitlines()
    assert lines[2] == (
        f"| quick, VGG, vanilla | 60.00 ± {EN_DASH} (n = 1) | [1] {MINUS}2.00 (lambda 1, k = 1, n = 1); [1,2] not run |"
    )
    assert "0 of 1, chance alone 0.5 (the paper: 17 of 18, chance alone 15.4)" in lines[3]
    assert len({line.count("|") for line in (*lines, *empty.splitlines())}) == 1


def test_publishing_writes_tables_pictures_and_the_readmes_lines(tmp_path):
    rows = [*trainings({0.0: [0.60], 1.0: [0.62]}), failed(large_row(budget="smoke"))]
    names = {path.relative_to(tmp_path).as_posix() for path in publish("entropy-table2", rows, tmp_path)}
    assert names == {*(f"tables/{name}" for name in FILES), "tables/README.md", "figures/entropy_table2_quick.png"}
    assert "| quick, VGG, vanilla | 60.00" in (tmp_path / "tables" / "README.md").read_text()
    assert not [path for path in publish("entropy-table2", rows, tmp_path, pictures=False) if path.suffix == ".png"]


def test_the_picture_shows_our_gains_and_the_papers(monkeypatch):
    monkeypatch.setattr(large_gains, "save", lambda figure, path: figure)
    page = only_page([*trainings({0.0: [0.60, 0.61], 1.0: [0.62, 0.65]}), failed(large_row(10.0))])
    figure = large_gains.draw_large_gains(page, NUMBERS, "unused.png")
    panel = figure.axes[0]
    assert panel.get_title() == "VGG, vanilla" and figure.axes[5].get_title().endswith("(ours: not run)")
    theirs, ours = panel.lines[0].get_ydata(), panel.containers[0].lines[0].get_ydata()
    assert theirs == pytest.approx([5.4, 5.8, 3.6, 1.8, 4.0, 3.8]) and ours == pytest.approx([3.0])
    assert "no reproduction" in figure.get_suptitle()
    assert "not drawn: VGG, vanilla, [1], lambda 10 (1 of 1)" in figure.get_suptitle()
    with pytest.raises(UserError, match="no finished row to draw"):
        large_gains.draw_large_gains(only_page([failed(large_row())]), NUMBERS, "unused.png")


def test_reports_import_no_torch():
    code = (
        "import sys; import regbench.reports.entropy.large_table,"
        " regbench.reports.entropy.large_gains; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
