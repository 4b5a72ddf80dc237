"""The words around the handout's tables."""

from __future__ import annotations

from regbench.evidence.tables import EN_DASH
from regbench.reports.handout.readings import LEVEL_SHARE

GUIDE = f"""# The handout: none, dropout, batch norm, both

How to read this:

- The handout says: dropout "prevents overfitting", batch norm helps to "stabilize and speed up training", both help
  "generalization". Here: dropout lowers the gap between training and test accuracy, batch norm needs fewer epochs, and
  each of them, and both together, raise test accuracy.
- `n` counts independently seeded trainings; `±` and `[ , ]` are 95 % t-intervals over them.
- Protocol `paper`: the epoch with the best test accuracy. Protocol `held-out`: the epoch with the best accuracy on
  images held out of the training data. Both print the test split.
- Training minus test accuracy: after the last epoch. Training accuracy is the running mean over that epoch, **with the
  dropout layer at work** and batch norm on its batch's statistics, and it lags behind the network that is tested.
  Dropout lowers it for that reason alone: a smaller gap is not yet less overfitting.
- Test loss, last minus lowest: how far the test loss has risen again; it needs no training accuracy and stands beside
  the gap for that reason. The handout does not name it: it is not tested.
- Epochs to a fixed held-out accuracy: {100 * LEVEL_SHARE:g} % of the mean held-out accuracy that the networks without
  regularizer end with (the column says how much that is); between two epochs on a line, after the first epoch 1. A
  training that never reaches it counts with its last epoch: the mean is then a lower bound, marked `>`, without an
  interval, and a test that gains by this is not made.
  Held-out and test images meet batch norm with its running statistics, which lag behind in the first steps: where an
  epoch has few steps, that counts against it here.
- Seconds per epoch: steps and evaluation, on whatever else the machine was doing: rough.
- Differences are to no regularizer, paired by seed (same initial weights, same order of images), accuracy by protocol
  `held-out`. p is one-sided in the handout's direction and Holm-corrected over the tests of its own table; where the
  handout says nothing there is no test (p = {EN_DASH}). The intervals are not corrected.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""
