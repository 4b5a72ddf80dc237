"""The claims ledger: `results/claims.yaml`, every claim of every document and how it is answered.

`documents` and `methods` name what the entries of `claims` refer to. An entry has an id, its document, the claim in one
sentence, a short quote and its place, and an `answer` of one of these kinds:

comparison    a method against others in one metric of an experiment's rows
trend         a metric over the strengths of a regularizer, ranked within each seed
check         a named function of `claim_checks`: what the document's own numbers add up to
finding       a named function of `claim_findings`: what rows show that is no plain comparison
not run       why, and what would be needed
not testable  what the document leaves out

The paper's effect is not repeated: `effect` names its cells in the paper's `numbers.yaml`. `control` names another
claim whose answer is printed beside this one's: what is seen without the cause that is claimed. A claim that is `main`,
or is a control, has a `short` name. `implied: true` is a claim that the document does not state: it follows from what
is stated, or would have to hold for that to say what it is said to. Such claims are marked and counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from regbench.reports.claims.findings import FINDINGS
from regbench.reports.methods import DATASETS as CLASSIFIED

NAMES = CLASSIFIED | {"celeba": "CelebA", "imagenette": "Imagenette", "coco": "COCO", "duts": "DUTS"}


@dataclass(frozen=True)
class Document:
    """One of the documents; its name is that of its folder of papers."""

    name: str
    title: str
    short: str


@dataclass(frozen=True)
class Method:
    """A cell or a family of cells: its label, the settings it has, the mode it is read in, the paper's own row."""

    name: str
    label: str
    where: Mapping[str, object]
    mode: str = "full"
    row: str | None = None


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; `main` ones stand in the report's first table.

    `short` is the claim as a reader would name it in a list, `control` the id of the claim that holds its control.
    `implied`: the document does not state it.
    """

    id: str
    document: str
    claim: str
    quote: str
    place: str
    answer: Mapping[str, object]
    family: str = ""
    effect: Mapping[str, object] = field(default_factory=dict)
    chance: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    main: bool = False
    short: str = ""
    control: str = ""
    implied: bool = False

    @property
    def kind(self) -> str:
        return str(self.answer["kind"])


@dataclass(frozen=True)
class Case:
    """One comparison of a claim: a data set, one value of each further setting, a method, what it is held against."""

    dataset: str
    settings: tuple[tuple[str, object], ...]
    method: Method
    reference: Method


@dataclass(frozen=True)
class Ledger:
    """All claims with what they refer to."""

    documents: dict[str, Document]
    methods: dict[str, Method]
    claims: tuple[Claim, ...]

    def of(self, document: str) -> list[Claim]:
        """The claims of one document, in the ledger's order."""
        return [claim for claim in self.claims if claim.document == document]

    def find(self, name: str) -> Claim:
        """The claim of this id."""
        return next(claim for claim in self.claims if claim.id == name)

    def cases(self, claim: Claim) -> list[Case]:
        """The comparisons that a claim of kind `comparison` holds."""
        answer = claim.answer
        settings = product(*([(key, value) for value in values] for key, values in answer.get("each", {}).items()))
        where = tuple(answer.get("where", {}).items())
        return [
            Case(dataset, (*where, *chosen), self.methods[method], self.methods[reference])
            for dataset, chosen, method, reference in product(
                answer["datasets"], list(settings), answer["methods"], answer["references"]
            )
        ]

    @property
    def experiments(self) -> list[str]:
        """Every experiment whose rows answer a claim."""
        named = {claim.answer["experiment"] for claim in self.claims if "experiment" in claim.answer}
        found = [FINDINGS[claim.answer["function"]] for claim in self.claims if claim.kind == "finding"]
        return sorted(named | {finding.experiment for finding in found if finding.experiment})
