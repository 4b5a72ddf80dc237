"""The handout's four methods over epochs: training accuracy and held-out accuracy."""

from __future__ import annotations

from pathlib import Path

from matplotlib.ticker import MaxNLocator

from regbench.errors import UserError
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.reports.handout.methods import METHODS
from regbench.reports.handout.table import level_of
from regbench.reports.pb_edropout.curves import curve
from regbench.reports.sections import Section

# Okabe and Ito's colours; dash and marker also tell the methods apart in grey.
LOOKS = dict(
    zip(
        (method.regularizer for method in METHODS),
        (
            LineStyle("#000000", "-", "o"),
            LineStyle("#E69F00", "-", "s"),
            LineStyle("#0072B2", "--", "v"),
            LineStyle("#D55E00", "--", "D"),
        ),
        strict=True,
    )
)
PANELS = {("train",): "Training accuracy", ("heldout", "full"): "Held-out accuracy"}
NOTE = (
    "Lines: mean over seeds; bands: 95 % t-interval at each epoch. Training accuracy is the running mean over the\n"
    "epoch with the dropout layer at work. Dotted: the fixed accuracy that epochs are counted to."
)


def draw_handout(section: Section, path: str | Path) -> Path:
    """Two panels, accuracy in percent over epochs, as a PNG. Raises UserError without a finished row."""
    done = {name: group for name, group in section.groups.items() if group.done}
    if not done:
        raise UserError(f"{section.dataset}, budget {section.budget}: no finished row to draw")
    labels = {method.regularizer: method.label for method in METHODS}
    figure = new_figure(10, 4.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (place, title) in zip(panels, PANELS.items(), strict=True):
        for name, group in done.items():
            draw_mean(axes, *curve(group, place), LOOKS[name], labels[name])
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy (%)")
    level = level_of(section)
    if level is not None:
        panels[1].axhline(level, color="0.4", linestyle=":", linewidth=1.2)
    panels[1].legend(frameon=False, fontsize=9, loc="lower right")
    figure.suptitle(section.heading("Handout", labels.get), fontsize=10)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)
