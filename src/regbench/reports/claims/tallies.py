"""How many claims have which verdict, those that a document implies without stating them counted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regbench.reports.claims.answers import Answer
from regbench.reports.claims.claims import Claim
from regbench.reports.claims.families import counted


def counted_claims(claims: Sequence[Claim], of: str = "") -> str:
    """`61 claims (14 of them implied)`, `120 claims of 5 documents (23 of them implied)`."""
    implied = sum(claim.implied for claim in claims)
    return counted(len(claims), "claim") + of + (f" ({implied} of them implied)" if implied else "")


def tally(claims: Sequence[Claim], answers: Mapping[str, Answer], words: Sequence[str]) -> list[str]:
    """`2 supported`, `11 contradicted (2 implied)`, ... for each of these verdicts that any claim has."""
    parts = []
    for word in words:
        found = [claim for claim in claims if answers[claim.id].word == word]
        implied = sum(claim.implied for claim in found)
        if found:
            parts.append(f"{len(found)} {word}" + (f" ({implied} implied)" if implied else ""))
    return parts
