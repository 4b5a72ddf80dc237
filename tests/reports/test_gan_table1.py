"""The GAN table: its lines, protocols, tests, verdicts and stability, and a golden page."""

import csv
import io
import json
import random

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.tables import EN_DASH, MINUS, to_csv
from regbench.reports.gan import claims as gan_claims
from regbench.reports.gan.claims import CLAIMS, SPEED, verdicts
from regbench.reports.gan.methods import AGNN, BASELINES, FIXED, METHODS, SNGAN, WGAN_GP
from regbench.reports.gan.readings import epochs_to, has_collapsed, has_diverged, trace
from regbench.reports.gan.sections import gan_sections
from regbench.reports.gan.summary import summary
from regbench.reports.gan.table1 import COLUMNS, CSV_FIELDS, DIFFERENCES, build_gan_table1, write_gan_table1
from regbench.reports.publish import publish

from .gan_factory import EXTRACTOR, GOLDEN, LINES, PAPER, gan_row, rows_of
from .rows import failed

PAPER_NUMBERS = load_paper_numbers(PAPER)
FILES = ("gan-table1.md", "gan-table1.csv", "gan-table1.tex")
BAD = [30.0, 31.0, 29.0, 30.5, 30.2]
GOOD = [20.0, 21.5, 19.5, 20.5, 20.1]


def frozen_rows():
    return [json.loads(line) for line in (GOLDEN / "gan-table1_rows.jsonl").read_text().splitlines()]


def written(rows, folder):
    return {path.name: path.read_bytes() for path in write_gan_table1(rows, PAPER_NUMBERS, folder)}


def tables(rows, budget="quick"):
    """{first words of the title: table}"""
    found = build_gan_table1(rows, PAPER_NUMBERS, budget)
    return {table.title.split(", ")[1]: table for table in found}


def only_section(rows, budget="quick"):
    (section,) = gan_sections(rows, budget)
    return section


def cell(table, label, column, columns=COLUMNS):
    row = next(row for row in table.rows if row[0].text == label)
    return row[next(i for i, name in enumerate(columns) if name.startswith(column))]


def records(table, **wanted):
    lines = csv.DictReader(io.StringIO(to_csv([table], CSV_FIELDS)))
    return [line for line in lines if all(line[key] == value for key, value in wanted.items())]


def judged(rows):
    """{claim: verdict}"""
    section = only_section(rows)
    return {each.claim: each for each in verdicts(section, differences(section))}


def differences(section):
    return gan_claims.tested(section, (*BASELINES, FIXED))


def claim(words):
    return next(each for each in CLAIMS if words in each)


BEST = claim("best in FID")
FASTER = claim("converges faster")
ADAPTS = claim("lowers FID")


def test_golden_page(tmp_path):
    """After a change that is meant: python -m tests.reports.gan_factory, and read the difference."""
    for name, content in written(frozen_rows(), tmp_path).items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_order_of_rows_changes_no_byte(tmp_path):
    expected = written(frozen_rows(), tmp_path)
    rows = frozen_rows()
    random.Random(0).shuffle(rows)
    assert written(rows, tmp_path) == expected


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
    before = written(rows, tmp_path)
    target = rows[0]["epochs"][-1]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] += 0.31
    after = written(rows, tmp_path)
    assert all(before[name] != after[name] for name in FILES)


def test_each_line_has_its_name_whatever_the_order_of_the_settings():
    section = only_section([gan_row(line, 0) for line in LINES])
    assert [variant.label for variant, _ in section.lines] == list(LINES) == [method.label for method in METHODS]
    assert not any(variant.changes for variant in section.groups)
    (note,) = [note for note in tables(list(section.rows))["Table 1"].notes if note.startswith("Unless a line's name")]
    assert "layer Dropout" in note and "rate 0.5" in note and "layer.p" not in note and "_target_" not in note


@pytest.mark.parametrize(
    "line, options, label",
    [
        ("AGNN-ADR", {"method": {"beta": 2e-5}}, "AGNN-ADR, beta 2e-5"),
        ("AGNN-ADR", {"strength": 0.3}, "AGNN-ADR, rate 0.3"),
        (
            "AGNN-ADR",
            {"method": {"rule": "descend", "estimator": "score"}},
            "Minimised losses, descended, estimator score",
        ),
        ("Classic dropout 0.5", {"strength": 0.3}, "Classic dropout 0.5, rate 0.3"),
        ("WGAN-GP", {"task": {"n_dis": 5}}, "WGAN-GP, n_dis 5"),
        ("WGAN-GP", {"model": {"gradient_penalty": 1.0}}, "WGAN-GP, gradient_penalty 1"),
        ("DCGAN", {"model": {"ema": None}}, "DCGAN, ema None"),
        (
            "DCGAN",
            {"task": {"optimizer": {"_target_": "torch.optim.Adam", "lr": 0.0004}}},
            "DCGAN, optimizer.lr 0.0004",
        ),
        ("DCGAN", {"task": {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.0002}}}, "DCGAN, optimizer SGD"),
    ],
)
def test_variants_have_a_line_named_by_what_differs(line, options, label):
    rows = [gan_row(name, seed) for name in ("DCGAN", "WGAN-GP", "AGNN-ADR") for seed in (0, 1)]
    table = tables([*rows, gan_row(line, 0, **options)])
    (found,) = [row for row in table["Table 1"].rows if row[0].text == label]
    assert found[1].text == "1" and found[2].text == EN_DASH
    assert any("Lines without a test of their own" in note and label in note for note in table["Table 1"].notes)
    assert all(row[0].text != found[0].text for row in table["claims"].rows)


def test_a_regularizer_on_another_gan_is_named_and_another_model_refused():
    mixed = gan_row("AGNN-ADR", 0)
    mixed["config"]["model"]["name"] = "sngan"
    assert [v.label for v in only_section([mixed]).groups] == ["SNGAN, with adaptive_dropout"]
    mixed["config"]["model"]["name"] = "cnn5"
    with pytest.raises(UserError, match="model='cnn5': allowed are dcgan, wgan_gp, sngan"):
        tables([mixed])
    with pytest.raises(UserError, match="dataset='duts': allowed are digits, mnist, cifar10, celeba"):
        tables([gan_row(dataset="duts")])


def test_protocols_choose_the_epoch_by_the_lowest_fid():
    rows = [gan_row("DCGAN", s, [30.0, 20.0 + s, 25.0], [9.0, 9.0, 8.0], scores=[1.0, 2.0, 3.0]) for s in (0, 1)]
    table = tables(rows)["Table 1"]
    found = {name: cell(table, "DCGAN", name).text for name in COLUMNS}
    assert found["FID, protocol paper"].startswith("20.50 ± ")
    assert found["FID, protocol held-out"] == found["FID, last epoch"] == f"25.00 ± {EN_DASH}"
    assert found["IS, protocol paper"] == f"2.00 ± {EN_DASH}" and found["IS, protocol held-out"] == f"3.00 ± {EN_DASH}"
    assert any("by protocol paper): +4.50, mean over 1 line." in note for note in table.notes)
    low, high = scipy_stats.t.interval(0.95, 1, 20.5, scipy_stats.sem([20.0, 21.0]))
    (line,) = records(table, metric="fid", protocol="paper", method="DCGAN")
    assert [float(line[key]) for key in ("low", "high")] == pytest.approx([low, high], rel=1e-5)


def test_paper_numbers_stand_beside_ours_and_the_floor_below():
    found = tables([gan_row(line, seed) for line in LINES for seed in (0, 1)])
    assert cell(found["Table 1"], "SNGAN", "FID, paper's").text == "20.5"
    assert cell(found["Table 1"], "AGNN-ADR", "IS, paper's").text == "9.23"
    assert cell(found["Table 1"], "Rate fixed at 0.5", "FID, paper's").text == EN_DASH
    assert cell(found["claims"], "SNGAN", "FID, paper's", DIFFERENCES).text == f"{MINUS}2.3"
    assert cell(found["claims"], "SNGAN", "IS, paper's", DIFFERENCES).text == "+0.62"
    real = found["Table 1"].rows[-1]
    assert [each.text for each in real][:6] == ["Real images", EN_DASH, EN_DASH, "0.40", "0.40", "0.40"]
    digits = tables([gan_row(dataset="digits")])["Table 1"]
    assert {cell(digits, row[0].text, "FID, paper's").text for row in digits.rows} == {EN_DASH}


def test_title_states_what_the_numbers_depend_on():
    (title,) = {t.title.split(": ", 1)[1] for t in tables([gan_row(seed=s) for s in (0, 1)]).values()}
    assert title == (
        "n = 2, budget quick, device cpu, 3 epochs, 6,400 training images, 300 steps, 10,000 samples, "
        "extractor mnist-cnn5 (test accuracy 98.71 %, 128 features, sha256 5ba1e0de)"
    )
    inception = {"name": "inception", "accuracy": None, "sha256": "ab" * 32, "features": 2048}
    title = tables([gan_row(extractor=inception)])["Table 1"].title
    assert title.endswith("extractor inception (2048 features, sha256 abababab)")


def test_differences_are_paired_and_one_sided_in_the_claimed_direction():
    fids = {"DCGAN": BAD, "AGNN-ADR": GOOD}
    (line,) = records(tables(rows_of(fids))["claims"], metric="difference_in_fid", reference="DCGAN")
    expected = scipy_stats.ttest_rel(GOOD, BAD, alternative="less")
    assert float(line["p"]) == pytest.approx(expected.pvalue, rel=1e-4)
    interval = scipy_stats.ttest_rel(GOOD, BAD).confidence_interval()
    assert [float(line[key]) for key in ("low", "high")] == pytest.approx(list(interval), rel=1e-4)
    other_epoch = rows_of(fids)
    for row in other_epoch:  # the test split would choose another epoch than the held-out images do
        row["config"]["epochs"], epoch = 2, json.loads(json.dumps(row["epochs"][0])) | {"epoch": 2}
        epoch["test"]["full"]["fid"], epoch["heldout"]["full"]["fid"] = 5.0 + row["seed"] ** 2, 1000.0
        row["epochs"].append(epoch)
    assert records(tables(other_epoch)["claims"], metric="difference_in_fid", reference="DCGAN")[0]["p"] == line["p"]
    (line,) = records(tables(rows_of(fids))["claims"], metric="difference_in_inception_score", reference="DCGAN")
    scores = [[round(9 - fid / 10, 3) for fid in values] for values in (GOOD, BAD)]
    assert float(line["p"]) == pytest.approx(scipy_stats.ttest_rel(*scores, alternative="greater").pvalue, rel=1e-4)


def test_holm_is_over_the_claims_table_alone():
    values = {"DCGAN": BAD, "WGAN-GP": [f + 3 for f in BAD[::-1]], "SNGAN": [f - 5 for f in BAD[::-1]]}
    rows = rows_of({**values, "AGNN-ADR": GOOD, "Rate fixed at 0.5": [f + 0.3 for f in GOOD[::-1]]})
    lines = [line for line in records(tables(rows)["claims"]) if line["p"]]
    expected = stats.holm([float(line["p"]) for line in lines])
    assert [float(line["p_holm"]) for line in lines] == pytest.approx(expected, rel=1e-4)
    more = [*rows, *rows_of({"Classic dropout 0.5": BAD[::-1]})]
    assert records(tables(more)["claims"]) == records(tables(rows)["claims"])
    assert "controls" not in tables(rows) and [r[0].text for r in tables(more)["controls"].rows] == [
        "Classic dropout 0.5"
    ]


def baselines(values):
    """Three baselines of nearly these FIDs, and the fixed rate."""
    spread = (0.0, 0.3, -0.2, 0.1, 0.25)
    lines = {"DCGAN": 0.0, "WGAN-GP": 1.0, "SNGAN": 2.0, "Rate fixed at 0.5": 1.5}
    return {
        line: [value + shift + each * (place + 1) for value, each in zip(values, spread, strict=False)]
        for place, (line, shift) in enumerate(lines.items())
    }


def test_supported_needs_to_beat_all_three_with_five_seeds():
    good = judged(rows_of({**baselines(BAD), "AGNN-ADR": GOOD}))
    assert good[BEST].word == good[ADAPTS].word == "supported"
    assert all(each.label in good[BEST].reason for each in BASELINES) and good[BEST].reason.endswith("n = 5")
    four = judged(rows_of({line: values[:4] for line, values in {**baselines(BAD), "AGNN-ADR": GOOD}.items()}))
    assert four[BEST].word == "inconclusive" and "4 of 5 seeds" in four[BEST].reason
    mixed = {
        **baselines(BAD),
        "SNGAN": [fid + each for fid, each in zip(GOOD, (0.9, -0.8, 0.7, -0.6, 0.1), strict=True)],
    }
    against = judged(rows_of({**mixed, "AGNN-ADR": GOOD}))[BEST]
    smallest = stats.smallest_effect(
        stats.paired_test(dict(enumerate(GOOD)), dict(enumerate(mixed["SNGAN"])), "less"), alternative="less"
    )
    assert against.word == "inconclusive" and f"smallest effect {smallest:.2f}" in against.reason


def test_contradicted_where_one_baseline_is_significantly_better():
    values = baselines(BAD)
    values["SNGAN"] = [fid - 8 + each for fid, each in zip(GOOD, (0.0, 0.2, 0.1, -0.2, 0.15), strict=True)]
    found = judged(rows_of({**values, "AGNN-ADR": GOOD}))
    assert found[BEST].word == "contradicted" and "SNGAN p" in found[BEST].reason
    assert "DCGAN" not in found[BEST].reason and found[ADAPTS].word == "supported"
    assert "Verdict: contradicted (significantly the other way against SNGAN" in found[BEST].sentence


def test_a_missing_method_is_not_run_and_a_failed_one_inconclusive():
    values = {**baselines(BAD), "AGNN-ADR": GOOD}
    without = judged(rows_of({line: each for line, each in values.items() if line not in ("SNGAN", FIXED.label)}))
    assert (without[BEST].word, without[BEST].reason) == ("not run", "no training of SNGAN")
    assert without[ADAPTS].word == "not run"
    assert judged(rows_of({"DCGAN": BAD}))[BEST].reason == "no training of AGNN-ADR, WGAN-GP, SNGAN"
    rows = rows_of(values)
    place = next(i for i, row in enumerate(rows) if row["config"]["model"]["name"] == "sngan")
    rows[place] = failed(rows[place])
    found = judged(rows)[BEST]
    assert found.word == "inconclusive" and "SNGAN: a training failed" in found.reason


def test_equal_methods_are_rarely_called_better():
    """Simulation without any effect: about 5 % of the tables, not more, support or contradict any claim."""
    rng = np.random.default_rng(0)
    rows = rows_of({line.label: [0.0] * 5 for line in (*BASELINES, AGNN, FIXED)})
    wrong = {"supported": 0, "contradicted": 0}
    for _ in range(40):
        for row in rows:
            row["epochs"][0]["test"]["full"]["fid"] = float(rng.normal(20, 1))
            row["epochs"][0]["test"]["full"]["inception_score"] = float(rng.normal(5, 1))
        section = only_section(rows)
        words = {verdict.word for verdict in verdicts(section, differences(section))}
        wrong = {word: count + (word in words) for word, count in wrong.items()}
    assert wrong["supported"] <= 4 and wrong["contradicted"] <= 4


def test_epochs_to_a_fid_lie_between_two_epochs():
    row = gan_row(fids=[40.0, 20.0, 10.0, 30.0])
    assert [epochs_to(row, level) for level in (50.0, 40.0, 25.0, 20.0, 12.5, 10.0)] == [1, 1, 1.75, 2, 2.75, 3]
    assert epochs_to(row, 9.9) is None


def curve_rows(paths, **options):
    """{line: FID by epoch}, five seeds that differ a little. Options of WGAN-GP's rows."""
    return [
        gan_row(line, seed, [fid + 0.1 * seed * (1 + place) for fid in path], **(options if line == "WGAN-GP" else {}))
        for place, (line, path) in enumerate(paths.items())
        for seed in range(5)
    ]


SLOW, FAST, NEVER = [60.0, 40.0, 30.0], [35.0, 20.0, 15.0], [90.0, 80.0, 70.0]


def test_faster_is_measured_against_what_every_baseline_reaches():
    rows = curve_rows({"DCGAN": SLOW, "WGAN-GP": FAST, "SNGAN": SLOW, "AGNN-ADR": FAST})
    table = tables(rows)
    assert only_section(rows).level == pytest.approx(31.2)  # of SNGAN's slowest seed
    assert "Fixed FID: 31.20, which every sound training of the baselines reaches." in table["Table 1"].notes
    assert cell(table["Table 1"], "SNGAN", "Epochs to").text.startswith("2.9 ± ")
    assert cell(table["Table 1"], "AGNN-ADR", "Epochs to").text.startswith("1.3 ± ")
    assert judged(rows)[FASTER].word == "inconclusive"  # not faster than WGAN-GP
    rows = curve_rows({"DCGAN": SLOW, "WGAN-GP": SLOW, "SNGAN": SLOW, "AGNN-ADR": FAST})
    assert judged(rows)[FASTER].word == "supported"


def test_trainings_that_never_arrive_are_bounds_and_no_test_gains_by_them():
    # a baseline that collapsed does not set the fixed FID: it never arrives
    rows = curve_rows({"DCGAN": SLOW, "WGAN-GP": NEVER, "SNGAN": SLOW, "AGNN-ADR": FAST}, classes=1.0)
    table = tables(rows)
    bound = cell(table["Table 1"], "WGAN-GP", "Epochs to")
    assert bound.text == "> 3.0" and bound.footnotes[0].startswith("5 of 5 trainings never reach the fixed FID")
    difference = cell(table["claims"], "WGAN-GP", "Epochs to", DIFFERENCES)
    assert f"[{EN_DASH}], p < 0.001" in difference.text and "count with their last epoch" in difference.footnotes[0]
    assert judged(rows)[FASTER].word == "supported"
    # AGNN-ADR never arrives: nothing shows that it is faster, but that it is slower than SNGAN can be shown
    paths = {"DCGAN": SLOW, "WGAN-GP": NEVER, "SNGAN": [50.0, 25.0, 20.0], "AGNN-ADR": [60.0, 45.0, 35.0]}
    rows = curve_rows(paths, classes=1.0)
    found = differences(only_section(rows))
    assert all(found[other, SPEED].claimed.p is None for other in BASELINES)
    assert found[WGAN_GP, SPEED].opposite.p is None and found[SNGAN, SPEED].opposite.p < 0.001
    assert judged(rows)[FASTER].word == "contradicted"


def test_a_mean_of_which_some_never_arrive_has_no_interval():
    paths = ([60.0, 40.0, 30.0], [60.0, 35.0, 30.0], NEVER)
    rows = [gan_row("AGNN-ADR", seed, path) for seed, path in enumerate(paths)]
    table = tables([*rows, *(gan_row("SNGAN", seed, [70.0, 60.0, 35.0 + seed]) for seed in (0, 1, 2))])["Table 1"]
    (line,) = records(table, metric=SPEED, method="AGNN-ADR")
    assert (line["low"], line["high"]) == ("", "") and line["note"].startswith("1 of 3 trainings never reach")
    assert cell(table, "AGNN-ADR", "Epochs to").text.startswith("> 2.4")


def test_without_a_sound_baseline_there_is_no_fixed_fid():
    for rows in (rows_of({"AGNN-ADR": GOOD}), rows_of({**baselines(BAD), "AGNN-ADR": GOOD}, classes=1.0)):
        table = tables(rows)
        assert cell(table["Table 1"], "AGNN-ADR", "Epochs to").text == EN_DASH
        assert any(note.startswith(f"Fixed FID: {EN_DASH}") for note in table["Table 1"].notes)
    found = judged(rows)[FASTER]
    assert found.word == "inconclusive" and "DCGAN: no sound training of a baseline sets the fixed FID" in found.reason


@pytest.mark.parametrize(
    "options, diverged, collapsed",
    [
        ({}, False, False),
        ({"fids": [10.0, 12.0, 20.0]}, False, False),
        ({"fids": [10.0, 12.0, 20.1]}, True, False),
        ({"classes": 4.95}, False, False),
        ({"classes": 4.94}, False, True),
        ({"diversity": 0.25}, False, False),
        ({"diversity": 0.249}, False, True),
    ],
)
def test_divergence_and_collapse(options, diverged, collapsed):
    row = gan_row("SNGAN", 0, **options)
    assert (has_diverged(row), has_collapsed(row)) == (diverged, collapsed)
    table = tables([row, gan_row("SNGAN", 1)])
    for part in ("Table 1", "stability"):
        columns = table[part].columns
        assert cell(table[part], "SNGAN", "Diverged", columns).text == f"{int(diverged)} of 2"
        assert cell(table[part], "SNGAN", "Collapsed", columns).text == f"{int(collapsed)} of 2"


def test_a_failed_member_is_an_x_with_its_reason_and_counts_as_diverged():
    rows = [gan_row(line, seed) for line in ("DCGAN", "AGNN-ADR") for seed in (0, 1, 2)]
    rows[0] = failed(rows[0], "generator_loss became no finite number in step 3 of epoch 2")
    table = tables(rows)
    found = cell(table["Table 1"], "DCGAN", "FID, protocol paper")
    assert found.text == "X" and "seed 0: generator_loss became" in found.footnotes[0]
    assert cell(table["Table 1"], "DCGAN", "Diverged").text == "1 of 3"
    assert cell(table["Table 1"], "DCGAN", "n").text == "2 (+ 1 failed)"
    assert cell(table["claims"], "DCGAN", "FID (p", DIFFERENCES).text == "X"
    everything = tables([failed(row) for row in rows])
    assert cell(everything["stability"], "DCGAN", "Collapsed", everything["stability"].columns).text == "X"
    assert "extractor not recorded" in everything["Table 1"].title


def test_one_seed_prints_a_dash_and_no_test():
    table = tables([gan_row(line, 0) for line in ("DCGAN", "AGNN-ADR")])
    assert cell(table["Table 1"], "DCGAN", "FID, protocol paper").text.endswith(f"± {EN_DASH}")
    assert f"p = {EN_DASH}" in cell(table["claims"], "DCGAN", "FID (p", DIFFERENCES).text
    assert "nan" not in to_csv(table.values(), CSV_FIELDS)


def test_the_final_rate_is_the_last_epochs_mean_over_layers():
    rows = [gan_row(line, 0, rates=[0.4, 0.3, 0.2]) for line in ("AGNN-ADR", "One rate a layer", "Rate fixed at 0.5")]
    table = tables([*rows, gan_row("DCGAN", 0)])["Table 1"]
    texts = [cell(table, line, "Dropout rate").text for line in ("AGNN-ADR", "One rate a layer", "Rate fixed at 0.5")]
    assert [text.split()[0] for text in texts] == ["0.200", "0.210", "0.500"]
    assert cell(table, "DCGAN", "Dropout rate").text == EN_DASH


def test_rows_that_must_not_share_a_table_are_refused():
    other = {**EXTRACTOR, "sha256": "ffff" * 16, "name": "inception"}
    with pytest.raises(UserError, match=r"extractor.sha256 differs .*mnist-cnn5, row .*inception.*cannot be compared"):
        tables([gan_row("DCGAN", 0) | {"id": "a"}, gan_row("SNGAN", 0, extractor=other) | {"id": "b"}])
    with pytest.raises(UserError, match=r"provenance.extractor.sha256 is missing"):
        tables([gan_row("DCGAN", 0, extractor={"name": "mnist-cnn5"})])
    with pytest.raises(UserError, match=r"epochs differs between its rows"):
        tables([gan_row("DCGAN", 0), gan_row("DCGAN", 1, [20.0])])
    with pytest.raises(UserError, match=r"task.samples differs between its rows"):
        tables([gan_row("DCGAN", 0), gan_row("SNGAN", 0, task={"samples": 5000})])
    # of two datasets each may have its own extractor
    assert len(gan_sections([gan_row(), gan_row(dataset="celeba", extractor=other)], "quick")) == 2


def test_numbers_that_are_missing_or_nan_are_errors_naming_the_row():
    row = gan_row("DCGAN", 0)
    row["epochs"][1]["test"]["full"]["fid"] = float("nan")
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 2: test.full.fid=nan"):
        tables([row])
    del row["epochs"][1]["test"]["full"]["fid"]
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 2: test.full.fid is missing"):
        tables([row])
    row = gan_row("DCGAN", 0)
    del row["epochs"][0]["train"]["generator_gradient_norm"]
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 1: train.generator_gradient_norm is missing"):
        tables([row])


def test_missing_curves_leave_the_table_but_not_the_curve():
    row = gan_row("DCGAN", 0)
    assert list(trace(row, "generator_loss"))[-1] == 300 and len(trace(row, "generator_loss")) == 12
    row["epochs"][1]["curves"]["generator_loss"].pop()
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 2: curves.generator_loss needs one number for each"):
        trace(row, "generator_loss")
    for entry in row["epochs"]:
        del entry["curves"]
    assert "steps not recorded" in tables([row])["Table 1"].title


def test_budgets_and_datasets_have_their_own_sections_and_missing_ones_are_named(tmp_path):
    rows = [gan_row(dataset=d, budget=b) for b in ("smoke", "quick") for d in ("celeba", "digits", "mnist")]
    page = written(rows, tmp_path)["gan-table1.md"].decode()
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Budget `quick`", "## Budget `smoke`"]
    assert [table.title.split(": ")[0] for table in build_gan_table1(rows, PAPER_NUMBERS, "quick")][::3] == [
        "GANs, Table 1, digits",
        "GANs, Table 1, MNIST",
        "GANs, Table 1, CelebA",
    ]
    assert "- Not run, budget `quick`: CIFAR-10.\n- Not run, budget `smoke`: CIFAR-10.\n" in page
    assert "Not run: there is no row yet (n = 0)." in written([], tmp_path)["gan-table1.md"].decode()


def test_the_readmes_lines():
    lines = ("DCGAN", "AGNN-ADR", "One rate a layer")
    rows = [gan_row(line, s, [30.0, 20.0 + s], [8.0, 9.0]) for line in lines for s in (0, 1)]
    lines = summary(gan_sections(rows, "quick")).splitlines()
    shown = ["DCGAN", "WGAN-GP", "SNGAN", "AGNN-ADR", "One rate a layer"]
    assert [line.split(" | ")[1] for line in lines[2:7]] == shown
    fid = cell(tables(rows)["Table 1"], "DCGAN", "FID, protocol held-out").text
    assert lines[2].startswith(f"| MNIST, quick | DCGAN | 2 | {fid} | ") and lines[2].endswith(" | 0.40 |")
    assert lines[3].startswith("| MNIST, quick | WGAN-GP | 0 | not run | not run |")
    assert [line.split(" | ")[:2] for line in lines[7:]] == [["| CIFAR-10", "not run"], ["| CelebA", "not run"]]
    assert len({line.count("|") for line in lines}) == 1


def test_publish_writes_tables_and_readme(tmp_path):
    found = publish("gan-table1", frozen_rows(), tmp_path, pictures=False)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == [*(f"tables/{name}" for name in FILES), "tables/README.md"]
    assert "| CIFAR-10, quick | WGAN-GP | 1 (+ 1 failed) | X | X |" in found[-1].read_text()
