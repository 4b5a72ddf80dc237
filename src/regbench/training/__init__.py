"""Training: the task (what is minimised and measured), the loops, their checkpoints and their mirror in W&B."""

from regbench.training.adversarial import AdversarialTraining
from regbench.training.checkpoint import Checkpoint
from regbench.training.loop import Training, fit
from regbench.training.schedule import Schedule
from regbench.training.segment import Segment
from regbench.training.stacked import fit_stacked
from regbench.training.state import Failed
from regbench.training.task import Classify, Reconstruct, Task

__all__ = [
    "AdversarialTraining",
    "Checkpoint",
    "Classify",
    "Failed",
    "Reconstruct",
    "Schedule",
    "Segment",
    "Task",
    "Training",
    "fit",
    "fit_stacked",
]
