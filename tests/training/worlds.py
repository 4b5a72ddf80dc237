"""Several processes at one training, for tests: forks of a server that has loaded torch, so that a start is cheap."""

import multiprocessing
import os
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from regbench.data import Splits, load_splits
from regbench.data.prepared import Prepared
from regbench.data.sources import digits
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import training_state
from regbench.training import Checkpoint, Training, fit
from regbench.training.build import build, make_schedule
from regbench.training.ranks import Ranks, join

CPU = torch.device("cpu")
#: SGD: Adam's first steps are the gradients' signs, which rounding decides where they are next to nothing
SMALL = ["model.widths=[4,4,4,4,4]", "task.batch_size=32", "budget=smoke", "budget.epochs=2"]
SMALL += ["task.optimizer._target_=torch.optim.SGD", "+task.optimizer.momentum=0.9", "task.optimizer.lr=0.05"]
LOG = ["regularizer=entropy", "regularizer.method.form=log", "strengths=[0.01]"]
AUGMENT = "+task.augment={flip: true, rotation: 0.2, zoom: 0.2}"
NORMALISED = ["regularizer=batchnorm", "regularizer.method.placement=[conv1]"]
#: by name: training images and settings; of 101 images the last batch has 5, of 97 one, which leaves one process none
CASES = {
    "plain": (101, SMALL),
    "penalty": (97, [*SMALL, *LOG]),
    "augmented": (97, [*SMALL, AUGMENT]),
    "accumulated": (101, [*SMALL, *LOG, AUGMENT, "+task.accumulate=3"]),
    "clipped": (101, [*SMALL, "+task.clip_norm=0.05"]),
    "pb_edropout": (96, [*SMALL, "regularizer=pb_edropout"]),
    "adaptive": (97, [*SMALL, "regularizer=adaptive_dropout", "regularizer.method.beta=0.01"]),
    "dropout": (97, [*SMALL, "regularizer=dropout", "strengths=[0.5]"]),
    "batchnorm": (32, [*SMALL, "budget.epochs=1", *NORMALISED]),
    "uneven_batchnorm": (5, [*SMALL, "budget.epochs=1", *NORMALISED]),
    "idle_pb_edropout": (33, [*SMALL, "budget.epochs=1", "regularizer=pb_edropout"]),
}


@dataclass
class Ended:
    """How a process ended: exit status and what it wrote on both streams."""

    status: int | None
    said: str


def world(size: int, target, *arguments, folder: Path, timeout: float = 400) -> list[Ended]:
    """Run `target(*arguments)` in so many processes that know of each other as torchrun's do."""
    context = _server()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    logs = [folder / f"rank{rank}of{size}.log" for rank in range(size)]
    processes = [
        context.Process(target=_member_of_a_world, args=(rank, size, port, logs[rank], target, arguments))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    end = time.monotonic() + timeout
    waiting = list(processes)
    while waiting and time.monotonic() < end:
        waiting[0].join(0.05)
        waiting = [process for process in waiting if process.exitcode is None]
        if any(process.exitcode for process in processes):  # as torchrun: one that fails ends the others
            end = min(end, time.monotonic() + 5)
    for process in waiting:
        process.kill()
        process.join()
    return [Ended(process.exitcode, log.read_text()) for process, log in zip(processes, logs, strict=True)]


def _server():
    """Where processes are forked from; each has loaded what a training needs."""
    context = multiprocessing.get_context("forkserver")
    # An optimizer loads torch._dynamo when it is made, the digits scikit-learn: each fork would pay for both.
    context.set_forkserver_preload(["tests.training.worlds", "regbench.train", "torch._dynamo", "sklearn.datasets"])
    return context


def started(words: list[str], folder: Path, log: Path) -> multiprocessing.Process:
    """`python -m regbench.train` with these words in a process of its own, which has begun; it writes to `log`."""
    process = _server().Process(target=_said_to, args=(log, command_line, (words, folder)))
    process.start()
    return process


def _member_of_a_world(rank: int, size: int, port: int, log: Path, target, arguments) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    _said_to(log, target, arguments)


def _said_to(log: Path, target, arguments) -> None:
    """Call `target(*arguments)` with both streams in a file, and end the process with its status."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1), os.dup2(file, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    torch.set_num_threads(1)
    try:
        status = target(*arguments) or 0
    except BaseException:
        traceback.print_exc()
        status = 99
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)


def command_line(words: list[str], folder: Path) -> int:
    """`python -m regbench.train` with these words, in a process that is there already."""
    from regbench.command_line import main

    os.chdir(folder)
    sys.argv = ["train.py", *words]
    return main()


def prepared_pictures() -> Prepared:
    """48 small pictures with masks and 13 of a test."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 48), ("test", 13)):
        arrays[f"{split}_images"] = random.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
        arrays[f"{split}_masks"] = (arrays[f"{split}_images"][..., 0] > 170).astype(np.uint8)
    return Prepared("made", "segmentation", ["no", "yes"], "made by a test", arrays)


def pictures() -> Splits:
    """37 small pictures with masks to train on, 11 held out and 13 for the test."""
    return load_splits(prepared_pictures(), 37, 11, 0, CPU)


def begun(images: int, overrides: list[str], data: Splits | None = None) -> tuple[Training, Splits, object]:
    """A training before its first step, its data and its schedule."""
    data = data or load_splits(digits(), images, 61, 0, CPU)
    member = members(load_config(overrides))[0]
    training = build(member, data, CPU, Checkpoint(None, member.id))
    return training, data, make_schedule(member, training.model)


def outcome(name: str) -> dict:
    """What a case's training comes to in this process."""
    images, overrides = CASES[name]
    training, data, schedule = begun(images, overrides)
    fit(training, data, schedule)
    state = training.model.state_dict() | training_state(training.model)
    return {"records": training.records, "state": state, "seed": torch.initial_seed()}


def evaluations() -> dict[str, dict]:
    """Metrics of untrained networks on splits of odd sizes, by task."""
    classify, data, _ = begun(64, [*SMALL, "regularizer=pb_edropout"])
    found = {"pb_edropout": _evaluated(classify, data)}
    unet = ["model=unet", "model.widths=[2,2,2,2,2]", "task=segment", "budget=smoke"]
    segment, data, _ = begun(37, unet, pictures())
    return {**found, "segment": _evaluated(segment, data)}


def _evaluated(training: Training, data: Splits) -> dict:
    from regbench.training.state import evaluate

    torch.manual_seed(0)
    measures: dict = {}
    return evaluate(training.model, training.regularizer, training.task, data, measures) | {"measures": measures}


def all_cases(folder: Path) -> None:
    """Every case, then the evaluations; what came of them goes to a file a rank."""
    join(CPU)
    averages = watch_averages()
    found = {}
    for name in CASES:
        averages.clear()
        found[name] = {**outcome(name), "averages": list(averages)}
    torch.save({**found, "evaluations": evaluations()}, folder / f"{os.environ['RANK']}.pt")


def only_evaluations(folder: Path) -> None:
    """The evaluations alone."""
    join(CPU)
    torch.save(evaluations(), folder / f"{os.environ['RANK']}.pt")


def watch_averages() -> list[tuple[list, list]]:
    """From here on, the averaged tensors of the steps as this process had them, and as they are averaged."""
    seen: list[tuple[list, list]] = []
    real = Ranks.average

    def average(self, tensors, weight=1.0):
        tensors = list(tensors)
        before = [tensor.detach().clone() for tensor in tensors]
        real(self, tensors, weight)
        seen.append((before, [tensor.detach().clone() for tensor in tensors]))

    Ranks.average = average
    return seen
