"""What trainings cost here: from rows of their like, else from a few steps that are timed."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from regbench.errors import UserError
from regbench.plan.jobs import Member

STEPS = 3  # that are timed, after as many that are not
EVALUATED = 256  # images of an evaluation that is timed


class Costs:
    """Seconds that members take, each from the closest rows there are; new kinds of training are timed once.

    Args:
        rows: of all trainings, whatever their experiment.
    """

    def __init__(self, rows: Sequence[dict[str, Any]]):
        self.rows = [row for row in rows if row["status"] == "done" and "served_by" not in row["provenance"]]
        self.timed: dict[tuple, float | None] = {}  # seconds for one image in one epoch

    def seconds(self, member: Member, overrides: Iterable[str] = ()) -> float | None:
        """Of one member; None where nothing like it was trained, and `overrides`, which make it, cannot be timed."""
        like = [row for row in self.rows if _same(row, member, ("dataset", "budget", "epochs", "model"))]
        closer = [row for row in like if row["config"]["regularizer"]["name"] == member.config["regularizer"]["name"]]
        times = [row["provenance"]["seconds"] for row in closer or like]
        if times:
            return sum(times) / len(times)
        each = self.of_an_image(member, tuple(overrides))
        return None if each is None else each * member.config["epochs"] * member.config["dataset"]["train_images"]

    def of_an_image(self, member: Member, overrides: tuple[str, ...]) -> float | None:
        """Seconds for an image in an epoch, its share of the evaluation included, timed where it has to be."""
        kind = tuple(str(member.config[key]["name"]) for key in ("dataset", "model", "task"))
        if kind not in self.timed:
            self.timed[kind] = _timed(overrides) if overrides else None
        return self.timed[kind]


def _same(row: dict[str, Any], member: Member, keys: tuple[str, ...]) -> bool:
    return all(row["config"].get(key) == member.config[key] for key in keys)


def _timed(overrides: tuple[str, ...]) -> float | None:
    """A few steps of a member that these overrides make, in one thread; None where its images are not prepared."""
    import torch  # here: plans of what was trained before need none of these

    from regbench.build import build, make_schedule
    from regbench.plan.experiments import load_config
    from regbench.plan.jobs import members
    from regbench.train import choose_device, load_data

    cfg = load_config([*overrides, "download=false"])
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        device = choose_device(cfg.device)
        data = load_data(cfg, device)
        member = members(cfg)[-1]
        training = build(member, data, device)
        schedule = make_schedule(member, training.model)
        few = data.train.first(STEPS * schedule.batch_size)
        training.train_epoch(few, schedule, 1, lambda: None)
        start = time.perf_counter()
        training.train_epoch(few, schedule, 1, lambda: None)
        step = (time.perf_counter() - start) / len(few)
        start, seen = time.perf_counter(), data.heldout.first(EVALUATED)
        training.model.eval()
        with torch.no_grad():
            for place in range(0, len(seen), schedule.batch_size):
                training.model(training.task.batch(seen, slice(place, place + schedule.batch_size))[0])
        evaluated = (time.perf_counter() - start) / len(seen) * (len(data.heldout) + len(data.test))
        return step + evaluated / len(data.train)
    except (UserError, RuntimeError, TypeError):  # no images here, a net that takes no images: it stays unknown
        return None
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def words(seconds: float) -> str:
    """A time for a reader: "50 min", "18 h"."""
    return f"{max(seconds / 60, 1):.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} h"
