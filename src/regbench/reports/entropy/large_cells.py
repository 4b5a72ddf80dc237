"""The cells of the entropy paper's Table 2 that the experiment can run, read from its sweeps."""

from __future__ import annotations

import functools
import itertools
import json

from regbench.reports.entropy.large_rows import EMPIRICAL, Line

EXPERIMENT = "entropy-table2"
PLACEMENT = "regularizer.method.placement"
#: a cell without the loss is one of a model and strategy, any other of a line
Place = tuple[tuple[str, str] | Line, float]


@functools.cache
def configured() -> frozenset[Place]:
    """Every cell once. Sweeps are read and not composed, which would take long."""
    from regbench.experiments import sweeps  # here: Hydra, which whoever only reads tables need not load

    found: set[Place] = set()
    for sweep in sweeps(EXPERIMENT, {}):
        for model, strategy in itertools.product(sweep["model"], sweep["strategy"]):
            family = (model, strategy.replace("_", " + "))
            found |= _penalized(sweep, family) if PLACEMENT in sweep else {(family, 0.0)}
    return frozenset(found)


def _penalized(sweep: dict[str, list[str]], family: tuple[str, str]) -> set[Place]:
    strengths = [float(strength) for text in sweep["strengths"] for strength in json.loads(text)]
    # A list of layers has no name of its own: it is what was read from trained weights.
    words = [EMPIRICAL if text.startswith("[") else text for text in sweep[PLACEMENT]]
    return {(Line(*family, word), strength) for word in words for strength in strengths}
