"""The words around the linearity tables: how to read them, and the lines below each."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.records import Record, number
from regbench.evidence.stats import smallest_effect
from regbench.evidence.trends import Trend
from regbench.reports.linearity.lines import Kind
from regbench.reports.sections import Section

GUIDE = """# Linearity: does dropout make a network more additive?

How to read this:

- The essay's claim: the more dropout, the more linear the trained network ("decreasing Z with increased dropout
  ratio"), "analogous towards L1 regularization's trend towards sparsity or L2 regularization's trend towards weight
  minimization".
- Z, the additivity gap: mean |f(x1 + x2) - f(x1) - f(x2)| / mean (|f(x1)| + |f(x2)|), f(x) = g(x) - g(0), g the logits
  with dropout off; over pairs of test images, after the last epoch. 0 is linear. Scaling the network or its output
  changes nothing. **The formula is this repository's**: the essay's own did not survive in its text.
- The sum of two images is no image: Z says how the network extrapolates, too. A network that has learned less may be
  more linear, so the accuracy stands beside every Z.
- *Z of random subnetworks*: the same with dropout on, one random mask a pair, the same for x1, x2, x1 + x2 and 0. The
  essay's argument is about these. Their masks come with the factor 1 / (1 - rate). At rate 0 the network is its only
  subnetwork.
- Sparsity: share of the weights of dense and convolutional layers with |w| < 0.001. Weight norm: the root of the sum
  of their squares.
- `n` counts independently seeded trainings; `±` and `[ , ]` are 95 % t-intervals over them. Test accuracy: after the
  last epoch, where Z is measured, and by protocol `held-out` (the epoch with the best accuracy on held-out images).
- Differences are paired by seed (same initial weights, same order of images); p is two-sided and Holm-corrected over
  all differences of its own table, the intervals are not.
- Trends: Spearman's rho between strength and measure in each seed, strength 0 (no regularizer) included, then its mean
  over seeds (the interval ends at -1 and 1). The t-test of that mean against 0 is one-sided where the essay names a
  direction, else two-sided, and Holm-corrected over the trends of its table. It is silent where all seeds have the same
  rho, as where all are in perfect order; Page's test (exact, same direction, corrected alike) answers there, too. Its
  null is that the strength does nothing. The accuracy's rho is not tested.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""


def pairs_note(section: Section) -> str | None:
    """Over how many pairs Z is a mean."""
    pairs = section.rows[0]["config"]["task"].get("pairs")
    return (
        None if pairs is None else f"Z over {pairs:,} pairs of test images, or half the test split where that is less."
    )


def placement_note(section: Section, kind: Kind) -> str | None:
    """Where the layers of a regularizer stand."""
    rows = [row for row in section.rows if row["config"]["regularizer"]["name"] == kind.name]
    where = rows[0]["config"]["regularizer"]["method"].get("placement") if rows else None
    if where is None:
        return None
    sites = where if isinstance(where, str) else ", ".join(where)
    return f"{kind.label} stands at {'all sites' if sites == 'all' else sites}."


def family_note(tested: Sequence[Record]) -> str | None:
    """What the differences of Z could have shown."""
    tests = [record for record in tested if record.p is not None]
    if not tests:
        return None
    effects = [smallest_effect(record.comparison, alpha=0.05 / len(tests)) for record in tests]
    bounds = " to ".join(number(bound(effects), "ratio") for bound in (min, max))
    return (
        f"Smallest difference of Z to none that these runs could have shown at 80 % power, at Holm's first step of "
        f"{len(tests)} test{'s' * (len(tests) != 1)}, by line: {bounds}."
    )


def trends_note(found: Sequence[Trend]) -> str:
    """How many tests the trends' families have."""
    t_tests = sum(trend.record.p is not None for trend in found)
    page_tests = sum(trend.page is not None for trend in found)
    return f"Tests here, each family Holm-corrected by itself: t-test {t_tests}, Page's test {page_tests}."
