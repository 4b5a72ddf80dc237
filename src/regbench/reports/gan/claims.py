"""AGNN-ADR against the other methods: paired tests in the claimed direction, and a verdict on every claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from regbench.evidence import stats
from regbench.evidence.cells import number, p_text
from regbench.evidence.groups import Group
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.records import Record, compared, corrected, measured
from regbench.reports.gan.methods import AGNN, BASELINES, FIXED, GanMethod
from regbench.reports.gan.readings import capped_epochs_to, epochs_to, score
from regbench.reports.gan.sections import Section

ALPHA = 0.05
ENOUGH = 5  # seeds that a verdict other than inconclusive needs
OPPOSITE = {"less": "greater", "greater": "less"}
SPEED = "epochs_to_fixed_fid"
UNTESTED = "a test that gains by this is not made"
NO_LEVEL = "no sound training of a baseline sets the fixed FID"


@dataclass(frozen=True)
class Measure:
    """What AGNN-ADR is claimed to have less or more of (`direction`, as `stats` names it)."""

    metric: str
    unit: str
    direction: str


@dataclass(frozen=True)
class Tested:
    """One difference, tested in the claimed and in the opposite direction; each Holm-corrected over the table."""

    claimed: Record
    opposite: Record


@dataclass(frozen=True)
class Verdict:
    """What the runs say about one claim: supported, contradicted, inconclusive or not run, and why."""

    claim: str
    word: str
    reason: str

    @property
    def sentence(self) -> str:
        return f"Claim: {self.claim}. Verdict: {self.word} ({self.reason})."


MEASURES = (
    Measure("fid", "FID", "less"),
    Measure("inception_score", "IS", "greater"),
    Measure(SPEED, "epochs", "less"),
)
#: claim -> the measure it is about, and the methods that AGNN-ADR must all beat
CLAIMS: dict[str, tuple[str, tuple[GanMethod, ...]]] = {
    "AGNN-ADR is the best in FID": ("fid", BASELINES),
    "AGNN-ADR is the best in IS": ("inception_score", BASELINES),
    "AGNN-ADR converges faster (epochs to the fixed FID)": (SPEED, BASELINES),
    f"adapting the rate lowers FID (against: {FIXED.label})": ("fid", (FIXED,)),
    f"adapting the rate raises IS (against: {FIXED.label})": ("inception_score", (FIXED,)),
}


def tested(section: Section, others: Sequence[GanMethod]) -> dict[tuple[GanMethod, str], Tested]:
    """AGNN-ADR minus each other method in each measure; one call is one Holm family."""
    places = [(other, measure) for other in others for measure in MEASURES]
    claimed = corrected([_difference(section, *place, place[1].direction) for place in places])
    opposite = corrected([_difference(section, *place, OPPOSITE[place[1].direction]) for place in places])
    return {
        (other, measure.metric): Tested(*pair)
        for (other, measure), *pair in zip(places, claimed, opposite, strict=True)
    }


def verdicts(section: Section, found: dict[tuple[GanMethod, str], Tested]) -> list[Verdict]:
    """The verdict on every claim, by rules that were fixed before the runs."""
    return [_verdict(claim, section, found) for claim in CLAIMS]


def outcome(pair: Tested) -> str:
    """What one comparison says by itself, in the words of a verdict."""
    if _significant(pair.opposite):
        return "contradicted"
    return "supported" if _significant(pair.claimed) else "inconclusive"


def absolute(section: Section, method: GanMethod, metric: str) -> Record:
    """A method's own mean in one of the measures, over all its trainings; a note where the last epoch cut it off."""
    measure = next(each for each in MEASURES if each.metric == metric)
    blank = Record(method.label, metric, HELD_OUT, measure.unit, "done")
    if metric != SPEED:
        return measured(section.group(method), blank, score(HELD_OUT, metric))
    level = section.level
    if level is None:
        return replace(blank, status="absent", notes=(NO_LEVEL,))
    record = measured(section.group(method), blank, _epochs(level))
    group = section.group(method)
    never = sum(epochs_to(row, level) is None for row in group.done) if group else 0
    return replace(record, notes=(*record.notes, f"{never} never reach it")) if never else record


def _difference(section: Section, other: GanMethod, measure: Measure, alternative: str) -> Record:
    blank = Record(AGNN.label, f"difference_in_{measure.metric}", HELD_OUT, measure.unit, "done")
    group, reference = section.group(AGNN), section.group(other)
    if measure.metric != SPEED:
        read = score(HELD_OUT, measure.metric)
        return compared(group, reference, blank, read, read, other.label, alternative)
    blank = replace(blank, protocol="test")
    level = section.level
    if level is None:
        return replace(blank, status="absent" if group else "not run", notes=(NO_LEVEL,) if group else ())
    record = compared(group, reference, blank, *[_epochs(level)] * 2, other.label, alternative)
    return _capped(record, {AGNN.label: group, other.label: reference}, level, alternative)


def _epochs(level: float) -> Callable[[dict], float]:
    return lambda row: capped_epochs_to(row, level)


def _capped(record: Record, groups: dict[str, Group | None], level: float, alternative: str) -> Record:
    """A training that never reaches the level counts with its last epoch: no test may gain by that."""
    if record.status != "done":
        return record
    missing = {
        name: sum(epochs_to(row, level) is None for row in group.done if row["seed"] in record.seeds)
        for name, group in groups.items()
    }
    notes = tuple(
        f"{count} of {len(record.seeds)} trainings of {name} never reach the fixed FID and count with their last epoch"
        for name, count in missing.items()
        if count
    )
    if not notes:
        return record
    ours, theirs = missing.values()
    flattered = ours if alternative == "less" else theirs
    # The difference is a bound: its spread says nothing, and its p holds only where the bound is on the careful side.
    bound = replace(record.comparison, half_width=None, standard_error=None, p=None if flattered else record.p)
    notes = (*record.notes, *notes, *([UNTESTED] if flattered and record.p is not None else []))
    return replace(record, low=None, high=None, comparison=bound, notes=notes)


def _verdict(claim: str, section: Section, found: dict[tuple[GanMethod, str], Tested]) -> Verdict:
    metric, others = CLAIMS[claim]
    pairs = {other.label: found[other, metric] for other in others}
    worse = {name: pair.opposite for name, pair in pairs.items() if _significant(pair.opposite)}
    if worse:
        return Verdict(claim, "contradicted", f"significantly the other way against {_p_values(worse)}")
    missing = [method.label for method in (AGNN, *others) if section.group(method) is None]
    if missing:
        return Verdict(claim, "not run", f"no training of {', '.join(missing)}")
    claimed = {name: pair.claimed for name, pair in pairs.items()}
    if all(_significant(record) for record in claimed.values()):
        counts = min(len(record.seeds) for record in claimed.values())
        return Verdict(claim, "supported", f"against {_p_values(claimed)}; n = {counts}")
    return Verdict(claim, "inconclusive", "; ".join(_open(name, record) for name, record in claimed.items()))


def _significant(record: Record) -> bool:
    return record.p_holm is not None and record.p_holm < ALPHA and len(record.seeds) >= ENOUGH


def _p_values(records: dict[str, Record]) -> str:
    return ", ".join(f"{name} {p_text(record.p_holm)}" for name, record in records.items())


def _open(name: str, record: Record) -> str:
    """What one comparison of an inconclusive claim says."""
    if record.status == "failed":
        return f"{name}: a training failed"
    if record.status == "absent":
        return f"{name}: {record.notes[0]}"
    parts = [p_text(record.p_holm)]
    if record.p is None:  # of one seed that says it all
        parts = [f"no test ({'; '.join(record.notes)})"] if len(record.seeds) > 1 else []
    if len(record.seeds) < ENOUGH:
        parts.append(f"{len(record.seeds)} of {ENOUGH} seeds")
    smallest = stats.smallest_effect(record.comparison, alternative="greater")
    if smallest is not None:
        parts.append(f"smallest effect {number(smallest, record.unit)}")
    return f"{name}: {', '.join(parts)}"
