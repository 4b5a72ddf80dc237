"""The table of silent settings."""

import random

import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.tables import EN_DASH, to_csv
from regbench.reports.pb_edropout.sensitivity import COLUMNS, CSV_FIELDS, build_sensitivity

from .factory import LAYER, make_row
from .rows import failed

DEFAULTS = {key: LAYER[key] for key in ("beta", "c", "noise_std", "eps")}
SEEDS = (0, 1, 2)


def rows_of(layer, accuracies=(0.98, 0.983, 0.979), **options):
    return [make_row("pb_edropout", s, [a], layer=layer, **options) for s, a in zip(SEEDS, accuracies, strict=True)]


def sweep():
    rows = rows_of({}) + rows_of({"eps": 1e-6}, (0.981, 0.982, 0.9805))
    return rows + rows_of({"c": 10.0}, (0.97, 0.975, 0.971)) + rows_of({"c": 0.1}, (0.977, 0.976, 0.9772))


def text(table, label, column):
    row = next(row for row in table.rows if row[0].text == label)
    return row[next(i for i, name in enumerate(COLUMNS) if name.startswith(column))].text


def test_one_line_per_changed_setting_in_the_order_of_the_defaults():
    table = build_sensitivity(sweep(), DEFAULTS)
    assert [row[0].text for row in table.rows] == ["default", "c=0.1", "c=10", "eps=1e-06"]
    assert table.title == ("Silent settings, MNIST: n = 3, budget quick, device cpu, 1 epoch, 55,000 training images")
    assert text(table, "default", "Difference to the default, pp (Full)") == "reference"
    assert text(table, "c=10", "Patches") == f"80.00 ± {EN_DASH}"


def test_order_of_rows_changes_nothing():
    rows = sweep()
    random.Random(0).shuffle(rows)
    assert build_sensitivity(rows, DEFAULTS) == build_sensitivity(sweep(), DEFAULTS)


def test_differences_are_paired_and_corrected_over_the_table():
    base, low, high = (0.98, 0.983, 0.979), (0.981, 0.982, 0.9805), (0.97, 0.975, 0.971)
    table = build_sensitivity(rows_of({}, base) + rows_of({"eps": 1e-6}, low) + rows_of({"c": 10.0}, high), DEFAULTS)
    records = [r for r in table.records if r["metric"] == "difference_to_default" and r["p"] is not None]
    # Mask accuracies are the full ones less a constant: each difference is tested twice.
    raw = [scipy_stats.ttest_rel(values, base).pvalue for values in (high, low) for _ in range(2)]
    assert [record["p"] for record in records] == pytest.approx(raw)
    assert [record["p_default_holm"] for record in records] == pytest.approx(stats.holm(raw))


def test_references_and_missing_modes():
    rows = sweep() + [make_row(name, s) for name in ("none", "random_patch") for s in SEEDS]
    with pytest.raises(UserError, match="epochs differs"):
        build_sensitivity(rows, DEFAULTS)
    rows = sweep() + [make_row(n, s, [0.97 + s / 500]) for n in ("none", "random_patch") for s in SEEDS]
    table = build_sensitivity(rows, DEFAULTS)
    assert [row[0].text for row in table.rows][-2:] == ["Baseline / No dropout", "Random patches (same K)"]
    assert text(table, "Baseline / No dropout", "Acc %, Mask") == EN_DASH
    assert text(table, "Baseline / No dropout", "Difference to the default, pp (Mask)") == EN_DASH
    assert "p = " in text(table, "Random patches (same K)", "Difference to the default, pp (Full)")


def test_a_failed_setting_is_an_x_and_a_missing_default_is_said():
    rows = sweep()
    rows[4] = failed(rows[4])
    table = build_sensitivity(rows, DEFAULTS)
    assert text(table, "eps=1e-06", "Acc %, Full") == "X"
    assert text(table, "eps=1e-06", "n") == "2 (+ 1 failed)"
    alone = build_sensitivity(rows_of({"c": 10.0}), DEFAULTS)
    assert text(alone, "default", "Acc %, Full") == "not run"
    assert "the default setting was not run" in alone.footnotes


def test_the_last_epoch_gives_the_share_of_zero_probabilities():
    rows = [make_row("pb_edropout", s, [0.9, 0.8]) for s in SEEDS]
    for row in rows:
        row["epochs"][1]["measures"]["train"]["conv1/zero_probability"] = 0.25 + row["seed"] / 100
        row["epochs"].reverse()
    assert text(build_sensitivity(rows, DEFAULTS), "default", "Patches").startswith("26.00 ±")


def test_settings_without_a_default_must_not_vary():
    rows = rows_of({}) + rows_of({"population": 8})
    with pytest.raises(UserError, match=r"regularizer.method.layer.population differs.*'\(absent\)'.*8|.*8.*absent"):
        build_sensitivity(rows, DEFAULTS)
    with pytest.raises(UserError, match="layer setting 'gamma' is missing"):
        build_sensitivity(rows_of({}), DEFAULTS | {"gamma": 1})
    with pytest.raises(UserError, match=r"dataset.name differs"):
        build_sensitivity(rows_of({}) + rows_of({}, dataset="cifar10"), DEFAULTS)
    with pytest.raises(UserError, match="at least one row"):
        build_sensitivity([], DEFAULTS)


def test_csv_fields_hold_every_record():
    lines = to_csv([build_sensitivity(sweep(), DEFAULTS)], CSV_FIELDS).splitlines()
    assert len(lines) == 1 + 4 * 5


def test_two_changes_at_once_are_one_line_after_the_single_ones():
    rows = sweep() + rows_of({"beta": 0.5, "eps": 1e-6}) + rows_of({"variant": "standardized"})
    table = build_sensitivity(rows, DEFAULTS | {"variant": "printed"})
    labels = [row[0].text for row in table.rows]
    assert labels == ["default", "c=0.1", "c=10", "eps=1e-06", "variant=standardized", "beta=0.5, eps=1e-06"]
