"""The entropy paper's own Table 3: its cells as we print ours, and what its "10 % faster" rests on."""

from __future__ import annotations

from regbench.evidence.cells import number
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.tables import EN_DASH
from regbench.reports.entropy.printed import percent
from regbench.reports.entropy.unet_readings import ACCURACY, EPOCHS, IOU, Reading
from regbench.reports.entropy.unet_rows import PAPER_LINES, PLAIN, Line

TABLE = "3"
SECONDS = "Training Time (s)"


def printed(numbers: PaperNumbers, line: Line, reading: Reading) -> str:
    """The paper's cell in our unit, no digit more or less; its seconds per epoch are computed from two of them."""
    if reading.metric == "epoch_seconds":
        found = epoch_seconds(numbers, line)
        return EN_DASH if found is None else number(found, "s")
    cell = _find(numbers, line, reading.paper_column)
    if cell is None:
        return EN_DASH
    return percent(cell) if cell.unit == "fraction" else cell.printed


def difference(numbers: PaperNumbers, line: Line, reading: Reading) -> float | None:
    """A line minus lambda 0, in the unit of our differences."""
    cells = [_find(numbers, each, reading.paper_column) for each in (line, PLAIN)]
    if None in cells:
        return None
    scale = 100 if cells[0].unit == "fraction" else 1
    return scale * (cells[0].value - cells[1].value)


def epoch_seconds(numbers: PaperNumbers, line: Line) -> float | None:
    """Training time over epochs."""
    seconds, epochs = (_find(numbers, line, column) for column in (SECONDS, EPOCHS.paper_column))
    return None if seconds is None or epochs is None else seconds.value / epochs.value


def speed_note(numbers: PaperNumbers) -> str:
    """What the paper's "10 % faster" says in seconds, epochs and seconds per epoch."""
    rates = {line: epoch_seconds(numbers, line) for line in PAPER_LINES}
    fastest = min(PAPER_LINES, key=lambda line: _find(numbers, line, SECONDS).value)
    base, best = (_find(numbers, line, SECONDS) for line in (PLAIN, fastest))
    epochs = [_find(numbers, line, EPOCHS.paper_column).printed for line in (fastest, PLAIN)]
    fewer = [line for line in PAPER_LINES if (difference(numbers, line, EPOCHS) or 0) < 0]
    counted = ", ".join(f"{line.strength:g} ({_find(numbers, line, EPOCHS.paper_column).printed})" for line in fewer)
    return (
        f'"10 % faster" in the paper: {100 * (1 - best.value / base.value):.1f} % fewer seconds at lambda '
        f"{fastest.strength:g}, in {epochs[0]} epochs against {epochs[1]}. Its seconds per epoch of one network run "
        f"from {min(rates.values()):.0f} to {max(rates.values()):.0f} ({rates[PLAIN]:.0f} without the loss), so that "
        f"its seconds measure the machine more than the training. Fewer epochs than without the loss: at lambda "
        f"{counted or EN_DASH} only."
    )


def better_note(numbers: PaperNumbers) -> str:
    """In how many of its lambdas the paper is better than without the loss, and what one lucky baseline gives."""
    above = PAPER_LINES[1:]
    better = [sum((difference(numbers, line, each) or 0) > 0 for line in above) for each in (ACCURACY, IOU)]
    count = len(above)
    return (
        f"The paper's accuracy is higher with the loss at {better[0]} of {count} lambdas, its IoU at {better[1]}. All "
        f"{count} are held against one training without it: were all equal, that one would be the lowest of "
        f"{count + 1} with probability 1/{count + 1}."
    )


def _find(numbers: PaperNumbers, line: Line, column: str | None) -> PaperNumber | None:
    if line.paper_row is None or column is None:
        return None
    return numbers.find(TABLE, line.paper_row, column)
