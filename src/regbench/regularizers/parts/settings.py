"""Checks of settings, whatever their type: a wrong one is one line with its name, its value and what is allowed."""

import math
import numbers
from collections.abc import Callable

from regbench.errors import UserError


def require(key: str, value: object, good: Callable[[object], bool], what: str, verb: str = "is") -> object:
    """The value, where it is good; `what` says in words what is, `verb` is "are" where that is several words.

    Raises:
        UserError: it is not, or of a type that the question does not fit.
    """
    try:
        fine = good(value)
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise UserError(f"{key}={value} is not allowed: allowed {verb} {what}")
    return value


def is_number(value: object) -> bool:
    """Whether it is a finite number; true and false are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: object) -> bool:
    """Whether it is an integer of 1 or more."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= 1


def drop_rate(p: float) -> float:
    """A drop rate: a number in [0, 1)."""
    return require("p", p, lambda rate: is_number(rate) and 0.0 <= rate < 1.0, "a drop rate in [0, 1)")


def choice(key: str, value: str, allowed: tuple[str, ...]) -> str:
    """One of these words."""
    verb = "is" if len(allowed) == 1 else "are"
    return require(key, value, lambda word: word in allowed, ", ".join(allowed), verb)


def map_size_of(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """(H, W) of a feature map, two integers of 1 or more; None where it is not known."""
    if size is None:
        return None
    height, width = require("map_size", size, lambda pair: len(pair) == 2 and all(map(is_count, pair)), "(H, W)")
    return int(height), int(width)
