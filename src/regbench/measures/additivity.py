"""How far a function is from being additive, f(x1 + x2) = f(x1) + f(x2): a measure of its nonlinearity.

Source: the essay on dropout as a push towards linearity, "A measure of linearity". Its formula for Z did not survive in
the text; this one is chosen here: relative, so that scaling the function or its output does not change it.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from regbench.errors import UserError


class NotFinite(UserError):
    """The function gives no finite number on these points."""


@torch.no_grad()
def additivity_gap(function: Callable[[Tensor], Tensor], x1: Tensor, x2: Tensor) -> float:
    """Z = mean |f(x1 + x2) - f(x1) - f(x2)| / mean (|f(x1)| + |f(x2)|), where f(x) = g(x) - g(0).

    0 for a linear, affine or constant g, unchanged when g is scaled; inf where f(x1) = f(x2) = 0 alone. The means are
    over points and outputs.

    Args:
        function: g, any callable (N, ...) -> (N, ...), such as a network in evaluation mode that gives logits.
        x1, x2: points (N, ...), paired.

    Raises:
        UserError: points of different shapes or none at all. NotFinite: a function that is not finite on them.
    """
    if x1.shape != x2.shape or not x1.numel():
        raise UserError(f"additivity_gap: x1 {tuple(x1.shape)} and x2 {tuple(x2.shape)} must be alike and not empty")
    origin = function(torch.zeros_like(x1)).double()
    first, second, both = (function(x).double() - origin for x in (x1, x2, x1 + x2))
    gap, size = (both - first - second).abs().mean().item(), (first.abs() + second.abs()).mean().item()
    if not math.isfinite(gap + size):
        raise NotFinite("additivity_gap: the function is not finite on these points")
    if size == 0.0:
        return 0.0 if gap == 0.0 else math.inf
    return gap / size
