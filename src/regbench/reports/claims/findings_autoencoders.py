"""Findings of the entropy paper's autoencoders: whether the penalty has a gradient, when early stopping stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from regbench.evidence.cells import p_text
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, amount, both_ways, eps_text, listed, not_run, runs_text
from regbench.reports.claims.finding import Context
from regbench.reports.claims.readings import is_bound, readings
from regbench.reports.methods import DATASETS

HALF = 0.5
EXPERIMENT = "entropy-figures"


def penalty_has_gradient(context: Context, dataset: str, widths: Sequence[int], regularizer: Mapping) -> Answer:
    """Does the penalty have a gradient in most trainings? Per seed the share of trainings in which it ever had one."""
    evidence = context.evidence
    for budget in evidence.budgets(EXPERIMENT):
        parts, by_seed, rows = [], {}, []
        for width in widths:
            selector = {"dataset.name": dataset, "model.width": width, "budget": budget, **regularizer}
            done = [row for row in evidence.select(EXPERIMENT, selector) if row["status"] == "done"]
            ever = [any(e["measures"]["train"]["gradient_norm"] != 0 for e in row["epochs"]) for row in done]
            parts += [f"in {sum(ever)} of {len(ever)} trainings of width {width}"] if done else []
            rows += done
            for row, moved in zip(done, ever, strict=True):
                by_seed.setdefault(row["seed"], []).append(moved)
        if rows:
            test = verdicts.one_sample({seed: fmean(each) for seed, each in by_seed.items()}, HALF, "greater")
            p, opposite = verdicts.claim_p([test])
            word = verdicts.judge([test], p, opposite)
            return Answer(
                word,
                f"the penalty ever had a gradient in {sum(map(sum, by_seed.values()))} of {len(rows)} trainings",
                "elsewhere the determinant underflows and the loss is the constant lambda / eps; tested is whether a "
                f"seed's trainings mostly have one: {both_ways(p, opposite)}",
                runs_text([test.n], budget, rows),
                (f"It had one {listed(parts)}.",),
                experiments=(EXPERIMENT,),
                budget=budget,
                settings=eps_text(rows),
            )
    return not_run(f"no row of the penalty on {DATASETS[dataset]}", [EXPERIMENT])


def stops_by(
    context: Context, dataset: str, widths: Sequence[int], regularizer: Mapping, printed: Mapping[str, str]
) -> Answer:
    """Does early stopping end the trainings by the printed epoch?"""
    evidence, reading = context.evidence, readings()["epochs"]
    cell = context.paper.find(printed["table"], printed["row"], printed["column"])
    for budget in evidence.budgets(EXPERIMENT):
        tests, parts, rows = [], [], []
        for width in widths:
            selector = {"dataset.name": dataset, "model.width": width, "budget": budget, **regularizer}
            group = evidence.group(EXPERIMENT, selector, f"width {width}")
            if group is None or group.failed:
                continue
            stops = group.per_seed(lambda row: reading.read(row, "paper", "full"))
            capped = any(is_bound(reading, row, "paper") for row in group.done)
            tests.append(verdicts.bounded(verdicts.one_sample(stops, cell.value, "less"), capped, False))
            parts.append(f"width {width} {'> ' * capped}{amount(fmean(stops.values()), reading.unit)}")
            rows += group.done
        if tests:
            p, opposite = verdicts.claim_p(tests)
            return Answer(
                verdicts.judge(tests, p, opposite, len(tests) == len(widths)),
                "; ".join(parts),
                f"tested against {cell.printed} epochs: earlier {p_text(p)}, later {p_text(opposite)}",
                runs_text([test.n for test in tests], budget, rows),
                experiments=(EXPERIMENT,),
                budget=budget,
                settings=eps_text(rows),
            )
    return not_run(f"no row of the penalty on {DATASETS[dataset]}", [EXPERIMENT])
