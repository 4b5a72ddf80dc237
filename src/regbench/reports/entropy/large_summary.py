"""The README's lines about the entropy paper's Table 2, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import number
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.tables import EN_DASH
from regbench.reports.entropy.large_best import Count, Gain, count, gains, treated
from regbench.reports.entropy.large_paper import paper_count
from regbench.reports.entropy.large_rows import LINES, MODELS, Line, Page
from regbench.reports.entropy.large_table import accuracy_record, counted

COLUMNS = ("budget, model, strategy", "without the loss, %", "with the loss: gain in pp by layers (best of k lambdas)")


def summary(found: Sequence[Page], numbers: PaperNumbers) -> str:
    """Accuracy by protocol held-out without the loss and the gain with it: a line a budget, model and strategy."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| :--- | ---: | :--- |"]
    for page in found:
        lines += [_line(page, family) for family in dict.fromkeys(line.family for line in LINES) if _run(page, family)]
        lines.append(_count_line(page, paper_count(numbers)))
    return "\n".join(lines if found else [*lines, "| not run: `make reproduce-entropy-table2` | | |"])


def _run(page: Page, family: tuple[str, str]) -> bool:
    return family in page.plain or any(line.family == family for line, _ in page.penalized)


def _line(page: Page, family: tuple[str, str]) -> str:
    own = [line for line in LINES if line.family == family]
    base = counted(accuracy_record(page, own[0], 0.0, HELD_OUT)).text
    found = gains(page)
    texts = [f"{line.layers} {_gain_text(page, line, found[line, HELD_OUT])}" for line in own]
    return f"| {page.budget}, {MODELS[family[0]]}, {family[1]} | {base} | {'; '.join(texts)} |"


def _gain_text(page: Page, line: Line, gain: Gain) -> str:
    record = gain.record
    if record.status != "done":
        return {"failed": "X", "not run": "not run"}.get(record.status, EN_DASH)
    text = number(record.mean, "pp", signed=True)
    if record.low is not None:
        text += f" [{number(record.low, 'pp', True)}, {number(record.high, 'pp', True)}]"
    return f"{text} (lambda {gain.strength:g}, k = {treated(page, line)}, n = {len(record.seeds)})"


def _count_line(page: Page, theirs: Count) -> str:
    found = count(page, HELD_OUT)
    head = f"| {page.budget}, lines whose best cell has the loss on | |"
    return f"{head} {_counted(found) if found.lines else EN_DASH} (the paper: {_counted(theirs)}) |"


def _counted(found: Count) -> str:
    return f"{found.with_loss} of {found.lines}, chance alone {found.expected:.1f}"
