"""`make install` after one that was interrupted begins anew; after one that was not it does nothing."""

import os
import shutil
import subprocess

import pytest

from regbench.paths import ROOT

#: in the place of python: it says how it was called, and makes what `python -m venv` and the installer would
PYTHON = """#!/bin/sh
echo "$@" >> {calls}
case "$*" in *venv*) mkdir -p {venv}/bin && cp "$0" {venv}/bin/python && cp "$0" {venv}/bin/uv ;; esac
test ! -e {broken} || case "$*" in *"-r requirements.txt"*) exit 1 ;; esac
"""


@pytest.fixture
def install(tmp_path):
    """Runs `make install` in a copy without a network, and returns its status and how python was called."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    calls, python = tmp_path / "calls", tmp_path / "python"
    python.write_text(PYTHON.format(calls=calls, venv=tmp_path / ".venv", broken=tmp_path / "broken"))
    python.chmod(0o755)

    def run():
        calls.write_text("")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        command = ["make", "install", f"PYTHON={python}"]
        status = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode
        return status, calls.read_text()

    return run


def test_an_interrupted_install_repairs_itself(install, tmp_path):
    (tmp_path / "broken").touch()
    status, called = install()
    assert status != 0 and "-m venv --clear" in called
    assert (tmp_path / ".venv" / ".unfinished").exists() and not (tmp_path / ".venv" / ".ready").exists()
    (tmp_path / "broken").unlink()
    status, called = install()
    assert status == 0 and "-m venv --clear" in called and "--editable ." in called
    assert not (tmp_path / ".venv" / ".unfinished").exists()
    assert install() == (0, "")
