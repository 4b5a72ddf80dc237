"""W&B mirrors a run and is never read: rows do not depend on it."""

import logging
import os
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from regbench.errors import UserError

log = logging.getLogger("regbench")

MODES = ("auto", "online", "offline", "off")


class Tracker:
    """One W&B run for a job, its members' curves side by side.

    Args:
        mode: "auto" is online with a key (WANDB_API_KEY or ~/.netrc) and offline without; "off" does nothing.
        folder: where offline runs are written. job: name and config of the run.
    """

    def __init__(self, mode: str, project: str, folder: Path, group: str, job: str, config: dict[str, Any]):
        if mode not in MODES:
            raise UserError(f"tracking.mode={mode} is not allowed: allowed are {', '.join(MODES)}")
        self.run = None
        self.defined: set[str] = set()  # members whose curves have their axis
        if mode == "off":
            return
        import wandb

        mode = ("online" if _has_key() else "offline") if mode == "auto" else mode
        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(silent=True, console="off")
        try:
            self.run = wandb.init(
                project=project, group=group, name=job, config=config, mode=mode, dir=folder, settings=settings
            )
        except wandb.errors.Error as error:  # a mirror that is out of reach stops no training
            log.warning("W&B cannot be reached, this job is not mirrored: %s", error)

    def log_epoch(self, member: str, record: dict[str, Any]) -> None:
        """An epoch's record, as `<member>/<split>/<mode>/<metric>` over `<member>/epoch`."""
        if self.run is None:
            return
        if member not in self.defined:
            self.defined.add(member)
            self.run.define_metric(f"{member}/*", step_metric=f"{member}/epoch")
        self.run.log(dict(_flatten(member, record)))

    def log_pictures(self, member: str, artifacts: dict[str, Tensor]) -> None:
        """Each artifact as one picture, see `side_by_side`."""
        if self.run is None:
            return
        import wandb

        for name, array in artifacts.items():
            self.run.log({f"{member}/{name}": wandb.Image(side_by_side(array.numpy()))})

    def finish(self, rows: list[dict[str, Any]]) -> None:
        """Close the run with a table of the members' rows."""
        if self.run is None:
            return
        import wandb

        columns = ["id", "seed", "strength", "status", "reason"]
        data = [[row[column] for column in columns] for row in rows]
        self.run.log({"members": wandb.Table(columns=columns, data=data)})
        self.run.finish()


def side_by_side(array: np.ndarray) -> np.ndarray:
    """Maps (n, rows, columns), or images (n, 1 or 3, rows, columns), in [0, 1] as one uint8 picture, n in a row."""
    images = array[:, None] if array.ndim == 3 else array
    padded = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=1.0)
    picture = np.concatenate(list(padded.transpose(0, 2, 3, 1)), axis=1)
    return (255 * picture.squeeze()).astype(np.uint8)


def _flatten(prefix: str, value: Any):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(f"{prefix}/{key}", item)
    elif isinstance(value, list):  # points within the epoch: its last is what a curve over epochs shows
        yield prefix, value[-1]
    else:
        yield prefix, value


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc().authenticators("api.wandb.ai") is not None
    except (OSError, NetrcParseError):
        return False
