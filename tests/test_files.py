"""Folders that cannot be written and disks that are full: one line with its path, status 2, no half-written row."""

import errno
import logging
import resource
import signal

import numpy as np
import pytest

from regbench import errors
from regbench.data.pictures import array_on_disk
from regbench.data.prepared import Prepared, write_prepared
from regbench.errors import UserError, answered
from regbench.rows.files import LogFile, check_writable, naming
from regbench.rows.locks import replacing
from regbench.rows.store import Store
from tests.commands import script, train_command


@pytest.fixture
def blocked(tmp_path):
    """A folder below a file: nothing can be made there, not even by root."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "folder"


@pytest.fixture
def small_files():
    """Files of at most 64 bytes, as on a disk that is full; what is longer fails with EFBIG."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    "name,words",
    [
        ("reproduce", ["table1", "--budget", "smoke", "--datasets", "digits", "--seeds", "1", "paths.outputs={}"]),
        ("report", ["--results", "{}"]),
        ("prepare_data", ["mnist", "--root", "{}"]),
        ("prepare_data", ["--check", "mnist", "--root", "{}"]),
        ("train_extractor", ["digits", "--folder", "{}"]),
        ("run_notebooks", ["--results", "{}"]),
        ("input_images", ["digits", "--into", "{}"]),
        ("entropy_maps", ["vgg16", "--weights", "{filters}", "--results", "{}"]),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line_under_every_script(name, words, blocked, tmp_path):
    filters = tmp_path / "filters.npz"
    np.savez(filters, conv=np.ones((64, 3, 3, 3), np.float32))
    said = script(name, *[word.format(blocked, filters=filters) for word in words])
    assert said.returncode == 2 and said.stderr.count("\n") == 1, said
    assert said.stderr.startswith("error: ") and str(blocked) in said.stderr


@pytest.mark.parametrize("key", ["results", "outputs", "data"])
@pytest.mark.parametrize("sweep", [(), ("-m",)], ids=["one job", "a sweep"])
def test_a_folder_that_cannot_be_written_ends_a_training_before_it_begins(key, sweep, blocked, tmp_path):
    folders = {each: f"paths.{each}={tmp_path / each}" for each in ("results", "outputs", "data")}
    folders[key] = f"paths.{key}={blocked}"
    dataset = "mnist" if key == "data" else "digits"
    said = train_command(f"dataset={dataset}", "budget=smoke", *sweep, "tracking=off", *folders.values())
    assert said.returncode == 2 and said.stderr.count("\n") == 1 and str(blocked) in said.stderr, said
    assert not Store(tmp_path / "results").rows()


def test_multirun_between_overrides_is_multirun(tmp_path, blocked):
    said = train_command("budget=smoke", "-m", "seeds=[8]", f"hydra.sweep.dir={blocked}")
    assert said.returncode == 2 and said.stderr.startswith(f"error: {blocked}"), said


def test_a_full_disk_names_the_file_and_leaves_none(tmp_path, small_files):
    with pytest.raises(OSError) as error, replacing(tmp_path / "a.json") as file:
        file.write(bytes(4096))
    assert error.value.errno == errno.EFBIG and error.value.filename == str(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"paths\.results=.* cannot be written \(File too large\)"):
        check_writable(tmp_path, "paths.results")
    # A map that does not fit would end the process at its first write.
    with pytest.raises(OSError, match=r"images\.npy"):
        array_on_disk(tmp_path / "images.npy", (8, 16, 16, 3))
    images, labels = np.zeros((8, 8, 8, 1), np.uint8), np.arange(8) % 2
    arrays = {f"{split}_images": images for split in ("train", "test")}
    arrays |= {f"{split}_labels": labels for split in ("train", "test")}
    with pytest.raises(OSError):
        write_prepared(Prepared("mnist", "classification", ["0", "1"], "a test", arrays), tmp_path / "mnist")
    assert not list((tmp_path / "mnist").iterdir()) and not list(tmp_path.glob("*.partial"))


def test_a_row_on_a_full_disk_is_one_line_and_no_row(tmp_path, small_files):
    with pytest.raises(UserError, match=r"row .*/a1\.json cannot be written \(File too large\)"):
        Store(tmp_path).write({"id": "a1", "experiment": "adhoc", "epochs": list(range(999))})
    assert not list((tmp_path / "runs" / "adhoc").iterdir())


def test_a_log_on_a_full_disk_ends_with_one_line(tmp_path, small_files, capsys):
    log, handler = logging.getLogger(), LogFile(tmp_path / "train.log")
    log.addHandler(handler)
    for _ in range(3):
        log.warning("x" * 100)
    assert handler not in log.handlers
    assert capsys.readouterr().err.count("nothing more is logged there") == 1


def test_an_error_of_a_file_that_has_a_name_keeps_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nope"), naming(tmp_path):
        (tmp_path / "nope").read_text()


@pytest.mark.parametrize(
    "error,status,said",
    [
        (UserError("key=1 is not allowed"), 2, "error: key=1 is not allowed\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: No space left on device\n"),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), 2, "error: /x/y: Read-only file system\n"),
        (KeyboardInterrupt(), errors.INTERRUPTED, "interrupted: run the same command again\n"),
    ],
)
def test_a_command_answers_an_error_with_a_line_and_a_status(error, status, said, capsys):
    def run():
        raise error

    assert answered(run) == status and capsys.readouterr().err == said
