"""What the words of a command line may name: every key is one of the config's, before anything is composed of them."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from regbench.errors import UserError
from regbench.paths import CONFIGS
from regbench.plan.experiments import load_config

#: below these a `+key` goes to a class, which refuses what it does not know
OPEN = ("task", "model", "regularizer.method", "hydra")
#: settings of a task that have no entry unless they are used
UNSET = {"task.accumulate": 1, "task.precision": "float32", "task.channels_last": True, "task.clip_norm": 1.0}
UNSET |= {"task.augment": "{flip: true}", "task.plateau": "{}", "task.early_stopping": "{}", "dataset.side": 64}
#: what people call a key elsewhere
ALIASES = {"seed": "seeds", "regularisation": "regularizer", "data": "paths.data", "lambda": "regularizer.strength"}
ALIASES |= {"gpu": "device", "bs": "task.batch_size", "learning_rate": "task.optimizer.lr", "rate": "strengths"}


def check_overrides(words: Sequence[str]) -> None:
    """Refuse what Hydra would take for something else, or for nothing.

    Args:
        words: overrides, such as `dataset=mnist` or `+task.accumulate=2`; of a sweep a value may be several.

    Raises:
        UserError: a key that the config does not have, with the nearest that it has; a group without a choice.
        HydraException: words that are no overrides, choices that a group does not have.
    """
    parsed = [_parsed(word) for word in words]
    search = [word for word in words if word.lstrip("+").startswith("hydra.searchpath=")]
    optional = {key for each in _defaults() for key, choice in each.items() if choice is None}
    groups = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    chosen = []
    for each in parsed:
        if each.key_or_group in groups:
            _check_group(each, each.key_or_group in optional)
            chosen.append(f"{each.key_or_group}={_first(each)}")
    cfg = load_config([*search, *chosen])
    for each in parsed:
        if each.key_or_group not in groups:
            _check_key(each, cfg, groups)


def _parsed(word: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([word])[0]
    except OverrideParseException as error:
        raise UserError(f"{word} is no override: allowed is key=value, such as 'seeds=[0,1]' ({error})") from error


def _defaults() -> list[dict]:
    entries = OmegaConf.to_container(OmegaConf.load(CONFIGS / "train.yaml").defaults)
    return [entry for entry in entries if isinstance(entry, dict)]


def _check_group(override: Override, optional: bool) -> None:
    group = override.key_or_group
    choices = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
    if override.is_delete() or override.value() in (None, "null", ""):
        said = f"~{group}" if override.is_delete() else f"{group}=null"
        rest = ", or to leave it out" if optional else ""
        raise UserError(f"{said} is not allowed: allowed are {', '.join(choices)}{rest}")


def _first(override: Override) -> str:
    """The choice of a group, or the first of a sweep's."""
    value = override.value()
    if override.is_choice_sweep():
        value = value.list[0]
    return str(value)


def _check_key(override: Override, cfg: DictConfig, groups: set[str]) -> None:
    key = override.key_or_group
    if key.split(".")[0] == "hydra":
        return
    opened = any(key.startswith(f"{prefix}.") for prefix in OPEN)
    if override.is_delete() and not opened:
        raise UserError(f"~{key} is not allowed: what a training needs cannot be left out")
    known, of_group = _all_keys(cfg), _keys_of_group(key, groups)
    if key in known or (override.is_add() and (opened or key in of_group)):
        return
    written = (override.input_line or key).lstrip("+")
    if key in UNSET or key in of_group:
        raise UserError(f"{written}: {key} is not set in this config: write +{written}")
    near = _nearest(key, [*known, *groups, *UNSET])
    hint = f"the nearest one is {near}" if near else f"allowed are {', '.join(sorted(groups | set(cfg)))}"
    raise UserError(f"{written}: {key} is no key of the config: {hint}")


def _all_keys(cfg: DictConfig, prefix: str = "") -> list[str]:
    """The keys of a config, those of its mappings included, outer ones first."""
    found = []
    for key in cfg:
        found.append(f"{prefix}{key}")
        child = cfg._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
            found += _all_keys(child, f"{prefix}{key}.")
    return found


def _keys_of_group(key: str, groups: Iterable[str]) -> set[str]:
    """What the files of a key's group set, whichever is chosen."""
    group = key.split(".")[0]
    if group not in groups:
        return set()
    files = (CONFIGS / group).glob("*.yaml")
    return {f"{group}.{name}" for file in files for name in _all_keys(OmegaConf.load(Path(file))) if name != "defaults"}


def _nearest(key: str, known: Sequence[str]) -> str | None:
    """The known key that a wrong one means: of the same last name, else of nearly the same name."""
    last = key.rpartition(".")[2].lower()
    if last in ALIASES:
        return ALIASES[last]
    same = [each for each in known if each.rpartition(".")[2] == last]
    if same:
        return min(same, key=lambda each: (each.count("."), len(each)))
    parent = key.rpartition(".")[0]
    siblings = [each for each in known if each.rpartition(".")[0] == parent]
    for candidates, cutoff in ((siblings, 0.6), (known, 0.7)):
        names = [each.rpartition(".")[2] for each in candidates]
        close = difflib.get_close_matches(last, names, n=1, cutoff=cutoff)
        if close:
            return candidates[names.index(close[0])]
    return None
