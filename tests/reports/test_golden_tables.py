"""One golden table a paper's page: frozen rows give these files, whatever the order of the rows."""

import random

import pytest

from .golden_tables import GOLDEN, experiments, frozen_rows, written


@pytest.mark.parametrize("experiment", experiments())
def test_frozen_rows_give_the_golden_files(experiment, tmp_path):
    """After a change that is meant: python -m tests.reports.golden_tables, and read the difference."""
    files = written(experiment, frozen_rows(experiment), tmp_path)
    assert set(files) == {f"{experiment}.{kind}" for kind in ("md", "csv", "tex")}
    for name, content in files.items():
        assert content.decode() == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_all_frozen_rows_are_of_an_experiment():
    assert {path.name.removesuffix("_rows.jsonl") for path in GOLDEN.glob("*_rows.jsonl")} == set(experiments())


@pytest.mark.parametrize("experiment", experiments())
def test_the_order_of_rows_changes_no_byte(experiment, tmp_path):
    expected = written(experiment, frozen_rows(experiment), tmp_path)
    rows = frozen_rows(experiment)
    random.Random(0).shuffle(rows)
    assert written(experiment, rows, tmp_path) == expected
