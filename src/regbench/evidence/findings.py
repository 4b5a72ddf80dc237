"""What came of each paper in plain words: a sentence stands as long as the claims it rests on have these verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from regbench.errors import UserError
from regbench.evidence import verdicts
from regbench.evidence.claims import Claim
from regbench.evidence.numbers import load_yaml
from regbench.evidence.spec import allowed, made

if TYPE_CHECKING:  # which imports the documents that findings are part of
    from regbench.evidence.answers import Answer


@dataclass(frozen=True, eq=False)
class Finding:
    """One entry of a paper's `findings.yaml`: `holds` are verdicts by claim id, `change` is what could overturn it."""

    finding: str
    change: str
    holds: Mapping[str, str] = field(default_factory=dict)


def load_findings(path: Path, claims: Sequence[Claim]) -> tuple[Finding, ...]:
    """Read a findings.yaml; a paper may have none.

    Raises UserError for an unknown key, claim or verdict, a finding that rests on no claim, or a claim without a short
    name, which stands beside it.
    """
    if not path.is_file():
        return ()
    content = load_yaml(path)
    if not isinstance(content, list):
        raise UserError(f"{path}: it is a list of findings, the first that holds is shown")
    found = tuple(made(Finding, entry, str(path)) for entry in content)
    named = {claim.id: claim.short for claim in claims}
    for each in found:
        if not each.holds:
            raise UserError(f"{path}: holds is empty: a finding rests on verdicts")
        for name, word in each.holds.items():
            allowed("holds", name, named, str(path))
            allowed(name, word, verdicts.WORDS, str(path))
            if not named[name]:
                raise UserError(f"{path}: claim {name!r} has no short name, which a finding needs")
    return found


def standing(findings: Sequence[Finding], answers: Mapping[str, Answer]) -> Finding | None:
    """The first finding whose claims all have the verdicts that it rests on."""
    return next((f for f in findings if all(answers[name].word == word for name, word in f.holds.items())), None)
