"""How long and in which steps a training goes: what the loop reads of a task's config."""

from dataclasses import dataclass

from regbench.errors import UserError
from regbench.rows.stopping import EarlyStopping, Plateau
from regbench.training.augmentation import Augmentation

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Schedule:
    """The loop's settings.

    Args:
        epochs: at most so many. batch_size: images a step.
        stopping: ends a training earlier; None: never. clip_norm: gradients longer than this are cut to it.
        follow: dense layers whose highest log|det| over an epoch's steps goes into the record.
        plateau: lowers the learning rate; None: it stays. augmentation: of the training images; None: none.
        precision: of the network in training, "float32" or "bfloat16" (mixed: weights and losses stay float32).
        accumulate: parts of a batch that go through the network one after the other, to save memory.
        channels_last: whether images lie in memory pixel by pixel (faster in most convolutions) or channel by channel.
    """

    epochs: int
    batch_size: int
    stopping: EarlyStopping | None = None
    clip_norm: float | None = None
    follow: tuple[str, ...] = ()
    plateau: Plateau | None = None
    augmentation: Augmentation | None = None
    precision: str = "float32"
    accumulate: int = 1
    channels_last: bool = True

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UserError(f"task.precision={self.precision} is not allowed: allowed are {', '.join(PRECISIONS)}")
        parts = self.accumulate
        if not isinstance(parts, int) or isinstance(parts, bool) or not 1 <= parts <= self.batch_size:
            raise UserError(f"task.accumulate={parts} is not allowed: parts of a batch, 1 to {self.batch_size}")
        if not isinstance(self.channels_last, bool):
            raise UserError(f"task.channels_last={self.channels_last} is not allowed: allowed are true, false")

    @property
    def plain(self) -> bool:
        """Whether its steps are those that members trained at once know."""
        return self == Schedule(self.epochs, self.batch_size, self.stopping, self.clip_norm, self.follow)

    def ended(self, records: list[dict]) -> bool:
        """Whether a training with these records is finished."""
        return len(records) >= self.epochs or (self.stopping is not None and self.stopping.ended(records))
