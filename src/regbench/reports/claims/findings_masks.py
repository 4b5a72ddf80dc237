"""Findings of PB-EDropout's masks: how many patches they hide, and whether energy or noise ranks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from regbench.evidence.cells import p_text
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, amount, not_run, runs_text
from regbench.reports.claims.finding import Context
from regbench.reports.claims.readings import readings
from regbench.reports.methods import DATASETS

EXPERIMENT = "table1"


def fullest_covered(context: Context, datasets: Sequence[str], regularizer: Mapping[str, object]) -> list[str]:
    """The budgets with rows of it, those of most data sets first, then the fullest: half a table decides no claim."""
    evidence = context.evidence

    def covered(budget: str) -> int:
        wanted = ({"dataset.name": name, "budget": budget, **regularizer} for name in datasets)
        return sum(any(row["status"] == "done" for row in evidence.select(EXPERIMENT, each)) for each in wanted)

    found = {budget: covered(budget) for budget in evidence.budgets(EXPERIMENT)}
    return sorted((budget for budget in found if found[budget]), key=lambda budget: -found[budget])


def patches_ranked_by_noise(context: Context, datasets: Sequence[str], regularizer: Mapping[str, object]) -> Answer:
    """The share of patches whose Gibbs probability is exactly 0, against the claim that energy ranks them."""
    reading, evidence = readings()["zero_probability"], context.evidence
    for budget in fullest_covered(context, datasets, regularizer):
        found = {
            name: group
            for name in datasets
            if (group := evidence.group(EXPERIMENT, {"dataset.name": name, "budget": budget, **regularizer}, name))
            and group.done
        }
        if not found:
            continue
        values = {name: group.per_seed(lambda row: reading.read(row, "paper", "full")) for name, group in found.items()}
        tests = [verdicts.one_sample(each, 0.0, "less") for each in values.values()]
        p, opposite = verdicts.claim_p(tests)
        parts = [f"{DATASETS[name]} {amount(fmean(each.values()), '%')}" for name, each in values.items()]
        return Answer(
            verdicts.judge(tests, p, opposite, len(found) == len(datasets)),
            f"probability exactly 0: {', '.join(parts)} of the patches",
            f"a patch of probability 0 is ranked by noise alone; the share is above 0, {p_text(opposite)}",
            runs_text([t.n for t in tests], budget, [row for group in found.values() for row in group.done]),
            experiments=(EXPERIMENT,),
            budget=budget,
        )
    return not_run("no row of PB-EDropout", [EXPERIMENT])


def masks_counted(context: Context, table: str, row: str, cells: Mapping[str, str], regularizer: Mapping) -> Answer:
    """Is the share of patches masked in our trainings the printed one?"""
    reading, evidence, parts, good, used = readings()["masked"], context.evidence, [], True, []
    budget = next(iter(fullest_covered(context, list(cells), regularizer)), None)
    for dataset, column in cells.items() if budget else ():
        rows = evidence.select(EXPERIMENT, {"dataset.name": dataset, "budget": budget, **regularizer})
        rows = [each for each in rows if each["status"] == "done"]
        if rows:
            shares = sorted({f"{reading.read(each, 'held-out', 'mask'):.2f}" for each in rows})
            printed = context.paper.find(table, row, column).printed
            good = good and shares == [printed.rstrip("%")]
            parts.append(f"{DATASETS[dataset]} {' to '.join(shares)} %, printed {printed}")
            used.append(rows)
    if not used:
        return not_run("no row of PB-EDropout", [EXPERIMENT])
    word = verdicts.CONSISTENT if good else verdicts.INCONSISTENT
    return Answer(
        word,
        "; ".join(parts),
        "counted on the masks that were applied, the same in every training",
        runs_text([len(each) for each in used], budget, [row for each in used for row in each]),
        experiments=(EXPERIMENT,),
        budget=budget,
    )
