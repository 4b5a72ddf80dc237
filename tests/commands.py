"""Commands called within the process of the tests: what they say, and their exit status, without a new interpreter."""

import contextlib
import gc
import importlib.util
import io
import logging
import signal
import sys
from dataclasses import dataclass
from types import ModuleType
from unittest import mock

from regbench.command_line import main
from regbench.paths import ROOT


@dataclass
class Said:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def train_command(*words) -> Said:
    """`python -m regbench.train` with these words."""
    return _call(main, ["train.py", *map(str, words)])


def load_script(name) -> ModuleType:
    """A script of this repository as a module, a new one each time."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(name, *words) -> Said:
    """A script of this repository with these words."""
    module = load_script(name)
    return _call(module.main, [module.__file__, *map(str, words)])


def _call(function, words) -> Said:
    root, out, err = logging.getLogger(), io.StringIO(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = function()
        except SystemExit as stop:  # argparse
            status = stop.code
        finally:
            root.handlers[:], root.level = handlers, level
            for number, handler in signals.items():
                signal.signal(number, handler)
            gc.enable()
    return Said(status or 0, out.getvalue(), err.getvalue())
