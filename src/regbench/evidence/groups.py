"""Rows that belong in one cell: one config, different seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from regbench.errors import UserError

ABSENT = "(absent)"
#: the settings in which a config holds the strength of its regularizer
STRENGTH = (
    *("regularizer.strength", "regularizer.method.strength", "regularizer.method.layer.p"),
    "regularizer.method.rate",
)


@dataclass(frozen=True)
class Group:
    """The members of one cell, sorted by seed: finished rows and failed rows."""

    done: tuple[dict, ...]
    failed: tuple[dict, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(row["seed"] for row in self.done)

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        return tuple(row["seed"] for row in self.failed)

    @property
    def failure(self) -> str:
        """Why members failed, with their seeds; empty when none did."""
        if not self.failed:
            return ""
        # A reason may be an exception's text: on one line, it cannot break a table.
        reasons = "; ".join(f"seed {row['seed']}: {' '.join(row['reason'].split())}" for row in self.failed)
        return f"{len(self.failed)} of {len(self.done) + len(self.failed)} members failed ({reasons})"

    def per_seed(self, value: Callable[[dict], float]) -> dict[int, float]:
        """`{seed: value(row)}` over the finished rows."""
        return {row["seed"]: value(row) for row in self.done}


def make_group(rows: Sequence[dict], name: str) -> Group:
    """Put `rows` in one cell called `name`.

    Raises UserError when two rows differ in anything but the seed (the key and both values are named), when
    a seed occurs twice, or when a status is neither done nor failed.
    """
    ordered = sorted(rows, key=lambda row: (row["seed"], str(row["id"])))
    check_same(ordered, name, ignore=("seed",))
    for first, second in pairwise(ordered):
        if first["seed"] == second["seed"]:
            raise UserError(f"{name}: seed={first['seed']} occurs twice, rows {first['id']} and {second['id']}")
    for row in ordered:
        if row["status"] not in ("done", "failed"):
            raise UserError(f"row {row['id']}: status={row['status']!r}: allowed are done, failed")
    return Group(*(tuple(r for r in ordered if r["status"] == status) for status in ("done", "failed")))


def check_same(rows: Sequence[dict], name: str, ignore: Iterable[str] = ()) -> None:
    """Raise UserError unless all rows have one config, the top-level or dotted keys in `ignore` left out."""
    for row in rows[1:]:
        difference = differing_key(rows[0]["config"], row["config"], ignore)
        if difference:
            _refuse(name, *difference, rows[0], row)


def check_same_data(rows: Sequence[dict], name: str) -> None:
    """Raise UserError where rows were trained on different images; rows that do not say which agree with all."""
    known = [row for row in rows if data_of(row)]
    for row in known[1:]:
        first, second = data_of(known[0])["digest"], data_of(row)["digest"]
        if first != second:
            _refuse(name, "provenance.data.digest", first, second, known[0], row)


def check_same_extractor(rows: Sequence[dict], name: str) -> None:
    """Raise UserError where scores of finished rows come from different feature extractors, or do not say from which.

    Nothing is checked where no row names one.
    """
    done = [row for row in rows if row["status"] == "done"]
    known = [row for row in done if extractor_of(row)]
    for row in done if known else ():
        missing = [key for key in ("name", "sha256", "features") if key not in extractor_of(row)]
        if missing:
            raise UserError(f"{name}: row {row['id']}: provenance.extractor.{missing[0]} is missing")
        first, second = (extractor_of(each)["sha256"] for each in (known[0], row))
        if first != second:
            _refuse(name, "provenance.extractor.sha256", first, second, known[0], row)


def extractor_of(row: dict) -> dict:
    """The feature extractor that scored the row's images; empty where there was none."""
    return row.get("provenance", {}).get("extractor") or {}


def data_of(row: dict) -> dict:
    """Where the row's images are from, how many test and their digest; empty for rows stored before this was kept."""
    return row.get("provenance", {}).get("data") or {}


def _refuse(name: str, key: str, first: object, second: object, one: dict, two: dict) -> None:
    raise UserError(
        f"{name}: {key} differs between its rows: {first!r} (row {one['id']}) and {second!r} (row {two['id']}); rows "
        "of one table must share it"
    )


def differing_key(first: dict, second: dict, ignore: Iterable[str] = ()) -> tuple[str, object, object] | None:
    """The first dotted key in which two configs differ, with both values; None when they agree."""
    one, two = flatten(first), flatten(second)
    ignored = tuple(ignore)
    for key in sorted(set(one) | set(two)):
        if any(key == prefix or key.startswith(prefix + ".") for prefix in ignored):
            continue
        a, b = one.get(key, ABSENT), two.get(key, ABSENT)
        if a != b:
            return key, a, b
    return None


def flatten(config: dict, prefix: str = "") -> dict[str, object]:
    """Nested dicts as one dict with dotted keys; an empty dict stays a value."""
    flat: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
