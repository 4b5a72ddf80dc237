"""Checkpoints: all that a training needs to go on as if it had never stopped."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from regbench.errors import UserError, reason
from regbench.regularizers import load_training_state, training_state
from regbench.rows.files import why
from regbench.rows.locks import remove_stale, replacing

ORIGIN = ("code", "torch", "device", "threads", "processes")
SEAL = b"\nsha256 "  # stands with a digest of all bytes before it at a checkpoint's end
DIGEST = 64  # hexadecimal digits


class Checkpoint:
    """One member's checkpoint file, replaced whole after every epoch.

    It holds the model, what its layers remember for training alone, the optimizer, the random generators and the
    finished epochs' records: a resumed training equals an uninterrupted one bit for bit on a CPU with as many threads.

    Args:
        path: the file; None: nothing is kept. member: id of the member; a checkpoint of another config is refused.
        origin: provenance of this process. After `load`, `earlier` lists what of it was another one in the processes
            before: code, torch, device, threads, number of processes. Their epochs are not this process's.
    """

    def __init__(self, path: Path | None, member: str, origin: dict[str, Any] | None = None):
        self.path, self.member = path, member
        self.origin = {key: (origin or {}).get(key) for key in ORIGIN}
        self.data = (origin or {}).get("data", {}).get("digest")
        self.earlier: list[dict[str, Any]] = []

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        epochs: list[dict[str, Any]],
        noise: torch.Generator | None = None,
    ) -> None:
        """Write to a temporary name, then move: a kill leaves the previous checkpoint.

        `noise` is the member's own generator; without one the state of torch's own is kept.
        """
        if self.path is None:
            return
        state = {
            "member": self.member,
            "origins": [*self.earlier, self.origin],
            "data": self.data,
            "model": model.state_dict(),
            "training": training_state(model),
            "optimizer": optimizer.state_dict(),
            "random": _random_state(model, noise),
            "epochs": epochs,
        }
        try:
            with replacing(self.path) as file:
                torch.save(state, file)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256")
                file.write(SEAL + digest.hexdigest().encode())
            self.progress_path.write_text(f"{len(epochs)}\n")
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise UserError(
                f"checkpoint {self.path} cannot be written ({why(error)}): make room or set paths.outputs"
            ) from error

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, noise: torch.Generator | None = None
    ) -> list[dict[str, Any]]:
        """Restore everything and return the finished epochs' records; an empty list where there is no checkpoint.

        Raises:
            UserError: a corrupt checkpoint, one of another config, or one of other images.
        """
        if self.path is None:
            return []
        # Whoever trains a member holds its lock: what another process has left of it is of a dead one.
        remove_stale(self.path.parent, f"{self.path.stem}.*", age=0)
        if not self.path.exists():
            return []
        try:
            state = torch.load(io.BytesIO(verified(self.path.read_bytes())), weights_only=True, map_location="cpu")
            member, origins = state["member"], state["origins"]
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            ValueError,
            pickle.UnpicklingError,
        ) as error:
            raise UserError(
                f"checkpoint {self.path} is corrupt ({reason(error)}): delete it to start this member anew"
            ) from error
        if member != self.member:
            raise UserError(
                f"checkpoint {self.path} is of member {member}, this config is member {self.member}: "
                "delete it or give each config its own file"
            )
        if self.data and state.get("data") and state["data"] != self.data:
            raise UserError(
                f"checkpoint {self.path} was trained on other images (digest {state['data']}, now {self.data}): "
                "delete it to start this member anew, or put the dataset back"
            )
        try:
            model.load_state_dict(state["model"])
            load_training_state(model, state["training"])
            optimizer.load_state_dict(state["optimizer"])
            _restore_random_state(model, state["random"], noise)
            epochs = state["epochs"]
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"checkpoint {self.path} does not fit this code ({reason(error)}): delete it to start this member anew"
            ) from error
        self.earlier = [origin for origin in origins if origin != self.origin]
        return epochs

    @property
    def progress_path(self) -> Path:
        """A file with the number of finished epochs, for whoever shows the progress of many members."""
        return self.path.with_suffix(".epoch")

    def remove(self) -> None:
        """Delete the file: the member has its row."""
        if self.path is None:
            return
        self.path.unlink(missing_ok=True)
        self.progress_path.unlink(missing_ok=True)


def verified(content: bytes) -> bytes:
    """What `torch.save` wrote, of a checkpoint's bytes.

    The first checkpoints end without a seal: of these the sums that a zip file has of its members are verified.

    Raises:
        ValueError: it is not what was written.
    """
    saved, seal, digest = content[: -DIGEST - len(SEAL)], content[-DIGEST - len(SEAL) : -DIGEST], content[-DIGEST:]
    if seal == SEAL:
        if hashlib.sha256(saved).hexdigest().encode() != digest:
            raise ValueError("its content is not what its sha256 says")
        return saved
    try:
        damaged = zipfile.ZipFile(io.BytesIO(content)).testzip()
    except Exception as error:  # a flipped bit may name a compression that there is not, a password, ...
        raise ValueError(str(error) or type(error).__name__) from error
    if damaged is not None:
        raise ValueError(f"{damaged} is not what was written")
    return content


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _random_state(model: nn.Module, noise: torch.Generator | None) -> dict[str, torch.Tensor]:
    if noise is not None:
        return {noise.device.type: noise.get_state()}
    states = {"cpu": torch.get_rng_state()}
    if _device(model).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(_device(model))
    return states


def _restore_random_state(model: nn.Module, states: dict[str, torch.Tensor], noise: torch.Generator | None) -> None:
    if noise is not None:
        noise.set_state(states[noise.device.type])
        return
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and _device(model).type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], _device(model))
