"""How stable the GAN trainings are: gradients of both nets, divergence, collapse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from regbench.evidence.cells import count_cell
from regbench.evidence.groups import Group
from regbench.evidence.readings import last
from regbench.evidence.tables import Cell, Table
from regbench.reports.gan.methods import Variant
from regbench.reports.gan.readings import (
    COLLAPSED_CLASSES,
    COLLAPSED_DIVERSITY,
    DIVERGED_FACTOR,
    GRADIENTS,
    fids,
    gradient_norm,
    has_collapsed,
    has_diverged,
)
from regbench.reports.gan.sections import Section

NOTES = (
    "Gradient norms: means over the steps of the epoch, medians over the finished trainings. Those of different "
    "objectives (DCGAN's, WGAN-GP's, SNGAN's) have no common scale; a generator's that falls to nearly 0 has vanished.",
    f"Diverged: failed, or last FID above {DIVERGED_FACTOR:g} times the best. Collapsed: effective classes below "
    f"{COLLAPSED_CLASSES:g} of the real images' or diversity below {COLLAPSED_DIVERSITY:g} after the last epoch.",
)
#: column -> what is read from a finished row, and which of a line's values is printed
READINGS: dict[str, tuple[Callable[[dict], float], Callable[[Iterable[float]], float]]] = {
    **{
        f"Gradient norm, {net}, {when} epoch": (
            lambda row, name=name, place=place: gradient_norm(row, place, name),
            median,
        )
        for name, net in GRADIENTS.items()
        for when, place in (("first", 0), ("last", -1))
    },
    "Last FID / best FID, highest": (lambda row: fids(row)[-1] / min(fids(row)), max),
    "Effective classes / real, lowest": (
        lambda row: last("effective_classes")(row) / last("real_effective_classes")(row),
        min,
    ),
    "Diversity, lowest": (last("diversity"), min),
}


def stability_table(section: Section) -> Table:
    """A line a method: gradient norms, and how many trainings diverged or collapsed."""
    most = max(len(group.done) for group in section.groups.values())
    return Table(
        title=section.title("GANs, stability"),
        columns=("Method", "n", *READINGS, "Diverged", "Collapsed"),
        rows=tuple(_cells(variant, group, most) for variant, group in section.lines),
        notes=NOTES,
        records=tuple(
            {"budget": section.budget, "dataset": section.dataset, "table": "stability"} | record
            for variant, group in section.lines
            for record in _records(variant, group)
        ),
    )


def diverged_cell(group: Group | None) -> Cell:
    """How many trainings diverged; those that failed are among them."""
    if group is None:
        return Cell("not run")
    return Cell(f"{diverged(group)} of {len(group.done) + len(group.failed)}", _failure(group))


def collapsed_cell(group: Group | None) -> Cell:
    """How many of the finished trainings collapsed."""
    if group is None:
        return Cell("not run")
    return Cell(f"{collapsed(group)} of {len(group.done)}") if group.done else Cell("X", _failure(group))


def diverged(group: Group) -> int:
    """How many trainings diverged, failed ones among them."""
    return len(group.failed) + sum(map(has_diverged, group.done))


def collapsed(group: Group) -> int:
    """How many of the finished trainings collapsed."""
    return sum(map(has_collapsed, group.done))


def _failure(group: Group) -> tuple[str, ...]:
    return (group.failure,) if group.failed else ()


def _cells(variant: Variant, group: Group | None, most: int) -> tuple[Cell, ...]:
    values = _values(group)
    status = "not run" if group is None else "X"
    texts = [f"{value:.3g}" for value in values.values()] or [status] * len(READINGS)
    return (
        Cell(variant.label),
        count_cell(group, most),
        *map(Cell, texts),
        diverged_cell(group),
        collapsed_cell(group),
    )


def _values(group: Group | None) -> dict[str, float]:
    """By column what the finished trainings give; empty where there is none."""
    if group is None or not group.done:
        return {}
    return {column: summed([read(row) for row in group.done]) for column, (read, summed) in READINGS.items()}


def _records(variant: Variant, group: Group | None) -> Iterable[dict]:
    shared = {"method": variant.label, "status": "done" if group else "not run"}
    if group is None:
        yield shared
        return
    shared |= {"n": len(group.done), "seeds": group.seeds, "failed_seeds": group.failed_seeds}
    for column, value in _values(group).items():
        yield shared | {"metric": column, "mean": value}
    yield shared | {"metric": "diverged", "unit": "trainings", "mean": diverged(group)}
    yield shared | {"metric": "collapsed", "unit": "trainings", "mean": collapsed(group)}
