"""Folders of this repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"


def data_root() -> Path:
    """The folder of prepared datasets: REGBENCH_DATA, else data/ here."""
    return Path(os.environ.get("REGBENCH_DATA", ROOT / "data"))
