"""The one training entry point: `python -m regbench.train dataset=mnist regularizer=pb_edropout 'seeds=[0,1,2]'`.

With `-m` it sweeps, under any Hydra launcher. Members that have a row are skipped, whatever launched them.
"""

import logging
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from regbench.build import build, make_schedule
from regbench.checks import check_parts, check_schedule
from regbench.data import Splits, load_splits
from regbench.data.prepared import Prepared
from regbench.data.sources import load_prepared
from regbench.errors import JobsFailed, UserError, one_line
from regbench.jobs import Member, members
from regbench.memory import keep_freed_memory
from regbench.paths import CONFIGS
from regbench.reports.store import Store
from regbench.run import Run
from regbench.stacks import stack_limit
from regbench.training.provenance import provenance
from regbench.training.ranks import check_shares, join, leave, ranks
from regbench.training.tracking import Tracker

log = logging.getLogger("regbench")


class MembersFailed(Exception):
    """Some members of a job failed; their rows say why."""


def train(cfg: DictConfig) -> None:
    """Train the members of the job that have no row yet."""
    job = members(cfg)
    stack_limit(cfg)
    store = Store(Path(cfg.paths.results))
    device = choose_device(cfg.device)
    join(device)
    log.setLevel(logging.INFO if ranks().first else logging.WARNING)
    keep_freed_memory()
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    retried = ranks().on_first(lambda: store.failed_ids() if cfg.retry_failed else set())
    stored = ranks().on_first(lambda: {member.id for member in job if store.has(member.id)} - retried)
    missing = [member for member in job if member.id not in stored]
    log.info("%s: %d of %d members to train", cfg.experiment_name, len(missing), len(job))
    if cfg.keep_weights and len(missing) < len(job):
        log.warning("keep_weights=true: members that have a row are not trained again, their weights are not kept")
    if not missing:
        return
    images = {f"budget.{key}": cfg.budget[key] for key in ("train_images", "heldout_images")}
    check_shares(cfg.task.batch_size, images, ranks().size)
    store.check_writable(cfg.experiment_name)
    origin = provenance(device)  # now: the sources may change while this process trains
    prepared = load_dataset(cfg)
    origin["data"] = prepared.provenance()
    data = split(cfg, prepared, device)
    names = {key: cfg[key].name for key in ("task", "model", "dataset")}
    for member in {member.strength: member for member in missing}.values():
        # A wrong placement, strength or task is said before any tracking or training.
        training = build(member, data, device)
        check_parts(training, data, names)
        check_schedule(training, make_schedule(member, training.model), data.train, cfg.task.name)
    tracker = start_tracker(cfg, missing)
    run = Run(cfg, data, device, tracker, store, origin, retried)
    try:
        run.train(missing)
    finally:
        tracker.finish(run.rows)
    report_failures(run.rows)


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


def start_tracker(cfg: DictConfig, job: list[Member]) -> Tracker:
    """The job's W&B run."""
    config = {**job[0].config, "seed": [member.seed for member in job]}
    name = f"{cfg.dataset.name}-{cfg.model.name}-{cfg.regularizer.name}-{cfg.budget.name}"
    folder = Path(cfg.paths.outputs)
    mode = cfg.tracking.mode if ranks().first else "off"
    return Tracker(mode, cfg.tracking.project, folder, cfg.experiment_name, name, config)


def report_failures(rows: list[dict[str, Any]]) -> None:
    """Raise where members failed: the command's exit status must say so."""
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        reasons = "; ".join(f"seed {row['seed']}: {row['reason']}" for row in failed)
        raise MembersFailed(f"{len(failed)} of {len(rows)} members failed: {reasons} (rows stored)")


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def main(cfg: DictConfig) -> None:
    """Hydra's way in."""
    train(cfg)


def run() -> int:
    """The command line: wrong input is one line and exit status 2, failed members are status 1."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line below is ours
    try:
        main()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that cannot be made: Hydra makes its own before anything of ours is called
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except MembersFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except JobsFailed as error:
        print(textwrap.indent(str(error), "error: "), file=sys.stderr)
        return 2 if error.wrong_input else 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on from the last epoch", file=sys.stderr)
        return 130
    finally:
        leave()
    return 0


if __name__ == "__main__":
    # As a module of its own name, not `__main__`: launchers pickle the task by reference then.
    from regbench import train as module

    sys.exit(module.run())
