"""What a job trains on: its device and its images."""

import os
from pathlib import Path

import torch
from omegaconf import DictConfig

from regbench.data import Splits, load_splits
from regbench.data.prepared import Prepared
from regbench.data.sources import load_prepared
from regbench.errors import UserError


def load_data(cfg: DictConfig, device: torch.device) -> Splits:
    """The splits of the job's dataset, on the device."""
    return split(cfg, load_dataset(cfg), device)


def load_dataset(cfg: DictConfig) -> Prepared:
    """The job's dataset as it is prepared."""
    return load_prepared(cfg.dataset.name, Path(cfg.paths.data), cfg.download, cfg.dataset.get("side"))


def split(cfg: DictConfig, prepared: Prepared, device: torch.device) -> Splits:
    """The splits that the job asks for."""
    return load_splits(prepared, cfg.budget.train_images, cfg.budget.heldout_images, cfg.dataset.split_seed, device)


def choose_device(name: str) -> torch.device:
    """The torch device called `name`; "auto" is the first GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} is not to be had here: allowed are auto, cpu, cuda") from error
    return device
