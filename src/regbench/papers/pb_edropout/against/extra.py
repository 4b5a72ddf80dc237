"""The paper's Table 1 against ours, as differences to the baseline."""

from __future__ import annotations

from pathlib import Path

from regbench.evidence.documents import picture
from regbench.evidence.figures import seed_values
from regbench.evidence.pages import Built
from regbench.evidence.sections import Section
from regbench.evidence.style import FEW, interval, new_figure, save
from regbench.rows.budgets import BUDGETS

LINES = ("classic", "random", "pb_mask", "pb_full")
OURS, PAPER = "#0072B2", "#D55E00"


@picture
def table1_against_paper(built: Built, folder: Path) -> list[Path]:
    """A panel a data set, of its fullest budget: accuracy minus the baseline's, the paper's and ours."""
    shown: dict[str, Section] = {}
    for budget in BUDGETS:
        for section in (each for each in built.sections if each.budget == budget and each.dataset != "digits"):
            shown.setdefault(section.dataset, section)
    sections = [shown[name] for name in built.page.datasets if name in shown]
    if not sections:
        return []
    figure = new_figure(3.6 * len(sections) + 1.6, 3.4)
    panels = figure.subplots(1, len(sections), sharey=True, squeeze=False)[0]
    for axes, section in zip(panels, sections, strict=True):
        _panel(axes, built, section)
    panels[0].set_yticks(range(len(LINES)), [built.page.lines[name].label for name in LINES])
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    what = "PB-EDropout, Table 1: test accuracy minus that of the network without dropout (percentage points)"
    figure.supxlabel(what, fontsize=10)
    return [save(figure, folder / "table1_against_paper.png")]


def _panel(axes, built: Built, section: Section) -> None:
    base, pairs = built.page.lines["none"], set()
    for place, name in enumerate(LINES):
        line = built.page.lines[name]
        found = built.estimates[section.budget].difference(section, line, base, "accuracy")
        if found.done:
            label = "ours, held-out: mean and 95 % interval (below 5 seeds: dots, no interval)" if place == 0 else None
            values = list(seed_values(section, line, base, "accuracy").values())
            pairs.add(len(values))
            low, high = interval(found, len(values)) or (found.mean, found.mean)
            ends = [[found.mean - low], [high - found.mean]]
            axes.errorbar(found.mean, place - 0.12, xerr=ends, fmt="o", color=OURS, capsize=3, label=label)
            if 1 < len(values) < FEW:
                axes.plot(values, [place - 0.12] * len(values), "o", color=OURS, markersize=3, alpha=0.5)
        numbers = [
            section.numbers.find("1", str(each.paper), f"{built.page.datasets[section.dataset]} Acc")
            for each in (line, base)
        ]
        if all(numbers):
            label = "the paper, one number a method" if place == 0 else None
            gap = numbers[0].value - numbers[1].value
            axes.plot(gap, place + 0.12, "D", color=PAPER, markerfacecolor="none", label=label)
    axes.axvline(0, color="0.5", linewidth=1)
    axes.grid(axis="x", alpha=0.3)
    config = section.rows[0]["config"]
    images, epochs = f"{config['dataset']['train_images']:,} images", f"{config['epochs']} epochs"
    count = " to ".join(map(str, sorted({min(pairs), max(pairs)}))) if pairs else "0"
    axes.set_title(f"{section.name}, budget {section.budget}, n = {count} pairs\n{images}, {epochs}", fontsize=9)
