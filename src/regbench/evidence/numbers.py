"""The papers' numbers as data: `numbers.yaml` in a paper's folder, one entry for every printed number.

A paper may also print whether one strength differs significantly from another: a grid of signs, an entry of `signs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from regbench.errors import UserError

FIELDS = ("table", "row", "column", "value", "printed", "unit", "n", "spread", "read")
FILE_FIELDS = ("paper", "title", "source", "notes", "numbers")
SIGN_FIELDS = ("figure", "dataset", "measure", "width", "alpha", "n", "strengths", "columns", "cells", "read")
#: an allowed symbol -> what the same test prints with its two samples exchanged
MIRRORED = {"+": "-", "-": "+", " ": " "}


@dataclass(frozen=True)
class PaperNumber:
    """One printed number. `printed` keeps its digits; n and spread are None where the paper states none."""

    table: str
    row: str
    column: str
    value: float
    printed: str
    unit: str
    n: int | None
    spread: float | None
    read: str

    @property
    def place(self) -> str:
        """Where it stands, in words: table, row and column."""
        table = f"Table {self.table}" if self.table[:1].isdigit() else self.table
        return "; ".join((table, self.row, self.column))


@dataclass(frozen=True)
class PaperSigns:
    """A printed grid of pairwise tests at level alpha, each strength of a row against each strength of a column.

    "+" is significantly higher for the row, "-" significantly lower, " " an empty cell: no significant difference.
    """

    figure: str
    dataset: str
    measure: str
    width: int
    alpha: float
    n: int
    strengths: tuple[float, ...]
    columns: tuple[float, ...]
    cells: tuple[tuple[str, ...], ...]
    read: str

    def sign(self, row: float, column: float) -> str | None:
        """The symbol at that place, or None where the paper prints none."""
        if row not in self.strengths or column not in self.columns:
            return None
        return self.cells[self.strengths.index(row)][self.columns.index(column)]

    def contradictions(self) -> tuple[tuple[float, float], ...]:
        """The pairs (a, b), a <= b, whose cells (a, b) and (b, a) exclude each other, such as "+" and "+".

        (a, a) is among them unless its cell is empty: no sample differs from itself. A pair of which only one cell is
        printed contradicts nothing, and transitivity is not required of tests.
        """
        both = sorted(set(self.strengths) & set(self.columns))
        pairs = ((a, b) for a in both for b in both if a <= b)
        return tuple((a, b) for a, b in pairs if self.sign(b, a) != MIRRORED[self.sign(a, b)])

    def readings(self) -> dict[str, PaperSigns]:
        """The grid as its header has it, and where it is one column short also as one without its empty diagonal.

        A text conversion may have lost either the last column or the diagonal; by name what the grid then lacks.
        """
        lacking = [strength for strength in self.strengths if strength not in self.columns]
        if len(lacking) != 1:
            return {"": self}
        rows = [(*row[:place], " ", *row[place:]) for place, row in enumerate(self.cells)]
        whole = replace(self, columns=self.strengths, cells=tuple(rows))
        return {f"read without the column of {lacking[0]:g}": self, "read without the diagonal": whole}


class PaperNumbers:
    """The numbers of one paper, found by table, row and column. Raises UserError on a repeated place."""

    def __init__(
        self,
        paper: str,
        numbers: Iterable[PaperNumber],
        signs: Mapping[str, PaperSigns] | None = None,
        title: str = "",
        short: str = "",
    ):
        self.paper, self.title, self.short = paper, title, short
        self._signs = dict(signs or {})
        self._numbers: dict[tuple[str, str, str], PaperNumber] = {}
        for number in numbers:
            place = (number.table, number.row, number.column)
            if place in self._numbers:
                raise UserError(f"{paper}: table={place[0]!r}, row={place[1]!r}, column={place[2]!r} occurs twice")
            self._numbers[place] = number

    def __iter__(self) -> Iterator[PaperNumber]:
        return iter(self._numbers.values())

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, table: str, row: str, column: str) -> PaperNumber | None:
        """The number at that place, or None where the paper prints none."""
        return self._numbers.get((str(table), row, column))

    def signs(self, figure: str) -> PaperSigns | None:
        """The grid of signs of that figure, or None where the paper prints none."""
        return self._signs.get(str(figure))


def load_paper_numbers(path: str | Path) -> PaperNumbers:
    """Read one file of numbers; its key `signs` is optional.

    Raises UserError for a missing file, a missing or unknown key, a value unlike its print, or a grid of signs that is
    repeated, has the wrong shape or holds an unknown symbol.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"paper numbers {path}: no such file; each paper keeps its own in numbers.yaml")
    content = load_yaml(path)
    _check_keys(content, FILE_FIELDS, str(path), optional=("signs", "short"))
    numbers = [_number(entry, f"{path}, number {i}") for i, entry in enumerate(content["numbers"], 1)]
    signs = _all_signs(content.get("signs", []), path)
    return PaperNumbers(content["paper"], numbers, signs, content["title"], content.get("short", ""))


def load_yaml(path: Path) -> object:
    """The content of a YAML file, by the parser in C where there is one: it is ten times as fast."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{place}: no YAML: {getattr(error, 'problem', None) or error}") from None


def _number(entry: dict, where: str) -> PaperNumber:
    _check_keys(entry, FIELDS, where)
    printed = str(entry["printed"])
    try:
        same = float(printed.rstrip("%")) == float(entry["value"])
    except (TypeError, ValueError):
        same = False
    if not same:
        raise UserError(f"{where}: value={entry['value']!r} is not the printed number {printed!r}")
    return PaperNumber(**{**entry, "table": str(entry["table"]), "value": float(entry["value"]), "printed": printed})


def _all_signs(entries: object, path: Path) -> dict[str, PaperSigns]:
    if not isinstance(entries, list):
        raise UserError(f"{path}: signs={entries!r} is not a list of grids")
    found: dict[str, PaperSigns] = {}
    for place, entry in enumerate(entries, 1):
        named = isinstance(entry, dict) and "figure" in entry
        where = f"{path}, figure {entry['figure']}" if named else f"{path}, signs {place}"
        signs = _signs(entry, where)
        if signs.figure in found:
            raise UserError(f"{where}: its signs occur twice")
        found[signs.figure] = signs
    return found


def _signs(entry: dict, where: str) -> PaperSigns:
    _check_keys(entry, SIGN_FIELDS, where)
    for key in ("width", "alpha", "n"):
        if not _is_number(entry[key]):
            raise UserError(f"{where}: {key}={entry[key]!r} is not a number")
    strengths, columns = _strengths(entry, "strengths", where), _strengths(entry, "columns", where)
    cells = _cells(entry["cells"], len(strengths), len(columns), where)
    read = {"figure": str(entry["figure"]), "strengths": strengths, "columns": columns, "cells": cells}
    return PaperSigns(**{**entry, **read})


def _strengths(entry: dict, key: str, where: str) -> tuple[float, ...]:
    values = entry[key]
    # "1e-4" is a string to YAML: it would be found by no number
    if not isinstance(values, list) or not values or not all(map(_is_number, values)):
        raise UserError(f"{where}: {key}={values!r} is not a list of numbers")
    if len(set(values)) != len(values):
        raise UserError(f"{where}: {key}={values!r} names a strength twice")
    return tuple(float(value) for value in values)


def _cells(cells: object, rows: int, columns: int, where: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(cells, list) or not all(isinstance(row, list) for row in cells):
        raise UserError(f"{where}: cells={cells!r} is not a list of rows, each a list of symbols")
    if len(cells) != rows:
        raise UserError(f"{where}: cells has {len(cells)} rows, strengths has {rows}")
    for place, row in enumerate(cells, 1):
        if len(row) != columns:
            raise UserError(f"{where}: row {place} of cells has {len(row)} cells, columns has {columns}")
        wrong = [cell for cell in row if not isinstance(cell, str) or cell not in MIRRORED]
        if wrong:
            allowed = ", ".join(map(repr, MIRRORED))
            raise UserError(f"{where}: row {place} of cells holds {wrong[0]!r}: allowed are {allowed}")
    return tuple(tuple(row) for row in cells)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_keys(entry: object, fields: tuple[str, ...], where: str, optional: tuple[str, ...] = ()) -> None:
    found = set(entry) if isinstance(entry, dict) else set()
    wrong = sorted((found - set(optional)) ^ set(fields), key=str)
    if wrong:
        raise UserError(f"{where}: key {wrong[0]!r} is missing or unknown; needed are {', '.join(fields)}")
