"""The generic table and its three forms."""

import csv
import io

import pytest

from regbench.errors import UserError
from regbench.evidence.tables import Cell, Table, to_csv, to_markdown, to_tex
from regbench.evidence.wording import EN_DASH, MINUS

TABLE = Table(
    "A & B",
    ("Method", "Acc %"),
    (
        (Cell("a|b"), Cell("1 ± 2", ("twice",))),
        (Cell("c_d"), Cell(f"{MINUS}3", ("once", "twice"))),
        (Cell("e"), Cell(EN_DASH)),
    ),
    notes=("100 % < all",),
    records=({"x": 1.0, "seeds": (0, 1), "p": None}, {"x": 0.1234567, "p": "a,b"}),
)


def test_markdown():
    assert to_markdown(TABLE, level=3) == (
        "### A & B\n\n"
        "| Method | Acc % |\n"
        "| :--- | ---: |\n"
        "| a\\|b | 1 ± 2 <sup>1</sup> |\n"
        f"| c_d | {MINUS}3 <sup>2,1</sup> |\n"
        f"| e | {EN_DASH} |\n\n"
        "- <sup>1</sup> twice\n"
        "- <sup>2</sup> once\n"
        "- 100 % < all\n"
    )


def test_markdown_without_notes_ends_with_the_table():
    assert to_markdown(Table("t", ("a",), ((Cell("1"),),))).endswith("| 1 |\n")


def test_csv_is_long_form_and_reads_back():
    text = to_csv([TABLE, TABLE], ("p", "x", "seeds"))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert lines[:2] == [{"p": "", "x": "1", "seeds": "0 1"}, {"p": "a,b", "x": "0.123457", "seeds": ""}]
    assert len(lines) == 4 and "\r" not in text


def test_csv_drops_no_field():
    with pytest.raises(UserError, match="CSV field 'seeds' is unknown; allowed are x, p"):
        to_csv([TABLE], ("x", "p"))


def test_tex_escapes_and_marks():
    text = to_tex(TABLE)
    assert r"\caption{A \& B}" in text
    assert r"a|b & 1 $\pm$ 2$^{1}$ \\" in text
    assert r"c\_d & $-$3$^{2,1}$ \\" in text
    assert r"e & -- \\" in text
    assert r"$^{2}$ once\par" in text and r"100 \% $<$ all\par" in text
    assert text.count("{tabular}") == 2 and text.isascii()


def test_tex_line_cannot_begin_with_an_option():
    assert "{[1, 2]} &" in to_tex(Table("t", ("a", "b"), ((Cell("[1, 2]"), Cell("x")),)))


def test_rows_must_fit_the_columns():
    with pytest.raises(UserError, match="row 0 has 1 cells, needed are 2"):
        Table("t", ("a", "b"), ((Cell("1"),),))
