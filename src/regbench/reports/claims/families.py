"""Holm families: which p-values are corrected together. No correction runs over two families."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One Holm correction, of each direction by itself, over p-values of one experiment and budget.

    `claimed` and `opposite` count the p-values of the two directions, `noun` says what there is one of them for (a
    claim, an architecture, a difference), `about` where they come from.
    """

    name: str
    budget: str
    experiment: str
    noun: str
    about: str
    claimed: int
    opposite: int

    @property
    def anchor(self) -> str:
        """Where the report's table of families has it."""
        return re.sub(r"[^a-z0-9]+", "-", f"holm {self.name} {self.budget}".lower()).strip("-")

    @property
    def text(self) -> str:
        """`Holm over 8 claims: PB-EDropout, Table 1`, linked to its line in the report's table of families."""
        return self._link(self.claimed)

    @property
    def opposite_text(self) -> str:
        """The same of the opposite direction."""
        return self._link(self.opposite)

    def _link(self, count: int) -> str:
        """Nothing is corrected where no claim has a p-value."""
        said = f"Holm over {counted(count, self.noun)}" if count else f"no {self.noun} with a p-value"
        return f"[{said}: {self.name}](#{self.anchor})"


def counted(count: int, noun: str) -> str:
    """`1 claim`, `2 claims`."""
    return f"{count} {noun}{'s' * (count != 1)}"
