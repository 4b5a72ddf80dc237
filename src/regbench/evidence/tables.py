"""A table, and its Markdown, CSV and LaTeX forms. Knows nothing of any paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.wording import EN_DASH, MINUS

_TEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    EN_DASH: "--",
    MINUS: "$-$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
}


@dataclass(frozen=True)
class Cell:
    """What one place of a table prints, and the footnotes that belong to it."""

    text: str
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A printed grid with footnotes at its cells and notes below it.

    `records` is the same content in long form, one dict a value: what the CSV holds. Raises UserError when a
    row has another width than `columns`.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    records: tuple[dict, ...] = ()

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise UserError(f"{self.title}: row {index} has {len(row)} cells, needed are {len(self.columns)}")

    @property
    def footnotes(self) -> tuple[str, ...]:
        """Every different footnote, in reading order; its number is its place here, counted from 1."""
        return tuple(dict.fromkeys(note for row in self.rows for cell in row for note in cell.footnotes))


def to_markdown(table: Table, level: int = 2) -> str:
    """The table under a heading of the given level, its footnotes and notes as a list below."""
    lines = [f"{'#' * level} {table.title}", "", markdown_line(table.columns)]
    lines.append("|" + "|".join([" :--- "] + [" ---: "] * (len(table.columns) - 1)) + "|")
    lines += [markdown_line([_marked(cell, table) for cell in row]) for row in table.rows]
    below = [f"- <sup>{number}</sup> {note}" for number, note in enumerate(table.footnotes, 1)]
    below += [f"- {note}" for note in table.notes]
    return "\n".join([*lines, *([""] if below else []), *below]) + "\n"


def to_csv(tables: Iterable[Table], fields: Sequence[str]) -> str:
    """The records of all tables as one long-form CSV with exactly `fields`. None is an empty place.

    Raises UserError when a record has a key that `fields` lacks.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(fields)
    for record in (record for table in tables for record in table.records):
        unknown = sorted(set(record) - set(fields))
        if unknown:
            raise UserError(f"CSV field {unknown[0]!r} is unknown; allowed are {', '.join(fields)}")
        writer.writerow([_csv_value(record.get(field)) for field in fields])
    return buffer.getvalue()


def to_tex(table: Table) -> str:
    """The table as a LaTeX `table` float as wide as the text, footnotes and notes in small print below it.

    It needs the packages booktabs and graphicx.
    """
    lines = [r"\begin{table}", rf"\caption{{{_tex(table.title)}}}", r"\resizebox{\textwidth}{!}{%"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule"]
    lines += [_tex_line([_tex(column) for column in table.columns]), r"\midrule"]
    lines += [_tex_line([_tex(cell.text) + _tex_marks(cell, table) for cell in row]) for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}}", r"\par\footnotesize"]
    lines += [rf"$^{{{number}}}$ {_tex(note)}\par" for number, note in enumerate(table.footnotes, 1)]
    lines += [rf"{_tex(note)}\par" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def write_texts(texts: Mapping[str, str], folder: str | Path) -> list[Path]:
    """Write `{file name: text}` into `folder`, which is made where it is missing; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def _numbers(cell: Cell, table: Table) -> list[int]:
    return [table.footnotes.index(note) + 1 for note in dict.fromkeys(cell.footnotes)]


def _marked(cell: Cell, table: Table) -> str:
    numbers = ",".join(map(str, _numbers(cell, table)))
    return cell.text + (f" <sup>{numbers}</sup>" if numbers else "")


def markdown_line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |"


def _tex_line(texts: Sequence[str]) -> str:
    # A line that begins with [ after \\ would be read as its optional argument.
    return " & ".join(f"{{{text}}}" if text.startswith("[") else text for text in texts) + r" \\"


def _tex_marks(cell: Cell, table: Table) -> str:
    numbers = _numbers(cell, table)
    return f"$^{{{','.join(map(str, numbers))}}}$" if numbers else ""


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def _csv_value(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return "" if value is None else value
