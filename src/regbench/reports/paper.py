"""The papers' numbers as data: `results/paper/<paper>.yaml`, one entry for every printed number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from regbench.errors import UserError

FIELDS = ("table", "row", "column", "value", "printed", "unit", "n", "spread", "read")
FILE_FIELDS = ("paper", "title", "source", "notes", "numbers")


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


class PaperNumbers:
    """The numbers of one paper, found by table, row and column. Raises UserError on a repeated place."""

    def __init__(self, paper: str, numbers: Iterable[PaperNumber]):
        self.paper = paper
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


def load_paper_numbers(path: str | Path) -> PaperNumbers:
    """Read one `results/paper/*.yaml`.

    Raises UserError for a missing file, a missing or unknown key, or a value unlike its print.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"paper numbers {path}: no such file; they are kept in results/paper/*.yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    _check_keys(content, FILE_FIELDS, str(path))
    entries = content["numbers"]
    return PaperNumbers(content["paper"], [_number(e, f"{path}, number {i}") for i, e in enumerate(entries, 1)])


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


def _check_keys(entry: object, fields: tuple[str, ...], where: str) -> None:
    found = set(entry) if isinstance(entry, dict) else set()
    wrong = sorted(found ^ set(fields), key=str)
    if wrong:
        raise UserError(f"{where}: key {wrong[0]!r} is missing or unknown; needed are {', '.join(fields)}")
