"""The rows of the entropy paper's Table 2 by cell: model, training strategy, layers with the loss, lambda.

The trainings without the loss (lambda = 0) of one model and strategy are one cell, which all its lines share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.groups import STRENGTH, Group, check_same, check_same_data, make_group
from regbench.evidence.settings import budgets_of, title_settings

DATASET = "imagenette"
MODELS = {"vgg16": "VGG", "resnet50": "ResNet"}
STRATEGIES = ("vanilla", "augmentation", "augmentation + dropout")
EMPIRICAL = "empirical"  # layers read from trained weights: in a row, a list of their names
LAYERS = {
    "vgg16": {"first": "[1]", "first_two": "[1,2]"},
    "resnet50": {"first": "[1]", "first_two": "[1,5]", "pre_skip": "Pre-skip", EMPIRICAL: "Empirical"},
}
STRENGTHS = (0.0, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
#: the settings that tell the cells of one page apart; its rows share all others
VARYING = ("seed", "regularizer", "model.name", "model._target_", "model.dropout", "model.pooled", "task.augment")


@dataclass(frozen=True)
class Line:
    """One of the paper's 18 lines."""

    model: str
    strategy: str
    placement: str

    @property
    def layers(self) -> str:
        """As the paper writes them."""
        return LAYERS[self.model][self.placement]

    @property
    def texts(self) -> tuple[str, str, str]:
        """Model, strategy and layers, as the paper writes them."""
        return MODELS[self.model], self.strategy, self.layers

    @property
    def name(self) -> str:
        """The label of the paper's row."""
        return ", ".join(self.texts)

    @property
    def family(self) -> tuple[str, str]:
        """What lines share whose trainings without the loss are the same."""
        return self.model, self.strategy


LINES = tuple(Line(model, strategy, name) for model in MODELS for strategy in STRATEGIES for name in LAYERS[model])


@dataclass(frozen=True)
class Page:
    """All trainings of one budget: those without the loss by (model, strategy), the others by (line, lambda)."""

    budget: str
    rows: tuple[dict, ...]
    plain: dict[tuple[str, str], Group]
    penalized: dict[tuple[Line, float], Group]

    @property
    def groups(self) -> list[Group]:
        return [*self.plain.values(), *self.penalized.values()]

    @property
    def strengths(self) -> tuple[float, ...]:
        """The paper's, and any other that was run."""
        return tuple(sorted({*STRENGTHS, *(strength for _, strength in self.penalized)}))

    def group(self, line: Line, strength: float) -> Group | None:
        """The trainings of a cell; None where there is none."""
        return self.plain.get(line.family) if strength == 0 else self.penalized.get((line, strength))

    def title(self, what: str) -> str:
        """What the numbers depend on, behind the name of the table or picture."""
        config = self.rows[0]["config"]
        side, width = config["dataset"]["side"], config["model"]["width"]
        settings = title_settings(self.rows, self.groups, capped=True)
        return f"{what}, Imagenette: {settings}, {side} x {side} pixels, networks {width:g} times the original's width"


def pages(rows: Sequence[dict]) -> list[Page]:
    """One page a budget, the fullest first. Raises UserError where rows differ in what they must share."""
    chosen = sorted(rows, key=lambda row: str(row["id"]))
    return [_page(budget, [row for row in chosen if row["budget"] == budget]) for budget in budgets_of(rows)]


def strategy_of(row: dict) -> str:
    """The paper's word for how a row augments its images and drops units of the head."""
    augment, dropout = row["config"]["task"].get("augment"), row["config"]["model"]["dropout"]
    if dropout and not augment:
        raise UserError(f"row {row['id']}: dropout={dropout} without augment: allowed are {', '.join(STRATEGIES)}")
    return STRATEGIES[bool(augment) + bool(dropout)]


def placement_of(row: dict) -> str:
    """Where the loss stands: a word of LAYERS. Raises UserError where the paper's table has no such line."""
    name, method = row["config"]["regularizer"]["name"], row["config"]["regularizer"]["method"]
    if name != "entropy":
        raise UserError(f"row {row['id']}: regularizer={name!r}: allowed are none, entropy")
    placement = method.get("placement")
    word = EMPIRICAL if isinstance(placement, list) else placement
    allowed = LAYERS[_model_of(row)]
    if word not in allowed:
        words = ", ".join(f"a list of layers ({each})" if each == EMPIRICAL else each for each in allowed)
        raise UserError(f"row {row['id']}: placement={placement!r}: allowed are {words}")
    return word


def _model_of(row: dict) -> str:
    name = row["config"]["model"]["name"]
    if name not in MODELS:
        raise UserError(f"row {row['id']}: model={name!r}: allowed are {', '.join(MODELS)}")
    return name


def _page(budget: str, rows: list[dict]) -> Page:
    what = f"Table 2, budget {budget}"
    for row in rows:
        if row["config"]["dataset"]["name"] != DATASET:
            raise UserError(f"row {row['id']}: dataset={row['config']['dataset']['name']!r}: allowed is {DATASET}")
    keyed = [((_model_of(row), strategy_of(row)), row) for row in rows]
    lines = [(Line(*family, placement_of(row)), row) for family, row in keyed if row["strength"] != 0]
    _check(rows, keyed, lines, what)
    plain: dict[tuple[str, str], list[dict]] = {}
    for family, row in keyed:
        if row["strength"] == 0:
            plain.setdefault(family, []).append(row)
    penalized: dict[tuple[Line, float], list[dict]] = {}
    for line, row in lines:
        penalized.setdefault((line, row["strength"]), []).append(row)
    return Page(
        budget,
        tuple(rows),
        {key: make_group(plain[key], f"{what}, {', '.join(key)}, lambda 0") for key in plain},
        {key: make_group(penalized[key], f"{what}, {key[0].name}, lambda {key[1]:g}") for key in penalized},
    )


def _check(rows: list[dict], keyed: list[tuple], lines: list[tuple], what: str) -> None:
    """Rows share all but what a cell is named by; what a name stands for is one thing throughout."""
    check_same(rows, what, ignore=VARYING)
    check_same_data(rows, what)
    augmented = [row for row in rows if row["config"]["task"].get("augment")]
    check_same(augmented, what, ignore=[key for key in VARYING if key != "task.augment"])
    for family in dict.fromkeys(family for family, _ in keyed):
        members = [row for found, row in keyed if found == family]
        check_same(members, f"{what}, {', '.join(family)}", ignore=("seed", "regularizer"))
    where = "regularizer.method.placement"
    others = [key for key in VARYING if key != "regularizer"]
    check_same([row for _, row in lines], what, ignore=(*others, *STRENGTH, where))
    for line in dict.fromkeys(line for line, _ in lines):
        members = [row for found, row in lines if found == line]
        check_same(members, f"{what}, {line.name}", ignore=("seed", *STRENGTH))
