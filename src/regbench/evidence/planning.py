"""What to train next: for every open claim the seeds that decide it, the trainings that are missing, what they cost.

It works from specs alone: a claim's comparisons, the lines of its page, the cells of its experiment. No torch in here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from regbench.errors import UserError
from regbench.evidence import looks
from regbench.evidence.claims import Claim
from regbench.evidence.documents import Document
from regbench.evidence.effects import TIMES, paper_effect
from regbench.evidence.groups import flatten
from regbench.evidence.judging import MARGIN_OF_RHO, NO_DIFFERENCE, Case, Judged, judge_claims
from regbench.evidence.metrics import METRICS
from regbench.evidence.pages import Built
from regbench.evidence.sections import place
from regbench.evidence.spec import Page, is_named
from regbench.evidence.verdicts import DECIDED, GREATER, NONE, floor_note
from regbench.plan.experiments import Cell
from regbench.plan.jobs import member_id
from regbench.rows.budgets import BUDGETS

USUAL = BUDGETS[1]  # of a claim of which nothing was run
#: equivalence takes two tests: with a tenth of the chance to miss each, both succeed with 80 %
BOTH_TESTS = (1 + looks.POWER) / 2
NO_SCATTER = "nothing to learn the scatter from"


@dataclass(frozen=True)
class Missing:
    """The seeds of one cell's trainings that have no row, by id; the core-hours of each (None: nothing like it ran)."""

    cell: Cell
    ids: Mapping[str, int]
    hours: float | None


@dataclass(frozen=True)
class Need:
    """What decides one comparison: effect and scatter in `unit`; `seeds` None: out of reach, or without a scatter."""

    effect: float | None
    scatter: float | None
    n: int
    seeds: int | None
    unit: str


@dataclass(frozen=True)
class Planned:
    """An open claim: the need of its most demanding comparison, the look that suffices, the trainings up to it.

    `as_seen` are the seeds that decide it, were its comparisons what they seem; the look is that of the fewer. `why`
    says why it is out of reach, or cannot be planned; empty where `make settle` can train it.
    """

    claim: Claim
    budget: str
    need: Need
    look: int | None
    missing: tuple[Missing, ...] = ()
    why: str = ""
    as_seen: int | None = None

    @property
    def step(self) -> Planned:
        """The same up to the next look only."""
        look = next((look for look in looks.LOOKS if look > self.need.n), self.look)
        parts = [
            replace(part, ids={each: seed for each, seed in part.ids.items() if seed < look}) for part in self.missing
        ]
        parts = [part for part in parts if part.ids]
        return replace(self, look=look, missing=tuple(parts)) if parts else self

    @property
    def trainings(self) -> int:
        return len({each for part in self.missing for each in part.ids})

    @property
    def hours(self) -> float | None:
        """Core-hours; None where nothing like one of the trainings has run."""
        return total(cost(self.missing).values())


@dataclass(frozen=True)
class Plan:
    """All open claims, cheapest first, those out of reach last; `decided` of `testable` claims are decided now."""

    claims: tuple[Planned, ...]
    decided: int
    testable: int

    @property
    def cumulative(self) -> list[tuple[float, bool]]:
        """Core-hours up to each claim, a training that several share counted once, and whether that is all of them."""
        seen: dict[str, float | None] = {}
        found = []
        for each in self.claims:
            seen |= {} if each.why else cost(each.missing)
            known = [hours for hours in seen.values() if hours is not None]
            found.append((math.fsum(known), len(known) == len(seen)))
        return found


def cost(missing: Iterable[Missing]) -> dict[str, float | None]:
    """Core-hours by training."""
    return {each: part.hours for part in missing for each in part.ids}


def total(hours: Iterable[float | None]) -> float | None:
    """The sum; None where one is unknown."""
    hours = list(hours)
    return None if None in hours else math.fsum(hours)


def comparable(documents: Iterable[Document], only: Sequence[str] = ()) -> dict[str, tuple[Claim, Document]]:
    """By id the claims with comparisons. Raises UserError where one of `only` is none of them."""
    every = {claim.id: (claim, each) for each in documents for claim in each.claims if claim.cases}
    for name in only:
        if name not in every:
            raise UserError(f"CLAIMS={name} is no claim with comparisons; `make plan` lists those that are open")
    return every


CellsOf = Callable[[str, str], Sequence[Cell]]


@dataclass
class Planner:
    """Plans the claims of these papers.

    Args:
        pages: those that have rows, by experiment. known: the ids of all rows. cells_of: the cells of an experiment in
            a budget, as configured. budget: of all claims; "": that at which a claim stands.
    """

    documents: Sequence[Document]
    pages: Mapping[str, Built]
    known: frozenset[str]
    cells_of: CellsOf
    budget: str = ""
    _rates: dict[tuple, float | None] = field(default_factory=dict)

    def plan(self, only: Sequence[str] = ()) -> Plan:
        """The open claims, of these ids where any are named.

        Raises UserError for an id that no claim with comparisons has, and where no comparison has a scatter.
        """
        every = comparable(self.documents, only)
        self.judged = {}
        for document in self.documents:
            self.judged |= judge_claims(document.claims, self.pages, document.numbers)
        self.scatters = [
            (each.claim.cases.page, each.claim.cases.metric, case, each.budget, found)
            for several in self.judged.values()
            for each in several
            for case in each.cases
            if (found := scatter_of(case)) is not None
        ]
        if not self.scatters:
            raise UserError(f"there is {NO_SCATTER}: no claim has a row; run `make reproduce-...` of one first")
        words = {name: self.judged[name][0].word if name in self.judged else "" for name in every}
        decided = sum(word in DECIDED for word in words.values())
        further = sum(bool(claim.not_run) for each in self.documents for claim in each.claims)
        found = [self._claim(*every[name]) for name in only or every if words[name] not in DECIDED]
        return Plan(tuple(sorted(found, key=_cheapest)), decided, len(every) + further)

    def _claim(self, claim: Claim, document: Document) -> Planned:
        several = self.judged.get(claim.id, ())
        budget = self.budget or (several[0].budget if several else USUAL)
        judged = next((each for each in several if each.budget == budget), None)
        page = next(each for each in document.pages if each.experiment == claim.cases.page)
        cases = [case for case in judged.showing if case.word not in DECIDED] if judged else []
        needs = [self._need(case, claim, budget) for case in cases]
        if judged is None or judged.missing:
            needs += [self._need_of_new(claim, document, page, dataset, budget) for dataset in claim.cases.datasets]
        if not needs:
            size = Need(None, None, min(case.n for case in judged.cases), None, judged.cases[0].unit)
            return Planned(claim, budget, size, None, why=f"at this budget: {judged.word}, no comparison is open")
        hardest = max(needs, key=lambda each: math.inf if each.seeds is None else each.seeds)
        n = min(each.n for each in needs)
        blind = any(each.scatter is None for each in needs)
        hardest = replace(hardest, n=n)
        as_seen = None if judged is None or judged.missing else seeds_as_seen(cases)
        look = min(filter(None, (_look(n, hardest.seeds), _look(n, as_seen))), default=None)
        if blind or look is None:
            why = NO_SCATTER if blind else _far(n, hardest)
            return Planned(claim, budget, hardest, None, why=why, as_seen=as_seen)
        missing = self._missing(claim, page, judged, budget, look)
        lacking = judged.missing[:1] if judged else ()
        why = "" if missing else ": ".join(("no training is missing", *lacking))
        return Planned(claim, budget, hardest, look, missing, why, as_seen)

    def _need(self, case: Case, claim: Claim, budget: str) -> Need:
        effect = case.margin if case.direction in NO_DIFFERENCE or not case.claimed else abs(case.claimed)
        scatter = scatter_of(case)
        if scatter is None:
            scatter = self._scatter(claim, case.unit, case.dataset, budget)
        return _need(effect, scatter, case.n, case.unit, case.family, case.direction)

    def _need_of_new(self, claim: Claim, document: Document, page: Page, dataset: str, budget: str) -> Need:
        """Of the comparisons of a data set that were not run; their family is that of the claim elsewhere."""
        metric = METRICS[claim.cases.metric]
        known = [case for each in self.judged.get(claim.id, ()) for case in each.cases]
        unit = known[0].unit if known else "rho" if claim.cases.over else metric.unit_of_differences
        margin = claim.cases.margin or (MARGIN_OF_RHO if unit == "rho" else metric.margin)
        direction = claim.cases.direction or (known[0].direction if known else "")
        printed = None if direction in NO_DIFFERENCE else _printed(claim, document, page, dataset, unit)
        size = max((case.family for case in known), default=len(claim.cases.datasets))
        scatter = self._scatter(claim, unit, dataset, budget)
        return _need(printed or margin, scatter, 0, unit, size, direction)

    def _scatter(self, claim: Claim, unit: str, dataset: str, budget: str) -> float | None:
        """Of the same page and metric, pooled: of this data set and budget, else of the data set, else of any."""
        alike = [
            (case.dataset, own, found)
            for page, metric, case, own, found in self.scatters
            if (page, metric, case.unit) == (claim.cases.page, claim.cases.metric, unit)
        ]
        nearest = [each for each in alike if each[0] == dataset] or alike
        nearest = [each for each in nearest if each[1] == budget] or nearest
        return math.sqrt(math.fsum(each[2] ** 2 for each in nearest) / len(nearest)) if nearest else None

    def _missing(self, claim: Claim, page: Page, judged: Judged | None, budget: str, look: int) -> tuple[Missing, ...]:
        sources = _sources(claim, page)
        found = []
        for cell in self.cells_of(page.experiment, budget):
            kinds = {
                (each.strength, each.seed // (page.seed_groups or look + each.seed + 1)): each for each in cell.members
            }
            if any(self._wanted(claim, page, judged, sources, kinds[key].config, key[1]) for key in kinds):
                ids = {
                    member_id({**each.config, "seed": group * (page.seed_groups or 0) + seed}): seed
                    for (_, group), each in kinds.items()
                    for seed in range(look)
                }
                ids = {each: ids[each] for each in sorted(ids.keys() - self.known)}
                if ids:
                    config = next(iter(kinds.values())).config
                    found.append(Missing(cell, ids, self._rate(page, config)))
        return tuple(found)

    def _wanted(
        self, claim: Claim, page: Page, judged: Judged | None, sources: set[str], config: Mapping, group: int
    ) -> bool:
        """Whether a comparison that is open, or was not run, reads the trainings of this config."""
        dataset = config["dataset"]["name"]
        if dataset not in claim.cases.datasets:
            return False
        flat = flatten(config) | ({"seed_group": group} if page.seed_groups else {})
        line, key = place(page, flat)
        if line is None or line.source not in sources:
            return False
        values = dict(zip(line.sweep, key[1:], strict=False))
        if any(values.get(name, some[0]) not in _plain(some) for name, some in claim.cases.at.items()):
            return False
        reading = [
            case for case in (judged.cases if judged else ()) if case.dataset == dataset and _reads(case, key, page)
        ]
        return not reading or any(case.word not in DECIDED and not case.left_out for case in reading)

    def _rate(self, page: Page, config: Mapping) -> float | None:
        """Core-hours of a training like this, of the same regularizer where one ran; a served row costs none."""
        names = ("dataset", "model", "budget", "epochs")
        asked = (page.experiment, json.dumps([config[key] for key in names]), config["regularizer"]["name"])
        if asked not in self._rates:
            rows = self.pages[page.experiment].rows if page.experiment in self.pages else []
            like = [r for r in rows if r["status"] == "done" and all(r["config"].get(k) == config[k] for k in names)]
            closer = [row for row in like if row["config"]["regularizer"]["name"] == asked[2]] or like
            spent = [looks.core_hours([row], 1) or 0.0 for row in closer]
            self._rates[asked] = math.fsum(spent) / len(spent) if spent else None
        return self._rates[asked]


def scatter_of(case: Case) -> float | None:
    """The SD of the paired differences; None with fewer than two, or where bounds leave no test."""
    found = case.estimate.comparison
    untested = case.estimate.bounded and case.estimate.p is None
    if found is None or case.n < 2 or untested or case.identical:
        return None
    return (found.standard_error or 0.0) * math.sqrt(case.n)


def seeds_as_seen(cases: Sequence[Case]) -> int | None:
    """The seeds that decide a claim, were its open comparisons what they seem: one against it does, else all for it.

    None before the first look, without a spread, and where what is seen would decide nothing within reach.
    """
    against, towards = [], []
    for case in cases:
        scatter, seen = scatter_of(case), case.estimate.mean
        if not scatter or case.n < looks.LOOKS[0]:
            return None
        room = (case.margin or 0.0) - abs(seen)
        equal = looks.seeds_needed(room, scatter, case.family, power=BOTH_TESTS) if room > 0 else None
        differs = looks.seeds_needed(seen, scatter, case.family)
        if case.direction in NO_DIFFERENCE:
            found = (differs, equal)
        elif (seen > 0) == (case.direction == GREATER):
            found = (equal, differs)
        else:
            found = (min(filter(None, (equal, differs)), default=None), None)
        against.append(found[0])
        towards.append(found[1])
    one, every = min(filter(None, against), default=None), None if None in towards else max(towards, default=None)
    return min(filter(None, (one, every)), default=None)


def _need(effect: float | None, scatter: float | None, n: int, unit: str, family: int, direction: str) -> Need:
    power = BOTH_TESTS if direction == NONE else looks.POWER
    if not effect or scatter is None:
        return Need(effect, scatter, n, None, unit)
    if scatter == 0 and unit != "rho":  # an exact test decides, which has a floor; that of a trend's lies far lower
        seeds = next((look for look in looks.LOOKS if not floor_note(look, family)), None)
    else:
        seeds = looks.seeds_needed(effect, scatter, family, power=power)
    return Need(effect, scatter, n, seeds, unit)


def _look(n: int, seeds: int | None) -> int | None:
    """The first look after n that suffices; None: there is none."""
    return None if seeds is None else next((look for look in looks.LOOKS if look >= max(seeds, n + 1)), None)


def _far(n: int, need: Need) -> str:
    if not need.effect:
        return "no effect to look for: no number of the paper's, no margin"
    if need.seeds is not None and need.seeds <= looks.LOOKS[-1]:
        return f"no look is left after n = {n}"
    return f"out of reach: {'more than ten million' if need.seeds is None else f'{need.seeds:,}'} seeds"


def _printed(claim: Claim, document: Document, page: Page, dataset: str, unit: str) -> float | None:
    """The smallest effect that the paper prints of the claim's lines on this data set, as a difference."""
    own = [
        [line for line in page.lines.values() if is_named(line.name, names)]
        for names in (claim.cases.lines, claim.cases.minus)
    ]
    found = []
    for line, other in product(own[0], own[1] or [None]):
        words = {"dataset": page.datasets[dataset], **line.names}
        rows = (str(line.paper), str(other.paper if other else ""))
        try:
            effect = paper_effect(claim.effect, document.numbers, words, rows, unit)
        except UserError:  # the paper prints none for these two
            continue
        if effect and effect.unit != TIMES:
            found.append(abs(effect.value))
    return min(found, default=None)


def _sources(claim: Claim, page: Page) -> set[str]:
    """The lines whose trainings a claim rests on, the bases of its sweeps among them."""
    cases = claim.cases
    named = [line for line in page.lines.values() if is_named(line.name, (*cases.lines, *cases.minus, *cases.over))]
    bases = [page.lines[line.base] for line in named if line.base and (cases.over or cases.best)]
    return {line.source for line in (*named, *bases)}


def _plain(values: Iterable) -> list:
    return [tuple(each) if isinstance(each, list) else each for each in values]


def _reads(case: Case, key: tuple, page: Page) -> bool:
    """Whether a comparison reads the trainings of this key; a trend or a best of several reads all of its line."""
    lines = [case.key[1], *([case.key[3][0]] if case.key[3] else [])]
    base = page.lines[case.key[1][0]].base
    if base and case.key[3] is None:  # a trend starts at its base
        lines.append((page.lines[base].source,))
    return any(key[: len(line)] == line for line in lines)


def _cheapest(planned: Planned) -> tuple:
    hours = planned.hours
    return bool(planned.why), hours is None, hours or 0.0, planned.need.seeds or math.inf, planned.claim.id
