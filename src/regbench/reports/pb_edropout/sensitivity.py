"""How much PB-EDropout's result moves with the settings that the paper leaves unsaid, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from regbench.errors import UserError
from regbench.evidence import protocols
from regbench.evidence.groups import Group, check_same, flatten, make_group
from regbench.evidence.records import Record, cell, compared, corrected, count_cell, measured
from regbench.evidence.settings import title_settings
from regbench.evidence.tables import Cell, Table
from regbench.reports.methods import (
    BASELINE,
    DATASETS,
    PB,
    PB_STANDARDIZED,
    RANDOM,
    SITE,
    dataset_of,
    layer_of,
    regularizer_of,
)
from regbench.reports.notes import code_note, power_note

COLUMNS = (
    "Setting",
    "n",
    "Acc %, Full (held-out)",
    "Acc %, Mask (held-out)",
    "Difference to the default, pp (Full)",
    "Difference to the default, pp (Mask)",
    "Patches with probability exactly 0, % (training)",
)
CSV_FIELDS = (
    *("budget", "dataset", "method", "mode", "protocol", "metric", "unit", "status", "mean", "low", "high"),
    *("n", "seeds", "failed_seeds", "p", "p_default_holm", "note"),
)
DEFAULT = "default"
MODES = ("full", "mask")
NOTES = (
    "Protocol held-out: each mode reports the test split at its epoch with the best held-out accuracy.",
    "Differences are paired by seed; p is two-sided and Holm-corrected over all differences of this table.",
    "Patches with probability exactly 0 are ranked by noise alone; their share is that of the last epoch.",
)


def build_sensitivity(rows: Sequence[dict], baseline_settings: Mapping[str, object]) -> Table:
    """One line per changed setting of the PB-EDropout layer, against the line with `baseline_settings`.

    `rows` hold one dataset and one budget; rows of `none` and `random_patch` become lines for reference.
    `baseline_settings` are defaults of `config.regularizer.method.layer`, nested ones by dotted key; layer
    settings that it lacks must be the same in all rows. Raises UserError naming the key otherwise.
    """
    if not rows:
        raise UserError("rows=[]: the sensitivity table needs at least one row")
    rows = sorted(rows, key=lambda row: str(row["id"]))
    check_same(rows, "sensitivity", ignore=("seed", "regularizer"))
    dataset, defaults = dataset_of(rows[0]), flatten(dict(baseline_settings))
    groups = _setting_groups(rows, defaults) | _reference_groups(rows)
    lines = _lines(groups)
    shared = {"budget": rows[0]["budget"], "dataset": dataset}
    return Table(
        title=f"Silent settings, {DATASETS[dataset]}: {title_settings(rows, groups.values())}",
        columns=COLUMNS,
        rows=tuple(_cells(label, groups.get(label), records) for label, records in lines.items()),
        notes=(
            f"Default: {', '.join(_pair(key, value) for key, value in defaults.items())}.",
            *NOTES,
            _power(lines),
            code_note(rows),
        ),
        records=tuple(
            shared | {"mode": mode} | record.as_dict() | _p_holm(record)
            for records in lines.values()
            for (_, mode), record in records.items()
        ),
    )


def _power(lines: dict[str, dict[tuple[str, str], Record]]) -> str:
    """The smallest differences of Full mode that could have been seen: no difference seen is no proof of none."""
    differences = [records[key] for records in lines.values() for key in records if key[0].startswith("difference")]
    tests = sum(record.p is not None for record in differences)
    full = [records[key] for records in lines.values() for key in records if key == ("difference_to_default", "full")]
    return power_note(full, tests, "the default, mode Full,")


def _setting_groups(rows: Iterable[dict], defaults: dict[str, object]) -> dict[str, Group]:
    """Label -> trainings of PB-EDropout: the default first, then in the order of the defaults' keys."""
    members = [row for row in rows if regularizer_of(row) in (PB, PB_STANDARDIZED)]
    ignored = ("seed", "regularizer.name", *(f"regularizer.method.layer.{key}" for key in defaults))
    check_same(members, "sensitivity, a layer setting without a default", ignore=ignored)
    by_change: dict[tuple, list[dict]] = {}
    for row in members:
        by_change.setdefault(_changes(row, defaults), []).append(row)
    ordered = sorted(by_change, key=lambda changes: _order(changes, list(defaults)))
    return {_label(c): make_group(by_change[c], f"sensitivity, {_label(c)}") for c in ordered}


def _changes(row: dict, defaults: dict[str, object]) -> tuple[tuple[str, object], ...]:
    layer = flatten(layer_of(row))
    for key in defaults:
        if key not in layer:
            raise UserError(f"row {row['id']}: layer setting {key!r} is missing; it has {', '.join(layer)}")
    return tuple((key, layer[key]) for key in defaults if layer[key] != defaults[key])


def _order(changes: tuple, keys: list[str]) -> tuple:
    numeric = [(keys.index(key), isinstance(v, str), 0 if isinstance(v, str) else v) for key, v in changes]
    return len(changes), numeric, [str(value) for _, value in changes]


def _label(changes: tuple) -> str:
    return ", ".join(_pair(key, value) for key, value in changes) or DEFAULT


def _pair(key: str, value: object) -> str:
    return f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def _reference_groups(rows: Iterable[dict]) -> dict[str, Group]:
    groups = {}
    for method in (BASELINE, RANDOM):
        members = [row for row in rows if regularizer_of(row) == method.regularizer]
        if members:
            groups[method.label] = make_group(members, f"sensitivity, {method.label}")
    return groups


def _lines(groups: dict[str, Group]) -> dict[str, dict[tuple[str, str], Record]]:
    """Label -> records by (metric, mode), the default's line always there."""
    labels = list(dict.fromkeys([DEFAULT, *groups]))
    lines = {label: _measured(label, groups.get(label)) for label in labels}
    places = [(label, mode) for label in labels for mode in MODES]
    differences = corrected([_difference(label, mode, groups) for label, mode in places])
    for (label, mode), record in zip(places, differences, strict=True):
        lines[label]["difference_to_default", mode] = record
    return lines


def _measured(label: str, group: Group | None) -> dict[tuple[str, str], Record]:
    records = {}
    for mode in MODES:
        blank = Record(label, "accuracy", "held-out", "%", "done")
        read = (lambda row: None) if _lacks(label, mode) else _accuracy(mode)
        records["accuracy", mode] = measured(group, blank, read)
    blank = Record(label, "zero_probability", "last epoch", "%", "done")
    records["zero_probability", "train"] = measured(group, blank, _zero_probability)
    return records


def _difference(label: str, mode: str, groups: dict[str, Group]) -> Record:
    blank = Record(label, "difference_to_default", "held-out", "pp", "done")
    if label == DEFAULT:
        return replace(blank, status="reference" if DEFAULT in groups else "not run")
    if _lacks(label, mode):
        return replace(blank, status="absent", notes=("this method has no such mode",))
    read = _accuracy(mode)
    return compared(groups[label], groups.get(DEFAULT), blank, read, read, "the default setting")


def _lacks(label: str, mode: str) -> bool:
    return mode == "mask" and label in (BASELINE.label, RANDOM.label)


def _accuracy(mode: str) -> Callable[[dict], float]:
    return lambda row: 100 * protocols.reported(row, "held-out", mode, "accuracy")


def _zero_probability(row: dict) -> float | None:
    last = max(row["epochs"], key=lambda entry: entry["epoch"])
    share = last.get("measures", {}).get("train", {}).get(f"{SITE}/zero_probability")
    return None if share is None else 100 * share


def _cells(label: str, group: Group | None, records: dict[tuple[str, str], Record]) -> tuple[Cell, ...]:
    order = [(metric, mode) for metric in ("accuracy", "difference_to_default") for mode in MODES]
    return (
        Cell(label),
        count_cell(group),
        *(cell(records[key]) for key in [*order, ("zero_probability", "train")]),
    )


def _p_holm(record: Record) -> dict:
    return {"p_default_holm": record.p_holm} if record.metric == "difference_to_default" else {}
