"""A finding: a function that answers a claim from rows where no plain comparison does, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from regbench.evidence.numbers import PaperNumbers
from regbench.reports.claims.answers import Answer
from regbench.reports.claims.rows import Evidence


@dataclass(frozen=True)
class Context:
    """What a finding may look at: all rows, the numbers of the claim's document, the folder of the results."""

    evidence: Evidence
    paper: PaperNumbers | None
    results: Path


@dataclass(frozen=True)
class Finding:
    """A function that answers a claim, and the experiment whose rows it reads (empty: none)."""

    function: Callable[..., Answer]
    experiment: str = ""
