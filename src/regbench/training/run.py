"""A job at work: each of its members trained, alone or with others, and its row stored."""

import contextlib
import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from regbench.data import Splits
from regbench.plan.jobs import Member, member_id, unregularized
from regbench.rows.locks import lock
from regbench.rows.store import Store
from regbench.training import Checkpoint, Failed, Schedule, Training, fit, fit_stacked
from regbench.training.build import build, make_schedule
from regbench.training.kept import keep_weights, make_row
from regbench.training.outcome import outcome
from regbench.training.progress import Progress, progress
from regbench.training.ranks import ranks
from regbench.training.sharing import of_other_data, records_from, served_provenance
from regbench.training.stacks import stack_limit, stack_size
from regbench.training.state import Record
from regbench.training.tracking import Tracker

log = logging.getLogger("regbench")


@dataclass
class Run:
    """What all members of a job share, and the rows that it has stored so far.

    `replaced`: sha256 by id of the rows that members have and are trained all the same.
    """

    cfg: DictConfig
    data: Splits
    device: torch.device
    tracker: Tracker
    store: Store
    origin: dict[str, Any]
    replaced: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def train(self, job: list[Member]) -> None:
        """Train the members: those of strength 0 first, as one training may serve others with them."""
        for baselines in (True, False):
            wanted = [member for member in job if (member.strength == 0.0) is baselines]
            chosen = [member for member in wanted if not ranks().on_first(lambda each=member: self.serve(each))]
            size = stack_size(chosen, stack_limit(self.cfg), self.data, functools.partial(self.begin, own_noise=True))
            if size == 1:
                for member in chosen:
                    self.alone(member)
            else:
                for start in range(0, len(chosen), size):
                    self.together(chosen[start : start + size])

    def serve(self, member: Member) -> bool:
        """Store the member's row from its baseline's where one training is both; whether it was so.

        Of several processes the first does this alone: nothing in here may exchange anything.
        """
        config = unregularized(member.config)
        alone = not self.cfg.share or self.cfg.keep_weights or config == member.config
        baseline = None if alone else self.store.find(member_id(config))
        if baseline is None or of_other_data(baseline, self.origin):
            return False
        training = self.begin(member)
        records = records_from(baseline, training, make_schedule(member, training.model))
        # A row with arrays of the trained network needs that network.
        if records is None or training.artifacts(self.data):
            return False
        with contextlib.ExitStack() as locks:
            if self.take([member], locks):
                training.records = records
                self.finish(member, training, None, served_provenance(baseline, self.origin))
        return True

    def alone(self, member: Member) -> None:
        """One member to its end, unless another process trains it."""
        with self.taken([member]) as mine:
            if not mine:
                return
            training = self.begin(member)
            schedule = make_schedule(member, training.model)
            failure = None
            with self.progress(schedule, 1, member.label) as bar:
                try:
                    fit(training, self.data, schedule, functools.partial(self.note, bar, member, training), bar.step)
                except Failed as error:
                    failure = error
            self.finish(member, training, failure, self.origin)

    def together(self, job: list[Member]) -> None:
        """These members at once, without those that another process trains."""
        with self.taken(job) as mine:
            if not mine:
                return
            trainings = [self.begin(member, own_noise=True) for member in mine]
            owner = {id(training): member for training, member in zip(trainings, mine, strict=True)}
            schedule = make_schedule(mine[0], trainings[0].model)
            with self.progress(schedule, len(mine), f"{mine[0].label} and {len(mine) - 1} more") as bar:

                def note(training: Training, record: Record) -> None:
                    self.note(bar, owner[id(training)], training, record)

                for training, failure in fit_stacked(trainings, self.data, schedule, note, bar.step):
                    self.finish(owner[id(training)], training, failure, {**self.origin, "stacked": len(mine)})

    def begin(self, member: Member, own_noise: bool = False) -> Training:
        """The member before its first step, with its checkpoint."""
        checkpoint = Checkpoint(checkpoint_path(self.cfg, member), member.id, self.origin)
        return build(member, self.data, self.device, checkpoint, own_noise)

    @contextlib.contextmanager
    def taken(self, job: list[Member]):
        """Hold the locks of those members that no other training has, or has just finished; yields them."""
        with contextlib.ExitStack() as locks:
            mine = ranks().on_first(lambda: self.take(job, locks))
            yield [member for member in job if member.id in mine]

    def take(self, job: list[Member], locks: contextlib.ExitStack) -> list[str]:
        """The ids of those of the members that are free and have no row; `locks` then holds theirs."""
        mine = []
        for member in job:
            if not locks.enter_context(lock(checkpoint_path(self.cfg, member).with_suffix(".lock"))):
                log.warning("%s is being trained by another process: skipped here", member.label)
            elif self.wanted(member):
                mine.append(member.id)
        return mine

    def wanted(self, member: Member) -> bool:
        """Whether the member has no row by now, or still the one that is to be replaced, or another failed one."""
        if member.id not in self.replaced:
            return not self.store.has(member.id)
        row = self.store.find(member.id)
        return row is None or row["status"] == "failed" or row["sha256"] == self.replaced[member.id]

    def progress(self, schedule: Schedule, members: int, label: str) -> contextlib.AbstractContextManager[Progress]:
        """The bar of so many members; of several processes the first shows one."""
        return progress(schedule, len(self.data.train), members, label, self.cfg.progress and ranks().first)

    def note(self, bar: Progress, member: Member, training: Training, record: Record) -> None:
        """Show and log a member's finished epoch, and log those that a checkpoint brought."""
        bar.epoch(member.id, record)
        self.tracker.log_epochs(member_name(member), training.records)

    def finish(self, member: Member, training: Training, failure: Failed | None, origin: dict[str, Any]) -> None:
        """Store the member's row, and only then drop its checkpoint; of several processes the first does.

        `origin`: where and how its numbers were made, as `kept.make_row` takes it.
        """
        if not ranks().first:
            return
        artifacts = {} if failure is not None else training.artifacts(self.data)
        row = make_row(member, self.cfg.experiment_name, training, failure, artifacts, origin)
        if self.cfg.keep_weights and failure is None:
            keep_weights(Path(self.cfg.paths.outputs) / "weights" / f"{member.id}.pt", member, training, self.data)
        path = self.store.write(row)
        training.checkpoint.remove()
        self.rows.append(row)
        mirrored = f"; W&B run {self.tracker.place}" if self.tracker.place else ""
        log.info("%s is %s: %s%s", member.label, row["status"], outcome(row, path), mirrored)
        self.tracker.log_epochs(member_name(member), training.records)
        self.tracker.log_pictures(member_name(member), artifacts)


def checkpoint_path(cfg: DictConfig, member: Member) -> Path:
    """Where a member's checkpoint is kept until its row stands."""
    return Path(cfg.paths.outputs) / "checkpoints" / f"{member.id}.pt"


def member_name(member: Member) -> str:
    """A member within its job."""
    return f"seed{member.seed}-strength{member.strength:g}"
