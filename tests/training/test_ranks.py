"""Several processes at one training: the numbers of one process, one row, clear errors, and going on after a kill."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch

import regbench.training.loop as loop
from regbench.errors import UserError
from regbench.rows.store import Store
from regbench.training.ranks import Ranks, check_shares, ranks
from regbench.training.state import numbers
from tests.test_train import SMOKE, metrics
from tests.training import worlds
from tests.training.worlds import CASES, world

#: two processes add the same float32 numbers up in another order: measured differences are below 1e-6
CLOSE = {"rel": 1e-5, "abs": 1e-5}
#: cases without randomness of a process's own and without statistics of its own batch
EXACT = ["plain", "penalty", "augmented", "accumulated", "clipped"]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Every case in two processes, by rank."""
    folder = tmp_path_factory.mktemp("two")
    ended = world(2, worlds.all_cases, folder, folder=folder)
    assert [each.status for each in ended] == [0, 0], ended
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def alone():
    """Every case in one process."""
    return {name: worlds.outcome(name) for name in CASES}


def assert_close(records, expected):
    assert len(records) == len(expected)
    for found, wanted in zip(records, expected, strict=True):
        found, wanted = ({k: v for k, v in numbers(each) if k != "seconds"} for each in (found, wanted))
        assert found.keys() == wanted.keys()
        for place, value in wanted.items():
            assert found[place] == pytest.approx(value, **CLOSE), place


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_train_as_one_with_the_same_global_batch(two, alone, name):
    assert_close(two[0][name]["records"], alone[name]["records"])
    torch.testing.assert_close(two[0][name]["state"], alone[name]["state"], rtol=1e-5, atol=1e-5)


def test_the_comparison_could_tell_what_is_compared(alone):
    losses = [[round(each["train"]["loss"], 4) for each in alone[name]["records"]] for name in EXACT]
    assert len({tuple(each) for each in losses}) == len(EXACT)
    assert all(last < first for first, last in losses)


@pytest.mark.parametrize("name", CASES)
def test_all_processes_have_the_same_weights_and_records(two, name):
    first, second = two[0][name], two[1][name]
    assert first["records"] == second["records"]
    assert first["state"].keys() == second["state"].keys()
    for key, value in first["state"].items():
        if not key.endswith(("patch_counts", "num_batches_tracked")):
            assert torch.equal(value, second["state"][key]), key


def test_what_pb_edropout_remembers_is_the_mean_over_the_processes(two):
    """After each step G and the averaged masks are the mean of what the processes made of their shares."""
    steps = [remembered(outcome["pb_edropout"]) for outcome in two]
    state = two[0]["pb_edropout"]["state"]
    names = [name for name in state if name.endswith(("proxy", "ema"))]
    assert len(names) == 2 and [len(each) for each in steps] == [2 * 3] * 2  # epochs times batches
    last = steps[0][-1][1]
    for name in names:
        place = next(i for i, each in enumerate(last) if torch.equal(each, state[name]))
        for (before, after), (other, also) in zip(*steps, strict=True):
            assert not torch.equal(before[place], other[place]), name
            torch.testing.assert_close(after[place], (before[place] + other[place]) / 2)
            assert torch.equal(after[place], also[place])


def test_pb_edropouts_averaged_masks_follow_the_rule_of_one_process(two, alone):
    """Each step takes a tenth of masks that keep 30 of 36 patches: ema's mean after t steps is known."""
    for outcome in (two[0]["pb_edropout"], two[1]["pb_edropout"], alone["pb_edropout"]):
        ema = next(value for name, value in outcome["state"].items() if name.endswith("ema"))
        steps = next(value for name, value in outcome["state"].items() if name.endswith("steps"))
        assert steps == 6
        expected = 30 / 36 + (0.85 - 30 / 36) * 0.9**6
        torch.testing.assert_close(ema.mean(1), torch.full((4,), expected), rtol=1e-5, atol=1e-6)
    counted = two[0]["pb_edropout"]["records"][-1]["measures"]
    assert counted["train"]["conv1/masked"] == counted["mask"]["conv1/masked"] == pytest.approx(6 / 36)


def test_an_adaptive_rate_is_one_in_all_processes_and_moves(two):
    rates = [each["adaptive"]["records"][-1]["measures"]["train"]["rate"] for each in two]
    assert rates[0] == rates[1] != 0.5


def test_each_process_draws_its_own_noise(two):
    assert two[0]["dropout"]["seed"] != two[1]["dropout"]["seed"]


def test_batch_norm_sees_each_processs_own_share(two, alone):
    """One step on 32 images. Its mean over equal shares is that of all; the variance lacks that between the shares."""
    there, here = two[0]["batchnorm"]["state"], alone["batchnorm"]["state"]
    mean = next(name for name in here if name.endswith("running_mean"))
    variance = next(name for name in here if name.endswith("running_var"))
    torch.testing.assert_close(there[mean], here[mean], rtol=1e-5, atol=1e-6)
    ours, theirs = (10 * (each[variance] - 0.9) for each in (there, here))  # of the batch: it counts for a tenth
    torch.testing.assert_close(ours, theirs, rtol=0.1, atol=0.0)
    assert not torch.allclose(ours, theirs, rtol=1e-3, atol=0.0)


def test_running_statistics_of_unequal_shares_are_weighted_by_their_images(two, alone):
    """One step on five images, three here and two there: the mean over all of them is that of one process."""
    here = alone["uneven_batchnorm"]["state"]
    mean = next(name for name in here if name.endswith("running_mean"))
    variance = next(name for name in here if name.endswith("running_var"))
    ((before, after),), ((other, also),) = (remembered(outcome["uneven_batchnorm"]) for outcome in two)
    for name in (mean, variance):
        there = two[0]["uneven_batchnorm"]["state"][name]
        place = next(i for i, each in enumerate(after) if torch.equal(each, there))
        assert not torch.allclose(before[place], other[place], rtol=1e-2), name
        torch.testing.assert_close(there, 0.6 * before[place] + 0.4 * other[place], rtol=1e-5, atol=1e-6)
        assert torch.equal(also[place], there)
    torch.testing.assert_close(two[0]["uneven_batchnorm"]["state"][mean], here[mean], rtol=1e-5, atol=1e-6)


def test_a_process_without_images_has_no_say_in_what_pb_edropout_remembers(two):
    """The second of two steps has one image, which the first process takes; the other drew masks of its own."""
    state = two[0]["idle_pb_edropout"]["state"]
    (_, (before, after)), (_, (other, also)) = (remembered(outcome["idle_pb_edropout"]) for outcome in two)
    names = [name for name in state if name.endswith(("proxy", "ema"))]
    places = [next(i for i, each in enumerate(after) if torch.equal(each, state[name])) for name in names]
    assert len(places) == 2 and any(not torch.allclose(before[i], other[i], rtol=1e-2) for i in places)
    for i in places:
        torch.testing.assert_close(after[i], before[i], rtol=1e-6, atol=0.0)
        assert torch.equal(also[i], after[i])


def remembered(outcome):
    """What is remembered before and after the average of each step; a single tensor is a record's numbers."""
    return [each for each in outcome["averages"] if len(each[1]) > 1]


@pytest.mark.parametrize("size", [2, 3])
def test_an_evaluation_is_that_of_one_process(two, tmp_path, size):
    """Splits of 61 and 500 images and of 11 and 13 pictures; a mean over float32 batches that are cut elsewhere."""
    if size == 2:
        found = [each["evaluations"] for each in two]
    else:
        ended = world(size, worlds.only_evaluations, tmp_path, folder=tmp_path)
        assert [each.status for each in ended] == [0] * size, ended
        found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(size)]
    expected = worlds.evaluations()
    assert set(expected["segment"]["test"]["full"]) == {"loss", "accuracy", "iou"}
    assert expected["segment"]["test"]["full"]["iou"] > 0.1
    for each in found:
        assert each == found[0]
        for task in expected:
            for split in ("heldout", "test"):
                for mode, values in expected[task][split].items():
                    assert each[task][split][mode] == pytest.approx(values, rel=1e-6), (task, split, mode)
                    accuracy = values["accuracy"]  # a count
                    assert each[task][split][mode]["accuracy"] == pytest.approx(accuracy, rel=1e-12)


NARROW = "model.widths=[4,4,4,4,4]"


def settings(folder, *overrides):
    return [*SMOKE, f"paths.results={folder}/results", f"paths.outputs={folder}/outputs", "device=cpu", *overrides]


def trained(folder, *overrides, size=2):
    """How the processes of a job end, by its command line."""
    folder.mkdir(parents=True, exist_ok=True)
    return world(size, worlds.command_line, settings(folder, *overrides), folder, folder=folder)


def test_one_process_writes_one_row_a_member_that_says_how_many_trained_it(tmp_path):
    job = (NARROW, "regularizer=dropout", "seeds=[0,1]", "budget.epochs=1")
    ended = trained(tmp_path, *job)
    assert [each.status for each in ended] == [0, 0], ended
    rows = Store(tmp_path / "results").rows()
    assert [row["status"] for row in rows] == ["done", "done"] and sorted(row["seed"] for row in rows) == [0, 1]
    assert {row["provenance"]["processes"] for row in rows} == {2}
    assert [each.said.count("is done") for each in ended] == [2, 0]
    assert not any("broadcast_buffers" in each.said for each in ended)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*")}
    assert len([path for path in stamps if path.is_file()]) == 2
    assert not list((tmp_path / "outputs" / "checkpoints").glob("*.pt"))
    assert [each.status for each in trained(tmp_path, *job)] == [0, 0]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.json")}.items() <= stamps.items()


def test_members_beside_their_baseline_are_served_or_trained_by_all_processes(tmp_path):
    """Whether a baseline's row is a member's too is looked at by the first process alone, with a network of its own."""
    job = (NARROW, "budget.epochs=1", "strengths=[0.0,0.001]")
    for regularizer in ("constant", "l2"):
        ended = trained(tmp_path, *job, f"regularizer={regularizer}")
        assert [each.status for each in ended] == [0, 0], ended
    rows = Store(tmp_path / "results").rows()
    found = {(row["config"]["regularizer"]["name"], "served_by" in row["provenance"]) for row in rows}
    assert found == {("none", False), ("constant", True), ("l2", False)} and len(rows) == 3


@pytest.mark.parametrize(
    "overrides,line",
    [
        (["task.batch_size=33"], "task.batch_size=33 is not divisible by the 2 processes: allowed are multiples of 2"),
        (
            ["model=dcgan", "task=generate"],
            "task=generate trains in one process: allowed with torchrun are other tasks",
        ),
        (
            ["budget.heldout_images=1"],
            "budget.heldout_images=1 is too few for 2 processes: allowed are 2 or more",
        ),
        (["regularizer=dropout", "strengths=[1.5]"], "p=1.5 is not allowed: allowed is a drop rate in [0, 1)"),
    ],
)
def test_what_cannot_be_is_one_line_of_every_process(tmp_path, overrides, line):
    for each in trained(tmp_path, *overrides):
        assert each.status == 2, each
        assert each.said.strip().splitlines()[-1] == f"error: {line}" and "Traceback" not in each.said
    assert not Store(tmp_path / "results").rows()


def test_a_training_that_fails_is_one_failed_row_and_the_next_one_goes_on(tmp_path):
    first, second = trained(tmp_path, NARROW, "task.optimizer.lr=1e30", "seeds=[0,1]", "budget.epochs=1")
    assert (first.status, second.status) == (1, 0), (first, second)
    rows = Store(tmp_path / "results").rows()
    failed = [row["seed"] for row in rows if row["status"] == "failed"]
    assert len(rows) == 2 and failed and f"error: {len(failed)} of 2 members failed" in first.said


def test_an_error_of_the_first_process_alone_ends_the_others(tmp_path):
    (tmp_path / "outputs" / "checkpoints").mkdir(parents=True)
    (tmp_path / "results").write_text("a file where the folder should be")
    first, second = trained(tmp_path)
    assert first.status == 2 and "cannot be written" in first.said.strip().splitlines()[-1]
    assert second.status != 0


def test_a_killed_process_ends_the_command_and_the_next_one_goes_on_from_the_last_epoch(tmp_path):
    job = (NARROW, "regularizer=pb_edropout", "budget.epochs=12")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    call = [*torchrun, "-m", "regbench.train", *settings(killed, *job)]
    child = subprocess.Popen(call, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    progress = killed / "outputs" / "checkpoints"
    deadline = time.monotonic() + 240
    while max([int(path.read_text() or 0) for path in progress.glob("*.epoch")], default=0) < 2:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(max(children(child.pid)), signal.SIGKILL)
    assert child.wait(timeout=60) != 0
    assert not Store(killed / "results").rows() and list(progress.glob("*.pt"))
    kept = max(int(path.read_text()) for path in progress.glob("*.epoch"))
    assert 2 <= kept < 12

    for folder in (killed, whole):
        ended = trained(folder, *job)
        assert [each.status for each in ended] == [0, 0], ended
    resumed, expected = Store(killed / "results").rows()[0], Store(whole / "results").rows()[0]
    assert metrics(resumed) == metrics(expected) and resumed["artifacts"] == expected["artifacts"]
    assert resumed["provenance"]["processes"] == 2


def children(pid):
    """The processes that this one has started."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, table.splitlines()) if int(parent) == pid]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 64])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_everything_once(count, size):
    parts = [Ranks(rank, size).part(torch.arange(count)) for rank in range(size)]
    assert torch.equal(torch.cat(parts), torch.arange(count))
    spans = [Ranks(rank, size).span(count) for rank in range(size)]
    assert [place for span in spans for place in span] == list(range(count))
    for shares in (parts, spans):
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_exchanged():
    here = ranks()
    assert here == Ranks(0, 1) and here.first
    value, model = torch.tensor([1.5]), torch.nn.Linear(1, 1)
    assert here.add_up(value) is value and here.wrap(model) is model
    assert here.average_of({"a": 2.0}) == {"a": 2.0} and here.on_first(lambda: 7) == 7
    here.average([value])
    assert value == 1.5


def test_shares_that_are_not_whole_are_refused():
    check_shares(128, {"budget.heldout_images": 4}, 4)
    with pytest.raises(UserError, match=r"task\.batch_size=128 is not divisible by the 3 processes: .* multiples of 3"):
        check_shares(128, {}, 3)
    with pytest.raises(UserError, match=r"budget\.heldout_images=3 is too few for 4 processes: allowed are 4 or more"):
        check_shares(128, {"budget.train_images": 4, "budget.heldout_images": 3}, 4)


def test_of_several_processes_one_without_memory_ends_instead_of_leaving_the_others(monkeypatch):
    full = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
    training, _, _ = worlds.begun(64, worlds.SMALL)
    assert "out of memory in epoch 1" in str(loop.memory_failure(full, training))
    monkeypatch.setattr(loop, "ranks", lambda: Ranks(1, 2))
    with pytest.raises(RuntimeError, match="alloc_cpu"):
        loop.memory_failure(full, training)
