"""The entropy paper's autoencoders: rows grouped by variant, latent width and lambda, and what is read from each.

A variant is what stands in the place of the penalty: entropy guidance in one of its forms, or the constant of the same
size that has no gradient. The unregularized trainings are lambda = 0 of every variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.groups import Group, check_same, make_group
from regbench.evidence.stops import stop_epoch, stopped, until_stop
from regbench.reports.methods import DATASETS
from regbench.stopping import watched_loss

FIGURES = {"mnist": {"mse": "3", "stop": "4"}, "cifar10": {"mse": "5", "stop": "6"}}
#: the settings that tell variants, widths and lambdas apart; rows of one page share all others
VARYING = ("seed", "regularizer", "model.width", "task.early_stopping.watch")


@dataclass(frozen=True, order=True)
class Variant:
    """What is added to the loss, and which loss early stopping watches."""

    rank: int
    eps: float
    label: str
    watch: str


@dataclass(frozen=True)
class Page:
    """All trainings of one dataset and budget: groups by (variant, width, lambda)."""

    dataset: str
    budget: str
    rows: tuple[dict, ...]
    groups: dict[tuple[Variant, int, float], Group]

    @property
    def name(self) -> str:
        return DATASETS.get(self.dataset, self.dataset)

    @property
    def variants(self) -> list[Variant]:
        return sorted({variant for variant, _, _ in self.groups})

    @property
    def widths(self) -> list[int]:
        return sorted({width for _, width, _ in self.groups})

    @property
    def strengths(self) -> list[float]:
        return sorted({strength for _, _, strength in self.groups})


def pages(rows: Sequence[dict]) -> list[Page]:
    """One page a dataset and budget. Raises UserError where rows differ in what they must share."""
    found: dict[tuple[str, str], list[dict]] = {}
    for row in sorted(rows, key=lambda row: str(row["id"])):
        found.setdefault((row["config"]["dataset"]["name"], row["budget"]), []).append(row)
    order = {name: place for place, name in enumerate(DATASETS)}
    return [_page(*key, found[key]) for key in sorted(found, key=lambda key: (order.get(key[0], len(order)), key))]


def _page(dataset: str, budget: str, rows: list[dict]) -> Page:
    check_same(rows, f"autoencoders, {dataset}", ignore=VARYING)
    baseline: dict[int, list[dict]] = {}
    others: dict[tuple[Variant, int, float], list[dict]] = {}
    for row in rows:
        width = row["config"]["model"]["width"]
        if row["strength"] == 0:
            baseline.setdefault(width, []).append(row)
        else:
            others.setdefault((variant_of(row), width, row["strength"]), []).append(row)
    groups = {key: make_group(members, f"autoencoders, {dataset}, {key}") for key, members in others.items()}
    unregularized = {width: make_group(members, f"autoencoders, {dataset}") for width, members in baseline.items()}
    for variant in {key[0] for key in others} or {Variant(0, 0.0, "no penalty", "base")}:
        groups |= {(variant, width, 0.0): group for width, group in unregularized.items()}
    return Page(dataset, budget, tuple(rows), groups)


def variant_of(row: dict) -> Variant:
    """The variant of a regularized row. Raises UserError for a regularizer that is none of these."""
    name, method = row["config"]["regularizer"]["name"], row["config"]["regularizer"]["method"]
    watch = row["config"]["task"]["early_stopping"]["watch"]
    watched = "" if watch == "compound" else ", base loss watched"
    if name == "constant":
        return Variant(_rank(1, watch), method["eps"], f"constant, eps {short(method['eps'])}{watched}", watch)
    if name == "entropy" and method["form"] == "log":
        return Variant(_rank(2, watch), 0.0, f"entropy, log{watched}", watch)
    if name == "entropy":
        return Variant(_rank(0, watch), method["eps"], f"entropy, eps {short(method['eps'])}{watched}", watch)
    raise UserError(f"row {row['id']}: regularizer={name!r}: allowed are none, entropy, constant")


def short(number: float) -> str:
    """A number as it is written by hand: 0, 0.1, 1e-7."""
    text = f"{number:g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _rank(kind: int, watch: str) -> int:
    return kind + (3 if watch == "base" else 0)


def cap_mark(group: Group, protocol: str = "paper") -> str:
    """`> ` before a mean stop where the cap on epochs, not early stopping, ended some of the trainings."""
    return "> " if any(not stopped(row, protocol) for row in group.done) else ""


def mse(row: dict, protocol: str) -> float:
    """The reconstruction error on the test split at the epoch where the training stops."""
    return until_stop(row, protocol)["epochs"][-1]["test"]["full"]["loss"]


def epochs_to(row: dict, target: float) -> int | None:
    """The first epoch whose test error is at most `target`, whether or not the training would have stopped before."""
    return next((e["epoch"] for e in row["epochs"] if watched_loss(e, "test") <= target), None)


#: what is read from a row by protocol, with its unit and name
MEASURES: dict[str, tuple[str, str, Callable[[dict, str], float]]] = {
    "mse": ("1e-3", "Test MSE at the stop, x 1e-3", lambda row, protocol: 1e3 * mse(row, protocol)),
    "stop": ("epochs", "Stopping epoch", lambda row, protocol: float(stop_epoch(row, protocol))),
}


def served(rows: Iterable[dict]) -> int:
    """How many of the rows are the training of their baseline, as their penalty never had a gradient."""
    return sum("served_by" in row["provenance"] for row in rows)
