"""What is kept of a finished member: its row, and where asked for its weights."""

import base64
from pathlib import Path
from typing import Any

import torch

from regbench.data import Splits
from regbench.errors import UserError
from regbench.plan.jobs import Member
from regbench.rows.files import why
from regbench.rows.locks import remove_stale, replacing
from regbench.training import Failed, Training
from regbench.training.state import Record


def make_row(
    member: Member,
    experiment: str,
    training: Training,
    failure: Failed | None,
    artifacts: dict[str, torch.Tensor],
    origin: dict[str, Any],
) -> dict[str, Any]:
    """A member's row: what `rows.store` writes and reads.

    Args:
        failure: why the training did not come to its end; None: it did. artifacts: see `pack_array`.
        origin: code, versions, device and command, and how it was trained.
    """
    how = {"seconds": seconds(training.records), "resumed_from": training.checkpoint.earlier}
    return {
        "id": member.id,
        "experiment": experiment,
        "status": "done" if failure is None else "failed",
        "reason": "" if failure is None else str(failure),
        "budget": member.config["budget"],
        "seed": member.seed,
        "strength": member.strength,
        "config": member.config,
        "epochs": training.records,
        "artifacts": {name: pack_array(array) for name, array in artifacts.items()},
        "provenance": {**how, **training.task.provenance(), **origin},
    }


def seconds(records: list[Record]) -> float:
    """Training and evaluation time of these epochs, those before a resume included."""
    return round(sum(record["seconds"] for record in records), 3)


def pack_array(array: torch.Tensor) -> dict[str, Any]:
    """An array (channels, rows, columns), or one such an image, in [0, 1] at 8 bits, for a row."""
    flat = (array.flatten(1) * 255).round().to(torch.uint8)
    text = base64.b64encode(flat.numpy().tobytes()).decode()
    return {"shape": list(flat.shape), "grid": list(array.shape[1:]), "scale": 255, "uint8": text}


def keep_weights(path: Path, member: Member, training: Training, data: Splits) -> None:
    """Write a trained model with what is needed to build it again."""
    described = {"config": member.config, "input_shape": list(training.input_shape), "classes": data.classes}
    save_weights(path, training.model, described)


def save_weights(path: Path, model: torch.nn.Module, described: dict[str, Any]) -> None:
    """Write a model's weights as `model` beside what describes it, whole or not at all.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    weights = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    remove_stale(path.parent, f"{path.stem}.*")
    try:
        with replacing(path) as file:
            torch.save({"model": weights, **described}, file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise UserError(f"weights {path} cannot be written ({why(error)}): make room there") from error
