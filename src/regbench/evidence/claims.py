"""Claims as data: `claims.yaml` in a paper's folder, every claim of the paper and what answers it.

An entry has an id, the claim in one sentence, a short quote and its place, and one of these keys:

cases          comparisons of a page, chosen by line, metric and data set: of its `families` (a comparison or a trend),
               the best of a sweep (`best`), or lines against a number (`than`)
check          a registered function of the paper's own numbers or formulas, with its arguments
not_run        why there is no training, and in `needed` what would answer it
not_testable   what the paper leaves out

`effect` names the paper's own effect by cells of numbers.yaml; its rows default to those of the compared lines.
`condition` is a setting of ours that the verdict depends on. `control` names another claim, whose answer stands beside
this one's. `implied`: the document does not state it. `slip`: what is printed contradicts
itself, and no conclusion of the document rests on it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence import verdicts
from regbench.evidence.metrics import METRICS
from regbench.evidence.numbers import load_yaml
from regbench.evidence.registry import Registry
from regbench.evidence.spec import Page, allowed, is_named, known_lines, made

KINDS = ("cases", "check", "not_run", "not_testable")
EFFECT_KEYS = ("table", "row", "column", "minus", "times")
TRAININGS, NUMBERS = "trainings", "numbers"  # what makes the sides of a comparison identical

#: checks and chances by name: (document's numbers, **arguments) -> Checked, or a sentence
CHECKS, CHANCES = Registry("check"), Registry("chance")
check, chance = CHECKS.register, CHANCES.register


@dataclass(frozen=True)
class Checked:
    """What a check found: whether the claim is borne out (None: cannot be told), by what, with further lines."""

    good: bool | None
    found: str
    why: str
    details: tuple[str, ...] = ()
    runs: str = ""


@dataclass(frozen=True, eq=False)
class Cases:
    """The comparisons of one page that a claim rests on: all of a selection, each of which must hold.

    From families: those of `lines` minus `minus` (or trends `over` a line) in `metric`. `best`: what the best value of
    the sweep of each line of a table gains in `metric`. `than`: the mean of `lines` against this number, or against the
    printed one at {table, row, column}. `at` keeps some values of swept settings. `direction` is that of the page's
    family; it stands here with `best` and `than`, and for a claim of `none` or `no gain`, which needs a `margin`.
    `same` is what makes both sides identical: the same trainings, or the same numbers in every epoch of each seed.
    """

    page: str
    metric: str
    datasets: tuple[str, ...]
    lines: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    protocol: str = ""
    at: Mapping[str, list] = field(default_factory=dict)
    best: str = ""
    than: object = None
    direction: str = ""
    margin: object = None
    same: str = TRAININGS


@dataclass(frozen=True, eq=False)
class Claim:
    """One claim. `main` ones have a `short` name; a `chance` says what would come out if nothing worked."""

    id: str
    claim: str
    quote: str
    place: str
    cases: Cases | None = None
    check: Mapping[str, object] = field(default_factory=dict)
    not_run: str = ""
    not_testable: str = ""
    needed: str = ""
    effect: Mapping[str, object] = field(default_factory=dict)
    chance: Mapping[str, object] = field(default_factory=dict)
    condition: str = ""
    note: str = ""
    main: bool = False
    short: str = ""
    control: str = ""
    implied: bool = False
    slip: bool = False

    @property
    def kind(self) -> str:
        """Which of KINDS answers it."""
        return next(kind for kind in KINDS if getattr(self, kind))


def load_claims(path: Path, pages: Mapping[str, Page]) -> tuple[Claim, ...]:
    """Read a claims.yaml; a paper may have none.

    Raises UserError for an unknown, missing or repeated key or id, a page, line, metric, data set, direction or check
    that does not exist, arguments that a check does not take, a claim of no difference without a margin, a metric
    without one, a control that is no other claim, a main claim or a control without a short name.
    """
    if not path.is_file():
        return ()
    content = load_yaml(path)
    if not isinstance(content, list):
        raise UserError(f"{path}: it is a list of claims, each with an id")
    claims = tuple(_claim(entry, pages, str(path)) for entry in content)
    ids = [claim.id for claim in claims]
    for claim in claims:
        where = f"{path}, {claim.id}"
        if ids.count(claim.id) > 1:
            raise UserError(f"{where}: this id occurs twice")
        if claim.control and claim.control not in set(ids) - {claim.id}:
            raise UserError(f"{where}: control={claim.control!r} is not the id of another claim")
        if not claim.short and (claim.main or any(each.control == claim.id for each in claims)):
            raise UserError(f"{where}: short is missing: a main claim and a control need a short name")
    return claims


def _claim(entry: object, pages: Mapping[str, Page], where: str) -> Claim:
    named = f"{where}, {entry['id']}" if isinstance(entry, dict) and "id" in entry else where
    given = {}
    if isinstance(entry, dict) and "cases" in entry:
        given["cases"] = _cases(entry["cases"], pages, f"{named}, cases")
    claim = made(Claim, entry, named, **given)
    kinds = [kind for kind in KINDS if getattr(claim, kind)]
    if len(kinds) != 1:
        raise UserError(f"{named}: {', '.join(kinds) or 'nothing'} answers it: needed is one of {', '.join(KINDS)}")
    for key in ("claim", "quote", "place"):
        if not getattr(claim, key):
            raise UserError(f"{named}: {key} is empty")
    if claim.not_run and not claim.needed:
        raise UserError(f"{named}: needed is missing: it says what would answer the claim")
    for kind, known in (("check", CHECKS), ("chance", CHANCES)):
        if getattr(claim, kind):
            _function(getattr(claim, kind), known, f"{named}, {kind}")
    for key in claim.effect:
        allowed("effect", key, EFFECT_KEYS, named)
    return claim


def _cases(entry: object, pages: Mapping[str, Page], where: str) -> Cases:
    found = made(Cases, entry, where)
    allowed("page", found.page, pages, where)
    page = pages[found.page]
    allowed("metric", found.metric, METRICS, where)
    allowed("same", found.same, (TRAININGS, NUMBERS), where)
    for dataset in found.datasets:
        allowed("datasets", dataset, page.datasets, where)
    for name in (*found.lines, *found.minus, *found.over):
        allowed("lines", name, known_lines(page), where)
    if found.best:
        allowed("best", found.best, [table.id for table in page.tables], where)
    if found.direction:
        allowed("direction", found.direction, verdicts.DIRECTIONS, where)
    elif found.best or found.than is not None:
        raise UserError(f"{where}: direction is missing: no family of the page has it")
    if found.direction in (verdicts.NONE, verdicts.NO_GAIN) and found.margin is None:
        raise UserError(f"{where}: margin is missing: direction={found.direction!r} needs one")
    if METRICS[found.metric].margin is None and found.margin is None and not found.over:
        raise UserError(
            f"{where}: margin is missing: metric {found.metric!r} has none, within which there is no effect"
        )
    if not (found.best or found.than is not None or found.over) and not (found.lines and found.minus):
        raise UserError(f"{where}: lines and minus, over, best or than are missing: nothing is compared")
    if not found.best and found.than is None:
        _check_tested(found, page, where)
    return found


def _check_tested(cases: Cases, page: Page, where: str) -> None:
    """Every comparison that the claim names is one of a family of the page, where its p-value is corrected."""
    tests = [test for family in page.families.values() for test in family.tests if test.metric == cases.metric]
    wanted = [(name, other) for name in cases.lines for other in cases.minus] + [(name, "") for name in cases.over]
    for name, other in wanted:
        fits = [t for t in tests if (_has(t.lines, name) and _has(t.minus, other) if other else _has(t.over, name))]
        for dataset in cases.datasets:
            if not any(dataset in (test.datasets or cases.datasets) for test in fits):
                what = f"{cases.metric} of {name}" + f" minus {other}" * bool(other)
                raise UserError(f"{where}: no family of page {page.experiment} tests {what} on {dataset}")


def _has(names: tuple[str, ...], name: str) -> bool:
    """Whether a test's lines hold this one, or a combination of it."""
    return any(is_named(each, (name,)) for each in names)


def _function(named: Mapping[str, object], known: Mapping[str, Callable], where: str) -> None:
    """A call as data: its name, and its arguments beside it."""
    if "name" not in named:
        raise UserError(f"{where}: name is missing: allowed are {', '.join(known)}")
    allowed("name", named["name"], known, where)
    arguments = {key: value for key, value in named.items() if key != "name"}
    try:
        inspect.signature(known[named["name"]]).bind(None, **arguments)
    except TypeError as error:
        raise UserError(f"{where}: arguments of {named['name']}: {error}") from None


def call(named: Mapping[str, object], known: Mapping[str, Callable], numbers: object) -> object:
    """What a registered function says."""
    return known[named["name"]](numbers, **{key: value for key, value in named.items() if key != "name"})
