"""Rows: one finished member is one JSON file, written to a temporary name and moved into place.

    results/runs/<experiment>/<id>.json   loose rows, as trainings finish them
    results/runs/<experiment>.jsonl       the same rows packed, one a line, sorted by id: the committed form

A row is found by its id wherever it lies, so that a baseline trained for one experiment serves them all.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from regbench.errors import UserError
from regbench.rows.locks import lock, remove_stale, replacing

Row = dict
PACKED_ID = re.compile(rb'"experiment":"[^"]*","id":"([^"]+)"')  # neighbours among the sorted keys of a row


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
        """Ids of all rows, by file names and a look at the packed files; the rows themselves are not checked.

        Raises:
            UserError: a line of a packed file from which no id can be read.
        """
        found = {path.stem for path in self.runs.glob("*/*.json")}
        for path in self.runs.glob("*.jsonl"):
            found |= _packed(path).keys()
        return found

    def has(self, row_id: str) -> bool:
        """Whether a row of this id lies anywhere in the store, and is whole.

        Raises:
            UserError: as `find`.
        """
        return self.find(row_id) is not None

    def finished_ids(self, asked: Iterable[str], retry_failed: bool) -> set[str]:
        """Those of the asked members that are not to be trained any more; only their rows are read.

        Raises:
            UserError: as `find`.
        """
        found = {row_id: self.find(row_id) for row_id in asked}
        return {key for key, row in found.items() if row and not (retry_failed and row["status"] == "failed")}

    def find(self, row_id: str) -> Row | None:
        """The row of this id, wherever it lies; None where there is none.

        Raises:
            UserError: a half-written, hand-edited or misnamed row of this id, with its file.
        """
        found: Row | None = None
        for path in sorted(self.runs.glob(f"*/{row_id}.json")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # packed just now: it is found below
                continue
            found = _better(found, _loose_row(content, path))
        for path in sorted(self.runs.glob("*.jsonl")):
            for place in _packed(path).get(row_id, ()):
                found = _better(found, _parse(place.content, f"{path}, line {place.line}"))
        return found

    def file_of(self, row: Row) -> Path:
        """Where this row lies: its own file, or the packed one."""
        loose = sorted(self.runs.glob(f"*/{row['id']}.json"))
        if loose:
            return loose[0]
        packed = sorted(self.runs.glob("*.jsonl"))
        return next(path for path in packed if row["id"] in _packed(path))

    def write(self, row: Row) -> Path:
        """Write one row, whole or not at all.

        Raises:
            UserError: the folder cannot be written, or the disk is full; nothing is left behind then.
        """
        path = self.path(row["id"], row["experiment"])
        row = {**row, "sha256": checksum(row)}
        content = (_canonical(row) + "\n").encode()
        try:
            with replacing(path) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"row {path} cannot be written ({error.strerror}): free the folder, run again") from error
        return path

    def check_writable(self, experiment: str) -> None:
        """Fail before a training whose row could not be written after it; what dead writers have left goes."""
        folder = self.path("any", experiment).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_stale(folder)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise UserError(
                f"paths.results={self.runs.parent} cannot be written ({error.strerror}): allowed is a writable folder"
            ) from error

    def rows(self, experiment: str | None = None, loose: Collection[str] | None = None) -> list[Row]:
        """All rows, or those stored under one experiment, sorted by id.

        `loose`: experiments whose loose rows count; None: all of them.

        Of two rows of one member a finished one wins over a failed one, then a loose one over a packed one.

        Raises:
            UserError: a half-written, hand-edited or misnamed row, with its file.
        """
        name = experiment or "*"
        found: dict[str, Row] = {}
        # Loose rows first: they may be packed while this reads, and are then found again.
        for path in self.loose_files(name, loose):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            row = _loose_row(content, path)
            found[row["id"]] = _better(found.get(row["id"]), row)
        for path in sorted(self.runs.glob(f"{name}.jsonl")):
            for number, line in enumerate(path.read_bytes().splitlines(), start=1):
                row = _parse(line, f"{path}, line {number}")
                found[row["id"]] = _better(found.get(row["id"]), row)
        return [found[key] for key in sorted(found)]

    def loose_files(self, experiment: str = "*", loose: Collection[str] | None = None) -> list[Path]:
        """The files of loose rows, of these experiments where they are named."""
        found = sorted(self.runs.glob(f"{experiment}/*.json"))
        return [path for path in found if loose is None or path.parent.name in loose]

    def pack(self, experiment: str) -> Path:
        """Write all rows of an experiment to its .jsonl and remove those of the loose ones; returns the .jsonl.

        One process packs at a time. A loose row that another process has written meanwhile stays.

        Raises:
            UserError: a row that is not whole, or a folder that cannot be written; nothing is packed then.
        """
        path = self.runs / f"{experiment}.jsonl"
        with lock(path.with_suffix(".lock"), wait=True):
            rows = self.rows(experiment)
            try:
                remove_stale(path.parent)
                with replacing(path) as file:
                    file.writelines((_canonical(row) + "\n").encode() for row in rows)
                    file.flush()
                    os.fsync(file.fileno())
                for row in rows:
                    self._remove_packed(row, self.path(row["id"], experiment))
            except OSError as error:
                raise UserError(f"{path} cannot be written ({error.strerror}): free the folder, run again") from error
        return path

    def _remove_packed(self, row: Row, loose: Path) -> None:
        """Delete a loose row that is packed now, unless it is another one by now."""
        with contextlib.suppress(FileNotFoundError):
            if _loose_row(loose.read_bytes(), loose)["sha256"] == row["sha256"]:
                loose.unlink()

    def experiments(self) -> list[str]:
        """Names of the experiments that have rows."""
        packed = {path.stem for path in self.runs.glob("*.jsonl")}
        loose = {path.parent.name for path in self.runs.glob("*/*.json")}
        return sorted(packed | loose)


class Place(NamedTuple):
    """A packed row: the number of its line, from 1, and what stands there."""

    line: int
    content: bytes


def _packed(path: Path) -> dict[str, list[Place]]:
    """The rows of a packed file by id, looked at again only when the file has changed."""
    stat = path.stat()
    return _packed_as_of(path, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@functools.lru_cache(maxsize=32)
def _packed_as_of(path: Path, changed: tuple[int, ...]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        found.setdefault(_id_in(line, f"{path}, line {number}"), []).append(Place(number, line))
    return found


def _id_in(line: bytes, where: str) -> str:
    """The id of a packed row; only a row that is not as we write them is parsed for it."""
    names = PACKED_ID.findall(line) if line.startswith(b"{") and line.endswith(b"}") else []
    return names[0].decode() if len(names) == 1 else _parse(line, where)["id"]


def _better(old: Row | None, new: Row) -> Row:
    """The row to believe of two of one member."""
    return new if old is None or (old.get("status") == "failed" and new.get("status") != "failed") else old


def _loose_row(content: bytes, path: Path) -> Row:
    row = _parse(content, str(path))
    if row["id"] != path.stem:
        raise UserError(f"{path} holds the row of {row['id']}: the file was renamed or edited; delete it")
    return row


def _parse(content: bytes, where: str) -> Row:
    try:
        row = json.loads(content.decode())
        good = row["sha256"] == checksum(row) and bool(row["id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{where} is not a whole row ({error}): delete it and run the member again") from error
    if not good:
        raise UserError(f"{where} was edited: its content is not what its sha256 says; delete it and run it again")
    return row
