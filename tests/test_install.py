"""The Makefile without a network: an interrupted install begins anew, settings reach the scripts as they are."""

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
def make(tmp_path):
    """Runs make in a copy without a network, and returns its status, how python was called and its errors."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    calls, python = tmp_path / "calls", tmp_path / "python"
    python.write_text(PYTHON.format(calls=calls, venv=tmp_path / ".venv", broken=tmp_path / "broken"))
    python.chmod(0o755)

    def run(*words):
        calls.write_text("")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "REGBENCH"))}
        command = ["make", *words, f"PYTHON={python}"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, calls.read_text(), done.stderr

    return run


def test_an_interrupted_install_repairs_itself(make, tmp_path):
    (tmp_path / "broken").touch()
    status, called, _ = make("install")
    assert status != 0 and "-m venv --clear" in called
    assert (tmp_path / ".venv" / ".unfinished").exists() and not (tmp_path / ".venv" / ".ready").exists()
    (tmp_path / "broken").unlink()
    status, called, _ = make("install")
    assert status == 0 and "-m venv --clear" in called and "--editable ." in called
    assert not (tmp_path / ".venv" / ".unfinished").exists()
    assert make("install") == (0, "", "")


@pytest.mark.parametrize(
    "words,called",
    [
        (
            ["reproduce-table1", "DATASETS=mnist", "SEEDS=5", "REGULARIZERS=none", "WORKERS=3", "MINUTES=9"],
            "scripts/reproduce.py table1 --workers=3 --budget=paper --datasets=mnist --seeds=5 --regularizers=none "
            "--minutes=9",
        ),
        (
            ["reproduce-entropy-table1", "BUDGET=quick", "ONLY=model.widths=[32],[32,32]", "WORKERS=1"],
            "scripts/reproduce.py entropy-table1 --workers=1 --budget=quick --only=model.widths=[32],[32,32]",
        ),
        (
            ["reproduce-gan-table1", "LAUNCH=slurm partition=gpu minutes=120"],
            "scripts/reproduce.py gan-table1 --launch slurm partition=gpu minutes=120 --budget=paper",
        ),
        (["reproduce-handout", "SEEDS=$(shell echo 3)", "WORKERS=1"], "--budget=paper --seeds=$(shell echo 3)"),
        (["settle", "HOURS=0.5", "CLAIMS=ho-both", "WORKERS=2"], "scripts/plan.py --hours=0.5 "),
        (["check"], "scripts/report.py --check"),
        (["benchmark", "WRITE=1"], "scripts/benchmark.py --write"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_settings_reach_the_scripts_as_they_are(make, words, called):
    assert make("install")[0] == 0
    status, said, errors = make(*words)
    assert status == 0 and called in said, (said, errors)


def test_a_setting_that_is_none_is_named(make):
    status, called, errors = make("reproduce-table1", "DATASET=mnist")
    assert status == 2 and called == "" and "DATASET is no setting of make here: allowed are DATASETS" in errors


def test_clean_leaves_the_results(make, tmp_path):
    for name in ("outputs/smoke", "results/runs"):
        (tmp_path / name).mkdir(parents=True)
    assert make("clean")[0] == 0
    assert not (tmp_path / "outputs").exists() and (tmp_path / "results" / "runs").exists()
