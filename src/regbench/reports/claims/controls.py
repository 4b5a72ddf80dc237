"""What a claim's control found: it stands beside the claim, which by itself does not say why something is seen."""

from __future__ import annotations

from collections.abc import Mapping

from regbench.reports.claims.answers import Answer
from regbench.reports.claims.claims import Claim, Ledger
from regbench.reports.claims.markup import link


def control_text(claim: Claim, ledger: Ledger, answers: Mapping[str, Answer]) -> str:
    """The control's own claim, what came out of it and its verdict; empty for a claim without control."""
    if not claim.control:
        return ""
    control = ledger.find(claim.control)
    answer = answers[control.id]
    found = "" if answer.found == answer.word else f": {answer.found}"
    return f"control, whether {link(control.short, control.id)}: *{answer.word}*{found}"
