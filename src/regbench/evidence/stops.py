"""What a training that early stopping ends would have reported, by protocol.

One training serves both protocols: it goes on until early stopping has ended it on both splits, so that what follows
the stop on a protocol's own split is not that protocol's.
"""

from __future__ import annotations

from dataclasses import replace

from regbench.evidence.groups import Group
from regbench.evidence.readings import MODE, ordered
from regbench.rows import protocols
from regbench.rows.protocols import PROTOCOLS
from regbench.rows.stopping import EarlyStopping


def stop_epoch(row: dict, protocol: str) -> int:
    """The epoch at which early stopping on the protocol's split ends this training; the last where it never did."""
    return _rule(row).stop_on(ordered(row), PROTOCOLS[protocol]) or len(row["epochs"])


def stopped(row: dict, protocol: str) -> bool:
    """Whether early stopping ended it, and not the cap on epochs."""
    return _rule(row).stop_on(ordered(row), PROTOCOLS[protocol]) is not None


def until_stop(row: dict, protocol: str) -> dict:
    """The row with the epochs up to the stop on the protocol's split.

    All of them where the cap came first, or its task has no early stopping.
    """
    if not row["config"]["task"].get("early_stopping"):
        return row
    return {**row, "epochs": ordered(row)[: stop_epoch(row, protocol)]}


def best_score(row: dict, protocol: str) -> float:
    """The best accuracy, in [0, 1], on the split that the protocol chooses on, before its stop."""
    return protocols.selected(until_stop(row, protocol), protocol, MODE)[PROTOCOLS[protocol]][MODE]["accuracy"]


def base_stop(row: dict, protocol: str) -> tuple[int, bool]:
    """The epoch at which the base loss, had it been watched, ends this training; and whether it did (else: the last).

    Early stopping changes nothing but the end, so that any training tells where another rule would have ended it, if
    it went on for long enough.
    """
    epochs = ordered(row)
    stop = replace(_rule(row), watch="base").stop_on(epochs, PROTOCOLS[protocol])
    return (len(epochs), False) if stop is None else (stop, True)


def usable(group: Group | None) -> bool:
    """Whether the group has finished trainings and no failed one."""
    return group is not None and bool(group.done) and not group.failed


def _rule(row: dict) -> EarlyStopping:
    return EarlyStopping(**row["config"]["task"]["early_stopping"])
