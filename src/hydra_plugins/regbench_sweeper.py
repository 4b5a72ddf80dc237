"""The sweeper of every `-m`: Hydra's own, that names all jobs that failed, and not the first alone.

Hydra finds sweepers in the package `hydra_plugins` only: hence this place.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn, JobStatus

from regbench.errors import WRONG_INPUT, Failure, JobsFailed, failure_of
from regbench.rows.files import naming

Overrides = Sequence[str]


class RegbenchSweeper(BasicSweeper):
    """All combinations of the values of a command line, a job each."""

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Hydra's call.

        Raises:
            JobsFailed: some jobs failed; all were run.
        """
        with naming(Path(self.config.hydra.sweep.dir)):
            batches = super().sweep(arguments)
        results = [result for batch in batches for result in batch]
        names = short_names([result.overrides or () for result in results])
        failures = {name: returned_failure(result) for name, result in zip(names, results, strict=True)}
        failures = {name: each for name, each in failures.items() if each is not None}
        if failures:
            raise jobs_failed(failures, len(results))
        return batches


def returned_failure(result: JobReturn) -> Failure | None:
    """How a job failed; None where it has not."""
    if result.status == JobStatus.FAILED:
        return failure_of(result._return_value)
    return result._return_value if isinstance(result._return_value, Failure) else None


def jobs_failed(failures: Mapping[str, Failure], jobs: int) -> JobsFailed:
    """The error that names failed jobs, each with its reason, and says how many of all they are."""
    lines = [f"{name}: {failure.text}" for name, failure in failures.items()]
    if jobs > 1:
        of_all = f"{len(failures)} of {jobs} jobs failed"
        lines.append(f"{of_all}; the rows of the others stand, the same command runs what has none")
    return JobsFailed("\n".join(lines), all(failure.status == WRONG_INPUT for failure in failures.values()))


def short_names(job_overrides: Sequence[Overrides]) -> list[str]:
    """What tells each job of a sweep from the others."""
    common = set.intersection(*(set(overrides) for overrides in job_overrides)) if job_overrides else set()
    names = [" ".join(each for each in overrides if each not in common) for overrides in job_overrides]
    return [name or "the job" for name in names]
