"""The rows that answer claims: by experiment, chosen by the settings that a claim names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from regbench.evidence.groups import ABSENT, Group, check_same, flatten, make_group

#: budgets that say something about a method, fullest first; `smoke` only shows that everything runs
BUDGETS = ("paper", "quick")
Selector = Mapping[str, object]


class Evidence:
    """All rows by experiment.

    Args:
        rows: experiment -> the rows of its cells. An experiment without rows may be left out.
    """

    def __init__(self, rows: Mapping[str, Sequence[dict]]):
        self._rows = {name: sorted(members, key=lambda row: str(row["id"])) for name, members in rows.items()}

    @cached_property
    def _flat(self) -> dict[str, list[tuple[dict, dict]]]:
        return {name: [(flatten(row["config"]), row) for row in members] for name, members in self._rows.items()}

    def rows(self, experiment: str, budget: str) -> list[dict]:
        """The rows of one experiment and budget."""
        return [row for row in self._rows.get(experiment, ()) if row["budget"] == budget]

    def budgets(self, experiment: str) -> list[str]:
        """The budgets that the experiment has rows of, fullest first; smoke is none that counts."""
        found = {row["budget"] for row in self._rows.get(experiment, ())}
        return [budget for budget in BUDGETS if budget in found]

    def select(self, experiment: str, selector: Selector) -> list[dict]:
        """The rows whose config has all these values, by dotted key."""
        return [row for flat, row in self._flat.get(experiment, ()) if matches(flat, selector)]

    def group(self, experiment: str, selector: Selector, name: str) -> Group | None:
        """The one cell that a selector names; None where it has no rows.

        Raises UserError where the rows differ in more than the seed, their budget included.
        """
        found = self.select(experiment, selector)
        return make_group(found, name) if found else None


def matches(flat: Mapping[str, object], selector: Selector) -> bool:
    """Whether a flattened config has all values of a selector."""
    return all(flat.get(key, ABSENT) == value for key, value in selector.items())


def check_pair(groups: Iterable[Group], selectors: Iterable[Selector], name: str) -> None:
    """Raise UserError unless two cells share every setting but the regularizer's and those that are compared."""
    compared = {key for selector in selectors for key in selector}
    rows = [row for group in groups for row in (*group.done, *group.failed)]
    # A baseline has no penalty for early stopping to watch.
    check_same(rows, name, ignore=("seed", "regularizer", "task.early_stopping.watch", *compared))
