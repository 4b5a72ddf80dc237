"""Findings of the GAN table: whether AGNN-ADR beats the others, and the stability of its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.cells import cell, number, p_text
from regbench.evidence.documents import load_all_pages
from regbench.evidence.estimates import DIFFERENCE, Estimate, Estimates
from regbench.evidence.pages import build
from regbench.evidence.sections import Section
from regbench.evidence.settings import extractor_words
from regbench.evidence.spec import Line
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

ALPHA = verdicts.ALPHA
EXPERIMENT, FAMILY = "gan-table1", "gan"
AGNN, FIXED, DESCENDED = "agnn", "fixed", "descended"
BASELINES = ("dcgan", "wgan_gp", "sngan")
SPEED = "epochs_to_fixed_fid"
#: claim -> the metric it is about, and the lines that AGNN-ADR must all beat
CLAIMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "AGNN-ADR is the best in FID": ("fid", BASELINES),
    "AGNN-ADR is the best in IS": ("inception_score", BASELINES),
    "AGNN-ADR converges faster (epochs to the fixed FID)": (SPEED, BASELINES),
    "adapting the rate lowers FID (against: Rate fixed at 0.5)": ("fid", (FIXED,)),
    "adapting the rate raises IS (against: Rate fixed at 0.5)": ("inception_score", (FIXED,)),
}
COLUMNS = {"fid": "FID", "inception_score": "IS"}  # of the paper's table; it prints no epochs
REAL = {"fid": "real_fid", "inception_score": "real_inception_score"}


def gan_claim(context: Context, dataset: str, claim: str) -> Answer:
    """One of the GAN table's claims, by the tests of its family: every method named must be beaten."""
    if claim not in CLAIMS:
        raise UserError(f"claim={claim!r}: allowed are {', '.join(CLAIMS)}")
    found = gan_section(context, dataset)
    if found is None:
        return not_run(f"no row of {dataset_name(dataset)}", [EXPERIMENT])
    estimates, section = found
    metric, names = CLAIMS[claim]
    lines = section.page.lines
    pairs = {lines[name]: estimates.difference(section, lines[AGNN], lines[name], metric) for name in names}
    word, why = _verdict(section, pairs)
    if word == verdicts.NOT_RUN:
        return not_run(why, [EXPERIMENT])
    done = {other: pair for other, pair in pairs.items() if pair.done}
    parts = [
        f"against {other.label}: {bare(pair.mean, pair.unit, True)}" + interval_text(pair.low, pair.high, pair.unit)
        for other, pair in done.items()
    ]
    counts = [len(pair.seeds) for pair in done.values()]
    rows = [row for name in (AGNN, *names) if (group := section.group(lines[name])) for row in group.done]
    family = _family(estimates)
    details = [_comparison(estimates, section, metric, other, pair, word) for other, pair in done.items()]
    details += [_sound(estimates, section, metric, (AGNN, *names)), rates_line(section)]
    details += _gan_printed(context, section, metric, names)
    return Answer(
        word,
        "; ".join(parts) + (f" {section.metric(metric).unit}" if parts else "not run"),
        f"{why} ({family.opposite_text if word == verdicts.CONTRADICTED else family.text})",
        runs_text(counts, section.budget, rows) if counts else EN_DASH,
        tuple(details),
        experiments=(EXPERIMENT,),
        effects=tuple(_gan_effect(other.label, pair) for other, pair in done.items() if pair.low is not None),
        budget=section.budget,
        family=family,
    )


def gan_stability(context: Context, dataset: str) -> Answer:
    """Do fewer trainings of AGNN-ADR than of the baselines fail, diverge or collapse? By Fisher's exact test."""
    found = gan_section(context, dataset)
    estimates, section = found or (None, None)
    groups = {name: section.group(section.page.lines[name]) for name in (AGNN, *BASELINES)} if section else {}
    theirs = [group for name, group in groups.items() if group and name != AGNN]
    if not theirs or not groups[AGNN]:
        return not_run(f"no row of AGNN-ADR or of a baseline on {dataset_name(dataset)}", [EXPERIMENT])
    counts = [_unstable(section, each) for each in ([groups[AGNN]], theirs)]
    table = [[bad, total - bad] for bad, total in counts]
    p, opposite = (float(scipy_stats.fisher_exact(table, alternative=side)[1]) for side in ("less", "greater"))
    word = verdicts.INCONCLUSIVE
    if counts[0][1] >= verdicts.ENOUGH:
        word = verdicts.SUPPORTED if p < ALPHA else verdicts.CONTRADICTED if opposite < ALPHA else word
    rows = [row for group in (groups[AGNN], *theirs) for row in group.done]
    return Answer(
        word,
        f"unstable: {counts[0][0]} of {counts[0][1]} of AGNN-ADR, {counts[1][0]} of {counts[1][1]} of the baselines",
        f"failed, diverged or collapsed; Fisher's exact test, one-sided and uncorrected, {both_ways(p, opposite)}",
        runs_text([counts[0][1]], section.budget, rows),
        (_sound(estimates, section, SPEED, (AGNN, *BASELINES)), rates_line(section)),
        experiments=(EXPERIMENT,),
        budget=section.budget,
    )


def gan_section(context: Context, dataset: str) -> tuple[Estimates, Section] | None:
    """The fullest budget's trainings of a data set, with the estimates of that budget."""
    pairs = _gan_sections(context.evidence)
    return next((pair for pair in pairs if pair[1].dataset == dataset), None)


def dataset_name(dataset: str) -> str:
    """A data set's name in print."""
    return load_all_pages()[EXPERIMENT][1].datasets[dataset]


@cache
def _gan_sections(evidence: Evidence) -> list[tuple[Estimates, Section]]:
    document, page = load_all_pages()[EXPERIMENT]
    rows = [row for budget in evidence.budgets(EXPERIMENT) for row in evidence.rows(EXPERIMENT, budget)]
    built = build(page, rows, document.numbers)
    return [(built.estimates[section.budget], section) for section in built.sections]


def _verdict(section: Section, pairs: Mapping[Line, Estimate]) -> tuple[str, str]:
    """The verdict from the family's p-values, and why."""
    worse = {other.label: p_text(pair.p_opposite_holm) for other, pair in pairs.items() if _below(pair, True)}
    if worse:
        against = ", ".join(f"{name} {p}" for name, p in worse.items())
        return verdicts.CONTRADICTED, f"significantly the other way against {against}"
    missing = [line.label for line in (section.page.lines[AGNN], *pairs) if section.group(line) is None]
    if missing:
        return verdicts.NOT_RUN, f"no training of {', '.join(missing)}"
    if all(_below(pair) for pair in pairs.values()):
        against = ", ".join(f"{other.label} {p_text(pair.p_holm)}" for other, pair in pairs.items())
        return verdicts.SUPPORTED, f"against {against}; n = {min(len(pair.seeds) for pair in pairs.values())}"
    return verdicts.INCONCLUSIVE, "; ".join(f"{other.label}: {_open(pair)}" for other, pair in pairs.items())


def _below(pair: Estimate, opposite: bool = False) -> bool:
    p = pair.p_opposite_holm if opposite else pair.p_holm
    return p is not None and p < ALPHA and len(pair.seeds) >= verdicts.ENOUGH


def _outcome(pair: Estimate) -> str:
    """What one comparison says by itself, in the words of a verdict."""
    if _below(pair, opposite=True):
        return verdicts.CONTRADICTED
    return verdicts.SUPPORTED if _below(pair) else verdicts.INCONCLUSIVE


def _open(pair: Estimate) -> str:
    """What one comparison of an undecided claim says."""
    if not pair.done:
        return "a training failed" if pair.status == "failed" else pair.notes[0]
    parts = [p_text(pair.p_holm)]
    if pair.p is None:  # of one seed that says it all
        parts = [f"no test ({'; '.join(pair.notes)})"] if len(pair.seeds) > 1 else []
    if len(pair.seeds) < verdicts.ENOUGH:
        parts.append(f"{len(pair.seeds)} of {verdicts.ENOUGH} seeds")
    smallest = _smallest(pair)
    return ", ".join([*parts, *([f"smallest effect {number(smallest, pair.unit)}"] if smallest is not None else [])])


def _smallest(pair: Estimate) -> float | None:
    return None if pair.bounded else stats.smallest_effect(pair.comparison, alternative="greater")


def _gan_effect(label: str, pair: Estimate) -> Effect:
    return Effect(
        f"against {label}",
        pair.unit,
        pair.direction,
        pair.mean,
        pair.low,
        pair.high,
        smallest=_smallest(pair),
        word=_outcome(pair),
        n=len(pair.seeds),
    )


def _comparison(estimates: Estimates, section: Section, metric: str, other: Line, pair: Estimate, word: str) -> str:
    """Both sides with their difference and the p-values of both directions."""
    ours = section.page.lines[AGNN]
    means = [_absolute(estimates.mean(section, line, metric)) for line in (ours, other)]
    parts = [
        f"{section.name}: {ours.label} against {other.label}: {' and '.join(means)}",
        f"difference {bare(pair.mean, pair.unit, True)}{interval_text(pair.low, pair.high, pair.unit)} {pair.unit}",
        f"n = {len(pair.seeds)}",
        f"after Holm {both_ways(pair.p_holm, pair.p_opposite_holm)}",
    ]
    return "; ".join(parts) + alone_text(_outcome(pair), word)


def _absolute(found: Estimate) -> str:
    if not found.done:
        return cell(found).text
    spread = "" if found.high is None else f" \N{PLUS-MINUS SIGN} {bare(found.high - found.mean, found.unit)}"
    return f"{bare(found.mean, found.unit)}{spread} {found.unit}" + (f" ({found.notes[0]})" if found.bounded else "")


def count(estimates: Estimates, section: Section, line: Line, metric: str) -> str:
    """`5 of 5 collapsed`."""
    found = estimates.summary(section, line, metric, "count")
    return f"{found.mean or 0:.0f} of {len(found.seeds) if found.done else 0} {metric}"


def _sound(estimates: Estimates, section: Section, metric: str, names: Sequence[str]) -> str:
    """How many trainings of each method collapsed and diverged, and what real images score."""
    lines = [line for name in names if section.group(line := section.page.lines[name])]
    parts = [
        f"{line.label} {', '.join(count(estimates, section, line, each) for each in ('collapsed', 'diverged'))}"
        for line in lines
    ]
    floor = section.floor(REAL[metric]) if metric in REAL else None
    unit = section.metric(metric).unit
    return "; ".join(parts) + ("." if floor is None else f". Real images score {bare(floor, unit)} {unit}.")


def rates_line(section: Section) -> str:
    """Where the rate of each method that has one ends."""
    parts, read = [], section.metric("dropout_rate").read
    for line in (section.page.lines[name] for name in (AGNN, DESCENDED, FIXED)):
        group = section.group(line)
        rates = [rate for row in group.done if (rate := read(row, "", line.mode)) is not None] if group else []
        if rates:
            low, high = (bare(end(rates), "ratio") for end in (min, max))
            parts.append(f"{line.label} {low if low == high else f'{low} to {high}'}")
    return f"Dropout rate after the last epoch: {'; '.join(parts)}." if parts else "No dropout rate was measured."


def _family(estimates: Estimates) -> Family:
    """The correction over the differences of all data sets' tables."""
    found = [pair for _, pair in estimates.cases(FAMILY)]
    others = listed(list(dict.fromkeys(pair.against for pair in found)))
    metrics = list(dict.fromkeys(pair.metric.removeprefix(DIFFERENCE) for pair in found))
    words = listed([estimates.sections[0].metric(name).words for name in metrics])
    return Family(
        estimates.page.families[FAMILY].title,
        estimates.sections[0].budget,
        EXPERIMENT,
        "difference",
        f"one a difference: {estimates.page.lines[AGNN].label} minus {others}, each in {words}, on each data set",
        sum(pair.p is not None for pair in found),
        sum(pair.p_opposite is not None for pair in found),
    )


def _gan_printed(context: Context, section: Section, metric: str, names: Sequence[str]) -> list[str]:
    """The paper's numbers, which another extractor measured: they stand beside ours and are not compared with them."""
    rows = [line.paper for name in (AGNN, *names) if (line := section.page.lines[name]).paper]
    column = COLUMNS.get(metric)
    cells = [context.paper.find("1", row, f"{section.name} {column}") for row in rows]
    if None in cells or len(cells) < 2:
        return []
    text, seen_by = ", ".join(f"{cell.row} {cell.printed}" for cell in cells), extractor_words(section.done)
    return [f"The paper's {column}: {text}; ours come from another extractor ({seen_by}) and are not compared."]


def _unstable(section: Section, groups: Sequence) -> tuple[int, int]:
    bad = [section.metric(name).read for name in ("diverged", "collapsed")]
    done = [row for group in groups for row in group.done]
    failed = sum(len(group.failed) for group in groups)
    return failed + sum(any(read(row, "", "full") for read in bad) for row in done), failed + len(done)
