"""A finding of the GAN table: what the other reading of the sign of the rate's update does."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from regbench.evidence.groups import Group
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.sections import Section
from regbench.evidence.spec import Line
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import (
    Answer,
    Effect,
    alone_text,
    amount,
    bare,
    both_ways,
    interval_text,
    not_run,
    runs_text,
)
from regbench.reports.claims.finding import Context
from regbench.reports.claims.findings_gan import (
    AGNN,
    BASELINES,
    DESCENDED,
    EXPERIMENT,
    FIXED,
    count,
    dataset_name,
    gan_section,
    rates_line,
)


def gan_other_sign(context: Context, dataset: str) -> Answer:
    """Has AGNN-ADR the lowest FID where the rate descends both minimised losses? Each baseline must be beaten."""
    found = gan_section(context, dataset)
    estimates, section = found or (None, None)
    ours = section.group(section.page.lines[DESCENDED]) if section else None
    if not ours or not ours.done:
        return not_run(f"no training of the descended losses on {dataset_name(dataset)}", [EXPERIMENT])
    lines = section.page.lines
    tests = {
        lines[name]: _test(section, ours, group)
        for name in (*BASELINES, FIXED, AGNN)
        if (group := section.group(lines[name])) and set(group.seeds) & set(ours.seeds)
    }
    claimed = {line: test for line, test in tests.items() if line.name in BASELINES}
    p, opposite = verdicts.claim_p(list(claimed.values()))
    word = verdicts.judge(list(claimed.values()), p, opposite, len(claimed) == len(BASELINES))
    if word == verdicts.NOT_RUN:
        return not_run(f"no training of a baseline on {dataset_name(dataset)}", [EXPERIMENT])
    counts = count(estimates, section, lines[DESCENDED], "collapsed")
    groups = [ours, *(section.group(line) for line in claimed)]
    return Answer(
        word,
        "; ".join([*(f"against {method.label}: {_difference(test)}" for method, test in claimed.items()), counts]),
        f"every baseline must be beaten, uncorrected over claims: {both_ways(p, opposite)}{_few(claimed)}",
        runs_text(
            [test.n for test in claimed.values()], section.budget, [row for group in groups for row in group.done]
        ),
        (*(_line(section, method, test, word) for method, test in tests.items()), rates_line(section)),
        experiments=(EXPERIMENT,),
        effects=tuple(_effect(method, test, word) for method, test in claimed.items()),
        budget=section.budget,
    )


def _test(section: Section, ours: Group, theirs: Group) -> verdicts.Test:
    return verdicts.paired(*(group.per_seed(_fid(section)) for group in (ours, theirs)), "less")


def _fid(section: Section) -> Callable[[dict], float]:
    return lambda row: section.metric("fid").read(row, HELD_OUT, "full")


def _difference(test: verdicts.Test) -> str:
    return (
        f"{bare(test.comparison.difference, 'FID', True)}{interval_text(*(test.interval or (None, None)), 'FID')} FID"
    )


def _line(section: Section, method: Line, test: verdicts.Test, word: str) -> str:
    """Both sides over the seeds in common, their difference and the p-values of both directions."""
    lines = (section.page.lines[DESCENDED], method)
    groups = [section.group(line) for line in lines]
    shared = set(groups[0].seeds) & set(groups[1].seeds)
    sides = [
        amount(fmean(_fid(section)(row) for row in group.done if row["seed"] in shared), "FID") for group in groups
    ]
    text = (
        f"{section.name}: {lines[0].label} against {method.label}: {' and '.join(sides)}; difference "
        f"{_difference(test)}; n = {test.n}; uncorrected {both_ways(test.p, test.p_opposite)}"
    )
    return text + (alone_text("", word) if method.name in BASELINES else "; not part of the claim.")


def _few(claimed: dict[Line, verdicts.Test]) -> str:
    """What an open verdict lacks: seeds, and the effect that these would have found."""
    seeds = min(test.n for test in claimed.values())
    smallest = [test.smallest for test in claimed.values() if test.smallest is not None]
    text = f"; {seeds} of the {verdicts.ENOUGH} seeds that a verdict needs" if seeds < verdicts.ENOUGH else ""
    return text + (f"; smallest effect at 80 % power {amount(max(smallest), 'FID')}" if smallest else "")


def _effect(method: Line, test: verdicts.Test, word: str) -> Effect:
    low, high = test.interval or (None, None)
    label = f"against {method.label}"
    value = test.comparison.difference
    return Effect(label, "FID", "less", value, low, high, smallest=test.smallest, word=word, n=test.n)
