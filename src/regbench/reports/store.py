"""Rows: one finished member is one JSON file, written to a temporary name and moved into place.

    results/runs/<experiment>/<id>.json   loose rows, as trainings finish them
    results/runs/<experiment>.jsonl       the same rows packed, one a line, sorted by id: the committed form

A row is found by its id wherever it lies, so that a baseline trained for one experiment serves them all.
"""

import functools
import hashlib
import json
import os
import re
from pathlib import Path

from regbench.errors import UserError

Row = dict


def checksum(row: Row) -> str:
    """sha256 of the row without its checksum."""
    content = {key: value for key, value in row.items() if key != "sha256"}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Store:
    """The rows under a results folder.

    Args:
        root: the folder that holds `runs/`.
    """

    def __init__(self, root: Path):
        self.runs = Path(root) / "runs"

    def path(self, row_id: str, experiment: str) -> Path:
        """Where the loose row of this id is or would be."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", experiment):
            raise UserError(f"experiment_name={experiment} is not allowed: letters, digits, '_' and '-' only")
        return self.runs / experiment / f"{row_id}.json"

    def ids(self) -> set[str]:
        """Ids of all rows, by file names and a look at the packed files; the rows themselves are not checked."""
        found = {path.stem for path in self.runs.glob("*/*.json")}
        for path in self.runs.glob("*.jsonl"):
            found |= _packed_ids(path, path.stat().st_mtime_ns)
        return found

    def has(self, row_id: str) -> bool:
        """Whether a row of this id lies anywhere in the store."""
        return row_id in self.ids()

    def finished_ids(self, retry_failed: bool) -> set[str]:
        """Ids of the members that are not to be trained any more."""
        return self.ids() - (self.failed_ids() if retry_failed else set())

    def find(self, row_id: str) -> Row | None:
        """The row of this id, wherever it lies; None where there is none."""
        found: Row | None = None
        for path in sorted(self.runs.glob(f"*/{row_id}.json")):
            try:
                found = _better(found, _parse(path.read_text(), str(path)))
            except FileNotFoundError:  # packed just now: it is found below
                continue
        for path in sorted(self.runs.glob("*.jsonl")):
            if row_id in _packed_ids(path, path.stat().st_mtime_ns):
                lines = enumerate(path.read_text().splitlines(), start=1)
                number, line = next((n, line) for n, line in lines if f'"id":"{row_id}"' in line)
                found = _better(found, _parse(line, f"{path}, line {number}"))
        return found

    def file_of(self, row: Row) -> Path:
        """Where this row lies: its own file, or the packed one."""
        loose = sorted(self.runs.glob(f"*/{row['id']}.json"))
        if loose:
            return loose[0]
        packed = sorted(self.runs.glob("*.jsonl"))
        return next(path for path in packed if row["id"] in _packed_ids(path, path.stat().st_mtime_ns))

    def failed_ids(self) -> set[str]:
        """Ids of the members whose row says that they failed."""
        return {row["id"] for row in self.rows() if row["status"] == "failed"}

    def write(self, row: Row) -> Path:
        """Write one row, whole or not at all.

        Raises:
            UserError: the folder cannot be written, or the disk is full; nothing is left behind then.
        """
        path = self.path(row["id"], row["experiment"])
        row = {**row, "sha256": checksum(row)}
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w") as file:
                file.write(_canonical(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(f"row {path} cannot be written ({error.strerror}): free the folder, run again") from error
        return path

    def check_writable(self, experiment: str) -> None:
        """Fail before a training whose row could not be written after it."""
        probe = self.path(f"probe-{os.getpid()}", experiment).with_suffix(".partial")
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"paths.results={self.runs.parent} cannot be written ({error.strerror}): allowed is a writable folder"
            ) from error

    def rows(self, experiment: str | None = None) -> list[Row]:
        """All rows, or those stored under one experiment, sorted by id.

        Of two rows of one member a finished one wins over a failed one, then a loose one over a packed one.

        Raises:
            UserError: a half-written, hand-edited or misnamed row, with its file.
        """
        name = experiment or "*"
        found: dict[str, Row] = {}
        # Loose rows first: they may be packed while this reads, and are then found again.
        for path in sorted(self.runs.glob(f"{name}/*.json")):
            try:
                text = path.read_text()
            except FileNotFoundError:
                continue
            row = _parse(text, str(path))
            if row["id"] != path.stem:
                raise UserError(f"{path} holds the row of {row['id']}: the file was renamed or edited; delete it")
            found[row["id"]] = _better(found.get(row["id"]), row)
        for path in sorted(self.runs.glob(f"{name}.jsonl")):
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                row = _parse(line, f"{path}, line {number}")
                found[row["id"]] = _better(found.get(row["id"]), row)
        return [found[key] for key in sorted(found)]

    def pack(self, experiment: str) -> Path:
        """Write all rows of an experiment to its .jsonl and remove those of the loose ones; returns the .jsonl.

        A loose row that another process has written meanwhile stays.
        """
        rows = self.rows(experiment)
        path = self.runs / f"{experiment}.jsonl"
        partial = path.with_suffix(".partial")
        partial.write_text("".join(_canonical(row) + "\n" for row in rows))
        partial.replace(path)
        for row in rows:
            loose = self.path(row["id"], experiment)
            if loose.exists() and json.loads(loose.read_text())["sha256"] == row["sha256"]:
                loose.unlink()
        return path

    def experiments(self) -> list[str]:
        """Names of the experiments that have rows."""
        packed = {path.stem for path in self.runs.glob("*.jsonl")}
        loose = {path.parent.name for path in self.runs.glob("*/*.json")}
        return sorted(packed | loose)


@functools.lru_cache(maxsize=64)
def _packed_ids(path: Path, changed: int) -> frozenset[str]:
    """Ids in a packed file, read again only when it has changed."""
    return frozenset(re.findall(r'"id":"([^"]+)"', path.read_text()))


def _better(old: Row | None, new: Row) -> Row:
    """The row to believe of two of one member."""
    return new if old is None or (old.get("status") == "failed" and new.get("status") != "failed") else old


def _parse(text: str, where: str) -> Row:
    try:
        row = json.loads(text)
        good = row["sha256"] == checksum(row)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where} is not a whole row ({error}): delete it and run the member again") from error
    if not good:
        raise UserError(f"{where} was edited: its content is not what its sha256 says; delete it and run it again")
    return row
