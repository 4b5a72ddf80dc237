"""Where a row comes from: commit, versions, device, code."""

import platform
import subprocess
import sys
from typing import Any

import torch

from regbench.paths import ROOT
from regbench.plan.code_version import code_version
from regbench.training.ranks import ranks


def provenance(device: torch.device, config: dict[str, Any]) -> dict[str, Any]:
    """Commit, dirty flag, versions, device and command of this process, which trains members of this config."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "code": code_version(config),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a plain string: checkpoints hold it
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "processes": ranks().size,
        "command": command(sys.argv),
    }


def command(words: list[str]) -> str:
    """The command line, without where this machine keeps its files."""
    return " ".join([words[0].rsplit("/", 1)[-1], *(word for word in words[1:] if not word.startswith("paths."))])


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
