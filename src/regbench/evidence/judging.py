"""The verdicts that trainings give: the comparisons of every claim, corrected over their families, budget by budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from regbench.evidence import looks, stats, verdicts
from regbench.evidence.claims import NUMBERS, Cases, Claim
from regbench.evidence.effects import PaperEffect, paper_effect
from regbench.evidence.estimates import Estimate, Estimates, case_key, corrected, p_values, tested
from regbench.evidence.metrics import Metric
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.pages import Built
from regbench.evidence.sections import Section
from regbench.evidence.spec import Line, is_named, word
from regbench.evidence.verdicts import NO_GAIN, NONE, PValues
from regbench.rows.budgets import BUDGETS

ENOUGH = looks.LOOKS[0]
NO_DIFFERENCE = (NONE, NO_GAIN)


@dataclass(frozen=True)
class Case:
    """One comparison of a claim: its estimate, the paper's effect, the margin within which there is none.

    `left_out` says why it cannot show the claim: a saturated baseline leaves no room for it. `identical`: both sides
    are the same trainings and the same numbers. `family`: over how many comparisons its p-values are corrected.
    """

    key: tuple
    dataset: str
    label: str
    estimate: Estimate
    direction: str
    unit: str
    claimed: float | None
    printed: PaperEffect | None
    margin: float | None
    rows: tuple[dict, ...]
    left_out: str = ""
    identical: bool = False
    family: int = 1
    p: PValues = field(default_factory=PValues)
    word: str = ""

    @property
    def n(self) -> int:
        """Trainings on the smaller side, or pairs."""
        found = self.estimate.comparison
        return min(found.n_treated, found.n_control) if found else 0

    @property
    def smallest(self) -> float | None:
        """The smallest effect in the claimed direction that this test would have found with 80 % power."""
        level = looks.nominal_level(self.n, family=self.family)
        if not level or self.estimate.bounded or self.estimate.comparison is None:
            return None
        sided = "two-sided" if self.direction in NO_DIFFERENCE else "greater"
        return stats.smallest_effect(self.estimate.comparison, looks.POWER, level, sided)


@dataclass(frozen=True)
class Judged:
    """The comparisons of a claim at one budget; `missing` names those that were not run, or failed."""

    claim: Claim
    budget: str
    cases: tuple[Case, ...]
    missing: tuple[str, ...]

    @property
    def showing(self) -> tuple[Case, ...]:
        """The comparisons that can show it."""
        return tuple(case for case in self.cases if not case.left_out)

    @property
    def word(self) -> str:
        return verdicts.together([case.word for case in self.showing], bool(self.missing))

    @property
    def look(self) -> int | None:
        """The look, in seeds, at which the verdict fell."""
        deciding = [case.n for case in self.showing if case.word == self.word]
        return looks.look_at(min(deciding)) if deciding and self.word in verdicts.DECIDED else None


def judge_claims(
    claims: Iterable[Claim], pages: Mapping[str, Built], numbers: PaperNumbers, budgets: Sequence[str] = BUDGETS[:2]
) -> dict[str, tuple[Judged, ...]]:
    """By claim id its comparisons at every budget that has some, the best covered first.

    Best covered: fewest comparisons missing, then 5 seeds, then the fuller budget. Half a table decides no claim.
    """
    found: dict[str, list[Judged]] = {}
    for claim in (each for each in claims if each.cases and each.cases.page in pages):
        built = pages[claim.cases.page]
        for budget in (each for each in budgets if each in built.estimates):
            cases, missing = _gather(claim, built, budget, numbers)
            if cases:
                found.setdefault(claim.id, []).append(Judged(claim, budget, cases, missing))
    judged = _with_words([each for several in found.values() for each in several])
    return {name: tuple(sorted((each for each in judged if each.claim.id == name), key=_coverage)) for name in found}


def _coverage(judged: Judged) -> tuple:
    return len(judged.missing), -min(min(case.n for case in judged.cases), ENOUGH), BUDGETS.index(judged.budget)


def _gather(claim: Claim, built: Built, budget: str, numbers: PaperNumbers) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The comparisons of a claim that were run, and what of them was not."""
    sections = {section.dataset: section for section in built.sections if section.budget == budget}
    cases, missing = [], []
    for dataset in claim.cases.datasets:
        section = sections.get(dataset)
        if section is None:
            missing.append(built.page.datasets[dataset])
            continue
        for label, estimate, lines, direction in _estimates(claim.cases, section, built.estimates[budget]):
            if estimate.done and estimate.comparison is not None:
                size = built.estimates[budget].counts.get(estimate.family, 1)
                cases.append(replace(_case(claim, section, label, estimate, lines, direction, numbers), family=size))
            elif estimate.status != "reference":
                missing.append(f"{section.name}, {label}" + "".join(f" ({note})" for note in estimate.notes[:1]))
    return tuple(cases), tuple(missing)


Found = tuple[str, Estimate, tuple[Line, Line | None], str]


def _estimates(cases: Cases, section: Section, estimates: Estimates) -> Iterator[Found]:
    """Label, estimate, lines and direction of every comparison that the claim selects in a section."""
    if cases.best:
        yield from _best(cases, section, estimates)
    elif cases.than is not None:
        yield from _against_number(cases, section)
    else:
        yield from _of_families(cases, section, estimates)


def _of_families(cases: Cases, section: Section, estimates: Estimates) -> Iterator[Found]:
    for name in section.page.families:
        for case, estimate in estimates.cases(name, section):
            if case.test.metric != cases.metric or (cases.protocol and case.test.protocol not in ("", cases.protocol)):
                continue
            named = is_named(case.line.name, cases.lines if case.other else cases.over)
            if case.other is None and named:
                yield case.line.title, estimate, (case.line, None), cases.direction or case.test.direction
            elif case.other and named and is_named(case.other.name, cases.minus) and _at(case.line, cases.at):
                label = f"{case.line.label} against {case.other.label}"
                yield label, estimate, (case.line, case.other), cases.direction or case.test.direction


def _best(cases: Cases, section: Section, estimates: Estimates) -> Iterator[Found]:
    spec = next(table for table in section.page.tables if table.id == cases.best)
    if not section.shows(spec):
        return
    columns = section.columns(spec)
    place = next(
        place
        for place, column in enumerate(columns)
        if (column.best, column.metric or "accuracy") == ("gain", cases.metric)
        and not column.unpaired
        and column.protocol in ("", cases.protocol or section.metric(cases.metric).default)
    )
    found = estimates.table(section, spec)
    for row, line in enumerate(section.lines(spec)):
        if is_named(line.name, cases.lines) and _at(line, cases.at):
            base = section.partner(line, line.base)
            lacking = _lacking(section, spec, line)
            estimate = found[row, place, ""]
            if lacking and estimate.done:
                estimate = replace(estimate, status="absent", notes=(f"{lacking} not run, which may be the best",))
            yield f"{line.label}, best of {estimate.k or 0}", estimate, (line, base), cases.direction


def _lacking(section: Section, spec, line: Line) -> str:
    """The swept values that other lines of the table have and this one lacks."""
    cells = section.cells(line)
    values = [word(value) for value in section.values(section.lines(spec)) if value and value not in cells]
    return f"{line.word or 'lambda'} {', '.join(values)}" if values else ""


def _against_number(cases: Cases, section: Section) -> Iterator[Found]:
    metric, number = section.metric(cases.metric), cases.than
    protocol = cases.protocol or metric.default
    if isinstance(number, dict):
        number = section.numbers.find(str(number["table"]), number["row"], number["column"]).value
    for name in cases.lines:
        for line in section.expanded(section.page.lines[name], cases.at):
            group = section.group(line)
            blank = Estimate(line.label, metric.name, protocol, metric.unit_of_differences)
            if not group or not group.done:
                yield line.label, replace(blank, status="not run"), (line, None), cases.direction
                continue
            values = group.per_seed(lambda row, mode=line.mode: metric.read(row, protocol, mode))
            found = stats.paired_test(values, dict.fromkeys(values, float(number)))
            bound = metric.bound is not None and any(metric.bound(row, protocol) for row in group.done)
            made = replace(
                blank,
                mean=found.difference,
                low=found.low,
                high=found.high,
                seeds=group.seeds,
                comparison=found,
                bounds=(bound, False),
                against=f"{number:g}",
            )
            yield f"{line.label} against {number:g}", tested(made, cases.direction, ""), (line, None), cases.direction


def _at(line: Line, at: Mapping[str, list]) -> bool:
    values = dict(zip(line.sweep, line.at, strict=False))
    wanted = {key: [tuple(v) if isinstance(v, list) else v for v in several] for key, several in at.items()}
    return all(values[key] in several for key, several in wanted.items() if key in values)


def _case(
    claim: Claim,
    section: Section,
    label: str,
    estimate: Estimate,
    lines: tuple[Line, Line | None],
    direction: str,
    numbers: PaperNumbers,
) -> Case:
    line, other = lines
    cases, metric = claim.cases, section.metric(claim.cases.metric)
    if other is None and cases.over:
        groups = [group for _, group in section.series(line).values()]
    else:
        groups = [group for each in lines if each and (group := section.group(each))]
    unit = estimate.unit
    words = {"dataset": section.page.datasets[section.dataset], **line.names}
    printed = paper_effect(claim.effect, numbers, words, (str(line.paper), str(other.paper if other else "")), unit)
    protocol = cases.protocol or metric.default
    base = section.group(other) if other else None
    values = list(base.per_seed(lambda row: metric.read(row, protocol, other.mode)).values()) if base else []
    claimed = printed.claimed(fmean(values) if values else 0.0, direction) if printed else None
    return Case(
        (*case_key(section, line, other, cases.metric, cases.protocol), cases.best, str(cases.than)),
        section.dataset,
        f"{section.name}: {label}",
        estimate,
        direction,
        unit,
        claimed,
        printed,
        _margin(cases, metric, unit, claimed, values),
        tuple(row for group in groups for row in group.done),
        SATURATED if values and verdicts.saturated(values, direction, (metric.least, metric.most)) else "",
        _identical(estimate, [group.done for group in groups], numbers_of if cases.same == NUMBERS else training_of),
    )


def _margin(cases: Cases, metric: Metric, unit: str, claimed: float | None, base: Sequence[float]) -> float | None:
    """The claim's own margin, else the metric's, never more than the paper's effect or a share of what is left to gain.

    Half a point is little where a network is wrong in a third of the images, and most of what there is to gain where it
    is wrong in one of a hundred.
    """
    if cases.margin is not None:
        return float(cases.margin)
    if unit == "rho":
        return MARGIN_OF_RHO
    if metric.margin is None:
        return None
    room = SHARE_OF_ROOM * (metric.most - fmean(base)) if metric.most is not None and base else 0.0
    return min(size for size in (metric.margin, abs(claimed or 0.0), room) if size > 0)


MARGIN_OF_RHO = 0.3
SHARE_OF_ROOM = 0.2  # of the way from the baseline's mean to the best value there is
SATURATED = "saturated: the baseline leaves no room"


def _identical(estimate: Estimate, sides: Sequence[Sequence[dict]], of: Callable[[dict], object]) -> bool:
    """Whether both sides are the same in every seed: the same trainings, cut off at the same place, or numbers."""
    found = estimate.comparison
    if found is None or found.difference != 0 or found.standard_error is not None or len(sides) != 2:
        return False
    ours, theirs = ({row["seed"]: of(row) for row in rows} for rows in sides)
    shared = set(ours) & set(theirs)
    return bool(shared) and all(ours[seed] == theirs[seed] for seed in shared)


def training_of(row: dict) -> str:
    """The id of the training whose numbers a row has: its own, or that which serves it."""
    return row["provenance"].get("served_by") or str(row["id"])


def numbers_of(row: dict) -> list[dict]:
    """What every epoch of a training gave on every split, without its times and what its layers report."""
    return [
        {key: value for key, value in entry.items() if key not in ("seconds", "measures")} for entry in row["epochs"]
    ]


def _with_words(judged: Sequence[Judged]) -> list[Judged]:
    """Every comparison with its corrected p-values and its verdict; one that several claims rest on is counted once."""
    unique: dict[tuple, dict[tuple, Case]] = {}
    for each in judged:
        for case in each.cases:
            unique.setdefault(_family(each, case), {})[case.key, case.direction, case.margin, case.claimed] = case
    words: dict[tuple, Case] = {}
    for family, cases in unique.items():
        for key, case in zip(cases, _corrected(list(cases.values())), strict=True):
            words[family, key] = case
    return [
        replace(
            each,
            cases=tuple(
                words[_family(each, case), (case.key, case.direction, case.margin, case.claimed)] for case in each.cases
            ),
        )
        for each in judged
    ]


def _family(judged: Judged, case: Case) -> tuple:
    """What a comparison is corrected with: its family of the page, or where none names it the claim's own."""
    own = judged.claim.id if judged.claim.cases.than is not None else (judged.claim.cases.best, case.dataset)
    return (
        judged.claim.cases.page,
        judged.budget,
        case.estimate.family or own,
        *([own] if judged.claim.cases.best else []),
    )


def _corrected(cases: Sequence[Case]) -> list[Case]:
    own = {(case.key, case.direction): case.estimate for case in cases}
    if not cases[0].estimate.family:  # what no page has corrected
        own = dict(zip(own, corrected(list(own.values())), strict=True))
    estimates = [own[case.key, case.direction] for case in cases]
    equal = _holm(cases, _equal, lambda case: (case.key, case.direction == NO_GAIN, case.margin))
    smaller = _holm(cases, _smaller, lambda case: (case.key, case.direction, case.claimed))
    different = _holm(cases, _different, lambda case: case.key)
    size, found = len({case.key for case in cases}), []
    for place, (case, estimate) in enumerate(zip(cases, estimates, strict=True)):
        claimed = estimate.p_best_holm if estimate.choice is not None else estimate.p_holm
        opposite = estimate.p_opposite_holm
        if case.direction == NONE:
            claimed, opposite = None, different[place]
        elif case.direction == NO_GAIN:
            claimed, opposite = None, claimed
        p = PValues(claimed, opposite, equal[place], smaller[place])
        family = max(case.family, size)
        word = verdicts.judge(p, case.n, case.direction, case.identical, family)
        found.append(replace(case, estimate=estimate, p=p, word=word, family=family))
    return found


def _holm(cases: Sequence[Case], p_of: Callable[[Case], float | None], tested: Callable) -> list[float | None]:
    """Holm's correction, in which what is the same test is one, whatever else two claims differ in."""
    unique = {tested(case): p_of(case) for case in cases}
    found = dict(zip(unique, stats.holm(list(unique.values())), strict=True))
    return [found[tested(case)] for case in cases]


def _equal(case: Case) -> float | None:
    if case.estimate.bounded:
        return None
    test = verdicts.no_gain_p if case.direction == NO_GAIN else verdicts.equivalence_p
    return test(case.estimate.comparison, case.margin)


def _smaller(case: Case) -> float | None:
    if case.estimate.bounded or case.direction in NO_DIFFERENCE:
        return None
    return verdicts.smaller_p(case.estimate.comparison, case.direction, case.claimed, case.printed and case.printed.n)


def _different(case: Case) -> float | None:
    """The two-sided p of the page's family where it has one (of a trend with all seeds alike Page's), else a t's."""
    if case.estimate.bounded:
        return None
    own = case.estimate.p if case.estimate.direction == "two-sided" else None
    return p_values(case.estimate.comparison, "two-sided")[0] if own is None else own
