"""The rows of the entropy paper's Table 1 by architecture: a baseline, and the groups that are compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.evidence.groups import STRENGTH, Group, check_same, make_group
from regbench.reports.methods import dataset_of

ARCHITECTURES = tuple(str([width] * depth) for depth in (1, 2, 3) for width in (32, 64, 128))
PLACEMENTS = {"first": "penalty on the first convolution", "convolutions": "penalty on all convolutions"}
STRENGTHS = ("0.0001", "0.001", "0.01", "0.1", "1", "10")  # the paper's, as choices are named
NULL = "null control"
SEEDS_APART = 100  # null group k has the seeds 100 k + s: the experiment's seed_offset


@dataclass(frozen=True)
class Line:
    """One architecture: its trainings without penalty (None: not run), and by name what is compared with them.

    A choice is a strength, or a null group that stands in for one. Seeds of a null group are given as s, so that
    it is paired with the baseline as a strength is.
    """

    architecture: str
    baseline: Group | None
    choices: dict[str, Group]

    @property
    def depth(self) -> int:
        return self.architecture.count(",") + 1

    @property
    def missing(self) -> list[str]:
        """The paper's strengths that were not run: the best of its sweep may be among them."""
        return [strength for strength in STRENGTHS if strength not in self.choices]

    @property
    def groups(self) -> list[Group]:
        return [*([self.baseline] if self.baseline else []), *self.choices.values()]


def check_rows(rows: Iterable[dict]) -> None:
    """Raise UserError for a row that this table has no place for."""
    for row in rows:
        dataset_of(row)
        architecture_of(row)
        if placement_of(row) is not None and row["seed"] >= SEEDS_APART:
            raise UserError(
                f"row {row['id']}: seed={row['seed']} with strength={row['strength']:g}: seeds from {SEEDS_APART} on "
                "are the null control's, allowed with strength 0 only"
            )


def architecture_of(row: dict) -> str:
    """`[32, 32]`, as the paper writes it. Raises UserError for another network."""
    model = row["config"]["model"]
    found = str(list(model.get("widths", [])))
    if model["name"] != "cnn_blocks" or found not in ARCHITECTURES:
        allowed = ", ".join(ARCHITECTURES)
        raise UserError(
            f"row {row['id']}: model={model['name']}, widths={found}: allowed are cnn_blocks with {allowed}"
        )
    return found


def placement_of(row: dict) -> str | None:
    """Where the penalty stands; None for a training without one. Raises UserError for another regularizer."""
    settings = row["config"]["regularizer"]
    if settings["name"] == "none":
        return None
    if settings["name"] != "entropy":
        raise UserError(f"row {row['id']}: regularizer={settings['name']!r}: allowed are none, entropy")
    placement = settings["method"].get("placement")
    if not isinstance(placement, str) or placement not in PLACEMENTS:
        raise UserError(f"row {row['id']}: placement={placement!r}: allowed are {', '.join(PLACEMENTS)}")
    return placement


def strength_lines(rows: Sequence[dict], placement: str) -> list[Line]:
    """A line for each architecture, its choices the strengths in rising order; `rows` are of one dataset and budget.

    Raises UserError when rows differ in anything but the seed, the widths and the strength.
    """
    penalized = [row for row in rows if placement_of(row) == placement]
    name = f"Table 1, {PLACEMENTS[placement]}"
    check_same(penalized, name, ignore=("seed", "model.widths", *STRENGTH))
    keyed = [(architecture_of(row), row["strength"], row) for row in penalized]
    return [
        Line(architecture, baseline, {f"{key:g}": group for key, group in choices.items()})
        for architecture, baseline, choices in _lines(rows, keyed, name, "lambda")
    ]


def null_lines(rows: Sequence[dict]) -> list[Line]:
    """A line for each architecture, its choices the null groups 1, 2, ...: further trainings without penalty."""
    # Seeds are counted within their group, so that a null group is paired with the baseline as a strength is.
    keyed = [
        (architecture_of(row), row["seed"] // SEEDS_APART, {**row, "seed": row["seed"] % SEEDS_APART})
        for row in rows
        if placement_of(row) is None and row["seed"] >= SEEDS_APART
    ]
    return [
        Line(architecture, baseline, {str(key): group for key, group in choices.items()})
        for architecture, baseline, choices in _lines(rows, keyed, f"Table 1, {NULL}", "group")
    ]


def _lines(rows: Sequence[dict], keyed: Sequence[tuple], name: str, word: str) -> list[tuple]:
    plain = [row for row in rows if placement_of(row) is None and row["seed"] < SEEDS_APART]
    check_same([*plain, *(row for _, _, row in keyed)], name, ignore=("seed", "model.widths", "regularizer"))
    return [
        (architecture, _baseline(plain, architecture, name), _choices(keyed, architecture, name, word))
        for architecture in ARCHITECTURES
    ]


def _baseline(plain: Sequence[dict], architecture: str, name: str) -> Group | None:
    members = [row for row in plain if architecture_of(row) == architecture]
    return make_group(members, f"{name}, {architecture}, baseline") if members else None


def _choices(keyed: Sequence[tuple], architecture: str, name: str, word: str) -> dict[float, Group]:
    by_key: dict[float, list[dict]] = {}
    for found, key, row in keyed:
        if found == architecture:
            by_key.setdefault(key, []).append(row)
    return {key: make_group(by_key[key], f"{name}, {architecture}, {word} {key:g}") for key in sorted(by_key)}
