"""How much was trained: the budgets that rows have, and which of them are published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BUDGETS = ("paper", "quick", "smoke")  # fullest first
TRIAL = "smoke"


def budgets_of(rows: Iterable[dict]) -> tuple[str, ...]:
    """The budgets that have rows: paper, quick, smoke, then any other."""
    found = {row["budget"] for row in rows}
    return (*(budget for budget in BUDGETS if budget in found), *sorted(found - set(BUDGETS)))


def without_trials(rows: Sequence[dict]) -> list[dict]:
    """The rows to publish: those of budget smoke try whether something runs, and count where there are no others."""
    return [row for row in rows if row["budget"] != TRIAL] or list(rows)
