"""Pieces of Markdown that the report is made of."""

from __future__ import annotations

from collections.abc import Sequence


def table_line(cells: Sequence[str]) -> str:
    """One line of a table; a bar inside a cell does not end it."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def anchor(name: str) -> str:
    """A place that links inside the page lead to, where no heading has that name."""
    return f'<a id="{name}"></a>'


def link(text: str, name: str) -> str:
    """A link to a heading or an anchor of the page."""
    return f"[{text}](#{name})"


def table_link(experiment: str) -> str:
    """A link to the table of an experiment."""
    return f"[table](tables/{experiment}.md)"


def rows_link(experiment: str) -> str:
    """A link to the rows of an experiment."""
    return f"[rows](runs/{experiment}.jsonl)"


def sentence(text: str) -> str:
    """The text with a full stop."""
    return text if text.endswith(".") else f"{text}."


def plain(quote: str) -> str:
    """A quote that Markdown and a table's cell leave as it is."""
    return quote.replace("*", r"\*")
