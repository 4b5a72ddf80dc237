"""Where a row comes from: commit, versions, device, code."""

import functools
import hashlib
import platform
import subprocess
import sys
from typing import Any

import torch

from regbench.paths import ROOT

#: what a member's numbers depend on, below src/regbench
CODE = ("regularizers", "models", "data", "training", "train.py")


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, dirty flag, versions, device and command of this process."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "code": code_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "command": " ".join([sys.argv[0].rsplit("/", 1)[-1], *sys.argv[1:]]),
    }


@functools.cache
def code_version() -> str:
    """Hash of the sources that a member's numbers depend on: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    package = ROOT / "src" / "regbench"
    for part in CODE:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def device_name(device: torch.device) -> str:
    """The processor's name, as a reader would know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    try:
        call = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return call.stdout.strip()
