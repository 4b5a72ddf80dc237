"""The progress bar of trainings: steps, time left, and what the last epoch came to."""

import contextlib
from collections.abc import Iterator

from tqdm import tqdm

from regbench.training import Schedule
from regbench.training.state import Record


class Progress:
    """How far the trainings of one bar are."""

    def __init__(self, bar: tqdm, steps: int):
        self.bar, self.steps = bar, steps
        self.finished: dict[str, int] = {}

    def step(self) -> None:
        """One step of one training."""
        self.bar.update()

    def epoch(self, member: str, record: Record) -> None:
        """A member's finished epoch; those before a resume count, too."""
        self.finished[member] = record["epoch"]
        self.bar.n = self.steps * sum(self.finished.values())
        self.bar.set_postfix_str(f"epoch {record['epoch']}, held-out {headline(record)}")


@contextlib.contextmanager
def progress(schedule: Schedule, images: int, members: int, label: str, shown: bool) -> Iterator[Progress]:
    """A bar over the steps of so many members, each an epoch of `images` at a time."""
    steps = -(-images // schedule.batch_size)
    total = steps * schedule.epochs * members
    with tqdm(total=total, desc=label, unit="step", disable=not shown) as bar:
        yield Progress(bar, steps)


def headline(record: Record) -> str:
    """The first evaluation mode's held-out accuracy, or what stands in its place."""
    metrics = record["heldout"]["full"]
    if "accuracy" in metrics:
        return f"{100 * metrics['accuracy']:.2f} %"
    return f"FID {metrics['fid']:.2f}" if "fid" in metrics else f"loss {metrics['loss']:.5f}"
