"""Which members of a job train at once: what a stack must share, and how many are best."""

import logging
from collections.abc import Callable

from omegaconf import DictConfig

from regbench.data import Splits
from regbench.errors import UserError
from regbench.plan.jobs import Member, member_id
from regbench.training import Training
from regbench.training.build import make_schedule
from regbench.training.stacked import best_size, why_not

log = logging.getLogger("regbench")


def stack_limit(cfg: DictConfig) -> int | None:
    """The most members to train at once, 1 for stack=off, None for stack=auto."""
    if cfg.stack == "auto":
        return None
    if cfg.stack == "off" or cfg.stack is False:  # YAML reads a bare off as false
        return 1
    if not isinstance(cfg.stack, int) or isinstance(cfg.stack, bool) or cfg.stack < 1:
        raise UserError(f"stack={cfg.stack} is not allowed: allowed are auto, off, or a number of members, 1 or more")
    return cfg.stack


def stack_size(job: list[Member], most: int | None, data: Splits, begin: Callable[[Member], Training]) -> int:
    """How many of these members to train at once; 1: the plain loop.

    Args:
        most: see `stack_limit`. begin: makes a member's training, with noise of its own.
    """
    if most == 1 or len(job) < 2:
        return 1
    first = begin(job[0])
    alike = len({stack_key(member) for member in job}) == 1
    schedule = make_schedule(job[0], first.model)
    reason = why_not(first, schedule) if alike else "a setting beside the strength differs with it"
    if reason is not None:
        log.info("the members are trained one by one: %s", reason)
        return 1
    if most is not None:
        return most
    return best_size([first, *(begin(member) for member in job[1:])], data, schedule)


def stack_key(member: Member) -> str:
    """What members must share to train at once: all but the seed, and of the regularizer its strength or drop rate."""
    regularizer = {key: value for key, value in member.config["regularizer"].items() if key != "strength"}
    method = {key: value for key, value in regularizer["method"].items() if key != "strength"}
    if isinstance(method.get("layer"), dict):
        method["layer"] = {key: value for key, value in method["layer"].items() if key != "p"}
    return member_id({**member.config, "seed": None, "regularizer": {**regularizer, "method": method}})
