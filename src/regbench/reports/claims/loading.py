"""Reading `results/claims.yaml`: every entry is checked against what it names, and refused in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumbers, load_yaml
from regbench.paths import CONFIGS
from regbench.reports.claims import verdicts
from regbench.reports.claims.checks import CHANCES, CHECKS
from regbench.reports.claims.claims import Claim, Document, Ledger, Method
from regbench.reports.claims.findings import FINDINGS
from regbench.reports.claims.paper_effects import paper_effect
from regbench.reports.claims.readings import readings
from regbench.reports.claims.trends import swept_lines

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
OPTIONAL_KEYS = ("family", "effect", "chance", "note", "main", "short", "control", "implied")
EFFECT_KEYS = ("table", "row", "column", "minus", "times")


def load_ledger(path: str | Path, papers: Mapping[str, PaperNumbers]) -> Ledger:
    """Read the ledger and check every entry against what it names.

    Raises UserError for a missing file, a missing, repeated or unknown key, id, kind, document, experiment, data set,
    method, metric, protocol, direction, function or argument; for `main` or `implied` that is neither true nor false;
    for an effect that names a number which the paper does not print or whose unit is not that of the metric; for a
    control that is no other claim, and a main claim or a control without a short name.
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
        _check_names(claim, ledger, f"{path}, {claim.id}")
    return ledger


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
    for key in ("main", "implied"):
        if not isinstance(entry.get(key, False), bool):
            raise UserError(f"{named}: {key}={entry[key]!r}: allowed are true, false")
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


def _check_names(claim: Claim, ledger: Ledger, where: str) -> None:
    """The control is another claim, and claims that sentences name have a short name."""
    if claim.control and claim.control not in {each.id for each in ledger.claims} - {claim.id}:
        raise UserError(f"{where}: control={claim.control!r} is not the id of another claim")
    if not claim.short and (claim.main or any(each.control == claim.id for each in ledger.claims)):
        raise UserError(f"{where}: short is missing: a main claim and a control need a short name")


def _check_comparison(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    answer = claim.answer
    _check_rows(claim, where)
    for key in ("methods", "references"):
        for name in answer[key]:
            _allowed(key, name, ledger.methods, where)
    _allowed("metric", answer["metric"], readings(), where)
    _allowed("protocol", answer["protocol"], readings()[answer["metric"]].protocols, where)
    _allowed("direction", answer["direction"], verdicts.DIRECTIONS, where)
    if ("margin" in answer) != (answer["direction"] == verdicts.NONE):
        raise UserError(f"{where}: margin is needed with direction none, and only there")
    if claim.effect:
        _check_keys(claim.effect, ("table", "column"), EFFECT_KEYS, f"{where}, effect")
        for case in ledger.cases(claim):
            paper_effect(claim, case, readings()[answer["metric"]].unit_of_differences, papers)


def _check_trend(claim: Claim, ledger: Ledger, papers: Mapping[str, PaperNumbers], where: str) -> None:
    _check_rows(claim, where)
    _allowed("regularizer", claim.answer["regularizer"], swept_lines(), where)
    _allowed("metric", claim.answer["metric"], readings(), where)
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
