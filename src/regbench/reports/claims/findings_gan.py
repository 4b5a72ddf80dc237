"""Findings of the GAN table: its own verdicts, and the stability of its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.records import cell
from regbench.evidence.tables import EN_DASH
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import (
    Answer,
    Effect,
    alone_text,
    bare,
    both_ways,
    interval_text,
    listed,
    not_run,
    runs_text,
)
from regbench.reports.claims.families import Family
from regbench.reports.claims.finding import Context
from regbench.reports.claims.rows import Evidence
from regbench.reports.gan.claims import CLAIMS, SPEED, Tested, absolute, outcome, tested
from regbench.reports.gan.claims import verdicts as gan_verdicts
from regbench.reports.gan.methods import AGNN, BASELINES, DESCENDED, FIXED, GanMethod
from regbench.reports.gan.methods import DATASETS as GAN_DATASETS
from regbench.reports.gan.readings import final_rate, has_collapsed, has_diverged
from regbench.reports.gan.sections import Section, gan_sections
from regbench.reports.gan.stability import collapsed, diverged

ALPHA = verdicts.ALPHA
EXPERIMENT = "gan-table1"
#: metric -> its column in the paper's table (None: it prints none), its unit, the claimed direction
GAN_UNITS = {"fid": ("FID", "FID", "less"), "inception_score": ("IS", "IS", "greater"), SPEED: (None, "epochs", "less")}


def gan_claim(context: Context, dataset: str, claim: str) -> Answer:
    """The GAN table's own verdict on one of its claims (see gan_claims.py for its tests)."""
    if claim not in CLAIMS:
        raise UserError(f"claim={claim!r}: allowed are {', '.join(CLAIMS)}")
    section = gan_section(context, dataset)
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
    family = _family(section, found)
    details = [_comparison(section, metric, other, pair, verdict.word) for other, pair in done.items()]
    details += [_sound(section, metric, (AGNN, *others)), rates_line(section)]
    details += _gan_printed(context, section, metric, column, others)
    return Answer(
        verdict.word,
        "; ".join(parts) + (f" {unit}" if parts else "not run"),
        f"{verdict.reason} ({family.opposite_text if verdict.word == verdicts.CONTRADICTED else family.text})",
        runs_text(counts, section.budget, rows) if counts else EN_DASH,
        tuple(details),
        experiments=(EXPERIMENT,),
        effects=tuple(effects),
        budget=section.budget,
        family=family,
    )


def gan_stability(context: Context, dataset: str) -> Answer:
    """Do fewer trainings of AGNN-ADR than of the baselines fail, diverge or collapse? By Fisher's exact test."""
    section = gan_section(context, dataset)
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
        f"failed, diverged or collapsed; Fisher's exact test, one-sided and uncorrected, {both_ways(p, opposite)}",
        runs_text([counts[0][1]], section.budget, rows),
        (_sound(section, SPEED, (AGNN, *BASELINES)), rates_line(section)),
        experiments=(EXPERIMENT,),
        budget=section.budget,
    )


def gan_section(context: Context, dataset: str) -> Section | None:
    """The fullest budget's trainings of a data set."""
    return next((section for section in _gan_sections(context.evidence) if section.dataset == dataset), None)


@cache
def _gan_sections(evidence: Evidence) -> list[Section]:
    budgets = evidence.budgets(EXPERIMENT)
    return [section for budget in budgets for section in gan_sections(evidence.rows(EXPERIMENT, budget), budget)]


def _gan_effect(label: str, unit: str, direction: str, pair: Tested) -> Effect:
    record = pair.claimed
    smallest = stats.smallest_effect(record.comparison, alternative="greater")
    return Effect(
        f"against {label}",
        unit,
        direction,
        record.mean,
        record.low,
        record.high,
        smallest=smallest,
        word=outcome(pair),
        n=len(record.seeds),
    )


def _comparison(section: Section, metric: str, other: GanMethod, pair: Tested, word: str) -> str:
    """Both sides with their difference and the p-values of both directions."""
    unit, record = GAN_UNITS[metric][1], pair.claimed
    sides = [_absolute(section, method, metric, unit) for method in (AGNN, other)]
    parts = [
        f"{section.name}: {AGNN.label} against {other.label}: {' and '.join(sides)}",
        f"difference {bare(record.mean, unit, True)}{interval_text(record.low, record.high, unit)} {unit}",
        f"n = {len(record.seeds)}",
        f"after Holm {both_ways(record.p_holm, pair.opposite.p_holm)}",
    ]
    return "; ".join(parts) + alone_text(outcome(pair), word)


def _absolute(section: Section, method: GanMethod, metric: str, unit: str) -> str:
    record = absolute(section, method, metric)
    if record.mean is None:
        return cell(record).text
    spread = "" if record.high is None else f" \N{PLUS-MINUS SIGN} {bare(record.high - record.mean, unit)}"
    cut = [note for note in record.notes if "never" in note]
    return f"{bare(record.mean, unit)}{spread} {unit}" + (f" ({cut[0]})" if cut else "")


def _sound(section: Section, metric: str, methods: Sequence[GanMethod]) -> str:
    """How many trainings of each method collapsed and diverged, and what real images score."""
    groups = {method.label: group for method in methods if (group := section.group(method))}
    parts = [
        f"{label} {collapsed(group)} of {len(group.done)} collapsed, {diverged(group)} of "
        f"{len(group.done) + len(group.failed)} diverged"
        for label, group in groups.items()
    ]
    floor = None if metric == SPEED else section.floor(metric)
    unit = GAN_UNITS[metric][1]
    return "; ".join(parts) + ("." if floor is None else f". Real images score {bare(floor, unit)} {unit}.")


def rates_line(section: Section) -> str:
    """Where the rate of each method that has one ends."""
    parts = []
    for method in (AGNN, DESCENDED, FIXED):
        group = section.group(method)
        rates = [rate for row in group.done if (rate := final_rate(row)) is not None] if group else []
        if rates:
            low, high = (bare(end(rates), "ratio") for end in (min, max))
            parts.append(f"{method.label} {low if low == high else f'{low} to {high}'}")
    return f"Dropout rate after the last epoch: {'; '.join(parts)}." if parts else "No dropout rate was measured."


def _family(section: Section, found: Mapping[tuple[GanMethod, str], Tested]) -> Family:
    """The correction over the differences of one data set's table."""
    others = listed([other.label for other in (*BASELINES, FIXED)])
    return Family(
        f"Adaptive dropout for GANs, Table 1, {section.name}",
        section.budget,
        EXPERIMENT,
        "difference",
        f"one a difference: {AGNN.label} minus {others}, each in FID, IS and epochs to the fixed FID",
        sum(pair.claimed.p is not None for pair in found.values()),
        sum(pair.opposite.p is not None for pair in found.values()),
    )


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
