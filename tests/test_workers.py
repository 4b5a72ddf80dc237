"""A training whose parent was killed outright ends, its workers included."""

import os
import signal
import subprocess
import sys
import time

PARENT = """
import os, subprocess, sys, time
environment = {**os.environ, "REGBENCH_PARENT": str(os.getpid())}
subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=environment, start_new_session=True)
time.sleep(60)
"""
CHILD = """
import os, subprocess, sys, time
from regbench.command_line import follow_parent
follow_parent()
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), worker.pid, "REGBENCH_PARENT" in os.environ, flush=True)
time.sleep(60)
"""


def alive(pid):
    """Whether a process runs; one that has ended and is not waited for does not."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_sigkill_of_the_parent_ends_the_training_and_its_workers():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    child, worker, inherited = parent.stdout.readline().split()
    assert inherited == "False" and alive(int(child)) and alive(int(worker))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while (alive(int(child)) or alive(int(worker))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(int(child)) and not alive(int(worker))
