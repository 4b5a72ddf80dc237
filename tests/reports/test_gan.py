"""The GAN paper through the engine: its lines and their changes, protocols, bounds, stability, refusals, figures."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import figures, stats
from regbench.evidence.figures import draw_figures, layer_values
from regbench.evidence.metrics import METRICS
from regbench.evidence.pages import glance
from regbench.evidence.publish import publish
from regbench.evidence.wording import EN_DASH, MINUS

from .gan_factory import EXTRACTOR, LINES, gan_row, rows_of
from .golden_tables import built, frozen_rows, page_of, tables, written
from .rows import failed

GAN = "gan-table1"
BAD = [30.0, 31.0, 29.0, 30.5, 30.2]
GOOD = [20.0, 21.5, 19.5, 20.5, 20.1]
SLOW, FAST, NEVER = [60.0, 40.0, 30.0], [35.0, 20.0, 15.0], [90.0, 80.0, 70.0]
SPEED = "difference_in_epochs_to_fixed_fid"


def table_of(rows, name="scores", dataset="mnist"):
    return tables(GAN, rows)["quick", dataset, name]


def cell(table, label, column):
    row = next(row for row in table.rows if row[0].text == label)
    return row[next(place for place, head in enumerate(table.columns) if head.startswith(column))]


def record(table, **wanted):
    return next(each for each in table.records if all(each[key] == value for key, value in wanted.items()))


def note(table, start):
    return next((each for each in table.notes if each.startswith(start)), None)


def curve_rows(paths, **options):
    """{line: FID by epoch}, five seeds that differ a little. Options of WGAN-GP's rows."""
    return [
        gan_row(line, seed, [fid + 0.1 * seed * (1 + place) for fid in path], **(options if line == "WGAN-GP" else {}))
        for place, (line, path) in enumerate(paths.items())
        for seed in range(5)
    ]


@pytest.fixture
def figure_of(monkeypatch):
    """(rows, kind) -> the figure of that file, unsaved; None where there is none."""

    def draw(rows, kind):
        drawn = {}
        monkeypatch.setattr(figures, "save", lambda figure, path: drawn.setdefault(path.name.split("_")[1], figure))
        draw_figures(built(GAN, rows), Path("unused"))
        return drawn.get(kind)

    return draw


def labels(axes):
    return axes.get_legend_handles_labels()[1]


# ----------------------------------------------------------------------------------------------- lines and changes
@pytest.mark.parametrize(
    "path",
    [
        ("test", "full", "fid"),
        ("test", "full", "inception_score"),
        ("test", "full", "diversity"),
        ("test", "full", "effective_classes"),
        ("test", "full", "real_fid"),
        ("measures", "train", "rate"),
        ("train", "generator_gradient_norm"),
    ],
)
def test_every_number_reaches_the_page(path, tmp_path):
    rows = [gan_row("AGNN-ADR", seed) for seed in (0, 1)]
    before = written(GAN, rows, tmp_path)
    target = rows[0]["epochs"][-1]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] += 0.31
    after = written(GAN, rows, tmp_path)
    assert len(before) == 3 and all(before[name] != after[name] for name in before)


def test_each_line_has_its_name_and_its_own_look():
    table = table_of([gan_row(line, 0) for line in LINES])
    assert [row[0].text for row in table.rows] == [*LINES, "Real images"]
    settings = note(table, "Unless a line's name")
    assert "optimizer Adam, lr 0.0002" in settings and "widths [16, 32]" in settings and "_target_" not in settings
    looks = page_of(GAN).styles
    assert len({(colour, marker) for colour, _, marker in looks.values()}) == len(LINES) == len(looks)


@pytest.mark.parametrize(
    "line, options, label",
    [
        ("AGNN-ADR", {"method": {"beta": 2e-5}}, "AGNN-ADR, beta 2e-5"),
        ("AGNN-ADR", {"strength": 0.3}, "AGNN-ADR, rate 0.3"),
        (
            "Minimised losses, descended",
            {"method": {"estimator": "score"}},
            "Minimised losses, descended, estimator score",
        ),
        ("Classic dropout 0.5", {"strength": 0.3}, "Classic dropout 0.5, p 0.3"),
        ("WGAN-GP", {"task": {"n_dis": 5}}, "WGAN-GP, n_dis 5"),
        ("WGAN-GP", {"model": {"gradient_penalty": 1.0}}, "WGAN-GP, gradient_penalty 1"),
        ("DCGAN", {"model": {"ema": None}}, "DCGAN, ema None"),
        ("DCGAN", {"task": {"optimizer": {"_target_": "torch.optim.Adam", "lr": 0.0004}}}, "DCGAN, lr 0.0004"),
        ("DCGAN", {"task": {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.0002}}}, "DCGAN, optimizer SGD"),
    ],
)
def test_changes_have_a_line_named_by_what_differs_and_no_test(line, options, label):
    rows = [gan_row(name, seed) for name in ("DCGAN", "WGAN-GP", "AGNN-ADR") for seed in (0, 1)]
    found = tables(GAN, [*rows, gan_row(line, 0, **options)])
    scores, claims = (found["quick", "mnist", name] for name in ("scores", "claims"))
    assert cell(scores, label, "n").text == "1" and cell(scores, label, "FID, paper's").text == EN_DASH
    assert [row[0].text for row in claims.rows] == ["DCGAN", "WGAN-GP", "SNGAN", "Rate fixed at 0.5"]


def test_the_usual_setting_is_what_most_rows_have_whatever_their_order():
    rows = [gan_row("DCGAN", seed, model={"ema": 0.9}) for seed in (0, 1)] + [gan_row("DCGAN", 0)]
    for each in (rows, rows[::-1]):
        assert [row[0].text for row in table_of(each).rows][:2] == ["DCGAN", "DCGAN, ema 0.99"]


def test_rows_that_have_no_line_or_must_not_share_a_table_are_refused():
    mixed = gan_row("AGNN-ADR", 0)
    mixed["config"]["model"]["name"] = "sngan"
    with pytest.raises(UserError, match="it has no line in GAN table"):
        built(GAN, [mixed])
    mixed["config"]["model"]["name"] = "cnn5"
    with pytest.raises(UserError, match=r"model\.name='cnn5'"):
        built(GAN, [mixed])
    with pytest.raises(UserError, match="dataset='duts': allowed are digits, mnist, cifar10, celeba"):
        built(GAN, [gan_row(dataset="duts")])
    other = {**EXTRACTOR, "sha256": "ffff" * 16, "name": "inception"}
    with pytest.raises(UserError, match=r"extractor.sha256 differs between its rows: '5ba1.* \(row a\) and 'ffff"):
        built(GAN, [gan_row("DCGAN", 0) | {"id": "a"}, gan_row("SNGAN", 0, extractor=other) | {"id": "b"}])
    with pytest.raises(UserError, match=r"row .*: provenance.extractor.sha256 is missing"):
        built(GAN, [gan_row("DCGAN", 0, extractor={"name": "mnist-cnn5"})])
    without = gan_row("SNGAN", 1)
    del without["provenance"]["extractor"]
    with pytest.raises(UserError, match=r"row .*: provenance.extractor.name is missing"):
        built(GAN, [gan_row("DCGAN", 0), without])
    for rows, key in (
        ([gan_row("DCGAN", 0), gan_row("DCGAN", 1, [20.0])], "epochs"),
        ([gan_row("DCGAN", 0), gan_row("SNGAN", 0, task={"samples": 5000})], "task.samples"),
        (
            [gan_row("DCGAN", 0), gan_row("SNGAN", 0, task={"optimizer": {"weight_decay": 0.1}})],
            "task.optimizer.weight",
        ),
        ([gan_row("AGNN-ADR", 0), gan_row("AGNN-ADR", 1, method={"cap": 1.0})], "regularizer.method.cap"),
    ):
        with pytest.raises(UserError, match=f"{key}.* differs between its rows"):
            built(GAN, rows)
    # of two data sets each may have its own extractor
    assert len(built(GAN, [gan_row(), gan_row(dataset="celeba", extractor=other)]).sections) == 2


# -------------------------------------------------------------------------------------------- scores, tests, bounds
def test_protocols_choose_the_epoch_by_the_lowest_fid():
    rows = [gan_row("DCGAN", s, [30.0, 20.0 + s, 25.0], [9.0, 9.0, 8.0], scores=[1.0, 2.0, 3.0]) for s in (0, 1)]
    table = table_of(rows)
    found = {name: cell(table, "DCGAN", name).text for name in table.columns}
    assert found["FID, protocol paper"].startswith("20.50 ± ")
    assert found["FID, protocol held-out"] == found["FID, last epoch"] == "25.00"
    assert found["IS, protocol paper"] == "2.00" and found["IS, protocol held-out"] == "3.00"
    assert f": {MINUS}4.50 FID, mean over 1 line." in note(table, "Selection gap")
    low, high = scipy_stats.t.interval(0.95, 1, 20.5, scipy_stats.sem([20.0, 21.0]))
    line = record(table, metric="fid", protocol="paper", line="DCGAN")
    assert [line["low"], line["high"]] == pytest.approx([low, high])


def test_paper_numbers_stand_beside_ours_and_the_floor_below():
    found = tables(GAN, [gan_row(line, seed) for line in LINES for seed in (0, 1)])
    scores, claims = (found["quick", "mnist", name] for name in ("scores", "claims"))
    assert (
        cell(scores, "SNGAN", "FID, paper's").text == "20.5" and cell(scores, "AGNN-ADR", "IS, paper's").text == "9.23"
    )
    assert cell(scores, "Rate fixed at 0.5", "FID, paper's").text == EN_DASH
    assert cell(claims, "SNGAN", "FID, paper's").text == f"{MINUS}2.3"
    assert cell(claims, "SNGAN", "IS, paper's").text == "+0.62"
    texts = [each.text for each in scores.rows[-1]]
    assert texts[:6] == ["Real images", EN_DASH, EN_DASH, "0.40", "0.40", "0.40"] and texts[6:8] == [EN_DASH, "9.50"]
    digits = table_of([gan_row(dataset="digits")], dataset="digits")
    assert {row[2].text for row in digits.rows} == {EN_DASH}
    title = scores.title.split(": ", 1)[1]
    assert title == (
        "n = 2, budget quick, device cpu, 3 epochs, 6,400 training images, 300 steps, 10,000 samples, "
        "extractor mnist-cnn5 (test accuracy 98.71 %, 128 features, sha256 5ba1e0de)"
    )
    inception = {"name": "inception", "accuracy": None, "sha256": "ab" * 32, "features": 2048}
    assert table_of([gan_row(extractor=inception)]).title.endswith("inception (2048 features, sha256 abababab)")


def test_differences_are_paired_one_sided_and_corrected_over_all_data_sets():
    fids = {"DCGAN": BAD, "WGAN-GP": [f + 3 for f in BAD[::-1]], "AGNN-ADR": GOOD}
    rows = [*rows_of(fids), *rows_of({"DCGAN": [f - 5 for f in BAD[::-1]], "AGNN-ADR": GOOD}, dataset="cifar10")]
    found = tables(GAN, rows)
    lines = [each for name in ("mnist", "cifar10") for each in found["quick", name, "claims"].records]
    line = next(each for each in lines if each["metric"] == "difference_in_fid")
    assert line["p"] == pytest.approx(scipy_stats.ttest_rel(GOOD, BAD, alternative="less").pvalue)
    assert [line["low"], line["high"]] == pytest.approx(list(scipy_stats.ttest_rel(GOOD, BAD).confidence_interval()))
    tested = [each for each in lines if each["p"] is not None]
    assert len(tested) >= 6
    assert [each["p_holm"] for each in tested] == pytest.approx(stats.holm([each["p"] for each in tested]))
    more = tables(GAN, [*rows, *rows_of({"Classic dropout 0.5": BAD[::-1]})])
    assert more["quick", "mnist", "claims"].records == found["quick", "mnist", "claims"].records
    assert [row[0].text for row in more["quick", "mnist", "controls"].rows] == ["Classic dropout 0.5"]
    controls = next(spec for spec in page_of(GAN).tables if spec.id == "controls")
    assert not built(GAN, rows).sections[0].shows(controls)  # none was run


def test_what_is_significant_against_the_claim_has_a_p_of_its_own():
    table = table_of(rows_of({"DCGAN": GOOD, "AGNN-ADR": BAD}), "claims")
    line = record(table, metric="difference_in_fid", against="DCGAN")
    assert line["p_opposite_holm"] < 0.001 and line["p_holm"] == 1.0


def test_faster_is_measured_against_what_every_sound_baseline_reaches():
    rows = curve_rows({"DCGAN": SLOW, "WGAN-GP": FAST, "SNGAN": SLOW, "AGNN-ADR": FAST})
    table = table_of(rows)
    assert "Epochs to FID 31.20" in table.columns  # of SNGAN's slowest seed
    assert cell(table, "SNGAN", "Epochs to").text.startswith("2.9 ± ")
    assert cell(table, "AGNN-ADR", "Epochs to").text.startswith("1.3 ± ")
    # a baseline that collapsed does not set the fixed FID: it never arrives
    rows = curve_rows({"DCGAN": SLOW, "WGAN-GP": NEVER, "SNGAN": SLOW, "AGNN-ADR": FAST}, classes=1.0)
    bound = cell(table_of(rows), "WGAN-GP", "Epochs to")
    assert bound.text == "> 3.0" and bound.footnotes[0].startswith("5 of 5 trainings of WGAN-GP never reach the fixed")
    difference = cell(table_of(rows, "claims"), "WGAN-GP", "Epochs to")
    assert difference.text == f"{MINUS}1.7, p < 0.001" and "count with their last epoch" in difference.footnotes[0]


def test_no_test_gains_by_trainings_that_never_arrive():
    paths = {"DCGAN": SLOW, "WGAN-GP": NEVER, "SNGAN": [50.0, 25.0, 20.0], "AGNN-ADR": [60.0, 45.0, 35.0]}
    table = table_of(curve_rows(paths, classes=1.0), "claims")
    found = {each["against"]: each for each in table.records if each["metric"] == SPEED}
    assert {found[name]["p"] for name in ("DCGAN", "WGAN-GP", "SNGAN")} == {None}
    assert found["WGAN-GP"]["p_opposite"] is None and found["SNGAN"]["p_opposite"] < 0.001
    one = [gan_row("AGNN-ADR", seed, path) for seed, path in enumerate(([60.0, 40.0, 30.0], [60.0, 35.0, 30.0], NEVER))]
    table = table_of([*one, *(gan_row("SNGAN", seed, [70.0, 60.0, 35.0 + seed]) for seed in (0, 1, 2))])
    line = record(table, metric="epochs_to_fixed_fid", line="AGNN-ADR")
    assert (line["low"], line["high"]) == (None, None) and line["note"].startswith("1 of 3 trainings of AGNN-ADR never")
    assert cell(table, "AGNN-ADR", "Epochs to").text.startswith("> 2.4")


def test_without_a_sound_baseline_there_is_no_fixed_fid():
    for rows in (rows_of({"AGNN-ADR": GOOD}), rows_of({"DCGAN": BAD, "SNGAN": BAD, "AGNN-ADR": GOOD}, classes=1.0)):
        found = cell(table_of(rows), "AGNN-ADR", "Epochs to the fixed FID")
        assert found.text == EN_DASH and found.footnotes == ("no sound training of a reference sets the fixed FID",)


# ------------------------------------------------------------------------------------------------------- stability
@pytest.mark.parametrize(
    "options, diverged, collapsed",
    [
        ({}, 0, 0),
        ({"fids": [10.0, 12.0, 20.0]}, 0, 0),
        ({"fids": [10.0, 12.0, 20.1]}, 1, 0),
        ({"classes": 4.95}, 0, 0),
        ({"classes": 4.94}, 0, 1),
        ({"diversity": 0.25}, 0, 0),
        ({"diversity": 0.249}, 0, 1),
    ],
)
def test_divergence_and_collapse(options, diverged, collapsed):
    rows = [gan_row("SNGAN", 0, **options), gan_row("SNGAN", 1)]
    for name in ("scores", "stability"):
        table = table_of(rows, name)
        assert cell(table, "SNGAN", "Diverged").text == f"{diverged} of 2"
        assert cell(table, "SNGAN", "Collapsed").text == f"{collapsed} of 2"


def test_medians_and_extremes_are_of_the_finished_trainings():
    rows = [gan_row("DCGAN", seed, diversity=value) for seed, value in enumerate((0.5, 0.41234, 0.9))]
    norms = [row["epochs"][0]["train"]["generator_gradient_norm"] for row in rows]
    table = table_of(rows, "stability")
    assert cell(table, "DCGAN", "Diversity, lowest").text == "0.412"
    assert cell(table, "DCGAN", "Gradient norm, generator, first").text == f"{np.median(norms):.3g}"
    assert record(table, line="DCGAN", metric="lowest_last_diversity")["mean"] == 0.41234


def test_a_failed_member_is_an_x_with_its_reason_and_counts_as_diverged():
    rows = [gan_row(line, seed) for line in ("DCGAN", "AGNN-ADR") for seed in (0, 1, 2)]
    rows[0] = failed(rows[0], "generator_loss became no finite number in step 3 of epoch 2")
    table = table_of(rows)
    found = cell(table, "DCGAN", "FID, protocol paper")
    assert found.text == "X" and "seed 0: generator_loss became" in found.footnotes[0]
    assert cell(table, "DCGAN", "Diverged").text == "1 of 3" and cell(table, "DCGAN", "Collapsed").text == "0 of 2"
    assert cell(table, "DCGAN", "n").text == "2 (+ 1 failed)"
    assert cell(table_of(rows, "claims"), "DCGAN", "FID (p").text == "X"
    every = table_of([failed(row) for row in rows], "stability")
    assert cell(every, "DCGAN", "Collapsed").text == "X" and cell(every, "DCGAN", "Diverged").text == "3 of 3"
    assert "steps not recorded" in every.title and "extractor not recorded" in every.title


def test_the_final_rate_is_the_last_epochs_mean_over_layers():
    rows = [gan_row(line, 0, rates=[0.4, 0.3, 0.2]) for line in ("AGNN-ADR", "One rate a layer", "Rate fixed at 0.5")]
    table = table_of([*rows, gan_row("DCGAN", 0)])
    texts = [cell(table, line, "Dropout rate").text for line in ("AGNN-ADR", "One rate a layer", "Rate fixed at 0.5")]
    assert [text.split()[0] for text in texts] == ["0.200", "0.210", "0.500"]
    assert cell(table, "DCGAN", "Dropout rate").text == EN_DASH and not cell(table, "DCGAN", "Dropout rate").footnotes


def test_numbers_that_are_missing_or_nan_are_errors_naming_the_row():
    row = gan_row("DCGAN", 0)
    row["epochs"][1]["test"]["full"]["fid"] = float("nan")
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 2: test.full.fid=nan"):
        built(GAN, [row])
    row = gan_row("DCGAN", 0)
    del row["epochs"][0]["train"]["generator_gradient_norm"]
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 1: train.generator_gradient_norm is missing"):
        built(GAN, [row])


# ---------------------------------------------------------------------------------------------------------- the page
def test_data_sets_without_rows_are_named_on_the_page(tmp_path):
    rows = [gan_row(dataset=d, budget=b) for b in ("smoke", "quick") for d in ("celeba", "digits", "mnist")]
    page = written(GAN, rows, tmp_path)["gan-table1.md"].decode()
    assert "- Not run, budget `quick`: CIFAR-10.\n- Not run, budget `smoke`: CIFAR-10.\n" in page
    assert re.findall(r"^### GANs, Table 1, (.*?):", page, re.M) == ["digits", "MNIST", "CelebA"] * 2


def test_the_overview_has_the_rows_with_trainings_of_ours_and_says_which_failed():
    overview = glance(built(GAN, frozen_rows(GAN)))
    assert "| CIFAR-10, quick | WGAN-GP | 1 (+ 1 failed) | 34.5 | X | 6.78 | X |" in overview
    assert "CelebA" not in overview and "SNGAN | 0" not in overview


def test_losses_have_a_column_an_objective_and_a_row_a_net(figure_of):
    rows = [gan_row(line, seed) for line in LINES for seed in (0, 1)]
    axes = figure_of(rows, "figure1").axes
    assert [labels(each) for each in axes[:3]] == [["DCGAN", "AGNN-ADR", "Rate fixed at 0.5"], ["WGAN-GP"], ["SNGAN"]]
    assert [each.get_ylabel().split()[0] for each in axes] == ["discriminator"] * 3 + ["generator"] * 3
    line = axes[1].lines[0]
    curves = [
        r["epochs"][-1]["curves"]["discriminator_loss"][-1] for r in rows if r["config"]["model"]["name"] == "wgan_gp"
    ]
    assert line.get_xdata()[-1] == 300 and len(line.get_xdata()) == 12
    assert line.get_ydata()[-1] == pytest.approx(np.mean(curves))
    assert len(figure_of(rows[:2], "figure1").axes) == 2  # an objective without rows has no column


def test_rates_are_drawn_for_every_adaptive_line_and_layer(figure_of):
    rows = [gan_row(line, 0) for line in LINES] + [gan_row("AGNN-ADR", 0, method={"beta": 0.002})]
    (axes,) = figure_of(rows, "rate").axes
    adaptive = [line for line in LINES if LINES[line][1] == "adaptive_dropout"]
    assert labels(axes) == [*adaptive, "AGNN-ADR, beta 0.002"]
    thin = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 0.5]
    (mean,) = [line for line in axes.lines if line.get_label() == "One rate a layer"]
    assert len(thin) == 2 and mean.get_ydata()[0] == pytest.approx(np.mean(thin))
    first, changed = (line for line in axes.lines if str(line.get_label()).startswith("AGNN-ADR"))
    assert first.get_color() == changed.get_color() and first.get_linestyle() != changed.get_linestyle()
    assert figure_of([gan_row("DCGAN", 0)], "rate") is None


def test_fid_has_every_line_on_a_log_axis_and_tells_a_floor_far_below(figure_of):
    rows = [gan_row(line, seed) for line in LINES for seed in (0, 1)] + [gan_row("WGAN-GP", 0, task={"n_dis": 5})]
    paper, others = figure_of(rows, "fid").axes
    floor = f"{METRICS['real_fid'].words}: 0.40, far below"
    assert labels(paper) == ["DCGAN", "WGAN-GP", "SNGAN", "AGNN-ADR", floor]
    assert labels(others) == ["DCGAN", "AGNN-ADR", *list(LINES)[4:], "WGAN-GP, n_dis 5", floor]
    assert paper.get_yscale() == "log" and paper.get_ylim()[0] > 0.4
    means = np.mean([[entry["test"]["full"]["fid"] for entry in row["epochs"]] for row in rows[:2]], axis=0)
    assert paper.lines[0].get_ydata() == pytest.approx(means)
    assert len(figure_of(rows[:4], "fid").axes) == 1  # a panel of references alone says nothing of its own
    heading = figure_of([failed(rows[0]), *rows[1:4]], "fid").subfigs[0].subfigs[0].get_suptitle()
    assert "n = 1 to 2, budget quick" in heading and "failed members, not drawn: DCGAN (1 of 2)" in heading


def test_curves_that_lack_a_number_are_an_error_naming_the_row():
    row = gan_row("DCGAN", 0)
    group = built(GAN, [row]).sections[0].groups["dcgan",]
    assert list(layer_values(group, "generator_loss")["generator_loss"])[-1] == 300
    row["epochs"][1]["curves"]["generator_loss"].pop()
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 2: curves.generator_loss needs one number for each"):
        layer_values(group, "generator_loss")
    del row["epochs"][0]["curves"]
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 1: curves.discriminator_loss .* has none"):
        layer_values(group, "discriminator_loss")


def test_samples_have_a_panel_a_line_of_one_seed(figure_of):
    rows = [gan_row(line, seed) for line in ("SNGAN", "DCGAN", "AGNN-ADR") for seed in (2, 1)]
    titles = [axes.get_title().split("\n") for axes in figure_of(rows, "samples").axes]
    last = rows[3]["epochs"][-1]["test"]["full"]["fid"]
    assert [title[0] for title in titles] == ["DCGAN", "SNGAN", "AGNN-ADR"]
    assert titles[0][1] == f"seed 1, FID {last:.2f}"
    rows[3]["artifacts"] = {}
    assert {axes.get_title().split("\n")[1][:6] for axes in figure_of(rows, "samples").axes} == {"seed 2"}
    assert figure_of([row | {"artifacts": {}} for row in rows], "samples") is None


def test_publish_draws_what_there_is(tmp_path):
    rows = [gan_row("DCGAN", 0), gan_row("AGNN-ADR", 0, dataset="celeba"), failed(gan_row(budget="smoke"))]
    rows[0]["artifacts"] = {}
    names = {path.name for path in publish(GAN, rows, tmp_path)[1] if path.suffix == ".png"}
    mnist = {f"gan_{kind}_mnist_quick.png" for kind in ("figure1", "fid")}
    assert names == mnist | {f"gan_{kind}_celeba_quick.png" for kind in ("figure1", "fid", "rate", "samples")}
    assert all(imread(path).std() > 0.05 for path in (tmp_path / "figures").iterdir())
