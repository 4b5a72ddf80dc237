"""The README's lines about the entropy paper's Table 3, read from the rows."""

from __future__ import annotations

from collections.abc import Sequence

from regbench.evidence.cells import count_cell
from regbench.evidence.protocols import HELD_OUT
from regbench.reports.entropy.unet_readings import ACCURACY, EPOCHS, IOU
from regbench.reports.entropy.unet_rows import PAPER_LINES, PLAIN, Line, Part
from regbench.reports.entropy.unet_table import measured_cell

COLUMNS = ("dataset, budget", "lambda", "n", "epochs to the stop", "accuracy, %", "IoU, %")


def summary(found: Sequence[Part]) -> str:
    """By protocol held-out, the loss on the paper's main layers: a line a dataset, budget and lambda with rows."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| :--- |" + " ---: |" * (len(COLUMNS) - 1)]
    for part in found:
        lines += [_line(part, line) for line in PAPER_LINES if line == PLAIN or line in part.groups]
    missing = "| not run: `make reproduce-entropy-table3` |" + " |" * (len(COLUMNS) - 1)
    return "\n".join(lines if found else [*lines, missing])


def _line(part: Part, line: Line) -> str:
    cells = [measured_cell(part, line, reading, HELD_OUT).text for reading in (EPOCHS, ACCURACY, IOU)]
    count = count_cell(part.groups.get(line)).text
    return f"| {' | '.join((f'{part.name}, {part.budget}', f'{line.strength:g}', count, *cells))} |"
