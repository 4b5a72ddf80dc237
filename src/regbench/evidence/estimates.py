"""The one place that selects, pairs, tests and corrects: means, paired differences and trends, each computed once.

A comparison that a family of the page names is tested one-sided in the claimed direction and corrected over the whole
family, all data sets of a budget, each direction by itself: every table, note, overview and verdict reads that p.
What no family names is tested two-sided where a column asks for it, corrected over such differences of its own table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean, median

from scipy import special

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.choices import choices, p_of_best
from regbench.evidence.groups import Group
from regbench.evidence.metrics import Metric
from regbench.evidence.ranks import LEAST, LIMITS, page_p, spearman
from regbench.evidence.readings import last
from regbench.evidence.sections import Section
from regbench.evidence.spec import PRINTED, Column, Family, Line, Page, TableSpec, Test

OPPOSITE = {"less": "greater", "greater": "less"}
LINES = "lines"  # the family of the best of several values, over the lines of their table
OTHERS = "others"  # the family of what no family of the page names, table by table
DIFFERENCE = "difference_in_"  # before the name of a metric
SUMMED = {"median": median, "lowest": min, "highest": max, "count": sum}
UNTESTED = "a test that gains by this is not made"
ROUNDING = 1e-12
DEAD_BELOW = 0.5  # of the accuracy without a regularizer: below it a network no longer learns


@dataclass(frozen=True)
class Estimate:
    """A mean, difference or trend with its 95 % interval over `seeds`, or the status that says why there is none.

    status: done, failed (a member failed), not run (no row), absent (the notes say why), reference (the line that
    others are compared with). `bounds`: whether trainings of the line, or of the other, give a lower bound only. `p` is
    that of `direction`, `p_opposite` that of the opposite one, corrected over `family` as `p_holm` and
    `p_opposite_holm`; of a trend `p_page` is Page's beside the t-test's. Of the best of `k` values, `choice` is the one
    taken, `top` that with the base among them, and `p_best` allows for the choice.
    """

    line: str
    metric: str
    protocol: str
    unit: str
    status: str = "done"
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: tuple[int, ...] = ()
    failed_seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    against: str = ""
    bounds: tuple[bool, bool] = (False, False)
    comparison: stats.Comparison | None = None
    direction: str = ""
    family: str = ""
    p: float | None = None
    p_opposite: float | None = None
    p_holm: float | None = None
    p_opposite_holm: float | None = None
    p_page: float | None = None
    p_page_holm: float | None = None
    choice: object = None
    top: object = None
    k: int | None = None
    p_best: float | None = None
    p_best_holm: float | None = None

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def bounded(self) -> bool:
        return any(self.bounds)


@dataclass(frozen=True)
class Claimed:
    """One comparison of a family in one section: a line against another, or the trend over a line's sweep."""

    section: Section
    test: Test
    line: Line
    other: Line | None

    @property
    def key(self) -> tuple:
        return case_key(self.section, self.line, self.other, self.test.metric, self.test.protocol)


def case_key(section: Section, line: Line, other: Line | None, metric: str, protocol: str, mode: str = "") -> tuple:
    """What tells one comparison from all others of a budget."""
    against = (other.key, mode or other.mode) if other else None
    protocol = protocol or section.metric(metric).default
    return section.dataset, line.key, mode or line.mode, against, metric, protocol


class Estimates:
    """All estimates of one page's sections in one budget."""

    def __init__(self, page: Page, sections: Sequence[Section]):
        self.page, self.sections = page, tuple(sections)
        self._claimed: dict[tuple, Estimate] = {}
        self._open: dict[tuple, Estimate] = {}
        self._means: dict[tuple, Estimate] = {}
        self.counts: dict[str, int] = {}
        for family in page.families.values():
            self._claimed |= self._family(family)
        self._tables = {(s.dataset, spec.id): self._table(s, spec) for s in sections for spec in page.tables}

    def mean(self, section: Section, line: Line, metric: str, protocol: str = "", mode: str = "") -> Estimate:
        """The mean of a metric over a line's trainings."""
        key = (section.dataset, line.key, line.label, metric, protocol, mode)
        if key not in self._means:
            self._means[key] = _mean(section, line, section.metric(metric), protocol, mode or line.mode)
        return self._means[key]

    def summary(self, section: Section, line: Line, metric: str, how: str) -> Estimate:
        """Another value of a line's trainings than their mean, over the finished ones."""
        return _summary(section, line, section.metric(metric), how)

    def difference(
        self, section: Section, line: Line, other: Line, metric: str, protocol: str = "", mode: str = ""
    ) -> Estimate:
        """A line minus another, paired by seed; with the p-values of its family, without any where none names it."""
        key = case_key(section, line, other, metric, protocol, mode)
        found = self._claimed.get(key) or self._open.get(key)
        modes = (mode or line.mode, mode or other.mode)
        return found or _difference(section, line, other, section.metric(metric), protocol, modes)

    def trend(self, section: Section, line: Line, metric: str) -> Estimate:
        """Spearman's rho of a metric with the swept setting, mean over seeds."""
        key = case_key(section, line, None, metric, "")
        return self._claimed.get(key) or _trend(section, line, section.metric(metric))

    def best(self, section: Section, line: Line, metric: str, protocol: str = "", unpaired: bool = False) -> Estimate:
        """What the best of a line's values gains over its base; one computation for all columns that show it."""
        key = ("best", section.dataset, line.key, metric, protocol, unpaired)
        if key not in self._means:
            self._means[key] = _best(section, line, section.metric(metric), protocol, unpaired)
        return self._means[key]

    def cases(self, name: str, section: Section | None = None) -> list[tuple[Claimed, Estimate]]:
        """The comparisons of a family, in its order, with their estimates; of one section where it is given."""
        sections = [section] if section else self.sections
        return [(case, self._claimed[case.key]) for case in _cases(self.page.families[name], sections)]

    def table(self, section: Section, spec: TableSpec) -> dict[tuple[int, int, str], Estimate]:
        """The estimates of a table by (place of the line, place of the column, source)."""
        return self._tables[section.dataset, spec.id]

    def _table(self, section: Section, spec: TableSpec) -> dict[tuple[int, int, str], Estimate]:
        """Differences that no family tests but a column does are tested here, one Holm correction over them."""
        found, columns = {}, section.columns(spec)
        for (row, line), (place, column), source in product(
            enumerate(section.lines(spec)), enumerate(columns), spec.sources or ("",)
        ):
            wanted = (column.metric and not column.n) or column.over or column.best
            if wanted and source != PRINTED and not spec.tests:
                found[row, place, source] = self.column(section, line, column, source, columns[:place])
        for place in (place for place, column in enumerate(columns) if column.best):
            keys = [key for key in found if key[1] == place]
            found |= dict(zip(keys, corrected([found[key] for key in keys]), strict=True))
        open_ = {
            key: tested(each, columns[key[1]].test, OTHERS)
            for key, each in found.items()
            if columns[key[1]].test and each.comparison is not None and not each.family
        }
        done = dict(zip(open_, corrected(list(open_.values())), strict=True))
        for (row, place, source), each in done.items():
            column = columns[place]
            own, other = sides(section, section.lines(spec)[row], column)
            key = case_key(section, own, other, column.metric, column.protocol or source, column.mode)
            self._open.setdefault(key, each)
        return found | done

    def column(
        self, section: Section, line: Line, column: Column, source: str = "", before: Sequence[Column] = ()
    ) -> Estimate:
        """What a column shows of a line; a difference that an earlier column shows the other way round is not made."""
        if column.over:
            return self.trend(section, self.page.lines[column.over], column.metric)
        if column.best:
            return self.best(section, line, column.metric or "accuracy", column.protocol, column.unpaired)
        own, other = sides(section, line, column)
        protocol = column.protocol or source
        if column.summary:
            return self.summary(section, own, column.metric, column.summary)
        if other is None:
            return self.mean(section, own, column.metric, protocol, column.mode)
        found = self.difference(section, own, other, column.metric, protocol, column.mode)
        alike = [each for each in before if (each.metric, each.mode) == (column.metric, column.mode) and each.minus]
        mirror = next((each for each in alike if sides(section, line, each)[1].key == own.key), None)
        if mirror is None or own.key == other.key:
            return found
        return replace(found, **ABSENT, notes=(f"see {other.label}, {mirror.head}",))

    def _family(self, family: Family) -> dict[tuple, Estimate]:
        found: dict[tuple, Estimate] = {}
        for case in _cases(family, self.sections):
            if case.key in found or case.key in self._claimed:
                what = f"{case.line.label}, {case.test.metric}, {case.section.dataset}"
                raise UserError(f"family {family.name}: {what} is tested twice")
            metric = case.section.metric(case.test.metric)
            if case.other is None:
                raw = _trend(case.section, case.line, metric, case.test.direction)
            else:
                modes = (case.line.mode, case.other.mode)
                raw = _difference(case.section, case.line, case.other, metric, case.test.protocol, modes)
                raw = tested(raw, case.test.direction, family.title)
            found[case.key] = replace(raw, direction=case.test.direction, family=family.title)
        self.counts[family.title] = sum(each.p is not None for each in found.values())
        return dict(zip(found, corrected(list(found.values())), strict=True))


def sides(section: Section, line: Line, column: Column) -> tuple[Line, Line | None]:
    """The line that a column reads in the row of `line`, and what it subtracts (None: nothing)."""
    own = section.partner(line, column.line) if column.line else line
    own = own if column.at is None else section.cell(own, column.at)
    if not column.minus:
        return own, None
    return own, line if column.minus == "row" else section.partner(line, column.minus)


ABSENT = {"status": "absent", "mean": None, "low": None, "high": None, "comparison": None, "p": None, "p_holm": None}


def corrected(found: Sequence[Estimate]) -> list[Estimate]:
    """Holm's correction over all of these, one call one family: each kind of p-value by itself."""
    pairs = {"p": "p_holm", "p_opposite": "p_opposite_holm", "p_page": "p_page_holm", "p_best": "p_best_holm"}
    holm = {name: stats.holm([getattr(each, key) for each in found]) for key, name in pairs.items()}
    return [replace(each, **{name: values[place] for name, values in holm.items()}) for place, each in enumerate(found)]


def _cases(family: Family, sections: Iterable[Section]) -> Iterator[Claimed]:
    for section, test in product(sections, family.tests):
        if test.datasets and section.dataset not in test.datasets:
            continue
        for name in test.over:
            yield Claimed(section, test, section.page.lines[name], None)
        for name, against in product(test.lines, test.minus):
            own = section.page.lines[name]
            for line in [own] if own.changes else section.expanded(own, test.at):
                yield Claimed(section, test, line, section.partner(line, against))


def p_values(found: stats.Comparison, direction: str) -> tuple[float | None, float | None]:
    """p in this direction and in the opposite one (None: two-sided); an exact permutation test without any spread.

    Of n equal differences every sign is as likely if nothing is true: one of 2^n patterns.
    """
    if found.difference is None or min(found.n_treated, found.n_control) < 2:
        return None, None
    if found.standard_error is None:
        chance = 0.5**found.n_treated
        up, down = (chance if sign * found.difference > ROUNDING else 1.0 for sign in (1, -1))
    else:
        up, down = (
            float(special.stdtr(found.degrees, -sign * found.difference / found.standard_error)) for sign in (1, -1)
        )
    if direction == "two-sided":
        return min(1.0, 2 * min(up, down)), None
    return (up, down) if direction == "greater" else (down, up)


def tested(found: Estimate, direction: str, family: str) -> Estimate:
    """The difference with its p-values; none that would gain by a bound."""
    if found.comparison is None:
        return found
    p, opposite = p_values(found.comparison, direction)
    notes, (ours, theirs) = found.notes, found.bounds
    if found.bounded:
        # Ours are larger than they seem: that flatters "less". Theirs are: that flatters "greater".
        flattered = {"less": ours, "greater": theirs, "two-sided": True}
        notes = (*notes, UNTESTED) if flattered[direction] and p is not None else notes
        p = None if flattered[direction] else p
        opposite = None if flattered[OPPOSITE.get(direction, "two-sided")] else opposite
    return replace(found, p=p, p_opposite=opposite, direction=direction, family=family, notes=notes)


def _mean(section: Section, line: Line, metric: Metric, protocol: str, mode: str) -> Estimate:
    group, protocol = section.group(line), protocol or metric.default
    blank = Estimate(line.label, metric.name, protocol, metric.unit)
    if metric.name in line.lacks or mode in line.lacks:
        return replace(blank, status="absent")
    missing = _unavailable(group, blank)
    if missing:
        return missing
    values = group.per_seed(lambda row: metric.read(row, protocol, mode))
    if any(each is None for each in values.values()):
        return replace(blank, status="absent", notes=(metric.missing or "not recorded by this method in this mode",))
    found = stats.mean_interval(list(values.values()))
    blank = replace(blank, mean=found.mean, seeds=group.seeds)
    if _bound_note(line, group, metric, protocol, group.seeds):
        notes = (_bound_note(line, group, metric, protocol, group.seeds),) if metric.level else ()
        return replace(blank, bounds=(True, False), notes=notes)
    return replace(blank, low=found.low, high=found.high, notes=_no_spread(found.half_width, found.n, "values"))


def _summary(section: Section, line: Line, metric: Metric, how: str) -> Estimate:
    """Of a count `seeds` are those counted, failed trainings among them where the metric says what these count as."""
    group, blank = section.group(line), Estimate(line.label, f"{how}_{metric.name}", metric.default, metric.unit)
    if group is None:
        return replace(blank, status="not run")
    values = group.per_seed(lambda row: metric.read(row, metric.default, line.mode))
    notes = (f"{line.label}: {group.failure}",) if group.failed else ()
    if metric.failed is not None:
        values |= dict.fromkeys(group.failed_seeds, metric.failed)
    if not values:
        return replace(blank, status="failed", failed_seeds=group.failed_seeds, notes=notes)
    return replace(blank, mean=float(SUMMED[how](values.values())), seeds=tuple(sorted(values)), notes=notes)


def _difference(
    section: Section, line: Line, other: Line, metric: Metric, protocol: str, modes: tuple[str, str]
) -> Estimate:
    """The paired difference, untested."""
    groups, protocol = (section.group(line), section.group(other)), protocol or metric.default
    blank = Estimate(
        line.label, f"{DIFFERENCE}{metric.name}", protocol, metric.unit_of_differences, against=other.label
    )
    if (line.key, modes[0]) == (other.key, modes[1]):
        return replace(blank, status="reference" if groups[0] else "not run")
    missing = _unavailable(groups[0], blank) or _unavailable_other(groups[1], blank, other.label)
    if missing:
        return missing
    if {metric.name, *modes} & {*line.lacks, *other.lacks}:
        return replace(blank, status="absent")
    values = [
        group.per_seed(lambda row, mode=mode: metric.read(row, protocol, mode))
        for group, mode in zip(groups, modes, strict=True)
    ]
    if any(None in each.values() for each in values):
        return replace(blank, status="absent", notes=(metric.missing,) if metric.missing else ())
    return _paired(blank, line, other, groups, values, metric)


def _paired(
    blank: Estimate, line: Line, other: Line, groups: Sequence[Group], values: Sequence, metric: Metric
) -> Estimate:
    ours, theirs = values
    seeds = tuple(sorted(set(ours) & set(theirs)))
    if not seeds:
        return replace(blank, status="absent", notes=(f"no seed in common with {other.label}",))
    found = stats.paired_test(ours, theirs)
    bounds = [
        _bound_note(each, group, metric, blank.protocol, seeds)
        for each, group in zip((line, other), groups, strict=True)
    ]
    # Where both sides are bounds there is no test, not even the exact one.
    notes = list(_no_spread(found.p, len(seeds), "differences", exact=not all(bounds)))
    if len(seeds) < max(len(ours), len(theirs)):
        notes.append(f"paired over the seeds in common with {other.label}: {', '.join(map(str, seeds))}")
    if any(bounds):
        # A bound's spread says nothing; the sign of a difference may.
        low = high = None
        notes = [*notes, *filter(None, bounds)]
    else:
        low, high = found.low, found.high
    flags = (bool(bounds[0]), bool(bounds[1]))
    return replace(
        blank,
        mean=found.difference,
        low=low,
        high=high,
        seeds=seeds,
        notes=tuple(notes),
        comparison=found,
        bounds=flags,
    )


def _best(section: Section, line: Line, metric: Metric, protocol: str, unpaired: bool) -> Estimate:
    """The gain of the chosen value over the base, one-sided; its p-values are corrected over the lines of its table."""
    found, protocol = choices(section, line), protocol or metric.default
    blank = Estimate(
        line.label, f"best_gain_in_{metric.name}", protocol, metric.unit_of_differences, k=len(found.above)
    )
    base = section.partner(line, line.base)
    if not found.above:
        return replace(blank, status="failed" if found.failed else "not run", notes=found.failed)
    missing = _unavailable_other(found.base, blank, base.label)
    if missing:
        return missing
    value = found.best(protocol)
    chosen = section.cell(line, value)
    if unpaired:
        made = _unpaired(blank, chosen, base, [section.group(chosen), found.base], metric)
    else:
        made = _difference(section, chosen, base, metric, protocol, (line.mode, line.mode))
        made = replace(made, line=line.label, metric=blank.metric, k=blank.k)
    if not made.done:
        return made
    p, opposite = p_values(made.comparison, "greater") if made.comparison.standard_error else (None, None)
    picked = {"choice": value, "top": found.top(protocol), "p_best": p_of_best(found, value, metric, protocol)}
    return replace(made, direction="greater", family=LINES, p=p, p_opposite=opposite, **picked)


def _unpaired(blank: Estimate, line: Line, other: Line, groups: Sequence[Group], metric: Metric) -> Estimate:
    """The difference of two means, all trainings of both: Welch's."""
    values = [list(each.per_seed(lambda row: metric.read(row, blank.protocol, line.mode)).values()) for each in groups]
    found, notes = stats.welch_test(*values), ()
    if len(values[0]) != len(values[1]):
        text = f"{line.label} has n = {len(values[0])}, {other.label} n = {len(values[1])}"
        notes = (f"{text}: Welch's test takes all of both",)
    if found.p is None:
        notes = (*notes, "one training only or no spread at all: no interval and no test")
    return replace(
        blank,
        mean=found.difference,
        low=found.low,
        high=found.high,
        seeds=groups[0].seeds,
        against=other.label,
        notes=notes,
        comparison=found,
    )


def _trend(section: Section, line: Line, metric: Metric, direction: str = "") -> Estimate:
    """Spearman's rho between the swept setting and the metric in each seed, its mean over seeds, Page's test beside it.

    Where all seeds have the same rho the t-test is silent and Page's exact test for ordered alternatives answers.
    """
    blank = Estimate(line.title, f"trend_of_{metric.name}", metric.default, "rho")
    groups = section.series(line)
    if not groups or (len(groups) == 1 and 0.0 in groups):
        return replace(blank, status="not run")
    if line.base and 0.0 not in groups:
        return replace(blank, status="absent", notes=(f"{section.page.lines[line.base].label} was not run",))
    base = groups.get(0.0, (None, None))[1]
    dead = {value: why for value, (label, group) in groups.items() if (why := _dead(label, group, base))}
    kept = {value: group for value, (_, group) in groups.items() if value not in dead}
    found = ranked(blank, _by_seed(line, metric, kept), direction)
    failures = tuple(f"{label}: {group.failure}" for label, group in groups.values() if group.failed)
    if not found.done and failures:
        return replace(found, status="failed", notes=failures)
    notes = [f"left out: {why}" for why in dead.values()]
    whole = {value: group for value, (_, group) in groups.items() if not group.failed}
    if len(whole) > len(kept):
        with_them = ranked(blank, _by_seed(line, metric, whole), direction)
        notes += [f"with these rho is {with_them.mean:+.3f}"] if with_them.done else []
    return replace(found, notes=(*found.notes, *notes))


def _by_seed(line: Line, metric: Metric, groups: Mapping[float, Group]) -> dict[int, dict[float, float]]:
    """By seed the metric at every setting."""
    series: dict[int, dict[float, float]] = {}
    for value, group in groups.items():
        for seed, found in group.per_seed(lambda row: metric.read(row, metric.default, line.mode)).items():
            series.setdefault(seed, {})[value] = found
    return series


def _dead(label: str, group: Group, base: Group | None) -> str:
    """Why a setting is left out of a trend: a training failed, or the network no longer learns; empty where it does.

    It no longer learns where its mean test accuracy after the last epoch is below half of that without the regularizer.
    """
    if group.failed:
        return f"{label}: {group.failure}"
    if base is None or not base.done or group is base:
        return ""
    ours, theirs = (fmean(last("accuracy")(row) for row in each.done) for each in (group, base))
    if ours >= DEAD_BELOW * theirs:
        return ""
    return f"{label}: it no longer learns, {100 * ours:.1f} % test accuracy where {100 * theirs:.1f} % is had without"


def ranked(blank: Estimate, series: Mapping[int, Mapping[float, float]], direction: str = "") -> Estimate:
    """Fill `blank` with the mean of rho over the seeds that have a value at every setting that any seed has.

    Its interval ends at -1 and 1. It is absent, and the notes say why, for fewer than three settings or where a seed's
    values are all equal.
    """
    settings = sorted({setting for values in series.values() for setting in values})
    kept = {seed: [found[s] for s in settings] for seed, found in sorted(series.items()) if len(found) == len(settings)}
    if len(settings) < LEAST or not kept:
        why = f"fewer than {LEAST} settings" if len(settings) < LEAST else "no seed has all settings"
        return replace(blank, status="absent", notes=(f"{blank.line}: {why}",))
    ranks = {seed: spearman(settings, values) for seed, values in kept.items()}
    if None in ranks.values():
        return replace(blank, status="absent", notes=(f"{blank.line}: the same at all settings in some seed",))
    found = stats.paired_test(ranks, dict.fromkeys(ranks, 0.0))
    low, high = stats.clipped((found.low, found.high), LIMITS)
    estimate = replace(blank, mean=found.difference, low=low, high=high, seeds=tuple(ranks), comparison=found)
    if direction:
        opposite = OPPOSITE.get(direction)
        page, page_opposite = page_p(list(kept.values()), direction), opposite and page_p(list(kept.values()), opposite)
        p, against = p_values(found, direction) if found.standard_error is not None else (page, page_opposite)
        estimate = replace(estimate, p=p, p_opposite=against, p_page=page)
    return replace(estimate, notes=_trend_notes(series, estimate))


def _trend_notes(series: Mapping[int, Mapping[float, float]], found: Estimate) -> tuple[str, ...]:
    left_out = sorted(set(series) - set(found.seeds))
    notes = (
        [f"seeds without a value at every setting are left out: {', '.join(map(str, left_out))}"] if left_out else []
    )
    if len(found.seeds) == 1:
        notes.append("one seed only: no interval and no test")
    elif found.comparison.standard_error is None:
        notes.append("all seeds have the same rho: no interval and no t-test; p is that of Page's test")
    return tuple(notes)


def _bound_note(line: Line, group: Group, metric: Metric, protocol: str, seeds: Sequence[int]) -> str:
    """How many of the trainings give a bound only; empty where all give a value."""
    if metric.bound is None:
        return ""
    count = sum(bool(metric.bound(row, protocol)) for row in group.done if row["seed"] in seeds)
    return f"{count} of {len(seeds)} trainings of {line.label} {metric.why_bound}" if count else ""


def _unavailable(group: Group | None, blank: Estimate) -> Estimate | None:
    if group is None:
        return replace(blank, status="not run")
    if group.failed:
        note = f"{blank.line}: {group.failure}"
        return replace(blank, status="failed", failed_seeds=group.failed_seeds, seeds=group.seeds, notes=(note,))
    return None


def _unavailable_other(group: Group | None, blank: Estimate, name: str) -> Estimate | None:
    if group is None:
        return replace(blank, status="absent", notes=(f"{name} was not run",))
    if group.failed:
        note = f"{name}: {group.failure}"
        return replace(blank, status="failed", failed_seeds=group.failed_seeds, notes=(note,))
    return None


def _no_spread(known: float | None, n: int, what: str, exact: bool = False) -> tuple[str, ...]:
    """Why there is no interval although there are several; of one alone n says it."""
    if known is not None or n == 1:
        return ()
    return (f"all {n} {what} are equal: no interval" + "; p is that of an exact permutation test" * exact,)
