"""The rows of the entropy paper's Table 3 by dataset and line: layers with the loss, loss watched, lambda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from regbench.errors import UserError
from regbench.evidence.groups import STRENGTH, Group, check_same, check_same_data, make_group
from regbench.evidence.settings import budgets_of, title_settings

DATASETS = {"coco": "COCO", "duts": "DUTS-TR and ECSSD in the place of COCO"}
PAPER_IMAGES = 60_000  # COCO images that the paper trains on
#: placements, as the paper lists their layers; the first is the one that it prints numbers for
LAYERS = {
    "up": "19, 24, 29, 34, 39",
    "layer_2": "2",
    "layers_2_3": "2, 3",
    "skips": "3, 7, 11, 15",
    "skips_and_up": "3, 7, 11, 15, 19, 24, 29, 34, 39",
}
MAIN = "up"
WATCHED = ("compound", "base")
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
WATCH = "task.early_stopping.watch"


@dataclass(frozen=True)
class Line:
    """One line of the table. Without the loss (strength 0) placement is empty and watch "base": they are the same."""

    placement: str
    watch: str
    strength: float

    @property
    def loss(self) -> str:
        return "MSE + Entropy" if self.strength else "MSE"

    @property
    def layers(self) -> str:
        return LAYERS.get(self.placement, "")

    @property
    def name(self) -> str:
        """In a footnote."""
        if not self.strength:
            return "lambda 0"
        return f"layers {self.layers}, {self.watch} loss watched, lambda {self.strength:g}"

    @property
    def paper_row(self) -> str | None:
        """The paper's own label, for its one list of layers; of the losses watched, compound is as it is written."""
        if not self.strength:
            return "MSE, 0.00"
        shown = f"{self.strength:g}" if self.strength < 1 else f"{self.strength:.2f}"
        return f"MSE + Entropy, {shown}" if (self.placement, self.watch) == (MAIN, "compound") else None


PLAIN = Line("", "base", 0.0)
PAPER_LINES = (PLAIN, *(Line(MAIN, "compound", strength) for strength in STRENGTHS))


@dataclass(frozen=True)
class Part:
    """All trainings of one dataset and budget."""

    dataset: str
    budget: str
    rows: tuple[dict, ...]
    groups: dict[Line, Group]

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The paper's, run or not, then any other that was run: the base loss watched, other layers."""
        places, watched = list(LAYERS), list(WATCHED)
        found = {*self.groups, *PAPER_LINES} - {PLAIN}
        order = sorted(found, key=lambda each: (places.index(each.placement), watched.index(each.watch), each.strength))
        return (PLAIN, *order)

    @property
    def name(self) -> str:
        """The dataset, with what stands in its place or is missing of it."""
        settings = self.rows[0]["config"]["dataset"]
        images = settings.get("train_images")
        subset = self.dataset == "coco" and images is not None
        subset = subset and images + (settings.get("heldout_images") or 0) < PAPER_IMAGES
        return DATASETS[self.dataset] + " (a subset)" * subset

    @property
    def most(self) -> int:
        """The number of finished trainings of the best-covered line."""
        return max(len(group.done) for group in self.groups.values())

    def title(self, what: str) -> str:
        """What the numbers depend on, behind the name of the table or picture."""
        config = self.rows[0]["config"]
        side, widths = config["dataset"]["side"], config["model"]["widths"]
        settings = title_settings(self.rows, self.groups.values(), capped=True)
        return f"{what}, {self.name}: {settings}, {side} x {side} pixels, widths {', '.join(map(str, widths))}"


def parts(rows: Sequence[dict]) -> list[Part]:
    """One part a budget and dataset. Raises UserError where rows differ in what they must share."""
    found = []
    for budget in budgets_of(rows):
        of_budget = sorted((row for row in rows if row["budget"] == budget), key=lambda row: str(row["id"]))
        present = {_dataset_of(row) for row in of_budget}
        for dataset in (name for name in DATASETS if name in present):
            found.append(_part(dataset, budget, [row for row in of_budget if _dataset_of(row) == dataset]))
    return found


def line_of(row: dict) -> Line:
    """The line that a row belongs to. Raises UserError for another regularizer or other layers."""
    if row["strength"] == 0:
        return PLAIN
    name, method = row["config"]["regularizer"]["name"], row["config"]["regularizer"]["method"]
    if name != "entropy":
        raise UserError(f"row {row['id']}: regularizer={name!r}: allowed are none, entropy")
    placement = method.get("placement")
    if not isinstance(placement, str) or placement not in LAYERS:
        raise UserError(f"row {row['id']}: placement={placement!r}: allowed are {', '.join(LAYERS)}")
    watch = row["config"]["task"]["early_stopping"]["watch"]
    if watch not in WATCHED:
        raise UserError(f"row {row['id']}: {WATCH}={watch!r}: allowed are {', '.join(WATCHED)}")
    return Line(placement, watch, row["strength"])


def _dataset_of(row: dict) -> str:
    name = row["config"]["dataset"]["name"]
    if name not in DATASETS:
        raise UserError(f"row {row['id']}: dataset={name!r}: allowed are {', '.join(DATASETS)}")
    return name


def _part(dataset: str, budget: str, rows: list[dict]) -> Part:
    what = f"Table 3, {dataset}, budget {budget}"
    check_same(rows, what, ignore=("seed", "regularizer", WATCH))
    check_same_data(rows, what)
    penalized = [row for row in rows if row["strength"] != 0]
    check_same(penalized, what, ignore=("seed", WATCH, "regularizer.method.placement", *STRENGTH))
    members: dict[Line, list[dict]] = {}
    for row in rows:
        members.setdefault(line_of(row), []).append(row)
    return Part(
        dataset, budget, tuple(rows), {line: make_group(members[line], f"{what}, {line.name}") for line in members}
    )
