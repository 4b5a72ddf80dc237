"""The best of several cells against one baseline: which one it is, what it gains, and what chance alone gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from regbench.evidence.best_of_many import best_of, control_beaten, dunnett_p
from regbench.evidence.groups import Group
from regbench.evidence.metrics import Metric
from regbench.evidence.sections import Section
from regbench.evidence.spec import Line
from regbench.evidence.stops import best_score, usable


@dataclass(frozen=True)
class Choices:
    """The cells of one line that a choice may be made among, by rising value, its base at 0 where it can be.

    A cell with a failed training is left out; `failed` says why.
    """

    cells: Mapping[object, Group]
    base: Group | None
    failed: tuple[str, ...] = ()

    @property
    def above(self) -> dict[object, Group]:
        """All but the base."""
        return {value: group for value, group in self.cells.items() if value}

    def best(self, protocol: str) -> object:
        """The value above the base with the best mean accuracy on the protocol's split; ties go to the smaller."""
        return _best(self.above, protocol)

    def top(self, protocol: str) -> object | None:
        """The same with the base among them; None where there is no base or nothing else."""
        return _best(self.cells, protocol) if 0.0 in self.cells and self.above else None


@dataclass(frozen=True)
class Count:
    """In how many of `lines` lines the best cell is not the base; `chances[m]` is that of m where nothing works."""

    above: int
    lines: int
    chances: tuple[float, ...]

    @property
    def expected(self) -> float:
        return sum(place * chance for place, chance in enumerate(self.chances))

    @property
    def at_least(self) -> float:
        """The chance of as many, or more."""
        return min(1.0, sum(self.chances[self.above :]))


def choices(section: Section, line: Line) -> Choices:
    """What may be chosen among on a line."""
    groups = {value: section.group(each) for value, each in section.cells(line).items()}
    labels = {value: each.label for value, each in section.cells(line).items()}
    failed = tuple(f"{labels[value]}: {group.failure}" for value, group in groups.items() if value and group.failed)
    return Choices({value: group for value, group in groups.items() if usable(group)}, groups.get(0.0), failed)


def count(section: Section, lines: Sequence[Line], protocol: str) -> Count:
    """Over the lines in which a best cell can be named; lines that share their base are not independent."""
    tops, families = [], {}
    for line in lines:
        found = choices(section, line)
        top = found.top(protocol)
        if top is not None:
            tops.append(top)
            base = section.partner(line, line.base).key
            families.setdefault(base, []).append(len(found.above))
    return Count(sum(bool(top) for top in tops), len(tops), control_beaten(list(families.values())))


def p_of_best(found: Choices, value: object, metric: Metric, protocol: str) -> float | None:
    """Dunnett's p-value: in protocol `paper`, which may look at all of them, the smallest; else that of the chosen.

    None where a cell has one training.
    """
    if min(len(group.done) for group in (found.base, *found.above.values())) < 2:
        return None

    def values(group: Group) -> list[float]:
        return list(group.per_seed(lambda row: metric.read(row, protocol, "full")).values())

    tested = dunnett_p({f"{key:g}": values(group) for key, group in found.above.items()}, values(found.base))
    if tested is None:
        return None
    return min(tested.values()) if protocol == "paper" else tested[f"{value:g}"]


def _best(groups: Mapping[object, Group], protocol: str) -> object:
    score: Callable[[dict], float] = lambda row: best_score(row, protocol)  # noqa: E731
    names = {f"{value:g}": value for value in groups}
    return names[best_of({name: list(groups[value].per_seed(score).values()) for name, value in names.items()})]
