"""What came of a member, in one line: its metrics by both protocols, its row's file, whether other code made it."""

from pathlib import Path
from typing import Any

from regbench.plan.code_version import code_version
from regbench.rows.protocols import PROTOCOLS, reported

#: metric of a task's evaluation -> its direction, its unit and what it is multiplied with to be in that unit
HEADLINES = {"accuracy": ("max", " %", 100.0), "fid": ("min", "", 1.0), "loss": ("min", "", 1.0)}
NAMES = {"accuracy": "accuracy", "fid": "FID", "loss": "loss"}


def outcome(row: dict[str, Any], path: Path | None = None) -> str:
    """Such as "test accuracy 97.80 % (held-out), 98.00 % (paper); row results/runs/adhoc/0a1b.json"."""
    said = [f"failed: {row['reason']}" if row["status"] == "failed" else metrics(row)]
    if path is not None:
        said.append(f"row {_short(path)}")
    return "; ".join(said)


def metrics(row: dict[str, Any]) -> str:
    """The test split at the epoch that each protocol picks."""
    found = row["epochs"][-1]["test"]["full"]
    name = next(metric for metric in HEADLINES if metric in found)
    direction, unit, factor = HEADLINES[name]
    values = {each: reported(row, each, "full", name, name, direction) for each in reversed(PROTOCOLS)}
    digits = 2 if factor == 100.0 or name == "fid" else 5
    return f"test {NAMES[name]} " + ", ".join(f"{factor * v:.{digits}f}{unit} ({each})" for each, v in values.items())


def other_code(row: dict[str, Any]) -> str:
    """Words where the row was made by other code than today's, else nothing."""
    made, now = row["provenance"]["code"], code_version(row["config"])
    return "" if made == now else f"; made by other code ({made}, now {now}): retrain=true trains it again"


def _short(path: Path) -> str:
    """A path as seen from the working directory, where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
