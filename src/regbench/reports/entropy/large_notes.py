"""The words around the entropy paper's Table 2: how to read it, and the lines below its tables."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import number
from regbench.evidence.groups import Group
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.protocols import HELD_OUT, PROTOCOLS
from regbench.evidence.tables import EN_DASH
from regbench.reports.entropy.large_best import Count, accuracy, count
from regbench.reports.entropy.large_cells import configured
from regbench.reports.entropy.large_paper import base_spread, gain, mean_gain, paper_count, pooled_deviation, wrong_bold
from regbench.reports.entropy.large_rows import LINES, Page

GUIDE = """# Table 2 of the entropy paper: VGG16 and ResNet-50 on Imagenette

How to read this:

- The question: are large CNNs more accurate with the loss, or is the best of several lambdas simply better than one
  training without it? The paper trains each cell once and finds the highest of seven to have the loss on in 17 of 18
  lines. Were all cells equal, six of seven highest cells would have it on by luck alone.
- A line is model, training strategy and layers with the loss, as the paper has them. Accuracies are in percent, gains
  and spreads in percentage points (pp). `n` counts independently seeded trainings, `±` and `[ , ]` are 95 %
  t-intervals over them. Of one training there is neither an interval nor a p-value.
- *Empirical*: the paper reads these layers off a map of ImageNet weights; ours are read off that of a network trained
  here on Imagenette, `entropy-map-resnet50-imagenette.md`, so that the list may be another.
- The paper's numbers stand in lines of their own, with **(bold)** where it prints bold. It calls them validation
  accuracy: they stand beside our test split, Imagenette's own validation images.
- Protocol `paper`: each training's epoch with the best test accuracy. Protocol `held-out`: the epoch with the best
  accuracy on images held out of the training data. Both print the test split, and both only look at the epochs before
  early stopping on their own split ends the training. The best lambda of a line is chosen on the same split.
- Held-out images decide when the learning rate falls, in both protocols: one training serves them.
- Lambda 0 is the model without the loss: where the loss stands changes nothing about it, so that it is *one* cell, used
  in all lines of its model and strategy. The paper prints one for each of these lines, mostly another value.
- The best lambda is taken of lambda 0 and all others with finished trainings; ties go to the smaller. A cell with a
  failed training is left out. The gain is that of the best lambda *above 0* over lambda 0, paired by seed; *p for the
  best of k* is Dunnett's one-sided test, which allows for the choice among k lambdas (in brackets Holm's, over the
  lines).
- Chance alone: the number of lines whose best cell would have the loss on if all cells were equal, for as many cells as
  were run. Lines that share their lambda 0 are not independent of each other; that is allowed for.
- Accuracies of budget `quick` are no reproduction: its networks are narrow, its images small, its trainings short.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


def coverage_note(page: Page) -> str:
    """How many of the experiment's cells have rows, and which of the paper's lines it has none of.

    Lambda 0 of a model and strategy is one cell.
    """
    wanted = configured()
    found = wanted & {*((family, 0.0) for family in page.plain), *page.penalized}
    counts = [(len(cells), sum(strength == 0 for _, strength in cells)) for cells in (found, wanted)]
    (rows, plain), (all_cells, all_plain) = counts
    swept = {place for place, _ in wanted}
    absent = [line.name for line in LINES if line not in swept]
    text = f"Cells with rows: {rows} of {all_cells} ({plain} of {all_plain} without the loss)."
    return text + (f" The experiment has no cell of: {'; '.join(absent)}." if absent else "")


def count_note(page: Page, numbers: PaperNumbers) -> str:
    """In how many lines the best cell has the loss on, here and in the paper, beside what chance gives."""
    parts = [f"protocol {protocol} {_counted(count(page, protocol))}" for protocol in PROTOCOLS]
    text = f"Lines whose best cell has the loss on: {'; '.join(parts)}; in the paper {_counted(paper_count(numbers))}."
    sizes = {len(group.done) for group in page.groups if group.done and not group.failed}
    if len(sizes) > 1:
        text += " Chance takes cells of one n: those of fewer trainings vary more, and are the best more often."
    return text


def _counted(found: Count) -> str:
    if not found.lines:
        return f"{EN_DASH} (no line has lambda 0 and another)"
    return (
        f"{found.with_loss} of {found.lines} (chance alone: {found.expected:.1f} on average, {found.with_loss} or more "
        f"with probability {found.at_least:.2f})"
    )


def bold_note(numbers: PaperNumbers) -> str:
    """The check of the paper's bold cells."""
    wrong = wrong_bold(numbers)
    text = f"The paper's bold cells: the highest of their line in {len(LINES) - len(wrong)} of {len(LINES)} lines"
    return f"{text}; {'; '.join(wrong)}." if wrong else f"{text}."


def spread_note(page: Page, numbers: PaperNumbers) -> str:
    """Trainings that differ in nothing but the seed, beside gains: the paper's cells without the loss, and ours."""
    deviation, widest = base_spread(numbers)
    gains = [found for line in LINES if (found := gain(numbers, line)) is not None]
    below = sum(found < 2 * deviation for found in gains)
    return (
        f"The paper's cells without the loss of one model and strategy are replicates: standard deviation "
        f"{number(deviation, 'pp')} pp, at most {number(widest, 'pp')} pp apart. Its best lambda above 0 gains "
        f"{number(min(gains), 'pp', True)} to {number(max(gains), 'pp', True)} pp over lambda 0, less than two such "
        f"standard deviations in {below} of {len(gains)} lines; the mean over all its lambdas above 0 is "
        f"{number(mean_gain(numbers), 'pp', True)} pp. {_own_spread(list(page.plain.values()))}"
    )


def _own_spread(plain: Sequence[Group]) -> str:
    samples = [list(group.per_seed(accuracy(HELD_OUT)).values()) for group in plain if group.done]
    deviation = pooled_deviation(samples)
    if deviation is None:
        return "Ours: no cell without the loss has two trainings."
    several = sum(len(sample) > 1 for sample in samples)
    return (
        f"Ours, by protocol held-out: standard deviation {number(deviation, 'pp')} pp over seeds ({several} cell"
        f"{'s' * (several != 1)} with two or more trainings)."
    )
