"""`launch=slurm` on a Slurm of one node, which `scripts/slurm/up.sh` starts in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from regbench.cluster import slurm
from regbench.errors import UserError
from regbench.paths import ROOT
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.store import Store
from regbench.train import train
from tests.commands import script

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
SETTINGS = ["budget=smoke", "budget.epochs=16", "regularizer=pb_edropout", "seeds=[0]", "tracking=off"]


def free_ports():
    """The first of two ports in a row that nothing listens on."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture(scope="module")
def cluster():
    """A Slurm of one node, stopped at the end whatever happens."""
    absent = [name for name in DAEMONS if shutil.which(name) is None]
    if absent:
        pytest.skip(f"needs Debian's slurm-wlm and munge: {', '.join(absent)} not found")
    if os.geteuid() != 0:
        pytest.skip("needs root: slurmd starts jobs as other users")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: the path of a socket may have 107 characters
    try:
        script = ["bash", str(ROOT / "scripts" / "slurm" / "up.sh"), str(folder), str(free_ports())]
        # No pipes: the daemons would hold their other end open.
        with (folder / "up.log").open("w") as log:
            status = subprocess.run(script, stdout=log, stderr=log, timeout=60).returncode
        if status:
            pytest.skip(f"no Slurm can be started here: {(folder / 'up.log').read_text().splitlines()[-1:]}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            yield folder
    finally:
        subprocess.run(["bash", str(ROOT / "scripts" / "slurm" / "down.sh"), str(folder)], timeout=60)
        shutil.rmtree(folder)


def paths(folder):
    return [f"paths.results={folder}/results", f"paths.outputs={folder}/outputs"]


@pytest.fixture
def start():
    """Starts the sweep's command in a process of its own, which does not outlive the test."""
    started = []

    def launcher(folder, *overrides):
        command = [sys.executable, "-m", "regbench.train", "-m", "launch=slurm", "memory_gb=1", "minutes=10"]
        with (folder / "launcher.log").open("a") as log:
            started.append(
                subprocess.Popen(
                    [*command, *SETTINGS, *paths(folder), *overrides],
                    cwd=folder,
                    stdout=log,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        return started[-1]

    yield launcher
    for each in started:
        each.kill()
        each.wait()
        each.stderr.close()


def call(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def the_array():
    """The number of the one sweep that Slurm has."""
    (number,) = set(call("squeue", "--noheader", "--format=%F").split())
    return number


def own_number(task):
    """The number that Slurm gives a task of an array when it starts it."""
    return dict(line.split() for line in call("squeue", "--noheader", "--format=%i %A").splitlines())[task]


def time_out(job):
    """What Slurm does when the time of a job is nearly over."""
    call("scancel", "--signal=USR2", job)


def kill(job):
    """kill -9 of the training, as the system does when memory runs out."""
    rows = [line.split() for line in call("scontrol", "listpids", job).splitlines()]
    for pid in [int(row[0]) for row in rows if row[2] == "0"]:  # of step 0, the training; there is the script, too
        os.kill(pid, signal.SIGKILL)


def until(condition, seconds=120):
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition.__name__}"
        time.sleep(0.1)
    return value


def one_of(folder, lr):
    """The config of one job of the sweep over learning rates, as one process trains it."""
    return load_config([*SETTINGS, *paths(folder), f"task.optimizer.lr={lr}", "threads=1", "progress=false"])


def metrics(row):
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in row["epochs"]]


def test_a_time_out_a_kill_and_a_failure_lose_no_row_and_change_no_number(cluster, start, tmp_path):
    folder = tmp_path / "slurm"
    folder.mkdir()
    (timed_out,), (killed,), (failing,) = (members(one_of(folder, lr)) for lr in ("0.001", "0.002", "1e30"))
    store, checkpoints = Store(folder / "results"), folder / "outputs" / "checkpoints"

    def epochs(member):
        path = checkpoints / f"{member.id}.epoch"
        return int(path.read_text() or 0) if path.exists() else 0

    sweep = "task.optimizer.lr=0.001,0.002,1e30"
    launcher = start(folder, sweep)

    ends = [(timed_out, 0, time_out), (killed, 1, kill)]

    def both_hit():
        assert launcher.poll() is None, launcher.stderr.read()
        for end in [end for end in ends if epochs(end[0]) >= 2]:
            ends.remove(end)
            end[2](own_number(f"{the_array()}_{end[1]}"))
        return not ends

    until(both_hit)
    array = the_array()

    def queued_again():
        return slurm.states(array).get(f"{array}_0", "").startswith("pending")

    until(queued_again)
    whole, queued = tmp_path / "whole", time.monotonic()
    for lr in ("0.001", "0.002"):
        train(one_of(whole, lr))
    # Slurm clears up after the first run (it waits 4 s for its processes): a start in it would fail.
    time.sleep(max(0.0, 5.0 - (time.monotonic() - queued)))
    assert 2 <= epochs(timed_out) < 16 and not store.has(killed.id)
    call("scontrol", "update", f"JobId={array}_0", "StartTime=now")  # Slurm would wait for two minutes
    _, said = launcher.communicate(timeout=240)
    assert launcher.returncode == 1 and "Traceback" not in said, said
    lines = said.strip().splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines), said
    assert "task.optimizer.lr=0.002: no result, state failed (srun: error:" in lines[0] and "Killed)" in lines[0]
    assert "task.optimizer.lr=1e+30: 1 of 1 members failed: seed 0: train loss became" in lines[1]
    assert "2 of 3 jobs failed" in lines[2]
    assert {row["id"]: row["status"] for row in store.rows()} == {timed_out.id: "done", failing.id: "failed"}

    # Started again, only the killed job is submitted; it goes on without its launcher.
    launcher = start(folder, sweep)

    def submitted():
        return set(call("squeue", "--noheader", "--format=%F").split()) - {array} or launcher.poll() is not None

    until(submitted)
    launcher.kill()
    launcher.communicate()
    assert "2 of 3 jobs have a row for each member" in (folder / "launcher.log").read_text()

    def has_row():
        return store.has(killed.id)

    until(has_row)
    for row in Store(whole / "results").rows():
        assert metrics(store.find(row["id"])) == metrics(row)


# submitit's part of a job that Slurm tells to stop, with a launcher for its function.
REQUEUE = """
import os, signal, sys
from submitit.core import job_environment, submission, utils
from hydra_plugins.regbench_slurm import RegbenchSlurmLauncher

class Launcher(RegbenchSlurmLauncher):
    def __init__(self): pass
    def __call__(self): os.kill(os.getpid(), signal.SIGUSR2)

delayed = utils.DelayedSubmission(Launcher())
delayed.set_timeout(10, 3)
delayed.dump(job_environment.JobEnvironment().paths.submitted_pickle)
submission.process_job(os.environ["SUBMITIT_FOLDER"])
"""


def test_an_scontrol_that_slurm_ends_with_its_requeued_job_is_no_failure(tmp_path):
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    # As Slurm does under load: it has queued the job again and ends its processes before it answers.
    scontrol.write_text(f'#!/bin/sh\nkill -TERM $PPID $$\necho "$@" >> {tmp_path}/answered\n')
    scontrol.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
        "SUBMITIT_FOLDER": str(tmp_path),
        "SUBMITIT_EXECUTOR": "slurm",
        "SLURM_JOB_ID": "7",
    }
    done = subprocess.run([sys.executable, "-c", REQUEUE], env=environment, capture_output=True, text=True, timeout=60)
    assert (tmp_path / "answered").read_text() == "requeue 7\n" and done.returncode == 255, done.stderr
    assert "Requeued job 7 (2 remaining timeouts)" in done.stdout
    assert not list(tmp_path.glob("*result.pkl"))  # it would say that the job is over


def test_a_wrong_partition_is_one_line_and_nothing_is_submitted(cluster, start, tmp_path):
    launcher = start(tmp_path, "partition=nope")
    _, said = launcher.communicate(timeout=120)
    assert launcher.returncode == 2
    assert said == "error: partition=nope is not allowed: allowed are cpu (or null, the default)\n"
    assert not (tmp_path / "results").exists()


def test_what_sbatch_refuses_is_one_line(cluster, start, tmp_path):
    launcher = start(tmp_path, "memory_gb=99999")
    _, said = launcher.communicate(timeout=120)
    assert launcher.returncode == 2 and said.startswith("error: sbatch refused minutes=10 cpus=1 memory_gb=99999: ")
    assert len(said.splitlines()) == 1


def test_a_machine_without_slurm_is_one_line(start, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    launcher = start(tmp_path)
    _, said = launcher.communicate(timeout=120)
    assert launcher.returncode == 2 and len(said.splitlines()) == 1
    assert said.startswith("error: launch=slurm is not allowed on a machine without Slurm (sbatch, ")
    assert said.endswith("allowed are joblib, local, submitit_local\n")


def test_a_slurm_that_does_not_answer_is_one_line(monkeypatch):
    answer = subprocess.CompletedProcess([], 1, "", "slurm_load_partitions: Unable to contact slurm controller\n")
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm.subprocess, "run", lambda *args, **kwargs: answer)
    with pytest.raises(UserError, match=r"no Slurm answers on this machine .*Unable to contact slurm controller"):
        slurm.check(None)
    assert slurm.states("12") is None  # and not that the jobs are gone


def test_reproduce_takes_the_keys_of_the_launch(tmp_path):
    keys = ["--launch", "slurm", "partition=gpu", "minutes=5", "gpus=1", "at_once=3", f"paths.results={tmp_path}"]
    done = script("reproduce", "table1", "--datasets", "digits", "--dry-run", *keys)
    assert done.returncode == 0 and "trainings are done" in done.stdout, done.stderr
    wrong = script("reproduce", "table1", "--datasets", "digits", "--dry-run", "--launch", "nope")
    assert wrong.returncode == 2 and wrong.stderr == "error: --launch nope is not allowed: allowed are joblib, slurm\n"
