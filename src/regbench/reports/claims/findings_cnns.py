"""Findings of the entropy paper's Table 1: the best of several strengths against one baseline, beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from regbench.evidence import stats
from regbench.evidence.cells import p_text
from regbench.evidence.documents import load_all_pages
from regbench.evidence.estimates import Estimate
from regbench.evidence.groups import Group
from regbench.evidence.numbers import PaperNumber
from regbench.evidence.pages import build
from regbench.evidence.spec import word
from regbench.evidence.stops import usable
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import (
    Answer,
    Effect,
    amount,
    bare,
    both_ways,
    eps_text,
    interval_text,
    listed,
    not_run,
    runs_text,
)
from regbench.reports.claims.families import Family
from regbench.reports.claims.finding import Context
from regbench.reports.claims.rows import Evidence
from regbench.reports.methods import DATASETS

ALPHA = verdicts.ALPHA
EXPERIMENT = "entropy-table1"
PLACEMENTS = {"first": "loss on the first layer", "convolutions": "loss on all convolutions"}


@dataclass(frozen=True)
class Result:
    """One architecture: the gain of the best strength, chosen on held-out images and by the paper's protocol."""

    architecture: str
    gain: Estimate
    paper: Estimate
    choices: tuple[Group, ...]
    groups: tuple[Group, ...]
    missing: tuple[str, ...]

    @property
    def tested(self) -> bool:
        return self.gain.comparison is not None


def best_strength_gain(context: Context, dataset: str, placement: str, architecture: str) -> Answer:
    """The gain of the best strength over its baseline, allowing for the choice (Table 1 of the entropy paper)."""
    budget, found, _ = _lines(context.evidence, dataset, placement)
    result = next((each for each in found if each.architecture == architecture), None)
    if result is None or result.gain.choice is None:
        return not_run(f"no row of {architecture} on {DATASETS[dataset]} with the penalty", [EXPERIMENT])
    record = result.gain
    if record.comparison is None:
        return not_run("; ".join(record.notes), [EXPERIMENT])
    printed = context.paper.find("1", architecture, "Mean Delta Val. Acc.") if placement == "first" else None
    test = _gain_test(result, 100 * printed.value if printed else None)
    tests = [_gain_test(each, None) for each in found if each.tested]
    opposite = stats.holm([each.p_opposite for each in tests])
    place = [each.architecture for each in found if each.tested].index(architecture)
    missing = result.missing
    # The best of the paper's sweep may be a strength that was not run: neither a gain nor its size is decided then.
    word = verdicts.INCONCLUSIVE if missing else verdicts.judge([test], record.p_best_holm, opposite[place])
    used, theirs = [row for group in result.groups for row in group.done], result.paper
    text = bare(record.mean, "pp", True) + interval_text(record.low, record.high, "pp") + " pp"
    claimed = f"; the paper's {amount(test.claimed, 'pp', True)}" if printed else ""
    family = _family(dataset, placement, budget, found, opposite)
    details = (
        f"Best of {len(result.choices)} strengths{_not_run(missing)}, chosen on held-out images: lambda "
        f"{record.choice:g}; gain {text}{claimed}.",
        f"By the paper's protocol (best on the test split): lambda {theirs.choice:g}, "
        f"{amount(theirs.mean, 'pp', True)}, uncorrected {both_ways(theirs.p, theirs.p_opposite)}.",
    )
    return Answer(
        word,
        text,
        f"Dunnett's test of the chosen of {len(result.choices)} strengths uncorrected {p_text(record.p_best)}; "
        f"{both_ways(record.p_best_holm, opposite[place])} ({family.text}){_short(word, test, 'pp')}"
        + (f"; not run: lambda {listed(missing)}, one of which may be the best" if missing else ""),
        runs_text([test.n], budget, used),
        details,
        _null_text(_null_results(context.evidence, dataset, budget), architecture),
        (_effect(test, word, printed),),
        (EXPERIMENT,),
        budget,
        family,
        settings=eps_text(used),
    )


def every_line_gains(context: Context, dataset: str, placement: str) -> Answer:
    """Does the best strength gain in every architecture, allowing for the choice?"""
    budget, found, rows = _lines(context.evidence, dataset, placement)
    done = [each for each in found if each.tested]
    if not done:
        return not_run(f"no row on {DATASETS[dataset]} with the penalty", [EXPERIMENT])
    low = sum(each.gain.p_best_holm is not None and each.gain.p_best_holm < ALPHA for each in done)
    tests = [_gain_test(each, None) for each in done]
    p = [each.gain.p_best_holm for each in done]
    # Of a sweep that is not complete the best may be missing: it speaks neither for the claim nor against it.
    whole = [test for each, test in zip(done, tests, strict=True) if not each.missing]
    opposite = verdicts.claim_p(whole)[1]
    complete = len(whole) == len(found)
    together = None if None in p else max(p)
    word = verdicts.judge(whole or tests, together, opposite, complete)
    family = _family(dataset, placement, budget, found, [each.p_opposite for each in tests])
    missing = [each.architecture for each in found if each not in done]
    used = [row for row in rows if _placement(row) == placement]
    gains = [each.gain.mean for each in done]
    return Answer(
        word,
        f"{low} of {len(done)} architectures gain; mean {amount(fmean(gains), 'pp', True)}"
        + (f"; {len(missing)} not run" if missing else ""),
        f"every architecture must gain, allowing for the best of its strengths: {both_ways(together, opposite)} "
        f"({family.text})" + (f"; not run: {listed(missing)}" if missing else ""),
        runs_text([test.n for test in tests], budget, used),
        tuple(f"{each.architecture}: {amount(each.gain.mean, 'pp', True)}{_not_run(each.missing)}" for each in done),
        _null_text(_null_results(context.evidence, dataset, budget), None),
        experiments=(EXPERIMENT,),
        budget=budget,
        settings=eps_text(used),
        family=family,
    )


def no_line_gains(context: Context, dataset: str, placement: str, either_way: bool = False) -> Answer:
    """Is there no gain (`either_way`: no difference) in any architecture, of the size of the paper's smallest gain?"""
    budget, found, rows = _lines(context.evidence, dataset, placement)
    done = [each for each in found if each.tested]
    if not done:
        return not_run(f"no row on {DATASETS[dataset]} with the penalty at placement {placement}", [EXPERIMENT])
    margin = 100 * min(n.value for n in context.paper if (n.table, n.column) == ("1", "Mean Delta Val. Acc."))
    exclude = verdicts.no_difference if either_way else verdicts.no_gain
    tests = [exclude(_gain_test(each, None), margin) for each in done]
    p, opposite = verdicts.claim_p(tests)
    # Of a network of one block the first convolution is all of them: it belongs to the other placement.
    wanted = [each.architecture for each in found if placement == "first" or "," in each.architecture]
    missing = [name for name in wanted if name not in [each.architecture for each in done]]
    word = verdicts.judge(tests, p, opposite, not missing and not any(each.missing for each in done))
    used = [row for row in rows if _placement(row) == placement]
    parts = [
        f"{each.architecture} {amount(each.gain.mean, 'pp', True)}"
        + interval_text(each.gain.low, each.gain.high, "pp")
        + _not_run(each.missing)
        for each in done
    ]
    return Answer(
        word,
        "; ".join(parts) + " (best strength)",
        f"test against the paper's smallest gain, {amount(margin, 'pp')}: {p_text(p)}; test of a "
        f"{'difference' if either_way else 'gain'}: {p_text(opposite)}"
        + (f"; not run: {listed(missing)}" if missing else ""),
        runs_text([test.n for test in tests], budget, used),
        experiments=(EXPERIMENT,),
        budget=budget,
        settings=eps_text(used),
    )


@cache
def _lines(evidence: Evidence, dataset: str, placement: str) -> tuple[str, list[Result], list[dict]]:
    """The budget, the results of every architecture and the rows of that data set."""
    for budget in evidence.budgets(EXPERIMENT):
        rows = [r for r in evidence.rows(EXPERIMENT, budget) if r["config"]["dataset"]["name"] == dataset]
        if any(_placement(row) == placement for row in rows):
            return budget, _results(evidence, dataset, budget, placement), rows
    return "", [], []


def _placement(row: dict) -> str | None:
    """Where the penalty stands; None for a training without one."""
    return row["config"]["regularizer"]["method"].get("placement") if row["strength"] else None


@cache
def _results(evidence: Evidence, dataset: str, budget: str, table: str) -> list[Result]:
    """A line of a table for every architecture, with p-values as that table has them."""
    document, page = load_all_pages()[EXPERIMENT]
    built = build(page, evidence.rows(EXPERIMENT, budget), document.numbers)
    section = next((each for each in built.sections if each.dataset == dataset), None)
    spec = next(each for each in page.tables if each.id == table)
    if section is None or not section.shows(spec):
        return []
    found, lines = built.estimates[budget].table(section, spec), section.lines(spec)
    gains = [place for place, c in enumerate(spec.columns) if (c.best, c.metric) == ("gain", "accuracy")]
    paper, held_out = sorted(gains, key=lambda place: not spec.columns[place].unpaired)
    results = []
    for row, line in enumerate(lines):
        cells = {value: section.group(cell) for value, cell in section.cells(line).items()}
        above = tuple(group for value, group in cells.items() if value and usable(group))
        failed = {value for value, group in cells.items() if group.failed}
        missing = tuple(
            word(value) + " (failed)" * (value in failed)
            for value in section.values(lines)
            if value and (value not in cells or value in failed)
        )
        gain, theirs = found[row, held_out, ""], found[row, paper, ""]
        results.append(Result(line.label, gain, theirs, above, tuple(cells.values()), missing))
    return results


def _gain_test(result: Result, claimed: float | None) -> verdicts.Test:
    """The gain's interval and spread; its p in the claimed direction is Dunnett's, which allows for the choice."""
    gain = result.gain
    return verdicts.Test(gain.comparison, "greater", gain.p_best, gain.p_opposite, claimed)


def _not_run(missing: Sequence[str]) -> str:
    """The strengths that a line lacks."""
    return f" (lambda {listed(missing)} not run)" if missing else ""


def _null_results(evidence: Evidence, dataset: str, budget: str) -> list[Result]:
    """The results of the trainings without penalty that stand in for the strengths."""
    return _results(evidence, dataset, budget, "null")


def _null_text(null: Sequence[Result], architecture: str | None) -> str:
    """What the same choice gains among groups of trainings that all have no penalty."""
    found = [each for each in null if each.gain.choice is not None and architecture in (None, each.architecture)]
    parts = [
        f"{each.architecture}: best of {len(each.choices)} groups without penalty {_gain_text(each)}"
        for each in found
        if each.gain.mean is not None
    ]
    return f"Null control: {'; '.join(parts)}." if parts else "The null control of this line was not run."


def _gain_text(result: Result) -> str:
    record = result.gain
    return amount(record.mean, "pp", True) + interval_text(record.low, record.high, "pp")


def _short(word: str, test: verdicts.Test, unit: str) -> str:
    if word == verdicts.SMALLER:
        return f"; the interval excludes the paper's {amount(test.claimed, unit, True)}"
    if word != verdicts.INCONCLUSIVE or test.smallest is None:
        return ""
    return f"; smallest effect at 80 % power {amount(test.smallest, unit)}"


def _effect(test: verdicts.Test, word: str, printed: PaperNumber | None) -> Effect:
    low, high = test.interval or (None, None)
    said = f"{amount(test.claimed, 'pp', True)} (n = {printed.n})" if printed else ""
    source = f"{amount(test.claimed, 'pp', True)} = {printed.printed} ({printed.place})" if printed else ""
    return Effect(
        "",
        "pp",
        test.direction,
        test.comparison.difference,
        low,
        high,
        test.claimed,
        test.smallest,
        said,
        source,
        word,
        test.n,
    )


def _family(
    dataset: str, placement: str, budget: str, found: Sequence[Result], opposite: Sequence[float | None]
) -> Family:
    """The correction over the architectures of one data set and placement."""
    p_values = [each.gain.p_best for each in found if each.gain.choice is not None]
    return Family(
        f"Entropy guidance, Table 1, {DATASETS[dataset]}, {PLACEMENTS.get(placement, placement)}",
        budget,
        EXPERIMENT,
        "architecture",
        "one an architecture: as claimed Dunnett's of its best strength, opposite its paired t-test's",
        sum(p is not None for p in p_values),
        sum(p is not None for p in opposite),
    )
