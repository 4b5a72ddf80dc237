"""Findings of the GAN table: its own verdicts, and the stability of its trainings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.reports import stats
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, Effect, bare, interval_text, not_run, runs_text
from regbench.reports.claims.finding import Context
from regbench.reports.claims.rows import Evidence
from regbench.reports.entropy.cnn_gains import ALPHA
from regbench.reports.gan.claims import CLAIMS, SPEED, Tested, tested
from regbench.reports.gan.claims import verdicts as gan_verdicts
from regbench.reports.gan.methods import AGNN, BASELINES, FIXED
from regbench.reports.gan.methods import DATASETS as GAN_DATASETS
from regbench.reports.gan.readings import has_collapsed, has_diverged
from regbench.reports.gan.sections import Section, gan_sections
from regbench.reports.records import p_text
from regbench.reports.tables import EN_DASH

EXPERIMENT = "gan-table1"
#: metric -> its column in the paper's table (None: it prints none), its unit, the claimed direction
GAN_UNITS = {"fid": ("FID", "FID", "less"), "inception_score": ("IS", "IS", "greater"), SPEED: (None, "epochs", "less")}


def gan_claim(context: Context, dataset: str, claim: str) -> Answer:
    """The GAN table's own verdict on one of its claims (see gan_claims.py for its tests)."""
    if claim not in CLAIMS:
        raise UserError(f"claim={claim!r}: allowed are {', '.join(CLAIMS)}")
    section = _gan_section(context, dataset)
    if section is None:
        return not_run(f"no row of {GAN_DATASETS[dataset]}", [EXPERIMENT])
    found = tested(section, (*BASELINES, FIXED))
    verdict = next(each for each in gan_verdicts(section, found) if each.claim == claim)
    if verdict.word == verdicts.NOT_RUN:
        return not_run(verdict.reason, [EXPERIMENT])
    metric, others = CLAIMS[claim]
    pairs = {other: found[other, metric] for other in others}
    done = {other: pair for other, pair in pairs.items() if pair.claimed.mean is not None}
    column, unit, direction = GAN_UNITS[metric]
    parts = [
        f"against {other.label}: {bare(pair.claimed.mean, unit, True)}"
        + interval_text(pair.claimed.low, pair.claimed.high, unit)
        for other, pair in done.items()
    ]
    counts = [len(pair.claimed.seeds) for pair in done.values()]
    groups = [section.group(method) for method in (AGNN, *others)]
    rows = [row for group in groups if group for row in group.done]
    effects = [
        _gan_effect(other.label, unit, direction, pair) for other, pair in done.items() if pair.claimed.low is not None
    ]
    return Answer(
        verdict.word,
        "; ".join(parts) + (f" {unit}" if parts else "not run"),
        verdict.reason,
        runs_text(counts, section.budget, rows) if counts else EN_DASH,
        tuple(_gan_printed(context, section, metric, column, others)),
        experiments=(EXPERIMENT,),
        effects=tuple(effects),
    )


def gan_stability(context: Context, dataset: str) -> Answer:
    """Do fewer trainings of AGNN-ADR than of the baselines fail, diverge or collapse? By Fisher's exact test."""
    section = _gan_section(context, dataset)
    ours = section.group(AGNN) if section else None
    theirs = [group for method in BASELINES if section and (group := section.group(method))]
    if not ours or not theirs:
        return not_run(f"no row of AGNN-ADR or of a baseline on {GAN_DATASETS[dataset]}", [EXPERIMENT])
    counts = [_unstable([ours]), _unstable(theirs)]
    table = [[bad, total - bad] for bad, total in counts]
    p, opposite = (float(scipy_stats.fisher_exact(table, alternative=side)[1]) for side in ("less", "greater"))
    word = verdicts.INCONCLUSIVE
    if counts[0][1] >= verdicts.ENOUGH:
        word = verdicts.SUPPORTED if p < ALPHA else verdicts.CONTRADICTED if opposite < ALPHA else word
    rows = [row for group in (ours, *theirs) for row in group.done]
    return Answer(
        word,
        f"unstable: {counts[0][0]} of {counts[0][1]} of AGNN-ADR, {counts[1][0]} of {counts[1][1]} of the baselines",
        f"failed, diverged or collapsed; Fisher's exact test, one-sided {p_text(p)}, uncorrected",
        runs_text([counts[0][1]], section.budget, rows),
        experiments=(EXPERIMENT,),
    )


def _gan_section(context: Context, dataset: str) -> Section | None:
    """The fullest budget's trainings of a data set."""
    return next((section for section in _gan_sections(context.evidence) if section.dataset == dataset), None)


@cache
def _gan_sections(evidence: Evidence) -> list[Section]:
    budgets = evidence.budgets(EXPERIMENT)
    return [section for budget in budgets for section in gan_sections(evidence.rows(EXPERIMENT, budget), budget)]


def _gan_effect(label: str, unit: str, direction: str, pair: Tested) -> Effect:
    record = pair.claimed
    smallest = stats.smallest_effect(record.comparison, alternative="greater")
    return Effect(f"against {label}", unit, direction, record.mean, record.low, record.high, None, smallest)


def _gan_printed(context: Context, section: Section, metric: str, column: str | None, others: Sequence) -> list[str]:
    """The paper's numbers, which another extractor measured: they stand beside ours and are not compared with them."""
    rows = [method.paper_row for method in (AGNN, *others)]
    cells = [context.paper.find("1", row, f"{section.name} {column}") for row in rows if row and column]
    if None in cells or len(cells) < 2:
        return []
    text = ", ".join(f"{cell.row} {cell.printed}" for cell in cells)
    return [f"The paper's {column}: {text}; ours come from another extractor ({section.seen_by}) and are not compared."]


def _unstable(groups: Sequence) -> tuple[int, int]:
    done = [row for group in groups for row in group.done]
    failed = sum(len(group.failed) for group in groups)
    return failed + sum(has_diverged(row) or has_collapsed(row) for row in done), failed + len(done)
