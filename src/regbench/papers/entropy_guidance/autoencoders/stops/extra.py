"""Where early stopping ends a training by the size of what is added to the loss that it watches."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regbench.evidence.documents import picture
from regbench.evidence.pages import Built
from regbench.evidence.style import new_figure, save


@picture
def stops_by_ratio(built: Built, folder: Path) -> list[Path]:
    """Where a training stops by lambda / eps, what is added to the loss: the penalty and the mere constant."""
    written = []
    for section in built.sections:
        found: dict[tuple[str, int], dict[float, list[float]]] = {}
        for name in ("constant", "entropy"):
            for line in section.expanded(section.page.lines[name]):
                group = section.group(line)
                for row in group.done if group else ():
                    eps, width, strength = line.at
                    stop = section.metric("epochs").read(row, "paper", "full")
                    found.setdefault((name, width), {}).setdefault(strength / eps, []).append(stop)
        widths = sorted({width for _, width in found})
        figure = new_figure(3.4 * len(widths) + 0.6, 3.6)
        looks = {"constant": ("#D55E00", "s", "constant, no gradient"), "entropy": ("#0072B2", "o", "entropy penalty")}
        for axes, width in zip(figure.subplots(1, len(widths), sharey=True, squeeze=False)[0], widths, strict=True):
            for name, (color, marker, label) in looks.items():
                means = {ratio: np.mean(stops) for ratio, stops in sorted(found.get((name, width), {}).items())}
                size = 9 if name == "constant" else 4  # where both stop at one epoch, both are seen
                axes.plot(
                    *zip(*means.items(), strict=True),
                    color=color,
                    marker=marker,
                    markersize=size,
                    label=label,
                    alpha=0.8,
                )
            axes.axhline(section.rows[0]["config"]["epochs"], color="0.5", linestyle=":", linewidth=1)
            axes.set(title=f"latent width {width}", xlabel="lambda / eps", ylim=(0, None))
            axes.set_xscale("log")
            axes.grid(alpha=0.3)
        figure.axes[0].set_ylabel("stopping epoch (mean)")
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9
        )
        figure.suptitle(section.heading("Autoencoders, stop by lambda / eps, {dataset}"), fontsize=10)
        figure.supxlabel("Protocol paper, the compound loss watched. Dotted: the cap on epochs.", fontsize=8)
        written.append(save(figure, folder / f"entropy_stops_{section.dataset}_{section.budget}.png"))
    return written
