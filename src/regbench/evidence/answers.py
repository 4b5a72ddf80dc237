"""What the bench answers to every claim: the verdict, what came out in few words, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from regbench.evidence import looks, verdicts
from regbench.evidence.claims import CHANCES, CHECKS, Claim, call
from regbench.evidence.documents import Document
from regbench.evidence.judging import Case, Judged, judge_claims
from regbench.evidence.pages import Built
from regbench.evidence.settings import devices, image_count
from regbench.evidence.wording import amount, interval_text, listed, number, p_text
from regbench.rows.budgets import BUDGETS

SLIP = "a slip of print"
SHOWN = 3  # comparisons that a short answer names one by one


@dataclass(frozen=True)
class Answer:
    """The verdict on a claim: `found` in few words, `why` the rule that gave it, `runs` what was run.

    `judged` holds its comparisons, `other` those of further budgets; `chance` says what chance alone gives, `needed`
    what would answer a claim that was not run.
    """

    claim: Claim
    word: str
    found: str
    why: str
    runs: str = ""
    settings: str = ""
    details: tuple[str, ...] = ()
    chance: str = ""
    needed: str = ""
    judged: Judged | None = None
    other: tuple[Judged, ...] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.judged.cases if self.judged else ()

    @property
    def slip(self) -> bool:
        """Whether it is an inconsistency of print and not of substance."""
        return self.claim.slip and self.word == verdicts.INCONSISTENT

    @property
    def testable(self) -> bool:
        """Whether trainings could answer it."""
        return self.claim.kind in ("cases", "not_run")


def answer_document(
    document: Document, pages: Mapping[str, Built], budgets: Sequence[str] = BUDGETS[:2]
) -> dict[str, Answer]:
    """The answers to all claims of a paper, by id, in its order.

    Args:
        pages: the pages that have rows, by experiment. budgets: those that may answer (smoke only tries things).
    """
    judged = judge_claims(document.claims, pages, document.numbers, budgets)
    return {claim.id: _answer(claim, judged.get(claim.id, ()), document, pages) for claim in document.claims}


def _answer(claim: Claim, judged: Sequence[Judged], document: Document, pages: Mapping[str, Built]) -> Answer:
    chance = call(claim.chance, CHANCES, document.numbers) if claim.chance else ""
    if claim.check:
        checked = call(claim.check, CHECKS, document.numbers)
        names = {True: verdicts.CONSISTENT, False: verdicts.INCONSISTENT, None: verdicts.NOT_TESTABLE}
        word, details = names[checked.good], checked.details
        answer = Answer(claim, word, checked.found, checked.why, checked.runs, "", details, chance)
        return replace(answer, why=f"{answer.why}; {SLIP}, on which no conclusion rests") if answer.slip else answer
    if claim.not_testable:
        return Answer(claim, verdicts.NOT_TESTABLE, "", claim.not_testable)
    if claim.not_run or not judged:
        needed = claim.needed or f"`make reproduce-{claim.cases.page}`"
        begun = claim.cases and claim.cases.page in pages
        why = claim.not_run or ("every comparison lacks trainings" if begun else "no row yet")
        return Answer(claim, verdicts.NOT_RUN, "", why, needed=needed, chance=chance)
    first = judged[0]
    rows = _rows(first.cases)
    return Answer(
        claim,
        first.word,
        found_text(first),
        why_text(first),
        runs_text(first, rows),
        settings_text(rows),
        tuple(case_text(case) for case in first.cases) + tuple(f"{each}: not run" for each in first.missing),
        chance,
        judged=first,
        other=tuple(judged[1:]),
    )


def found_text(judged: Judged) -> str:
    """What came out, short enough for a cell of a table."""
    cases = judged.showing or judged.cases
    if len(cases) <= SHOWN:
        short = short_labels(cases)
        return _turned(cases) + "; ".join(
            f"{label}: {value_text(case)}" if label else value_text(case)
            for label, case in zip(short, cases, strict=True)
        )
    values = [case.estimate.mean for case in cases]
    unit, (low, high) = cases[0].unit, (min(values), max(values))
    text = amount(low, unit, True) if low == high else f"{number(low, unit, True)} to {amount(high, unit, True)}"
    if cases[0].direction in (verdicts.NONE, verdicts.NO_GAIN):
        return text
    towards = sum(
        value > 0 if case.direction == verdicts.GREATER else value < 0
        for value, case in zip(values, cases, strict=True)
    )
    return f"{text}; {towards} of {len(cases)} as claimed"


def _turned(cases: Sequence[Case]) -> str:
    """What is subtracted from what, where a claim of no gain has its own subject on the other side."""
    sides = {_sides(case.label)[1:] for case in cases}
    if cases[0].direction != verdicts.NO_GAIN or len(sides) > 1:
        return ""
    ours, theirs = sides.pop()
    return f"{ours} minus {theirs}: " if theirs else ""


def value_text(case: Case) -> str:
    """A difference with its interval; a bound says so."""
    found, comparison = case.estimate, case.estimate.comparison
    if case.identical:
        return "0, the same trainings"
    text = amount(found.mean, case.unit, True)
    if found.bounded:
        return text + {(True, False): " or more", (False, True): " or less"}.get(found.bounds, ", cut off by the cap")
    if comparison.half_width is None:
        return f"{text} in every seed" if case.n > 1 else f"{text} (one training)"
    return (
        ("rho " if case.unit == "rho" else "")
        + number(found.mean, case.unit, True)
        + interval_text(found.low, found.high, case.unit)
        + amount(0, case.unit).removeprefix(number(0, case.unit))
    )


def short_labels(cases: Sequence[Case]) -> list[str]:
    """What tells each comparison from the others of its claim: the words that not all of them have."""
    sides = [_sides(case.label) for case in cases]
    columns = [_without_shared([each[place] for each in sides]) for place in range(3)]
    found = []
    for head, ours, theirs in zip(*columns, strict=True):
        against = f"against {theirs}" if theirs and theirs != ours else ""
        found.append(", ".join(part for part in (head, ours, against) if part))
    return found


def _sides(label: str) -> tuple[str, str, str]:
    """Data set, line and what it is held against, of a comparison's label."""
    head, _, tail = label.partition(": ")
    ours, _, theirs = tail.partition(" against ")
    return head, ours, theirs


def _without_shared(texts: Sequence[str]) -> list[str]:
    """The texts without the words between commas that all of them have; nothing of what is the same in all."""
    parts = [text.split(", ") for text in texts]
    shared = set(parts[0]).intersection(*parts)
    return [", ".join(part for part in each if part not in shared) for each in parts]


def case_text(case: Case) -> str:
    """One comparison in full: value, what the paper prints, its p-values, its verdict."""
    parts = [f"{case.label}: {value_text(case)}"]
    if case.printed:
        parts.append(f"the paper's {case.printed.text}")
    parts.append(p_values_text(case))
    end = f"left out, {case.left_out}" if case.left_out else case.word
    return "; ".join(part for part in parts if part) + f": {end}"


def p_values_text(case: Case) -> str:
    """The corrected p-values of a comparison."""
    p = case.p
    texts = {"as claimed": p.claimed, "opposite": p.opposite}
    texts |= {f"equal within {amount(case.margin, case.unit)}": p.equal} if case.margin is not None else {}
    texts |= {"less than the paper's": p.smaller}
    return ", ".join(f"{p_text(value)} {what}" for what, value in texts.items() if value is not None)


def why_text(judged: Judged) -> str:
    """The rule that gave the verdict, and what it went by."""
    word, cases = judged.word, judged.showing
    parts = []
    if not cases:
        return "; ".join(dict.fromkeys(case.left_out for case in judged.cases))
    if word == verdicts.UNDECIDED:
        few = [case.n for case in cases if case.n < looks.LOOKS[0]]
        if judged.missing:
            parts.append(
                f"not run: {'; '.join(judged.missing[:2])}"
                + f" and {len(judged.missing) - 2} more" * (len(judged.missing) > 2)
            )
        if few:
            parts.append(f"n = {min(few)}: nothing is decided below {looks.LOOKS[0]} seeds")
        smallest = [case for case in cases if case.word == word and case.smallest is not None]
        if smallest:
            widest = max(smallest, key=lambda case: case.smallest)
            parts.append(f"80 % power from {amount(widest.smallest, widest.unit)}")
        silent = [case for case in cases if case.estimate.comparison.standard_error is None and not case.identical]
        floors = {verdicts.floor_note(case.n, case.family) for case in silent if case.estimate.p_page is None}
        parts += sorted(floors - {""})
    else:
        parts.append(_because(word, [case for case in cases if case.word == word]))
        if len({case.n for case in judged.cases}) > 1 and not all(case.identical for case in cases):
            parts[-1] += f" at n = {judged.look}"
    for why in dict.fromkeys(case.left_out for case in judged.cases if case.left_out):
        names = dict.fromkeys(case.label.partition(":")[0] for case in judged.cases if case.left_out == why)
        parts.append(f"left out, {', '.join(names)}: {why}")
    return "; ".join(parts)


def _because(word: str, cases: Sequence[Case]) -> str:
    if cases[0].direction in (verdicts.NONE, verdicts.NO_GAIN):
        key = "equal" if word == verdicts.SUPPORTED else "opposite"
    else:
        key = {
            verdicts.SUPPORTED: "claimed",
            verdicts.CONTRADICTED: "opposite",
            verdicts.NO_EFFECT: "equal",
            verdicts.SMALLER: "smaller",
        }[word]
    if all(case.identical for case in cases):
        return "the same trainings on both sides, by construction"
    p = [value for case in cases if (value := getattr(case.p, key)) is not None]
    worst = max(p) if word == verdicts.SUPPORTED else min(p)
    margin = f", margin {amount(cases[0].margin, cases[0].unit)}" if key == "equal" else ""
    return f"{p_text(worst)} (Holm){margin}"


def runs_text(judged: Judged, rows: Sequence[dict]) -> str:
    """`n = 5, quick, cpu`; n is a range where the comparisons differ."""
    counts = [str(count) for count in sorted({case.n for case in judged.cases})]
    n = f"n = {' to '.join(dict.fromkeys((counts[0], counts[-1])))}"
    return f"{n}, {judged.budget}, {' and '.join(devices(rows, 'device'))}"


def settings_text(rows: Sequence[dict]) -> str:
    """What was trained on what: network and width, pixels, images, epochs."""
    configs = [row["config"] for row in rows]
    networks = _networks([config["model"] for config in configs])
    sides = sorted({str(config["dataset"]["side"]) for config in configs if "side" in config["dataset"]})
    images = sorted({config["dataset"].get("train_images") or 0 for config in configs})
    epochs = sorted({config["epochs"] for config in configs})
    parts = [", ".join(networks) if len(networks) <= SHOWN else f"{len(networks)} networks"]
    parts += [f"{' and '.join(sides)} pixels"] if sides else []
    parts.append(f"{' to '.join(image_count(each or None) for each in dict.fromkeys((images[0], images[-1])))} images")
    parts.append(f"{' to '.join(str(each) for each in dict.fromkeys((epochs[0], epochs[-1])))} epochs")
    return ", ".join(parts)


def _networks(models: Sequence[Mapping[str, object]]) -> list[str]:
    """`dcgan and sngan of width 32-64`, one text a width."""
    names: dict[str, set[str]] = {}
    for model in models:
        width = model.get("widths", model.get("width"))
        of = "" if width is None else f" of width {'-'.join(map(str, width)) if isinstance(width, list) else width}"
        names.setdefault(of, set()).add(str(model["name"]))
    return sorted(listed(sorted(found)) + of for of, found in names.items())


def _rows(cases: Sequence[Case]) -> list[dict]:
    return list({row["id"]: row for case in cases for row in case.rows}.values())


def sure(answer: Answer) -> str:
    """How sure a verdict is, in few words: the deciding p-value, or what would have been seen, and n."""
    if not answer.cases:
        return "by the document's own numbers" if answer.claim.check else ""
    why, n = answer.why.partition(";")[0], f"n = {min(case.n for case in answer.cases)}"
    seen = [case for case in answer.judged.showing if case.word == answer.word and case.smallest is not None]
    if answer.word == verdicts.UNDECIDED and seen:
        widest = max(seen, key=lambda case: case.smallest)
        why = f"a true {amount(widest.smallest, widest.unit)} would have been found in 4 of 5 tries"
    return why if "n = " in why else f"{why}, {n}"
