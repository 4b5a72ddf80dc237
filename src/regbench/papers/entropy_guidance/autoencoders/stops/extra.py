"""Where early stopping ends a training by the size of what is added to the loss that it watches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

from regbench.evidence import stats
from regbench.evidence.documents import picture
from regbench.evidence.figures import fitted, seed_values, wrapped
from regbench.evidence.pages import Built
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save

NOTE = """Means and 95 % t-intervals. Protocol paper, the compound loss watched. Dotted: the cap on epochs; a mean with
trainings at the cap is a bound and has no bar."""
LOOKS = {
    "constant": (LineStyle("#D55E00", "-", "s"), 8, "constant, no gradient"),
    "entropy": (LineStyle("#0072B2", "--", "o"), 4, "entropy penalty"),
}


@picture
def stops_by_ratio(built: Built, folder: Path) -> list[Path]:
    """Where a training stops by lambda / eps, what is added to the loss: the penalty and the mere constant."""
    written = []
    for section in built.sections:
        found: dict[tuple[int, str], dict[float, dict[int, list[float]]]] = {}
        for name in LOOKS:
            for line in section.expanded(section.page.lines[name]):
                if (group := section.group(line)) and group.done:
                    eps, width, strength = line.at
                    own = found.setdefault((width, name), {}).setdefault(strength / eps, {})
                    for seed, stop in seed_values(section, line, None, "epochs", "paper").items():
                        own.setdefault(seed, []).append(stop)
        if not found:
            continue
        widths, cap = sorted({width for width, _ in found}), section.rows[0]["config"]["epochs"]
        figure = new_figure(max(3.4 * len(widths) + 0.6, 9.0), 3.8)
        for axes, width in zip(figure.subplots(1, len(widths), sharey=True, squeeze=False)[0], widths, strict=True):
            for name, (style, size, label) in LOOKS.items():
                # of a seed that reaches one ratio by several lambdas and eps their mean: these are no replicates
                own = sorted(found.get((width, name), {}).items())
                stops = {ratio: [fmean(values) for values in each.values()] for ratio, each in own}
                means = [_mean(each, cap) for each in stops.values()]
                draw_mean(axes, list(stops), means, list(stops.values()), style, label, (1, cap), bars=True, size=size)
            axes.axhline(cap, color="0.5", linestyle=":", linewidth=1)
            axes.set(title=f"latent width {width}", xlabel="lambda / eps (log scale)", ylim=(0, None), xscale="log")
            axes.grid(alpha=0.3)
        figure.axes[0].set_ylabel("stopping epoch")
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside right center", frameon=False, fontsize=9)
        figure.suptitle(fitted(section.heading("Autoencoders, stop by lambda / eps, {dataset}"), figure), fontsize=10)
        figure.supxlabel(wrapped(NOTE, int(14 * figure.get_figwidth())), fontsize=8)
        written.append(save(figure, folder / f"entropy_stops_{section.dataset}_{section.budget}.png"))
    return written


def _mean(stops: list[float], cap: int) -> stats.Mean:
    """The mean of stopping epochs, without an interval where one is the cap."""
    found = stats.mean_interval(stops)
    return replace(found, half_width=None) if cap in stops else found
