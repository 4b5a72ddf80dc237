"""Locks and temporary files: one holder at a time, nothing left behind, nothing taken from the living."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from regbench.errors import UserError
from regbench.rows import locks
from regbench.rows.locks import lock, remove_stale, replacing

HOLDS = """
import sys, time
from pathlib import Path
from regbench.rows.locks import lock, replacing
with lock(Path(sys.argv[1])) as mine, replacing(Path(sys.argv[2])) as file:
    file.write(b"half")
    file.flush()
    print(mine, flush=True)
    time.sleep(60)
"""
COUNTS = """
import sys
from pathlib import Path
from regbench.rows.locks import lock
number = Path(sys.argv[1])
for _ in range(100):
    with lock(number.with_suffix(".lock"), wait=True):
        number.write_text(str(int(number.read_text()) + 1))
"""


def old(path):
    """Make a file look as if nobody had touched it for a day."""
    os.utime(path, (time.time() - 86_400,) * 2)
    return path


def process(program, *arguments):
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_a_lock_is_held_by_one_and_leaves_no_file(tmp_path):
    path = tmp_path / "folder" / "x.lock"
    with lock(path) as mine, lock(path) as other:
        assert mine and not other and path.exists()
    assert not path.exists()
    with lock(path) as mine:
        assert mine


def test_processes_that_wait_for_one_lock_are_never_in_it_together(tmp_path):
    """Each deletes the file when it is through: none may go on with a deleted one."""
    number = tmp_path / "number"
    number.write_text("0")
    running = [process(COUNTS, number) for _ in range(4)]
    assert [each.wait(120) for each in running] == [0] * 4
    assert number.read_text() == "400" and os.listdir(tmp_path) == ["number"]


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(tmp_path):
    living, dead = (process(HOLDS, tmp_path / f"{name}.lock", tmp_path / f"{name}.pt") for name in ("living", "dead"))
    try:
        assert [each.stdout.readline() for each in (living, dead)] == ["True\n", "True\n"]
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        names = {path.name for path in tmp_path.iterdir()}
        assert len(names) == 4 and all(old(tmp_path / name) for name in names)
        gone = {path.name.split(".")[0] for path in remove_stale(tmp_path)}
        assert gone == {"dead"}
        assert {path.name for path in tmp_path.iterdir()} == {name for name in names if name.startswith("living")}
        with lock(tmp_path / "living.lock") as mine:
            assert not mine
    finally:
        living.kill()
        living.wait()


def test_a_file_of_an_instant_ago_may_be_in_the_making(tmp_path):
    for name in ("a.lock", "b.123.partial", "b.json", "b.pt"):
        (tmp_path / name).write_text("")
    assert remove_stale(tmp_path) == []
    for path in tmp_path.iterdir():
        old(path)
    assert [path.name for path in remove_stale(tmp_path)] == ["a.lock", "b.123.partial"]
    assert sorted(os.listdir(tmp_path)) == ["b.json", "b.pt"]


def test_the_first_lock_in_a_folder_cleans_it(tmp_path):
    stale = old((tmp_path / "x.partial").touch() or tmp_path / "x.partial")
    with lock(tmp_path / "y.lock"):
        assert not stale.exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EIO])
@pytest.mark.parametrize("wait", [False, True])
def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch, code, wait):
    def no_locks(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (
        pytest.raises(UserError, match=r"x\.lock cannot be locked \(.*flock") as raised,
        lock(tmp_path / "x.lock", wait),
    ):
        pytest.fail("not locked")
    assert "\n" not in str(raised.value)
    with replacing(tmp_path / "row.json") as file:  # needs none
        file.write(b"row")
    assert (tmp_path / "row.json").read_bytes() == b"row"
    assert remove_stale(tmp_path, age=0) == []  # who cannot lock cannot know


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"x\.lock cannot be locked \((File exists|Not a directory)\)"),
        lock(tmp_path / "file" / "x.lock"),
    ):
        pytest.fail("not locked")


def test_an_error_under_a_lock_is_passed_on_and_frees_it(tmp_path):
    with pytest.raises(OSError, match="full"), lock(tmp_path / "x.lock"):
        raise OSError("full")
    with lock(tmp_path / "x.lock") as mine:
        assert mine


def test_who_clears_away_holds_no_one_up(tmp_path, monkeypatch):
    """Clearing away holds a lock for an instant: a training that comes just then is not told that it is taken."""
    path = tmp_path / "x.lock"
    clearing = path.open("a")
    fcntl.flock(clearing, fcntl.LOCK_EX)
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: (path.unlink(), clearing.close()))
    with lock(path) as mine:
        assert mine and path.exists()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "row.json"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # the outer one is through last
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"first" and os.listdir(path.parent) == ["row.json"]
    expected = tmp_path / "plain"
    expected.write_text("")
    assert path.stat().st_mode == expected.stat().st_mode
