"""Figure 2 of the entropy paper: its two losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regbench.evidence.documents import picture
from regbench.evidence.pages import Built
from regbench.evidence.style import new_figure, save

EPSILONS = (0.5, 0.1, 1e-3)  # of Figure 2: 0.5 is "too large in practice", the last is the bound of what the paper uses


@picture
def entropy_losses(built: Built, folder: Path) -> list[Path]:
    """Figure 2: the two losses, -log|x| and 1/(|x| + eps), and how steep they are."""
    x = np.geomspace(1e-3, 1.0, 400)
    figure = new_figure(10, 4.2)
    losses, slopes = figure.subplots(1, 2)
    losses.plot(x, -np.log(x), color="black", label="$-\\log|x|$")
    slopes.plot(x, 1 / x, color="black", label="$-\\log|x|$")
    for eps, color, dash in zip(EPSILONS, ("#D55E00", "#E69F00", "#0072B2"), ("-", "--", "-."), strict=True):
        losses.plot(x, 1 / (x + eps), color=color, linestyle=dash, label=f"$1/(|x| + {eps:g})$")
        slopes.plot(x, (x + eps) ** -2.0, color=color, linestyle=dash, label=f"$1/(|x| + {eps:g})$")
    losses.set(title="loss", xlabel="|x|", ylabel="loss", ylim=(0, 12))
    slopes.set(title="absolute derivative", xlabel="|x|", ylabel="|d loss / dx|", yscale="log")
    for axes in (losses, slopes):
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    figure.supxlabel("The reciprocal is steeper than the logarithm where (|x| + eps)² < |x|.", fontsize=9)
    return [save(figure, folder / "entropy_figure2.png")]
