"""Experiments: the cells that a table or figure is made of, read from `configs/experiment`. No torch in here.

A cell is one resolved config, whatever the seed; a sweep is a product of overrides, as Hydra's multirun runs it.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from regbench.errors import UserError
from regbench.jobs import Member, cell_id, members
from regbench.paths import CONFIGS

Sweep = dict[str, list[str]]


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
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [f"experiment={experiment}"])
    found = [_lists(params) for params in OmegaConf.to_container(cfg.sweeps, resolve=True)]
    _check_known(found, narrowed)
    kept = [_narrow(sweep, narrowed) for sweep in found]
    return [sweep for sweep in kept if all(sweep.values())]


def cells(experiment: str, sweep: Sweep, fixed: Iterable[str] = ()) -> list[Cell]:
    """The cells of one sweep; `fixed` overrides hold in all of them."""
    found = []
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        for values in itertools.product(*sweep.values()):
            overrides = tuple(f"{key}={value}" for key, value in zip(sweep, values, strict=True))
            cfg = compose("train", [f"experiment={experiment}", *overrides, *fixed])
            found.append(Cell(overrides, members(cfg)))
    return found


def rows_of_cells(found: Iterable[Cell], rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that belong to any of the cells, whatever experiment stored them, sorted by id."""
    keys = {cell_id(member.config) for cell in found for member in cell.members}
    return sorted((row for row in rows if cell_id(row["config"]) in keys), key=lambda row: row["id"])


def load_config(overrides: Iterable[str]) -> DictConfig:
    """The root config with overrides."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", list(overrides))


def _lists(params: dict[str, Any]) -> Sweep:
    """Values as texts: "a,b" are two, a YAML list is one text an entry (an entry may be a list, such as strengths)."""
    return {
        key: [_text(each) for each in value]
        if isinstance(value, list)
        else [part.strip() for part in str(value).split(",")]
        for key, value in params.items()
    }


def _text(value: object) -> str:
    return str(value).replace(" ", "").replace("'", "")


def _check_known(found: list[Sweep], narrowed: Sweep) -> None:
    for key, values in narrowed.items():
        known = list(dict.fromkeys(value for sweep in found for value in sweep.get(key, [])))
        unknown = [value for value in values if value not in known]
        if unknown:
            allowed = ", ".join(known) or "none: this experiment does not sweep over it"
            raise UserError(f"{key}={','.join(unknown)} is not part of this experiment: allowed are {allowed}")


def _narrow(sweep: Sweep, narrowed: Sweep) -> Sweep:
    return {key: [v for v in values if v in narrowed.get(key, values)] for key, values in sweep.items()}
