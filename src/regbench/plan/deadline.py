"""A time by which a training ends cleanly: after the last epoch that fits, with its checkpoint.

It is the environment's, so that every process of a command knows it, whichever launcher has started it.
"""

import os
import time

from regbench.errors import UserError

VARIABLE = "REGBENCH_DEADLINE"  # seconds since 1970


class OutOfTime(Exception):
    """No further epoch fits; checkpoints stand."""


def check_time(seconds: float = 0.0) -> None:
    """Raise OutOfTime where so many seconds more, such as the next epoch takes, would go past the deadline."""
    text = os.environ.get(VARIABLE)
    if not text:
        return
    try:
        deadline = float(text)
    except ValueError as error:
        raise UserError(f"{VARIABLE}={text} is not allowed: seconds since 1970") from error
    if time.time() + seconds > deadline:
        raise OutOfTime
