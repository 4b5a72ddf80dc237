"""Jobs and members: which trainings a resolved config asks for, and the identity of each.

A job is one config with a list of seeds and a list of strengths; its members are seeds x strengths. A member's id is
the hash of what its numbers depend on. Device, paths, tracking and launcher are left out; at strength 0 so are the
regularizer's settings, so that all sweeps share their baseline. No torch in here: reports enumerate members too.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regbench.errors import UserError
from regbench.paths import ROOT
from regbench.plan.kinds import check_kinds, normalised

OmegaConf.register_new_resolver("one_minus", lambda share: 1.0 - share, replace=True)
OmegaConf.register_new_resolver("repo_root", lambda: str(ROOT), replace=True)

MOST = 2**31 - 1  # of a seed: epochs and processes multiply it, and the product has to stay below 2**63
SWITCHES = ("share", "keep_weights", "retry_failed", "retrain", "download", "progress")
BASELINE = {"name": "none", "strength": 0.0, "method": {"_target_": "regbench.regularizers.Regularizer"}}


@dataclass(frozen=True)
class Member:
    """One training: its id, seed, strength and the scientific config that the id is the hash of."""

    id: str
    seed: int
    strength: float
    config: dict[str, Any]

    @property
    def label(self) -> str:
        """A short name for logs."""
        names = (
            self.config["dataset"]["name"],
            self.config["model"]["name"],
            self.config["regularizer"]["name"],
        )
        return f"{'/'.join(names)} strength {self.strength:g} seed {self.seed} [{self.id}]"


def members(cfg: DictConfig) -> list[Member]:
    """All members of the job, strengths within seeds.

    Raises:
        UserError: seeds or strengths that are missing, repeated or not numbers.
    """
    check_kinds(cfg)
    if _is_seed(cfg.seeds):
        raise UserError(f"seeds={cfg.seeds} is not allowed: a list, [{cfg.seeds}] for this one, [0,1,2] for three")
    seeds = _checked_list("seeds", cfg.seeds, _is_seed, f"different integers from 0 to {MOST}")
    strengths = [cfg.regularizer.strength] if cfg.strengths is None else cfg.strengths
    strengths = _checked_list("strengths", strengths, _is_number, "different finite numbers")
    _check_numbers(cfg)
    _check_switches(cfg)
    if not _is_seed(cfg.seed_offset):
        raise UserError(f"seed_offset={cfg.seed_offset} is not allowed: an integer from 0")
    kinds = [(float(strength), _config(cfg, float(strength))) for strength in strengths]
    return [_member(config, seed + cfg.seed_offset, strength) for seed in seeds for strength, config in kinds]


def _member(config: dict[str, Any], seed: int, strength: float) -> Member:
    config = {**config, "seed": seed}
    return Member(member_id(config), seed, strength, config)


def _config(cfg: DictConfig, strength: float) -> dict[str, Any]:
    """The scientific config at one strength, without a seed."""
    regularizer = _at_strength(cfg, strength)
    dataset = {
        "name": cfg.dataset.name,
        "split_seed": cfg.dataset.split_seed,
        "train_images": cfg.budget.train_images,
        "heldout_images": cfg.budget.heldout_images,
    }
    if "side" in cfg.dataset:
        dataset["side"] = cfg.dataset.side
    if strength != 0.0 and regularizer["method"] == _at_strength(cfg, 0.5 * strength)["method"]:
        raise UserError(
            f"strengths=[{strength}]: nothing in regularizer={regularizer['name']} reads regularizer.strength; "
            "set regularizer.strength and leave the setting that refers to it; for none it is 0"
        )
    config = {
        "dataset": dataset,
        "model": normalised("model", OmegaConf.to_container(cfg.model, resolve=True)),
        "regularizer": normalised("regularizer", regularizer),
        "task": normalised("task", OmegaConf.to_container(cfg.task, resolve=True)),
        "budget": cfg.budget.name,
        "epochs": cfg.budget.epochs,
    }
    return unregularized(config) if strength == 0.0 else config


def unregularized(config: dict[str, Any]) -> dict[str, Any]:
    """The config of the baseline: no regularizer, and no penalty for early stopping or plateau to watch."""
    task = config["task"]
    for key, default in (("early_stopping", "compound"), ("plateau", "accuracy")):
        if isinstance(task.get(key), dict) and task[key].get("watch", default) == "compound":
            task = {**task, key: {**task[key], "watch": "base"}}
    return {**config, "regularizer": BASELINE, "task": task}


def _at_strength(cfg: DictConfig, strength: float) -> dict[str, Any]:
    """The regularizer's settings with this strength; set and taken back in place, as copying a config is slow."""
    before = OmegaConf.to_container(cfg.regularizer, resolve=False)["strength"]
    cfg.regularizer.strength = strength
    try:
        settings = OmegaConf.to_container(cfg.regularizer, resolve=True)
        settings.pop("control", None)  # what it is compared with changes nothing that is trained
        return settings
    finally:
        cfg.regularizer.strength = before


def cell_id(config: dict[str, Any]) -> str:
    """The hash of a scientific config without its seed: what the replicates of one cell share."""
    return member_id({key: value for key, value in config.items() if key != "seed"})


def member_id(config: dict[str, Any]) -> str:
    """16 hexadecimal digits: the hash of a scientific config."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _checked_list(key: str, values: Any, good: Any, allowed: str) -> list:
    values = list(values) if OmegaConf.is_list(values) or isinstance(values, list) else [values]
    bad = [value for value in values if not good(value)]
    if not values or bad or len(set(values)) < len(values):
        raise UserError(f"{key}={values} is not allowed: a list of {allowed}")
    return values


def _check_switches(cfg: DictConfig) -> None:
    for key in SWITCHES:
        if not isinstance(cfg[key], bool):
            raise UserError(f"{key}={cfg[key]} is not allowed: allowed are true, false")


def _check_numbers(cfg: DictConfig) -> None:
    whole = {f"budget.{key}": cfg.budget[key] for key in ("epochs", "train_images", "heldout_images")}
    whole["task.batch_size"] = cfg.task.batch_size
    whole["seeds_per_job"] = cfg.seeds_per_job
    if cfg.threads is not None:
        whole["threads"] = cfg.threads
    for key, value in whole.items():
        if not _is_seed(value) or value < 1:
            raise UserError(f"{key}={value} is not allowed: an integer of 1 or more")
    if not _is_seed(cfg.dataset.split_seed):
        raise UserError(f"dataset.split_seed={cfg.dataset.split_seed} is not allowed: an integer from 0")
    if not _is_number(cfg.task.optimizer.lr) or cfg.task.optimizer.lr <= 0:
        raise UserError(f"task.optimizer.lr={cfg.task.optimizer.lr} is not allowed: a number above 0")
