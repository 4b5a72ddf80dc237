"""The one training entry point: `python -m regbench.train dataset=mnist regularizer=pb_edropout 'seeds=[0,1,2]'`.

With `-m` it sweeps, under any Hydra launcher. Members that have a row are skipped, whatever launched them.
"""

import sys

if __name__ == "__main__":  # before the imports below, which load torch: wrong words are answered at once
    from regbench.command_line import main

    sys.exit(main())

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from regbench.errors import MembersFailed
from regbench.plan.deadline import OutOfTime
from regbench.plan.jobs import Member, members
from regbench.rows.store import Store
from regbench.training.build import build, make_schedule
from regbench.training.checks import check_parts, check_schedule
from regbench.training.inputs import choose_device, load_dataset, split
from regbench.training.memory import keep_freed_memory
from regbench.training.outcome import other_code, outcome
from regbench.training.provenance import provenance
from regbench.training.ranks import check_shares, join, ranks
from regbench.training.run import Run
from regbench.training.stacks import stack_limit
from regbench.training.tracking import Tracker

log = logging.getLogger("regbench")


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
    standing = ranks().on_first(lambda: {m.id: row for m in job if (row := store.find(m.id)) is not None})
    replaced = {row_id: row for row_id, row in standing.items() if to_replace(row, cfg)}
    missing = [member for member in job if member.id not in standing or member.id in replaced]
    log.info("%s: %d of %d members to train", cfg.experiment_name, len(missing), len(job))
    stays = [row for row_id, row in standing.items() if row_id not in replaced]
    report_standing(job, stays, store, cfg.keep_weights)
    if not missing:
        report_failures(stays, len(job))
        return
    images = {f"budget.{key}": cfg.budget[key] for key in ("train_images", "heldout_images")}
    check_shares(cfg.task.batch_size, images, ranks().size)
    store.check_writable(cfg.experiment_name)
    origin = provenance(device, missing[0].config)  # now: the sources may change while this process trains
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
    run = Run(cfg, data, device, tracker, store, origin, {key: row["sha256"] for key, row in replaced.items()})
    try:
        run.train(missing)
    except OutOfTime:
        log.warning("out of time: %d members have no row yet, their checkpoints stand", len(missing) - len(run.rows))
    finally:
        tracker.finish(run.rows)
    report_failures([*stays, *run.rows], len(job))


def to_replace(row: dict[str, Any], cfg: DictConfig) -> bool:
    """Whether a member that has this row is to be trained again."""
    return cfg.retrain or (cfg.retry_failed and row["status"] == "failed")


def report_standing(job: list[Member], rows: list[dict[str, Any]], store: Store, keep_weights: bool) -> None:
    """Say of each member that is not trained again what its row says, and how it would be."""
    labels = {member.id: member.label for member in job}
    for row in rows:
        log.info("%s has its row: %s%s", labels[row["id"]], outcome(row, store.file_of(row)), other_code(row))
    if keep_weights and rows:
        log.warning("keep_weights=true: no weights of members that have a row; retrain=true trains them again")


def start_tracker(cfg: DictConfig, job: list[Member]) -> Tracker:
    """The job's W&B run."""
    config = {**job[0].config, "seed": [member.seed for member in job]}
    name = f"{cfg.dataset.name}-{cfg.model.name}-{cfg.regularizer.name}-{cfg.budget.name}"
    folder = Path(cfg.paths.outputs)
    mode = cfg.tracking.mode if ranks().first else "off"
    return Tracker(mode, cfg.tracking.project, folder, cfg.experiment_name, name, config)


def report_failures(rows: list[dict[str, Any]], members: int) -> None:
    """Raise where members failed, now or before: the command's exit status must say so."""
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        reasons = "; ".join(f"seed {row['seed']}: {row['reason']}" for row in failed)
        raise MembersFailed(
            f"{len(failed)} of {members} members failed: {reasons} (rows stored; retry_failed=true tries again)"
        )
