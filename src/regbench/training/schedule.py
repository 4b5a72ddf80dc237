"""How long and in which steps a training goes: what the loop reads of a task's config."""

from dataclasses import dataclass

from regbench.stopping import EarlyStopping


@dataclass(frozen=True)
class Schedule:
    """The loop's settings.

    Args:
        epochs: at most so many. batch_size: images a step.
        stopping: ends a training earlier; None: never. clip_norm: gradients longer than this are cut to it.
        follow: dense layers whose highest log|det| over an epoch's steps goes into the record.
    """

    epochs: int
    batch_size: int
    stopping: EarlyStopping | None = None
    clip_norm: float | None = None
    follow: tuple[str, ...] = ()

    def ended(self, records: list[dict]) -> bool:
        """Whether a training with these records is finished."""
        return len(records) >= self.epochs or (self.stopping is not None and self.stopping.ended(records))
