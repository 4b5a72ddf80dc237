"""How long an image takes: a few steps and an evaluation of a new kind of training, timed."""

import time
from collections.abc import Sequence

import torch

from regbench.errors import UserError
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.training.build import build, make_schedule
from regbench.training.inputs import choose_device, load_data

STEPS = 3  # that are timed, after as many that are not
EVALUATED = 256  # images of an evaluation that is timed


def seconds_of_an_image(overrides: Sequence[str]) -> float | None:
    """A few steps of a member that these overrides make, in one thread; None where its images are not prepared."""
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
