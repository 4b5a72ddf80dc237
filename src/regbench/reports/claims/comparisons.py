"""Claims that one method has more or less of something than others, answered by pairs of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from regbench.evidence.groups import Group
from regbench.evidence.metrics import Metric
from regbench.evidence.numbers import PaperNumbers
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import amount
from regbench.reports.claims.claims import NAMES, Case, Claim, Ledger, Method
from regbench.reports.claims.paper_effects import TIMES, PaperEffect, paper_effect
from regbench.reports.claims.readings import is_bound, readings
from regbench.reports.claims.rows import Evidence, check_pair
from regbench.reports.claims.tests import Measured, Outcome


def measure_comparison(
    claim: Claim, ledger: Ledger, evidence: Evidence, papers: Mapping[str, PaperNumbers], budget: str
) -> Outcome:
    """Every case of the claim in one budget."""
    found, missing, gaps = [], [], []
    for case in ledger.cases(claim):
        groups = [_group(claim, case, method, evidence, budget) for method in (case.method, case.reference)]
        lacking = _lacking(claim, case, groups)
        if lacking:
            missing.append(lacking)
            continue
        measured = _measure(claim, case, groups, papers)
        if measured.test.n:
            found.append(measured)
        else:
            missing.append(f"{measured.label}: no seed in common")
        if claim.answer["metric"] == "accuracy":
            gaps += [_selection_gap(claim, row, case.method) for row in groups[0].done]
    return Outcome(tuple(found), tuple(missing), fmean(gaps) if gaps else None)


def case_label(claim: Claim, case: Case) -> str:
    """`CIFAR-10, model.width 180: PB-EDropout-Full against Baseline`."""
    return f"{case_place(claim, case)}: {case.method.label} against {case.reference.label}"


def case_place(claim: Claim, case: Case) -> str:
    """`CIFAR-10, model.width 180`: the data set and what else tells the cases of a claim apart."""
    own = set(claim.answer.get("each", {}))
    settings = [_setting(key, value) for key, value in case.settings if key in own]
    return ", ".join([NAMES.get(case.dataset, case.dataset), *settings])


def _setting(key: str, value: object) -> str:
    """`width 180`, or of a name the name alone."""
    word = key.rsplit(".", 1)[-1]
    return str(value) if word == "name" else f"{word} {value}"


def _group(claim: Claim, case: Case, method: Method, evidence: Evidence, budget: str) -> Group | None:
    selector = {"dataset.name": case.dataset, **dict(case.settings), **method.where}
    name = f"claim {claim.id}, {method.label}"
    return evidence.group(claim.answer["experiment"], {**selector, "budget": budget}, name)


def _lacking(claim: Claim, case: Case, groups: list[Group | None]) -> str:
    """Why a case cannot be measured; empty where it can."""
    name = case_place(claim, case)
    for method, group in zip((case.method, case.reference), groups, strict=True):
        if group is None:
            return f"{name}: {method.label} not run"
        if group.failed:
            return f"{name}: {method.label}: {group.failure}"
    return ""


def _measure(claim: Claim, case: Case, groups: list[Group], papers: Mapping[str, PaperNumbers]) -> Measured:
    answer, label = claim.answer, case_label(claim, case)
    check_pair(groups, [{**dict(case.settings), **m.where} for m in (case.method, case.reference)], f"claim {claim.id}")
    reading = readings()[answer["metric"]]
    reading = reading.against(reading, groups[1:]) if reading.against else reading
    ours, theirs = (
        group.per_seed(lambda row, method=method: reading.read(row, answer["protocol"], mode_of(claim, method)))
        for group, method in zip(groups, (case.method, case.reference), strict=True)
    )
    printed = paper_effect(claim, case, reading.unit_of_differences, papers)
    test = _test(claim, ours, theirs, _claimed(printed, theirs, answer["direction"]))
    bounds = tuple(_any_bound(claim, reading, group) for group in groups)
    sides = _sides(claim, ours, theirs)
    return Measured(
        label,
        reading.unit_of_differences,
        verdicts.bounded(test, *bounds),
        sides,
        tuple(row for group in groups for row in group.done),
        reading.unit,
        bounds,
        printed.text(test.claimed, reading.unit_of_differences) if printed else "",
        printed.source(test.claimed, reading.unit_of_differences) if printed else "",
        saturated=_saturated(reading, sides[1], answer["direction"]),
    )


def _saturated(reading: Metric, theirs: Sequence[float], direction: str) -> str:
    """Whether the reference is so near to the least value that less than one step can be gained."""
    if reading.least is None or direction != "less" or fmean(theirs) - reading.least >= 1:
        return ""
    mean, unit = fmean(theirs), reading.unit
    has, least, room = (amount(value, unit) for value in (mean, reading.least, mean - reading.least))
    return (
        f"saturated: the reference has {has} where {least} is the least there can be; no more than {room} can be gained"
    )


def _sides(
    claim: Claim, ours: Mapping[int, float], theirs: Mapping[int, float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The values of both sides, where they are paired those of the seeds that both have."""
    if not claim.answer.get("paired", True):
        return tuple(ours.values()), tuple(theirs.values())
    shared = [seed for seed in ours if seed in theirs]
    return tuple(ours[seed] for seed in shared), tuple(theirs[seed] for seed in shared)


def mode_of(claim: Claim, method: Method) -> str:
    """The evaluation mode in which a method is read."""
    return claim.answer.get("mode", method.mode)


def _test(claim: Claim, ours: Mapping[int, float], theirs: Mapping[int, float], claimed: float | None) -> verdicts.Test:
    answer = claim.answer
    if answer.get("paired", True):
        test = verdicts.paired(ours, theirs, answer["direction"], claimed)
    else:
        test = verdicts.independent(list(ours.values()), list(theirs.values()), answer["direction"], claimed)
    return verdicts.no_difference(test, answer["margin"]) if "margin" in answer else test


def _claimed(printed: PaperEffect | None, theirs: Mapping[int, float], direction: str) -> float | None:
    """The paper's effect as a difference; a factor is taken of what the reference has here."""
    if printed is None or printed.unit != TIMES:
        return printed.value if printed else None
    factor = printed.value if direction == "greater" else 1 / printed.value
    return (factor - 1) * fmean(theirs.values())


def _any_bound(claim: Claim, reading: Metric, group: Group) -> bool:
    return any(is_bound(reading, row, claim.answer["protocol"]) for row in group.done)


def _selection_gap(claim: Claim, row: dict, method: Method) -> float:
    """What choosing the epoch on the test split adds to the accuracy of a training, in pp."""
    mode, reading = mode_of(claim, method), readings()["accuracy"]
    return reading.read(row, "paper", mode) - reading.read(row, "held-out", mode)
