"""The claims ledger: `results/claims.yaml`, every claim of every document and how it is answered.

`documents` and `methods` name what the entries of `claims` refer to. An entry has an id, its document, the claim in one
sentence, a short quote and its place, and an `answer` of one of these kinds:

comparison    a method against others in one metric of an experiment's rows
trend         a metric over the strengths of a regularizer, ranked within each seed
check         a named function of `claim_checks`: what the document's own numbers add up to
finding       a named function of `claim_findings`: what rows show that is no plain comparison
not run       why, and what would be needed
not testable  what the document leaves out

The paper's effect is not repeated: `effect` names its cells in `results/paper/<document>.yaml`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from regbench.errors import UserError
from regbench.paths import CONFIGS
from regbench.reports.claims import verdicts
from regbench.reports.claims.checks import CHANCES, CHECKS
from regbench.reports.claims.findings import FINDINGS
from regbench.reports.claims.readings import READINGS
from regbench.reports.claims.trends import METRICS, TREND_KINDS
from regbench.reports.gan.methods import DATASETS
from regbench.reports.methods import DATASETS as CLASSIFIED
from regbench.reports.paper import PaperNumber, PaperNumbers, load_yaml

NAMES = DATASETS | CLASSIFIED
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # kind -> needed keys, optional keys
    "comparison": (
        ("experiment", "datasets", "methods", "references", "metric", "protocol", "direction"),
        ("where", "each", "mode", "margin", "paired"),
    ),
    "trend": (("experiment", "datasets", "regularizer", "metric", "direction"), ()),
    "check": (("function",), ("arguments",)),
    "finding": (("function",), ("arguments",)),
    "not run": (("why", "needed"), ()),
    "not testable": (("why",), ()),
}
CLAIM_KEYS = ("id", "document", "claim", "quote", "place", "answer")
OPTIONAL_KEYS = ("family", "effect", "chance", "note", "main")
EFFECT_KEYS = ("table", "row", "column", "minus", "times")
TIMES = "times"  # the unit of an effect that is printed as a factor
#: (printed unit, unit of the metric's differences) -> factor
SCALES = {("fraction", "pp"): 100.0, ("%", "pp"): 1.0, ("MSE", "1e-3"): 1000.0}


@dataclass(frozen=True)
class Document:
    """One of the documents; `paper` names its file of numbers in results/paper."""

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
class PaperEffect:
    """What the paper prints: a value in the unit of the metric's differences, and its n (None: not stated)."""

    value: float
    unit: str
    n: int | None


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; `main` ones stand in the report's first table."""

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


def load_ledger(path: str | Path, papers: Mapping[str, PaperNumbers]) -> Ledger:
    """Read the ledger and check every entry against what it names.

    Raises UserError for a missing file, a missing, repeated or unknown key, id, kind, document, experiment, data set,
    method, metric, protocol, direction, function or argument, and for an effect that names a number which the paper
    does not print or whose unit is not that of the metric.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"claims {path}: no such file; the ledger is kept in results/claims.yaml")
    content = load_yaml(path)
    _check_keys(content, ("documents", "methods", "claims"), (), str(path))
    documents = {name: _document(name, entry, str(path)) for name, entry in content["documents"].items()}
    methods = {name: _method(name, entry, str(path)) for name, entry in content["methods"].items()}
    ledger = Ledger(documents, methods, tuple(_claim(entry, str(path)) for entry in content["claims"]))
    seen: set[str] = set()
    for claim in ledger.claims:
        if claim.id in seen:
            raise UserError(f"{path}: id={claim.id} occurs twice")
        seen.add(claim.id)
        _check_claim(claim, ledger, papers, f"{path}, {claim.id}")
    return ledger


def paper_effect(claim: Claim, case: Case, unit: str, papers: Mapping[str, PaperNumbers]) -> PaperEffect | None:
    """What the paper prints for a case, in this unit or as a factor; None where the claim names no number.

    The rows of an effect without `row` are those of the method and of its reference.
    """
    effect = claim.effect
    if not effect:
        return None
    cell = {key: _filled(effect.get(key), case.dataset) for key in ("table", "row", "column")}
    ours = _number(claim, cell["table"], cell["row"] or case.method.row, cell["column"], papers)
    if effect.get(TIMES):
        return PaperEffect(_scaled(claim, ours, TIMES), TIMES, ours.n)
    value, n = _scaled(claim, ours, unit), ours.n
    if "minus" in effect or not cell["row"]:
        minus = {key: _filled(each, case.dataset) for key, each in effect.get("minus", {}).items()}
        row = minus.get("row") or (case.reference.row if not cell["row"] else cell["row"])
        theirs = _number(claim, cell["table"], row, minus.get("column", cell["column"]), papers)
        value -= _scaled(claim, theirs, unit)
        n = ours.n if theirs.n == ours.n else None
    return PaperEffect(value, unit, n)


def check_cells(ledger: Ledger, configs: Mapping[str, list[dict]]) -> None:
    """Raise UserError for a comparison whose method or reference is no cell of its experiment as configured.

    Args:
        configs: experiment -> the flattened configs of its cells. Experiments that are not in it are not checked.
    """
    for claim in ledger.claims:
        if claim.kind != "comparison" or claim.answer["experiment"] not in configs:
            continue
        experiment = claim.answer["experiment"]
        for case in ledger.cases(claim):
            for method in (case.method, case.reference):
                wanted = {"dataset.name": case.dataset, **dict(case.settings), **method.where}
                if not any(_has(config, wanted) for config in configs[experiment]):
                    text = ", ".join(f"{key}={value}" for key, value in wanted.items())
                    raise UserError(f"claim {claim.id}: method {method.name}: {text} is no cell of {experiment}")


def _has(config: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    return all(config.get(key) == value for key, value in wanted.items())


def _document(name: str, entry: dict, where: str) -> Document:
    _check_keys(entry, ("title", "short"), (), f"{where}, document {name}")
    return Document(name, **entry)


def _method(name: str, entry: dict, where: str) -> Method:
    _check_keys(entry, ("label", "where"), ("mode", "row"), f"{where}, method {name}")
    return Method(name, **entry)


def _claim(entry: object, where: str) -> Claim:
    named = f"{where}, {entry['id']}" if isinstance(entry, dict) and "id" in entry else where
    _check_keys(entry, CLAIM_KEYS, OPTIONAL_KEYS, named)
    empty = [key for key in CLAIM_KEYS if not entry[key]]
    if empty:
        raise UserError(f"{named}: {empty[0]} is empty")
    return Claim(**{**entry, "id": str(entry["id"])})


def _check_claim(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    _allowed("document", claim.document, ledger.documents, where)
    kind = claim.answer.get("kind") if isinstance(claim.answer, dict) else None
    _allowed("kind", kind, KINDS, where)
    needed, optional = KINDS[kind]
    _check_keys(claim.answer, ("kind", *needed), optional, where)
    check = {"comparison": _check_comparison, "trend": _check_trend, "check": _check_check, "finding": _check_finding}
    if kind in check:
        check[kind](claim, ledger, papers, where)
    if claim.chance:
        _check_function(claim.chance, CHANCES, where)


def _check_comparison(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    answer = claim.answer
    _check_rows(claim, where)
    for key in ("methods", "references"):
        for name in answer[key]:
            _allowed(key, name, ledger.methods, where)
    _allowed("metric", answer["metric"], READINGS, where)
    _allowed("protocol", answer["protocol"], READINGS[answer["metric"]].protocols, where)
    _allowed("direction", answer["direction"], verdicts.DIRECTIONS, where)
    if ("margin" in answer) != (answer["direction"] == verdicts.NONE):
        raise UserError(f"{where}: margin is needed with direction none, and only there")
    if claim.effect:
        _check_keys(claim.effect, ("table", "column"), EFFECT_KEYS, f"{where}, effect")
        for case in ledger.cases(claim):
            paper_effect(claim, case, READINGS[answer["metric"]].difference, papers)


def _check_trend(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    _check_rows(claim, where)
    _allowed("regularizer", claim.answer["regularizer"], TREND_KINDS, where)
    _allowed("metric", claim.answer["metric"], METRICS, where)
    _allowed("direction", claim.answer["direction"], verdicts.OPPOSITE, where)


def _check_rows(claim: Claim, where: str) -> None:
    known = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
    _allowed("experiment", claim.answer["experiment"], known, where)
    known = sorted(path.stem for path in (CONFIGS / "dataset").glob("*.yaml"))
    for dataset in claim.answer["datasets"]:
        _allowed("datasets", dataset, known, where)
    if not claim.family:
        raise UserError(f"{where}: family is missing: the claims of one table share one Holm correction")


def _check_check(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    _check_function(claim.answer, CHECKS, where)


def _check_finding(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    _check_function(claim.answer, {name: finding.function for name, finding in FINDINGS.items()}, where)


def _check_function(named: Mapping[str, object], known: Mapping[str, Callable], where: str) -> None:
    _check_keys(named, ("function",), ("kind", "arguments"), where)
    _allowed("function", named["function"], known, where)
    arguments = named.get("arguments", {})
    try:
        inspect.signature(known[named["function"]]).bind(None, **arguments)
    except TypeError as error:
        raise UserError(f"{where}: arguments={arguments} of {named['function']}: {error}") from None


def _number(claim: Claim, table: str, row: str | None, column: str, papers: Mapping[str, PaperNumbers]) -> PaperNumber:
    if claim.document not in papers:
        raise UserError(
            f"claim {claim.id}: results/paper/{claim.document}.yaml is missing: its effect is looked up there"
        )
    found = papers[claim.document].find(table, row, column) if row else None
    if found is None:
        raise UserError(f"claim {claim.id}: the paper has no number at table={table!r}, row={row!r}, column={column!r}")
    return found


def _scaled(claim: Claim, found: PaperNumber, unit: str) -> float:
    scale = 1.0 if found.unit == unit else SCALES.get((found.unit, unit))
    if scale is None:
        raise UserError(
            f"claim {claim.id}: unit={found.unit!r} at row={found.row!r}, column={found.column!r} is not that of the "
            f"metric, {unit!r}"
        )
    return scale * found.value


def _filled(text: object, dataset: str) -> str | None:
    return None if text is None else str(text).replace("{dataset}", NAMES.get(dataset, dataset))


def _allowed(key: str, value: object, known: Iterable, where: str) -> None:
    if value not in list(known):
        raise UserError(f"{where}: {key}={value!r}: allowed are {', '.join(map(str, known))}")


def _check_keys(entry: object, needed: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, dict):
        raise UserError(f"{where}: {entry!r} is not a mapping of keys; needed are {', '.join(needed)}")
    missing = [key for key in needed if key not in entry]
    unknown = [key for key in entry if key not in (*needed, *optional)]
    if missing or unknown:
        what = f"key {missing[0]!r} is missing" if missing else f"key {unknown[0]!r} is unknown"
        raise UserError(
            f"{where}: {what}; needed are {', '.join(needed)}, optional are {', '.join(optional) or 'none'}"
        )
