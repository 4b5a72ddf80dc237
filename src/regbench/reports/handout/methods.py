"""The handout's methods, what it says of them, and its rows by budget and dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regbench.errors import UserError
from regbench.reports.handout.readings import ACCURACY, GAP, SPEED
from regbench.reports.sections import Section, find_sections


@dataclass(frozen=True, eq=False)
class Method:
    """One line of the table, and what the handout says of it: the measure that it moves, and in which direction."""

    regularizer: str
    label: str
    claims: dict[str, str]


NONE = Method("none", "None", {})
METHODS = (
    NONE,
    Method("dropout", "Dropout", {ACCURACY.metric: "greater", GAP.metric: "less"}),
    Method("batchnorm", "Batch norm", {ACCURACY.metric: "greater", SPEED: "less"}),
    Method("dropout_batchnorm", "Dropout and batch norm", {ACCURACY.metric: "greater"}),
)


def method_of(row: dict) -> str:
    """The name of a row's regularizer. Raises UserError for one that the table does not hold."""
    name = row["config"]["regularizer"]["name"]
    allowed = [method.regularizer for method in METHODS]
    if name not in allowed:
        raise UserError(f"row {row['id']}: regularizer={name!r}: allowed are {', '.join(allowed)}")
    return name


def handout_sections(rows: Sequence[dict]) -> list[Section]:
    """One section a budget and dataset, its groups by the name of the regularizer."""
    return find_sections(rows, "handout", method_of, [method.regularizer for method in METHODS].index)


def layers_note(section: Section) -> str | None:
    """Which layers stand where, read from the rows' settings."""
    parts = []
    for method in METHODS:
        group = section.groups.get(method.regularizer)
        layers = _layers(next(iter([*group.done, *group.failed]))["config"]["regularizer"]["method"]) if group else []
        if layers:
            parts.append(f"{method.label}: {', then '.join(layers)}")
    return f"Layers. {'; '.join(parts)}." if parts else None


def _layers(method: dict) -> list[str]:
    """Of a regularizer's settings: `Dropout (p 0.5) at conv5`, one entry a part."""
    if "parts" in method:
        return [text for part in method["parts"] for text in _layers(part)]
    layer = method.get("layer")
    if not layer:
        return []
    settings = ", ".join(
        f"{key} {value:g}" for key, value in layer.items() if isinstance(value, int | float) and key[0] != "_"
    )
    where = method["placement"] if isinstance(method["placement"], str) else ", ".join(method["placement"])
    name = layer["_target_"].rsplit(".", 1)[-1]
    words = {"all": "all sites", "last": "the last site"}
    return [f"{name}{f' ({settings})' if settings else ''} at {words.get(where, where)}"]
