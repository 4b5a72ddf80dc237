"""Table 2 of the entropy paper: which cell of a line is the best, what the best lambda gains, what chance alone gives.

Accuracies in percent, gains in percentage points. A cell with a failed training is left out of every choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from regbench.evidence import stats
from regbench.evidence.best_of_many import best_of, control_beaten, dunnett_p
from regbench.evidence.groups import Group
from regbench.evidence.protocols import PROTOCOLS
from regbench.evidence.records import Record, compared
from regbench.evidence.stops import at_best, best_score, usable
from regbench.reports.entropy.large_rows import LINES, Line, Page


@dataclass(frozen=True)
class Gain:
    """The best lambda above 0 of a line by one protocol (None: none to choose among), and what it gains over lambda 0.

    `p` is Dunnett's, which allows for the choice among k; None where a cell has one training. `p_holm` is corrected
    over the lines of the page.
    """

    line: Line
    protocol: str
    strength: float | None
    record: Record
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Count:
    """In how many of `lines` lines the best cell has the loss on; `chances[m]` is that of m where nothing works."""

    with_loss: int
    lines: int
    chances: tuple[float, ...]

    @property
    def expected(self) -> float:
        return sum(place * chance for place, chance in enumerate(self.chances))

    @property
    def at_least(self) -> float:
        """The chance of as many, or more."""
        return min(1.0, sum(self.chances[self.with_loss :]))


def accuracy(protocol: str) -> Callable[[dict], float]:
    """Reads a row's test accuracy in percent."""
    return lambda row: 100 * at_best(row, protocol, "accuracy")


def cells(page: Page, line: Line) -> dict[float, Group]:
    """The cells of a line that a choice may be made among, lambda rising."""
    found = {strength: page.group(line, strength) for strength in page.strengths}
    return {strength: group for strength, group in found.items() if usable(group)}


def treated(page: Page, line: Line) -> int:
    """k: how many lambdas above 0 may be chosen among."""
    return sum(strength != 0 for strength in cells(page, line))


def best(page: Page, line: Line, protocol: str) -> float | None:
    """The lambda, 0 among them, of the best mean on the protocol's split; ties go to the smaller.

    None where the line lacks lambda 0 or has no other.
    """
    found = cells(page, line)
    return _best(found, protocol) if 0.0 in found and len(found) > 1 else None


def count(page: Page, protocol: str) -> Count:
    """Over the lines of a page in which a best cell can be named."""
    tops = {line: top for line in LINES if (top := best(page, line, protocol)) is not None}
    families: dict[tuple[str, str], list[int]] = {}
    for line in tops:
        families.setdefault(line.family, []).append(treated(page, line))
    return Count(sum(top != 0 for top in tops.values()), len(tops), control_beaten(list(families.values())))


def gains(page: Page) -> dict[tuple[Line, str], Gain]:
    """By line and protocol; p-values Holm-corrected over the lines."""
    found = {}
    for protocol in PROTOCOLS:
        of_protocol = [_gain(page, line, protocol) for line in LINES]
        for gain, p in zip(of_protocol, stats.holm([gain.p for gain in of_protocol]), strict=True):
            found[gain.line, protocol] = replace(gain, p_holm=p)
    return found


def _gain(page: Page, line: Line, protocol: str) -> Gain:
    blank = Record(line.name, "gain", protocol, "pp", "done")
    above = {strength: group for strength, group in cells(page, line).items() if strength != 0}
    base = page.group(line, 0.0)
    if not above:
        return Gain(line, protocol, None, _nothing_to_choose(page, line, blank))
    strength, read = _best(above, protocol), accuracy(protocol)
    record = compared(above[strength], base, blank, read, read, "lambda 0", "greater")
    if record.status != "done":
        return Gain(line, protocol, strength, record)
    return Gain(line, protocol, strength, record, _p(above, strength, base, protocol))


def _nothing_to_choose(page: Page, line: Line, blank: Record) -> Record:
    failed = {strength: group for (found, strength), group in page.penalized.items() if found == line}
    if not failed:
        return replace(blank, status="not run")
    notes = tuple(f"{line.name}, lambda {strength:g}: {failed[strength].failure}" for strength in sorted(failed))
    return replace(blank, status="failed", notes=notes)


def _p(above: Mapping[float, Group], strength: float, base: Group, protocol: str) -> float | None:
    """Dunnett's p-value: in protocol `paper`, which may look at all of them, the smallest; else that of the chosen."""
    if min(len(group.done) for group in (base, *above.values())) < 2:
        return None
    values = {f"{key:g}": _values(group, accuracy(protocol)) for key, group in above.items()}
    found = dunnett_p(values, _values(base, accuracy(protocol)))
    if found is None:
        return None
    return min(found.values()) if protocol == "paper" else found[f"{strength:g}"]


def _best(found: Mapping[float, Group], protocol: str) -> float:
    names = {f"{strength:g}": strength for strength in found}
    scores = {name: _values(found[s], lambda row: best_score(row, protocol)) for name, s in names.items()}
    return names[best_of(scores)]


def _values(group: Group, value: Callable[[dict], float]) -> Sequence[float]:
    return list(group.per_seed(value).values())
