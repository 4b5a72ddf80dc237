"""Training: the task (what is minimised and measured), the loop, its checkpoints and its mirror in W&B."""

from regbench.training.checkpoint import Checkpoint
from regbench.training.loop import Failed, fit
from regbench.training.task import Classify

__all__ = ["Checkpoint", "Classify", "Failed", "fit"]
