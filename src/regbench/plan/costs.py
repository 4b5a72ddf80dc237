"""What trainings cost here: from rows of their like, else from a few steps that are timed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from regbench.plan.jobs import Member


class Costs:
    """Seconds that members take, each from the closest rows there are; new kinds of training are timed once.

    Args:
        rows: of all trainings, whatever their experiment.
        time: of overrides the seconds for one image in one epoch, an evaluation's share included; None: unknown.
    """

    def __init__(
        self, rows: Sequence[dict[str, Any]], time: Callable[[tuple[str, ...]], float | None] = lambda overrides: None
    ):
        self.rows = [row for row in rows if row["status"] == "done" and "served_by" not in row["provenance"]]
        self.time, self.timed = time, {}

    def seconds(self, member: Member, overrides: Iterable[str] = ()) -> float | None:
        """Of one member; None where nothing like it was trained, and `overrides`, which make it, cannot be timed."""
        like = [row for row in self.rows if _same(row, member, ("dataset", "budget", "epochs", "model"))]
        closer = [row for row in like if row["config"]["regularizer"]["name"] == member.config["regularizer"]["name"]]
        times = [row["provenance"]["seconds"] for row in closer or like]
        if times:
            return sum(times) / len(times)
        each = self.of_an_image(member, tuple(overrides))
        return None if each is None else each * member.config["epochs"] * member.config["dataset"]["train_images"]

    def of_an_image(self, member: Member, overrides: tuple[str, ...]) -> float | None:
        """Seconds for an image in an epoch, timed where it has to be, and once for each kind of training."""
        kind = tuple(str(member.config[key]["name"]) for key in ("dataset", "model", "task"))
        if kind not in self.timed:
            self.timed[kind] = self.time(overrides) if overrides else None
        return self.timed[kind]


def _same(row: dict[str, Any], member: Member, keys: tuple[str, ...]) -> bool:
    return all(row["config"].get(key) == member.config[key] for key in keys)


def words(seconds: float) -> str:
    """A time for a reader: "50 min", "18 h"."""
    return f"{max(seconds / 60, 1):.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} h"
