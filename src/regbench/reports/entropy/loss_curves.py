"""The entropy paper's Figure 2: its two losses, -log|x| and 1/(|x| + eps), and how steep they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regbench.evidence.style import new_figure, save

EPSILONS = (0.5, 0.1, 1e-3)  # 0.5 is the paper's, "too large in practice"; the last is the bound of what it uses


def draw_losses(path: str | Path) -> Path:
    """Two panels over x in (0, 1]: the losses and their absolute derivatives, as a PNG."""
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
    figure.supxlabel(steepness(), fontsize=9)
    return save(figure, path)


def steeper_between(eps: float) -> tuple[float, float] | None:
    """Where 1/(|x| + eps) is steeper than log|x|: (|x| + eps)^2 < |x|; None where it is nowhere."""
    root = 1 - 4 * eps
    if root <= 0:
        return None
    return ((1 - 2 * eps) - root**0.5) / 2, ((1 - 2 * eps) + root**0.5) / 2


def steepness() -> str:
    """The ranges in which the reciprocal is the steeper one, in words."""
    parts = []
    for eps in EPSILONS:
        found = steeper_between(eps)
        where = "nowhere" if found is None else f"for |x| from {found[0]:.2g} to {found[1]:.2g}"
        parts.append(f"eps = {eps:g}: {where}")
    return "The reciprocal is steeper than the logarithm: " + "; ".join(parts) + "."
