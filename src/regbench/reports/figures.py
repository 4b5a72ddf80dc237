"""The figures of PB-EDropout, drawn from rows."""

from regbench.reports.curves import draw_curves
from regbench.reports.masks import draw_masks

__all__ = ["draw_curves", "draw_masks"]
