"""One value of a table with all that stands behind it. Its cell and its CSV line come from one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from regbench.evidence import stats
from regbench.evidence.cells import number, p_text
from regbench.evidence.groups import Group
from regbench.evidence.tables import EN_DASH, Cell


@dataclass(frozen=True)
class Record:
    """A mean with its 95 % interval (low, high) over `seeds`, or the status that says why there is none.

    status: done, failed (a member failed), not run (no row), absent (the notes say why), reference (the row
    that others are compared with). `p` is uncorrected, `p_holm` corrected within the table.
    """

    method: str
    metric: str
    protocol: str
    unit: str
    status: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: tuple[int, ...] = ()
    failed_seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    paper_value: str | None = None
    comparison: stats.Comparison | None = None
    p_holm: float | None = None

    @property
    def p(self) -> float | None:
        return self.comparison.p if self.comparison else None

    def as_dict(self) -> dict:
        """The CSV fields that every table shares."""
        names = (
            "method",
            "metric",
            "protocol",
            "unit",
            "status",
            "mean",
            "low",
            "high",
            "seeds",
            "failed_seeds",
            "p",
        )
        fields = {name: getattr(self, name) for name in names}
        return fields | {"n": len(self.seeds), "note": "; ".join(self.notes)}


def measured(
    group: Group | None, blank: Record, value: Callable[[dict], float | None], paper_value: str | None = None
) -> Record:
    """Fill `blank` with the mean of `value(row)` over the group; a None makes the record absent."""
    blank = replace(blank, paper_value=paper_value)
    unavailable = _unavailable(group, blank)
    if unavailable:
        return unavailable
    values = group.per_seed(value)
    if any(each is None for each in values.values()):
        return replace(blank, status="absent", notes=("not recorded by this method in this mode",))
    estimate = stats.mean_interval(list(values.values()))
    notes = () if estimate.half_width is not None else (_why_no_interval(estimate.n, "value"),)
    return replace(blank, mean=estimate.mean, low=estimate.low, high=estimate.high, seeds=group.seeds, notes=notes)


def compared(
    group: Group | None,
    reference: Group | None,
    blank: Record,
    value: Callable[[dict], float],
    reference_value: Callable[[dict], float],
    reference_name: str,
    alternative: str = "two-sided",
) -> Record:
    """Fill `blank` with the paired difference of the group to the reference, seed by seed."""
    unavailable = _unavailable(group, blank) or _unavailable_reference(reference, blank, reference_name)
    if unavailable:
        return unavailable
    ours, theirs = group.per_seed(value), reference.per_seed(reference_value)
    result = stats.paired_test(ours, theirs, alternative)
    seeds = tuple(sorted(set(ours) & set(theirs)))
    if not seeds:
        return replace(blank, status="absent", notes=(f"no seed in common with {reference_name}",))
    notes = [] if result.p is not None else [_why_no_interval(len(seeds), "difference") + " and no test"]
    if len(seeds) < max(len(ours), len(theirs)):
        notes.append(f"paired over the seeds in common with {reference_name}: {', '.join(map(str, seeds))}")
    return replace(
        blank,
        mean=result.difference,
        low=result.low,
        high=result.high,
        seeds=seeds,
        notes=tuple(notes),
        comparison=result,
    )


def corrected(records: Sequence[Record]) -> list[Record]:
    """The records with Holm's correction over all their p-values: one call is one family."""
    p_values = stats.holm([record.p for record in records])
    return [replace(record, p_holm=p) for record, p in zip(records, p_values, strict=True)]


def cell(record: Record, uncorrected: bool = False) -> Cell:
    """How a record is printed: `99.12 ± 0.08`, a difference as `+0.10 [-0.11, +0.31], p = 0.520`.

    That p is Holm's, or the uncorrected one where a column says so.
    """
    fixed = {"failed": "X", "not run": "not run", "absent": EN_DASH, "reference": "reference"}
    if record.status in fixed:
        return Cell(fixed[record.status], record.notes)
    if record.comparison is not None:
        return Cell(_difference_text(record, record.p if uncorrected else record.p_holm), record.notes)
    text = number(record.mean, record.unit)
    half_width = EN_DASH if record.high is None else number(record.high - record.mean, record.unit)
    return Cell(f"{text} ± {half_width}", record.notes)


def _difference_text(record: Record, p: float | None) -> str:
    interval = EN_DASH
    if record.low is not None:
        interval = ", ".join(number(bound, record.unit, signed=True) for bound in (record.low, record.high))
    return f"{number(record.mean, record.unit, signed=True)} [{interval}], {p_text(p)}"


def _unavailable(group: Group | None, blank: Record) -> Record | None:
    if group is None:
        return replace(blank, status="not run")
    if group.failed:
        note = f"{blank.method}: {group.failure}"
        return replace(blank, status="failed", failed_seeds=group.failed_seeds, seeds=group.seeds, notes=(note,))
    return None


def _unavailable_reference(reference: Group | None, blank: Record, name: str) -> Record | None:
    if reference is None:
        return replace(blank, status="absent", notes=(f"{name} was not run",))
    if reference.failed:
        note = f"{name}: {reference.failure}"
        return replace(blank, status="failed", failed_seeds=reference.failed_seeds, notes=(note,))
    return None


def _why_no_interval(n: int, what: str) -> str:
    return f"one {what} only: no interval" if n == 1 else f"all {n} {what}s are equal: no interval"
