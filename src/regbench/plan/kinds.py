"""Of what kind each setting is: a value is of the kind that it has in the file of its group, and of one spelling.

A word, a number, a switch, a list and a mapping are kinds. `lr=1` and `lr=1.0` are one setting, and so are
`placement=conv1` and `placement=[conv1]`: both have the form that the files have, of which ids are made.
"""

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regbench.errors import UserError
from regbench.paths import CONFIGS

GROUPS = {
    "dataset": ("name", "split_seed"),
    "model": ("name", "_target_"),
    "regularizer": ("name", "strength", "method"),
    "task": ("name", "_target_", "batch_size", "optimizer"),
    "budget": ("name", "epochs", "train_images", "heldout_images"),
    "tracking": ("mode", "project"),
    "paths": ("root", "data", "results", "outputs"),
}
WORDS = ("experiment_name", "device", "budget.name", *(f"paths.{key}" for key in GROUPS["paths"]))
#: what a placement may be besides the form of its file
PLACEMENT = (str, int, list)
SITE_WORDS = ("all", "last")
KINDS = {bool: "true or false", str: "a word", float: "a number", int: "a number", list: "a list", dict: "a mapping"}


def check_kinds(cfg: DictConfig) -> None:
    """Refuse values of a wrong kind.

    Raises:
        UserError: a group that is none or lacks a setting, a value of another kind than its file's, NaN or infinity.
    """
    for group, needed in GROUPS.items():
        if not OmegaConf.is_dict(cfg.get(group)) or cfg._get_node(group)._is_none():
            raise UserError(f"{group}={cfg.get(group)} is not allowed: allowed is a mapping with {', '.join(needed)}")
        missing = [key for key in needed if key not in cfg[group]]
        if missing:
            raise UserError(f"{group}.{missing[0]} is missing: {group} needs {', '.join(needed)}")
    for key in WORDS:
        _check(key, OmegaConf.select(cfg, key), "a word")
    _check("task.optimizer", OmegaConf.to_container(cfg.task).get("optimizer"), "a mapping")
    _check("regularizer.method", OmegaConf.to_container(cfg.regularizer).get("method"), "a mapping")
    for key, value in _leaves(OmegaConf.to_container(cfg.regularizer, resolve=True), "regularizer"):
        if key.endswith("._partial_") and not isinstance(value, bool):
            raise UserError(f"{key}={value} is not allowed: allowed are true, false")
    for group in ("dataset", "model", "regularizer", "task", "tracking"):
        given = OmegaConf.to_container(cfg[group], resolve=True)
        for key, value in _leaves(given, group):
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{key}={value} is not allowed: allowed is a finite number")
        _check(f"{group}.name", given.get("name", "none"), "a word")
        _compare(group, given, of_file(group, given.get("name")))


def _compare(key: str, given: Any, default: Any) -> None:
    """Raise UserError where a value is of another kind than the file's."""
    if key.rpartition(".")[2] == "placement":
        if isinstance(given, bool) or not isinstance(given, PLACEMENT):
            raise UserError(f"{key}={given} is not allowed: allowed is a name, an index or a list of these")
        return
    if default is None or (isinstance(default, str) and "${" in default):
        return
    if given is None and not isinstance(default, bool | str):
        return  # null: it is for who reads it to say whether that means something
    _check(key, given, KINDS[type(default)])
    if isinstance(default, dict):
        for name in given.keys() & default.keys():
            _compare(f"{key}.{name}", given[name], default[name])


def _check(key: str, value: Any, kind: str) -> None:
    if kind_of(value) != kind or value == "":
        raise UserError(f"{key}={value} is not allowed: allowed is {kind}")


def kind_of(value: Any) -> str:
    """The kind of a value, in words."""
    return next((words for kind, words in KINDS.items() if isinstance(value, kind)), "nothing")


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{key}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, key)
    else:
        yield key, value


@functools.cache
def of_file(group: str, name: object) -> dict[str, Any]:
    """What the file of a choice sets; nothing where there is no such file, as of a group of one's own."""
    file = CONFIGS / group / f"{name}.yaml"
    if not isinstance(name, str) or not file.is_file():
        return {}
    return {key: value for key, value in OmegaConf.to_container(OmegaConf.load(file)).items() if key != "defaults"}


def normalised(group: str, given: dict[str, Any]) -> dict[str, Any]:
    """A group's settings in the one form that ids are made of."""
    return _like(given, of_file(group, given.get("name")))


def _like(given: Any, default: Any) -> Any:
    if isinstance(given, dict):
        known = default if isinstance(default, dict) else {}
        found = {key: _like(value, known.get(key)) for key, value in given.items()}
        if "placement" in found:
            found["placement"] = _one_placement(found["placement"], str(found.get("_target_", "")))
        return found
    if isinstance(given, list):
        of_each = default if isinstance(default, list) and len(default) == len(given) else [None] * len(given)
        return [_like(value, like) for value, like in zip(given, of_each, strict=True)]
    if isinstance(given, bool) or not isinstance(given, int | float) or isinstance(default, bool):
        return given
    if isinstance(default, float):
        return float(given)
    return int(given) if isinstance(default, int) and float(given).is_integer() else given


def _one_placement(placement: Any, target: str) -> Any:
    """Of sites a list, but for the words; of layers the name itself where it is one, and "first" for the index 0."""
    single = placement[0] if isinstance(placement, list) and len(placement) == 1 else placement
    if target.endswith("Layers"):
        return [single] if isinstance(single, str) and single not in SITE_WORDS else single
    return "first" if single == 0 and not isinstance(single, bool) else single
