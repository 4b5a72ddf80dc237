"""What is read from the row of any training that is judged by its epochs in evaluation mode `full`."""

from __future__ import annotations

from collections.abc import Callable

from regbench.errors import UserError
from regbench.rows import protocols

MODE = "full"


def last(metric: str) -> Callable[[dict], float]:
    """Reads a metric of the test split after the last epoch."""
    return lambda row: value(row, last_epoch(row), metric)


def value(row: dict, entry: dict, metric: str) -> float:
    """A metric of the test split at an entry of the row's epochs. Raises UserError naming the row where it has none."""
    try:
        return protocols.value_at(entry, "test", MODE, metric)
    except UserError as error:
        raise UserError(f"row {row['id']}: {error}") from None


def last_epoch(row: dict) -> dict:
    """The entry of the last epoch."""
    return ordered(row)[-1]


def ordered(row: dict) -> list[dict]:
    """The row's epochs in time."""
    return sorted(row["epochs"], key=lambda entry: entry["epoch"])
