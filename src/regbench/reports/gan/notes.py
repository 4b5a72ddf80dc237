"""The words around the GAN table: how to read it, and the lines below its parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from regbench.evidence.cells import number
from regbench.evidence.records import Record
from regbench.evidence.tables import EN_DASH
from regbench.reports.gan.claims import ALPHA, ENOUGH, NO_LEVEL, SPEED, Tested
from regbench.reports.gan.methods import (
    AGNN,
    DATASETS,
    FIXED,
    PAPER_DATASETS,
    PAPER_METHODS,
    dataset_of,
    settings_of,
    standard_settings,
)
from regbench.reports.gan.readings import COLLAPSED_CLASSES, COLLAPSED_DIVERSITY, DIVERGED_FACTOR
from regbench.reports.gan.sections import Section

GUIDE = f"""# Table 1 of the adaptive-dropout paper: GANs

How to read this:

- The question: is a DCGAN with an adaptive dropout rate (AGNN-ADR) better than DCGAN, WGAN-GP and SNGAN, and is it the
  *adaptation* that helps? {FIXED.label} is the control that the paper lacks: the same dropout layers, whose rate stays
  where it starts. The other controls change one thing each: the sign of the rule (the printed one adds the gradient of
  the generator's minimised loss minus the discriminator's), one rate a layer, the estimator of the gradient, and
  ordinary dropout.
- FID and IS see the images through a feature extractor, which the title names. Numbers of different extractors are
  never compared: rows of one table share theirs, and **the paper's numbers stand beside ours for reading only**, as the
  paper names none. For the same reason no verdict says "smaller than claimed".
- FID depends on the number of generated samples and of real images: it falls with both. *Real images* is what as many
  training images score against the test split: the floor of FID, and what IS and the classes would reach.
- *Effective classes*: exp of the entropy of the mean class probability. *Diversity*: variance of the generated images'
  features over that of the real ones, summed over features.
- `n` counts independently seeded trainings; `±` and `[ , ]` are 95 % t-intervals over them.
- Protocol `paper`: the epoch with the lowest FID on the test split. Protocol `held-out`: the epoch with the lowest FID
  on images held out of the training data. Both report the test split, IS at that same epoch. The paper names none.
- *Fixed FID*: the lowest FID on the test split that every sound training of the three baselines (neither failed nor
  diverged nor collapsed) reaches at some epoch. Epochs to it (between two epochs on a line) say how fast a method
  converges; a training that never reaches it counts with its last epoch, a lower bound, marked `>`.
- Diverged: the training failed, or its last FID is more than {DIVERGED_FACTOR:g} times its best. Collapsed: after the
  last epoch the effective classes are below {COLLAPSED_CLASSES:g} of the real images', or diversity is below
  {COLLAPSED_DIVERSITY:g}.
- All methods share size of nets, optimizer, batches and steps, as the paper gives "the same hyperparameters" to all;
  the papers of WGAN-GP and SNGAN have others of their own.
- Differences are AGNN-ADR minus the other method, paired by seed (same seed, same order of images), protocol
  `held-out`. p is one-sided in the direction that the paper claims and Holm-corrected over all tests of its own table.
- Verdicts: *supported* where p < {ALPHA} against every method named, from {ENOUGH} seeds on; *contradicted* where
  p < {ALPHA} in the opposite direction (corrected alike) against one of them; else *inconclusive*, with the smallest
  true effect that such a test would have found with 80 % power (one-sided at {ALPHA}, uncorrected, if the spread seen
  is the true one).
- The paper's "lower loss values" are not testable: cross entropy, Wasserstein and hinge losses have no common scale.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


def guide(rows: Iterable[dict]) -> str:
    """How to read the page, and which of the paper's datasets have no row in which budget."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["budget"], set()).add(dataset_of(row))
    missing = {budget: [DATASETS[name] for name in PAPER_DATASETS if name not in found[budget]] for budget in found}
    lines = [
        f"- Not run, budget `{budget}`: {', '.join(names)}.\n" for budget, names in sorted(missing.items()) if names
    ]
    return GUIDE + "".join(lines)


def settings_note(section: Section) -> str:
    """What every line has unless its name says otherwise."""
    known = {key for row in section.rows for key in settings_of(row)}
    standard = standard_settings(section.rows)
    settings = ", ".join(f"{key} {standard[key]}" for key in sorted(known))
    batch = section.rows[0]["config"]["task"]["batch_size"]
    return f"Unless a line's name says otherwise, as far as it has them: {settings}; batches of {batch}."


def level_note(section: Section) -> str:
    """The fixed FID of this table."""
    if section.level is None:
        return f"Fixed FID: {EN_DASH} ({NO_LEVEL})."
    return f"Fixed FID: {number(section.level, 'FID')}, which every sound training of the baselines reaches."


def gap_note(fids: Iterable[tuple[Record, Record]]) -> str:
    """The selection gap over pairs (FID by protocol paper, by protocol held-out)."""
    gaps = [held_out.mean - paper.mean for paper, held_out in fids if paper.mean is not None]
    if not gaps:
        return f"Selection gap: {EN_DASH} (no line has a mean)."
    mean = number(fmean(gaps), "FID", signed=True)
    lines = f"{len(gaps)} line{'s' * (len(gaps) != 1)}"
    return f"Selection gap (FID by protocol held-out minus FID by protocol paper): {mean}, mean over {lines}."


def family_note(found: Iterable[Tested]) -> str:
    """How many tests share one correction."""
    tests = sum(each.claimed.p is not None for each in found)
    return f"Holm's correction is over {tests} test{'s' * (tests != 1)}."


def rank_note(metric: str, means: dict[str, float], lowest_first: bool) -> str:
    """The four methods in order, and how often chance alone puts one of them first."""
    if len(means) < len(PAPER_METHODS):
        return f"Order in {metric}: {EN_DASH} (not all {len(PAPER_METHODS)} methods have a mean)."
    names = sorted(means, key=means.get, reverse=not lowest_first)
    return f"Order in {metric}, best first (means, protocol held-out): {', '.join(names)}."


def chance_note() -> str:
    """What equal methods would give."""
    count = len(PAPER_METHODS)
    return (
        f"Chance alone: were the {count} methods equal, {AGNN.label} would be first in 1 of {count} datasets, and in "
        f"all {len(PAPER_DATASETS)} of the paper's with a chance of 1 in {count ** len(PAPER_DATASETS)}."
    )


def variants_note(labels: Sequence[str]) -> str | None:
    """Which lines are compared with nothing."""
    return f"Lines without a test of their own: {'; '.join(labels)}." if labels else None


def speed_note() -> str:
    """What the test of speed does with trainings that never arrive."""
    return (
        "Epochs to the fixed FID are tested on the test split's FID. Where a training never reaches it, the difference "
        f"is a bound and has no interval; a test that would gain by that is not made ({SPEED} in the CSV)."
    )
