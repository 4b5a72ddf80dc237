"""What only the entropy paper's Table 3 has: what its "10 % faster" rests on, and counts of better lambdas."""

from __future__ import annotations

from regbench.evidence.metrics import METRICS
from regbench.evidence.notes import Shown, note
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.wording import EN_DASH

TABLE, SECONDS, EPOCHS = "3", "Training Time (s)", "# of Epochs"
WORDS = {"epochs": "fewer epochs", "accuracy": "a higher accuracy", "iou": "a higher IoU"}


def cells(numbers: PaperNumbers, column: str) -> dict[str, PaperNumber]:
    """A column of the table by the lambda of its rows, without the loss first."""
    found = [each for each in numbers if (each.table, each.column) == (TABLE, column)]
    return {f"{float(each.row.rsplit(', ', 1)[1]):g}": each for each in found}


@note
def unet_speed(shown: Shown) -> str:
    """What the paper's "10 % faster" says in seconds, epochs and seconds per epoch."""
    seconds, epochs = (cells(shown.section.numbers, column) for column in (SECONDS, EPOCHS))
    rates = {key: seconds[key].value / epochs[key].value for key in seconds}
    fastest = min(seconds, key=lambda key: seconds[key].value)
    saved = 100 * (1 - seconds[fastest].value / seconds["0"].value)
    fewer = [f"{key} ({each.printed})" for key, each in epochs.items() if each.value < epochs["0"].value]
    return (
        f'"10 % faster" in the paper: {saved:.1f} % fewer seconds at lambda {fastest}, in {epochs[fastest].printed} '
        f"epochs against {epochs['0'].printed}. Its seconds per epoch of one network run from "
        f"{min(rates.values()):.0f} "
        f"to {max(rates.values()):.0f} ({rates['0']:.0f} without the loss), so that its seconds measure the machine "
        "more "
        f"than the training. Fewer epochs than without the loss: at lambda {', '.join(fewer) or EN_DASH} only."
    )


@note
def unet_better(shown: Shown) -> str:
    """In how many of its lambdas the paper is better than without the loss, and what one lucky baseline gives."""
    better = []
    for column in ("Accuracy", "IOU"):
        base, *others = cells(shown.section.numbers, column).values()
        better.append(sum(each.value > base.value for each in others))
    count = len(others)
    return (
        f"The paper's accuracy is higher with the loss at {better[0]} of {count} lambdas, its IoU at {better[1]}. All "
        f"{count} are held against one training without it: were all equal, that one would be the lowest of "
        f"{count + 1} with probability 1/{count + 1}."
    )


@note
def unet_own(shown: Shown) -> str:
    """In how many of our lambdas the loss does what the paper says, in the mean, beside chance."""
    section, page = shown.section, shown.section.page
    found = [
        [
            shown.estimates.difference(section, line, page.lines["plain"], name)
            for line in section.expanded(page.lines["up"])
        ]
        for name in WORDS
    ]
    done = [[each for each in row if each.done] for row in found]
    if not done[0]:
        return "Ours, with the loss against without: not run."
    signs = (-1, 1, 1)
    parts = [
        f"{words} at {sum(sign * each.mean > 0 for each in row)}"
        for words, sign, row in zip(WORDS.values(), signs, done, strict=True)
    ]
    count = len(done[0])
    return (
        f"Ours, in the mean and by protocol held-out: {', '.join(parts)} of {count} lambda{'s' * (count != 1)}; were "
        f"all equal, lambda 0 would be the worst of {count + 1} with probability 1/{count + 1} in each."
    )


@note
def unet_time(shown: Shown) -> str:
    """How far our own seconds per epoch are apart in one network."""
    read = METRICS["seconds_per_epoch"].read
    rates = [read(row, "all epochs", "full") for group in shown.section.groups.values() for row in group.done]
    if not rates:
        return "Our seconds per epoch: no finished training."
    return f"Our seconds per epoch over single trainings: {min(rates):.2f} to {max(rates):.2f}."
