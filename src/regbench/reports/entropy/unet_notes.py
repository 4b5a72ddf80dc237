"""The words around the entropy paper's Table 3: how to read it, and the lines below its tables."""

from __future__ import annotations

from regbench.evidence.groups import Group
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.stats import paired_test
from regbench.evidence.stops import seconds_per_epoch, usable
from regbench.reports.entropy.unet_readings import ACCURACY, EPOCHS, IOU, Reading
from regbench.reports.entropy.unet_rows import PLAIN, Part

GUIDE = """# Table 3 of the entropy paper: U-Net and foreground masks

How to read this:

- The question: does a U-Net train in fewer epochs, and to a higher accuracy and IoU, with the loss on the layers that
  change entropy most? The paper trains each lambda once.
- `n` counts independently seeded trainings, `±` and `[ , ]` are 95 % t-intervals over them. Of one training there is
  neither an interval nor a p-value. Accuracy is the share of pixels that are right, IoU that of the foreground, both
  over all pixels of the test split, in percent.
- The paper trains on 60,000 images of COCO. *DUTS-TR with ECSSD as the test* is a substitute where COCO is not at hand:
  salient objects, other images, other masks. *COCO (a subset)* has few images. No number of either is a reproduction of
  the paper's; what can be compared is the loss against lambda 0.
- Early stopping ends a training after 10 epochs without a loss lower by 0.01. *Watched*: the loss that it looks at.
  The compound loss has the penalty in it, the base loss (MSE) has not; the paper does not say which it is. A penalty
  that falls by more than 0.01 an epoch keeps a training going though its masks get no better, and where the penalty is
  large and constant it hides the fall of the MSE.
- *Were the base loss watched*: the epoch at which the same training would have ended, as early stopping changes
  nothing but the end. `>`: the training, or the cap on epochs, ended before: a lower bound, without an interval.
- Protocol `paper`: early stopping watches the test split, and the epoch of the best test accuracy before that stop is
  reported. Protocol `held-out`: both by images held out of the training data. Both print the test split. The paper
  does not say which epoch it reports.
- Seconds are training and evaluation up to the stop, on whatever else the machine was doing: epochs are the measure of
  speed, seconds per epoch that of the machine and of what the penalty costs.
- Differences are to lambda 0, paired by seed; p is one-sided in the direction of the paper's claim (fewer epochs,
  higher accuracy and IoU) and Holm-corrected over all tests of its own table. Where a cap ended a training there is
  no test of epochs.
- Numbers of budget `quick` are no reproduction: its network is narrow, its images small, its trainings short.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


def own_note(part: Part) -> str:
    """In how many of our lines the loss does what the paper says, in the mean, beside chance."""
    lines = [line for line in part.lines if line.paper_row and line != PLAIN and usable(part.groups.get(line))]
    base = part.groups.get(PLAIN)
    if not lines or not usable(base):
        return "Ours, with the loss against without: not run."
    signs = {EPOCHS: -1, ACCURACY: 1, IOU: 1}
    words = {EPOCHS: "fewer epochs", ACCURACY: "a higher accuracy", IOU: "a higher IoU"}
    parts = []
    for reading, sign in signs.items():
        found = [sign * _difference(part.groups[line], base, reading) for line in lines]
        parts.append(f"{words[reading]} at {sum(each > 0 for each in found)}")
    count = len(lines)
    return (
        f"Ours, in the mean and by protocol {HELD_OUT}: {', '.join(parts)} of {count} lambda{'s' * (count != 1)}; were "
        f"all equal, lambda 0 would be the worst of {count + 1} with probability 1/{count + 1} in each."
    )


def _difference(group: Group, base: Group, reading: Reading) -> float:
    """In the mean over the seeds in common; 0 where there is none."""
    values = [each.per_seed(lambda row: reading.read(row, HELD_OUT)) for each in (group, base)]
    return paired_test(*values).difference or 0.0


def time_note(part: Part) -> str:
    """How far our own seconds per epoch are apart in one network."""
    rates = [seconds_per_epoch(row) for group in part.groups.values() for row in group.done]
    if not rates:
        return "Our seconds per epoch: no finished training."
    return f"Our seconds per epoch over single trainings: {min(rates):.2f} to {max(rates):.2f}."
