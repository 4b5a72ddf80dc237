"""Which images rows were trained on: said below Tables 2 and 3, and one set throughout."""

import pytest

from regbench.errors import UserError
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.settings import data_words

from .golden_tables import built, tables
from .large_factory import PAPER, large_row, unet_row

NUMBERS = load_paper_numbers(PAPER)


def on(row, digest="aa", source="a prepared folder", test_images=3925):
    """The row, trained on these images."""
    data = {"source": source, "test_images": test_images, "digest": digest}
    return {**row, "provenance": {**row["provenance"], "data": data}}


def notes(rows):
    """The lines below the first table of either page."""
    return " ".join(next(iter(tables(rows[0]["experiment"], rows).values())).notes)


@pytest.mark.parametrize("make", [large_row, unet_row])
def test_source_and_test_images_are_said_where_rows_know_them(make):
    assert "Images: a prepared folder; 3,925 test images. SGD" in notes([on(make()), on(make(1.0))])
    assert "3,925 test images (1 of 2 rows do not say). SGD" in notes([make(), on(make(1.0))])
    assert "Images:" not in notes([make(), make(1.0)])


@pytest.mark.parametrize("make,name", [(large_row, "Table 2, imagenette"), (unet_row, "Table 3, duts")])
def test_rows_of_different_images_are_refused_and_older_rows_agree_with_all(make, name):
    rows = [make(0.0, 0), on(make(0.0, 1)), on(make(1.0, 0), "bb")]
    message = (
        rf"{name}(, budget quick)?: provenance\.data\.digest differs between its rows: '(aa|bb)' \(row .*'(aa|bb)'"
    )
    with pytest.raises(UserError, match=message):
        notes(rows)
    notes(rows[:2])


def test_budgets_and_datasets_have_images_of_their_own():
    built("entropy-table2", [on(large_row()), on(large_row(budget="smoke"), "bb")])
    built("entropy-table3", [on(unet_row()), on(unet_row(dataset="coco"), "bb")])


def test_the_same_images_of_two_sources_name_both():
    words = data_words([on(large_row()), on(large_row(1.0), source="a download")])
    assert words == "Images: a download and a prepared folder; 3,925 test images."
