"""The rows of one budget and dataset by line of a table: what may stand beside each other and what may not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from regbench.evidence.groups import Group, check_same, make_group
from regbench.evidence.settings import budgets_of, image_count, not_drawn, title_settings
from regbench.reports.methods import DATASETS, dataset_of

Key = Hashable


@dataclass(frozen=True)
class Section:
    """All trainings of one dataset and budget; `groups` is in the order of the table's lines."""

    dataset: str
    budget: str
    rows: tuple[dict, ...]
    groups: dict[Key, Group]

    @property
    def name(self) -> str:
        return DATASETS[self.dataset]

    @property
    def most(self) -> int:
        """The number of finished trainings of the best-covered line."""
        return max(len(group.done) for group in self.groups.values())

    @property
    def held_out_note(self) -> str:
        """How many images were held out."""
        images = self.rows[0]["config"]["dataset"].get("heldout_images")
        return f"Held out of the training data: {image_count(images)} images."

    def title(self, what: str) -> str:
        """What the numbers depend on, behind the name of the table or picture."""
        return f"{what}, {self.name}: {title_settings(self.rows, self.groups.values())}"

    def heading(self, what: str, label: Callable[[Any], str]) -> str:
        """The title of a picture, with the members that it does not show."""
        return self.title(what) + not_drawn((label(key), group) for key, group in self.groups.items())


def find_sections(
    rows: Sequence[dict], what: str, key_of: Callable[[dict], Key], order: Callable[[Any], Any]
) -> list[Section]:
    """One section for each budget and dataset that has rows; lines by `key_of`, sorted by `order` of their key.

    Raises UserError where rows of one section differ in more than seed and regularizer, rows of one line in more than
    the seed, or where a row belongs to no line.
    """
    chosen = sorted(rows, key=lambda row: str(row["id"]))
    found = []
    for budget in budgets_of(rows):
        of_budget = [row for row in chosen if row["budget"] == budget]
        present = {dataset_of(row) for row in of_budget}
        for dataset in (name for name in DATASETS if name in present):
            members = [row for row in of_budget if dataset_of(row) == dataset]
            found.append(_section(dataset, budget, members, what, key_of, order))
    return found


def by_budget(sections: Sequence[Section], tables: Callable[[Section], list]) -> dict[str, list]:
    """The tables of all sections, by budget, as a page shows them."""
    found: dict[str, list] = {}
    for section in sections:
        found.setdefault(section.budget, []).extend(tables(section))
    return found


def _section(
    dataset: str,
    budget: str,
    rows: list[dict],
    what: str,
    key_of: Callable[[dict], Key],
    order: Callable[[Any], Any],
) -> Section:
    check_same(rows, f"{what}, {dataset}", ignore=("seed", "regularizer"))
    members: dict[Key, list[dict]] = {}
    for row in rows:
        members.setdefault(key_of(row), []).append(row)
    groups = {key: make_group(members[key], f"{what}, {dataset}, {key}") for key in sorted(members, key=order)}
    return Section(dataset, budget, tuple(rows), groups)
