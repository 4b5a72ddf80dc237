"""The launcher behind `launch=slurm`. Hydra finds launchers in the package `hydra_plugins` only: hence this place.

submitit's launcher raises at the first job that failed, waits long for killed ones and submits jobs that have nothing
left to do. This one submits through submitit, too, and does these three things in its own way.
"""

import contextlib
import io
import logging
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import submitit
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import OmegaConf
from submitit.core.utils import FailedJobError, pickle_load

from hydra_plugins.regbench_sweeper import jobs_failed, returned_failure, short_names
from regbench.cluster import slurm
from regbench.errors import FAILED, Failure, UserError
from regbench.plan.jobs import Member, members
from regbench.rows.store import Store

log = logging.getLogger("regbench")

Overrides = Sequence[str]


class RegbenchSlurmLauncher(SlurmLauncher):
    """Submits the jobs that have members without a row, waits for them all, and names those that failed."""

    def launch(self, job_overrides: Sequence[Overrides], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hydra's call: all jobs of a sweep.

        Raises:
            UserError: Slurm or the partition is not to be had, or sbatch refused the jobs. JobsFailed: some failed.
        """
        slurm.check(self.params["partition"])
        missing = [self.missing(overrides) for overrides in job_overrides]
        todo = [number for number, found in enumerate(missing) if found]
        if len(todo) < len(missing):
            done = len(missing) - len(todo)
            log.info("%d of %d jobs have a row for each member: not submitted", done, len(missing))
        if todo:
            jobs = self.submit([(initial_job_idx + number, job_overrides[number]) for number in todo])
            log.info("Slurm job %s: logs in %s", array_id(jobs[0]), Path(jobs[0].paths.folder).parent)
            try:
                wait(jobs)
            except KeyboardInterrupt:
                log.warning("the jobs go on in Slurm: `scancel %s` ends them", array_id(jobs[0]))
                raise
            names = short_names(job_overrides)
            check_results({names[number]: job for number, job in zip(todo, jobs, strict=True)})
            left = sum(len(self.missing(job_overrides[number])) for number in todo)
            if left:
                log.warning("%d members have no row: other jobs train them; the same command looks again", left)
        return [JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED) for overrides in job_overrides]

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """submitit's call in a job that it is about to queue again, with `scontrol requeue`."""
        # Slurm then ends the job and its children by SIGTERM, the scontrol that waits for Slurm's answer among them. A
        # child inherits what is ignored, and not the handler with which submitit lets the job itself pass over it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return super().checkpoint(*args, **kwargs)

    def missing(self, overrides: Overrides) -> list[Member]:
        """Members of a job that are to be trained."""
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        job = members(cfg)
        if cfg.retrain:
            return job
        finished = Store(Path(cfg.paths.results)).finished_ids([member.id for member in job], cfg.retry_failed)
        return [member for member in job if member.id not in finished]

    def submit(self, todo: list[tuple[int, Overrides]]) -> list[submitit.Job]:
        """One array of these jobs, each with its number."""
        own = {"submitit_folder", "max_num_timeout"}
        common = set(OmegaConf.structured(BaseQueueConf))
        executor = submitit.AutoExecutor(
            self.params["submitit_folder"], cluster="slurm", slurm_max_num_timeout=self.params["max_num_timeout"]
        )
        settings = {key: value for key, value in self.params.items() if key not in own}
        executor.update_parameters(**{k if k in common else f"slurm_{k}": v for k, v in settings.items()})
        arguments = [
            (list(overrides), "hydra.sweep.dir", number, str(number), Singleton.get_state())
            for number, overrides in todo
        ]
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what sbatch says, then raises it
                return executor.map_array(self, *zip(*arguments, strict=True))
        except FailedJobError as error:
            reason = str(error).removeprefix("sbatch: error: ").splitlines()[0]
            keys = ("partition", "minutes", "cpus", "gpus", "memory_gb")
            asked = " ".join(f"{key}={self.config[key]}" for key in keys if self.config[key] is not None)
            raise UserError(f"sbatch refused {asked}: {reason}") from error


def wait(jobs: list[submitit.Job]) -> None:
    """Until no job waits or runs any more, those that are queued again included."""
    start, before = time.monotonic(), None
    gone: dict[str, float] = {}  # since when a job without a result is not in the queue
    while True:
        found = slurm.states(array_id(jobs[0]))
        unfinished = {job.job_id for job in jobs if not job.paths.result_pickle.exists()}
        if found is not None:
            gone = {job: gone.get(job, time.monotonic()) for job in unfinished - found.keys()}
        if not unfinished - gone.keys():
            break
        now = "Slurm does not answer" if found is None else counted(found)
        if now != before:
            log.info("Slurm job %s: %s", array_id(jobs[0]), now)
            before = now
        time.sleep(min(30.0, max(1.0, (time.monotonic() - start) / 20)))
    deadline = max(gone.values(), default=0.0) + 5.0  # a shared folder may show a file a little after it was written
    while time.monotonic() < deadline and not all(job.paths.result_pickle.exists() for job in jobs):
        time.sleep(0.5)


def counted(states: dict[str, str]) -> str:
    """Such as "2 running, 3 pending (Resources)"."""
    return ", ".join(f"{count} {state}" for state, count in Counter(states.values()).most_common())


def array_id(job: submitit.Job) -> str:
    """The number that all jobs of a sweep have in common."""
    return job.job_id.split("_")[0]


def check_results(jobs: dict[str, submitit.Job]) -> None:
    """Raise JobsFailed where jobs, by name, have failed: a line for each, and one that sums up."""
    ended = slurm.states(array_id(next(iter(jobs.values()))), ended=True) or {}
    failures = {name: failure(job, ended.get(job.job_id, "unknown")) for name, job in jobs.items()}
    failures = {name: error for name, error in failures.items() if error is not None}
    if not failures:
        return
    logged = {name: f"{each.text} [log: {jobs[name].paths.stderr}]" for name, each in failures.items()}
    raise jobs_failed({name: Failure(logged[name], each.status) for name, each in failures.items()}, len(jobs))


def failure(job: submitit.Job, state: str) -> Failure | None:
    """Why a job that ended has failed; None where it has not. `state`: what Slurm says of it."""
    if not job.paths.result_pickle.exists():  # killed, cancelled, its node lost, ...
        lines = (job.stderr() or "").strip().splitlines()
        said = [line for line in lines if "error" in line.lower()] or lines
        return Failure(f"no result, state {state}" + (f" ({said[-1]})" if said else ""), FAILED)
    outcome, result = pickle_load(job.paths.result_pickle)
    if outcome == "error":  # the traceback of what went wrong around the training
        text = result.strip().splitlines()[-1]
        if "timed-out too many times" in text:  # submitit's words
            text = "out of time too often (minutes, requeues): its checkpoint stands"
        return Failure(text, FAILED)
    return returned_failure(result)
