"""The one training entry point: `python -m regbench.train dataset=mnist regularizer=pb_edropout 'seeds=[0,1,2]'`.

With `-m` it sweeps, under any Hydra launcher. Members that have a row are skipped, whatever launched them.
"""

import base64
import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from regbench.build import build, make_task
from regbench.data import Splits, load_splits
from regbench.data.sources import load_prepared
from regbench.errors import UserError
from regbench.jobs import Member, members
from regbench.locks import lock
from regbench.paths import CONFIGS
from regbench.reports.store import Store
from regbench.training import Checkpoint, Failed, fit
from regbench.training.provenance import provenance
from regbench.training.tracking import Tracker

log = logging.getLogger("regbench")


class MembersFailed(Exception):
    """Some members of a job failed; their rows say why."""


def train(cfg: DictConfig) -> None:
    """Train the members of the job that have no row yet, one after the other."""
    job = members(cfg)
    store = Store(Path(cfg.paths.results))
    device = choose_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    retried = store.failed_ids() if cfg.retry_failed else set()
    missing = [member for member in job if member.id in retried or not store.has(member.id)]
    log.info("%s: %d of %d members to train", cfg.experiment_name, len(missing), len(job))
    if not missing:
        return
    store.check_writable(cfg.experiment_name)
    origin = provenance(device)  # now: the sources may change while this process trains
    data = load_data(cfg, device)
    for member in {member.strength: member for member in missing}.values():
        build(member, data, device)  # a wrong placement or strength is said before any tracking or training
    tracker = start_tracker(cfg, missing)
    rows: list[dict[str, Any]] = []
    try:
        for member in missing:
            with lock(checkpoint_path(cfg, member).with_suffix(".lock")) as mine:
                if not mine:
                    log.warning("%s is being trained by another process: skipped here", member.label)
                elif member.id in retried or not store.has(member.id):
                    rows.append(finish_member(member, cfg, data, device, tracker, store, origin))
    finally:
        tracker.finish(rows)
    report_failures(rows)


def finish_member(
    member: Member,
    cfg: DictConfig,
    data: Splits,
    device: torch.device,
    tracker: Tracker,
    store: Store,
    origin: dict[str, Any],
) -> dict[str, Any]:
    """Train a member, store its row, and only then drop its checkpoint; returns the row."""
    checkpoint = Checkpoint(checkpoint_path(cfg, member), member.id, origin)
    row = train_member(member, cfg, data, device, tracker, checkpoint)
    row["provenance"] = {**origin, "seconds": seconds(row), "resumed_from": checkpoint.earlier}
    store.write(row)
    checkpoint.remove()
    log.info("%s is %s", member.label, row["status"])
    return row


def train_member(
    member: Member,
    cfg: DictConfig,
    data: Splits,
    device: torch.device,
    tracker: Tracker,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Train one member, from its checkpoint where there is one; returns its row, provenance left out."""
    model, regularizer, optimizer = build(member, data, device)
    settings = member.config
    task = make_task(settings["task"])
    steps = -(-len(data.train) // settings["task"]["batch_size"])
    status, reason, artifacts, epochs = "done", "", {}, []
    with tqdm(total=steps * settings["epochs"], desc=member.label, unit="step", disable=not cfg.progress) as bar:

        def on_epoch(record: dict[str, Any]) -> None:
            bar.n = steps * record["epoch"]
            bar.set_postfix_str(f"epoch {record['epoch']}, held-out {headline(record)}")
            tracker.log_epoch(member_name(member), record)

        try:
            epochs = fit(
                model,
                regularizer,
                task,
                data,
                optimizer,
                epochs=settings["epochs"],
                batch_size=settings["task"]["batch_size"],
                seed=member.seed,
                checkpoint=checkpoint,
                on_epoch=on_epoch,
                on_step=bar.update,
            )
            artifacts = regularizer.artifacts()
            tracker.log_masks(member_name(member), artifacts)
        except Failed as error:
            status, reason, epochs = "failed", str(error), error.records
            log.error("%s failed: %s", member.label, reason)
    return {
        "id": member.id,
        "experiment": cfg.experiment_name,
        "status": status,
        "reason": reason,
        "budget": settings["budget"],
        "seed": member.seed,
        "strength": member.strength,
        "config": settings,
        "epochs": epochs,
        "artifacts": {name: pack_array(array) for name, array in artifacts.items()},
    }


def seconds(row: dict[str, Any]) -> float:
    """Training and evaluation time of a row's epochs, those before a resume included."""
    return round(sum(record["seconds"] for record in row["epochs"]), 3)


def checkpoint_path(cfg: DictConfig, member: Member) -> Path:
    """Where a member's checkpoint is kept until its row stands."""
    return Path(cfg.paths.outputs) / "checkpoints" / f"{member.id}.pt"


def load_data(cfg: DictConfig, device: torch.device) -> Splits:
    """The splits of the job's dataset, on the device."""
    prepared = load_prepared(cfg.dataset.name, Path(cfg.paths.data), cfg.download)
    return load_splits(prepared, cfg.budget.train_images, cfg.budget.heldout_images, cfg.dataset.split_seed, device)


def choose_device(name: str) -> torch.device:
    """The torch device called `name`; "auto" is the first GPU, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    return Tracker(cfg.tracking.mode, cfg.tracking.project, folder, cfg.experiment_name, name, config)


def member_name(member: Member) -> str:
    """A member within its job."""
    return f"seed{member.seed}-strength{member.strength:g}"


def headline(record: dict[str, Any]) -> str:
    """The first evaluation mode's held-out accuracy."""
    return f"{100 * record['heldout']['full']['accuracy']:.2f} %"


def pack_array(array: torch.Tensor) -> dict[str, Any]:
    """An array (channels, rows, columns) in [0, 1] at 8 bits, for a row."""
    flat = (array.flatten(1) * 255).round().to(torch.uint8)
    text = base64.b64encode(flat.numpy().tobytes()).decode()
    return {"shape": list(flat.shape), "grid": list(array.shape[1:]), "scale": 255, "uint8": text}


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
        print(f"error: {error}", file=sys.stderr)
        return 2
    except MembersFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on from the last epoch", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # As a module of its own name, not `__main__`: launchers pickle the task by reference then.
    from regbench import train as module

    sys.exit(module.run())
