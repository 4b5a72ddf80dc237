"""Experiments: the cells that a table or figure is made of, read from `configs/experiment`. No torch in here.

A cell is one resolved config, whatever the seed; a sweep is a product of overrides, as Hydra's multirun runs it.
"""

import contextlib
import copy
import functools
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import omegaconf
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from regbench.errors import UserError
from regbench.paths import CONFIGS, ROOT
from regbench.plan import jobs
from regbench.plan.jobs import Member, cell_id, members
from regbench.rows.budgets import BUDGETS, budgets_of

Sweep = dict[str, list[str]]

#: an override that gives a key another value, and neither adds nor takes away one nor is Hydra's own
PLAIN = re.compile(r"(?!hydra\b)[a-z_][\w.]*=", re.IGNORECASE)
KEPT = ROOT / "outputs" / "cells"


@dataclass(frozen=True)
class Cell:
    """One config of an experiment: the overrides that make it and its members."""

    overrides: tuple[str, ...]
    members: list[Member]


def sweeps(experiment: str, narrowed: Sweep) -> list[Sweep]:
    """The sweeps of an experiment, each parameter in `narrowed` cut down to the values given; empty ones left out.

    Raises:
        UserError: no such experiment, or a value that it does not sweep over.
    """
    known = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
    if experiment not in known:
        raise UserError(f"experiment={experiment} is not known: allowed are {', '.join(known)}")
    cfg = _composed(experiment)
    narrowed = {key: [_text(value) for value in values] for key, values in narrowed.items()}
    found = [_lists(params) for params in OmegaConf.to_container(cfg.sweeps, resolve=True)]
    _check_known(experiment, found, narrowed)
    kept = [_narrow(sweep, narrowed) for sweep in found if _has(experiment, sweep, narrowed)]
    return [sweep for sweep in kept if all(sweep.values())]


def cells(experiment: str, sweep: Sweep, fixed: Iterable[str] = ()) -> list[Cell]:
    """The cells of one sweep; `fixed` overrides hold in all of them.

    Composing is slow: what a sweep came to is kept in files that are named by what it was composed of.
    """
    fixed = tuple(fixed)
    return _kept([experiment, list(sweep.items()), fixed], lambda: _compose_cells(experiment, sweep, fixed))


def _compose_cells(experiment: str, sweep: Sweep, fixed: tuple[str, ...]) -> list[Cell]:
    groups = {key: values for key, values in sweep.items() if (CONFIGS / key).is_dir()}
    settings = {key: values for key, values in sweep.items() if key not in groups}
    found = []
    for chosen in itertools.product(*groups.values()):
        cfg = _composed(experiment, *_overrides(groups, chosen), *fixed)
        scratch = copy.deepcopy(cfg) if settings else cfg
        # Composing is slow, setting a key is not: what Hydra does last is done here for every value.
        for values in itertools.product(*settings.values()):
            own = _with_settings(cfg, scratch, _overrides(settings, values))
            value_of = dict(zip([*groups, *settings], [*chosen, *values], strict=True))
            found.append(Cell(tuple(f"{key}={value_of[key]}" for key in sweep), members(own)))
    return found


def _kept(asked: list, compose_all: Callable[[], list[Cell]]) -> list[Cell]:
    """The cells that were asked for: from their file, or composed and kept in it."""
    file = _file_of(asked)
    found = _read_kept(file)
    if found is None:
        found = compose_all()
        _keep(file, found)
    return found


def _file_of(asked: list) -> Path:
    return KEPT / f"{_sources()[:12]}-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]}.json"


@functools.cache
def _sources() -> str:
    """The digest of all that cells are composed of: configs, the code that reads them, its libraries."""
    digest = hashlib.sha256(f"{hydra.__version__} {omegaconf.__version__}".encode())
    for file in [*sorted(CONFIGS.rglob("*.yaml")), Path(__file__), Path(jobs.__file__)]:
        digest.update(str(file).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _read_kept(file: Path) -> list[Cell] | None:
    """The cells in a file; None where there is none, or one that is damaged."""
    try:
        text, _, digest = file.read_text().rpartition("\n")
    except (OSError, ValueError):
        return None
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return None
    return [
        Cell(
            tuple(overrides),
            [Member(row_id, seed, strength, {**configs[kind], "seed": seed}) for row_id, seed, strength, kind in found],
        )
        for overrides, configs, found in json.loads(text)
    ]


def _keep(file: Path, found: list[Cell]) -> None:
    """Write the cells; where nothing can be written, they are composed anew each time."""
    text = json.dumps([_without_repetition(cell) for cell in found])
    partial = file.with_suffix(f".{os.getpid()}.partial")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}")
        partial.replace(file)
        for old in file.parent.glob("*.json"):
            if old.name[:12] != file.name[:12]:  # of other configs
                old.unlink(missing_ok=True)


def _without_repetition(cell: Cell) -> list:
    """A cell with one config for all seeds of a strength, without the seed."""
    configs = {member.strength: {**member.config} for member in cell.members}
    for config in configs.values():
        del config["seed"]
    kinds = list(configs)
    found = [[member.id, member.seed, member.strength, kinds.index(member.strength)] for member in cell.members]
    return [cell.overrides, list(configs.values()), found]


@functools.lru_cache(maxsize=512)
def _composed(experiment: str, *overrides: str) -> DictConfig:
    """The experiment's config with overrides; sweeps of one experiment ask for the same again. Copy before a change."""
    return load_config([f"experiment={experiment}", *overrides])


def _overrides(keys: Iterable[str], values: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))


def _with_settings(cfg: DictConfig, scratch: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The config with these values, read by Hydra's own grammar.

    They are set in `scratch`, a copy of `cfg` that was only ever given values of the same keys: copying is slow, too. A
    mapping is merged into what stands there and needs a fresh copy.
    """
    parsed = [(each.key_or_group, each.value()) for each in OverridesParser.create().parse_overrides(list(overrides))]
    changed = copy.deepcopy(cfg) if any(isinstance(value, dict) for _, value in parsed) else scratch
    for key, value in parsed:
        OmegaConf.update(changed, key, value)
    return changed


def rows_of_cells(found: Iterable[Cell], rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that belong to any of the cells, whatever experiment stored them, sorted by id."""
    keys = {cell_id(member.config) for cell in found for member in cell.members}
    return sorted((row for row in rows if cell_id(row["config"]) in keys), key=lambda row: row["id"])


def experiment_rows(experiment: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all stored rows those of an experiment's cells as configured today, in all budgets, whoever stored them."""
    return rows_of_cells(experiment_cells(experiment, known_budgets(rows)), rows)


def known_budgets(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The budgets that rows have, of those with a config."""
    return tuple(budget for budget in budgets_of(rows) if budget in BUDGETS)


@functools.cache
def experiment_cells(experiment: str, budgets: tuple[str, ...]) -> list[Cell]:
    """The cells of an experiment as configured today."""
    return [cell for budget in budgets for cell in _kept([experiment, budget], lambda b=budget: _all(experiment, b))]


def _all(experiment: str, budget: str) -> list[Cell]:
    return [
        cell for sweep in sweeps(experiment, {}) for cell in _compose_cells(experiment, sweep, (f"budget={budget}",))
    ]


def cells_by_experiment(experiments: Sequence[str], budgets: tuple[str, ...]) -> dict[str, list[Cell]]:
    """The cells of several experiments; those that no file holds are composed on all cores."""
    new = [name for name in experiments if not all(_file_of([name, budget]).exists() for budget in budgets)]
    composed = {}
    if new:
        with ProcessPoolExecutor() as pool:
            composed = dict(zip(new, pool.map(experiment_cells, new, itertools.repeat(budgets)), strict=False))
    return {name: composed.get(name) or experiment_cells(name, budgets) for name in experiments}


def load_config(overrides: Iterable[str]) -> DictConfig:
    """The root config with overrides.

    Composing is slow, setting a key is not: configs of the same files share what they are composed of.
    """
    words = list(overrides)
    chosen = tuple(word for word in words if (CONFIGS / word.partition("=")[0]).is_dir())
    settings = [word for word in words if word not in chosen]
    if all(PLAIN.match(word) for word in settings):
        with contextlib.suppress(HydraException, OmegaConfBaseException):  # composed whole, Hydra says what is wrong
            parsed = OverridesParser.create().parse_overrides(settings)
            if not any(each.is_sweep_override() for each in parsed):
                cfg = copy.deepcopy(_chosen(CONFIGS, _stamps(), chosen))
                for each in parsed:
                    OmegaConf.update(cfg, each.key_or_group, each.value(), merge=True)
                return cfg
    return _compose(CONFIGS, words)


@functools.lru_cache(maxsize=128)
def _chosen(configs: Path, stamps: tuple, chosen: tuple[str, ...]) -> DictConfig:
    """The root config of a choice of files, as they are now. Copy before a change, and before anything is read."""
    return _compose(configs, chosen)


def _stamps() -> tuple:
    """What tells whether a config was changed since."""
    files = [file for folder in (CONFIGS, *CONFIGS.iterdir()) if folder.is_dir() for file in os.scandir(folder)]
    return tuple(sorted((file.path, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


def _compose(configs: Path, words: Iterable[str]) -> DictConfig:
    with initialize_config_dir(str(configs), version_base="1.3"):
        return compose("train", list(words))


def _lists(params: dict[str, Any]) -> Sweep:
    """Values as texts: "a,b" are two, a YAML list is one text an entry (an entry may be a list, such as strengths)."""
    return {
        key: [_text(each) for each in value]
        if isinstance(value, list)
        else [_text(part) for part in str(value).split(",")]
        for key, value in params.items()
    }


def _text(value: object) -> str:
    """A value as Hydra takes it; a number has one spelling, however it was written."""
    text = str(value).replace(" ", "").replace("'", "")
    try:
        return text if text.lstrip("-").isdigit() else str(float(text))
    except ValueError:
        return text


def _check_known(experiment: str, found: list[Sweep], narrowed: Sweep) -> None:
    """A sweep that does not sweep over a key that others do has one value of it, which may be asked for, too."""
    for key, values in narrowed.items():
        known = list(dict.fromkeys(value for sweep in found for value in sweep.get(key, [])))
        if known and set(values) - set(known):
            known += [own for sweep in found if key not in sweep and (own := unswept(experiment, sweep, key))]
        unknown = [value for value in values if value not in known]
        if unknown:
            allowed = ", ".join(dict.fromkeys(known)) or "none: this experiment does not sweep over it"
            raise UserError(f"{key}={','.join(unknown)} is not part of this experiment: allowed are {allowed}")


def _has(experiment: str, sweep: Sweep, narrowed: Sweep) -> bool:
    """Whether the cells of a sweep have one of the values wanted of the keys that it does not sweep over."""
    return all(key in sweep or unswept(experiment, sweep, key) in values for key, values in narrowed.items())


def unswept(experiment: str, sweep: Sweep, key: str) -> str | None:
    """The value that the cells of a sweep have of a key that it does not sweep over; None where they have none."""
    groups = [f"{group}={values[0]}" for group, values in sweep.items() if (CONFIGS / group).is_dir()]
    own = OmegaConf.select(_composed(experiment, *groups), f"{key}.name" if (CONFIGS / key).is_dir() else key)
    return None if own is None else _text(own)


def _narrow(sweep: Sweep, narrowed: Sweep) -> Sweep:
    return {key: [v for v in values if v in narrowed.get(key, values)] for key, values in sweep.items()}
