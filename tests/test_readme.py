"""The README's promises: its Python runs, its commands exist, its regularizer recipe works."""

import re
import shlex

import pytest

from regbench.paths import ROOT
from regbench.rows.store import Store
from tests.commands import script, train_command

TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_python_of_the_readme_runs(capsys):
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["layer"].measurements()["masked"] == 30 / 196
    network, penalty = names["network"], names["penalty"]
    said = " ".join(capsys.readouterr().out.split())
    assert said and said in " ".join(TEXT.replace("#", "").split())  # what place_behind printed
    assert network.layer1[0].relu.behind0.measurements()["masked"] == pytest.approx(0.15, abs=0.02)
    assert penalty.names == ("conv1",) and network.conv1.weight.grad.isfinite().all()


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", TEXT)) - {"it"} <= targets


def test_the_recipe_for_a_regularizer_trains(tmp_path, monkeypatch):
    (code,) = [block for block in blocks("python") if block.startswith("# gaussian_dropout.py")]
    (config,) = blocks("yaml")
    assert len((code + config).strip().splitlines()) <= 40
    (tmp_path / "gaussian_dropout.py").write_text(code)
    folder = tmp_path / "my" / "configs" / "regularizer"
    folder.mkdir(parents=True)
    (folder / "gaussian_dropout.yaml").write_text(config)
    command, compared = re.findall(r"^PYTHONPATH=.*?[^\\]$", TEXT, flags=re.DOTALL | re.MULTILINE)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[1] == ".venv/bin/python"
    own = ["budget=smoke", "tracking=off", "progress=false", f"paths.results={tmp_path}", f"paths.outputs={tmp_path}"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".")  # of the processes that are started
    monkeypatch.syspath_prepend(str(tmp_path))
    assert words[2:4] == ["-m", "regbench.train"]
    done = train_command(*words[4:], *own)
    assert done.returncode == 0, done.stderr
    rows = Store(tmp_path).rows()
    assert sorted(row["strength"] for row in rows) == [0.1, 0.3] and {row["status"] for row in rows} == {"done"}
    settings = dict(word.split("=", 1) for word in shlex.split(compared)[3:])
    assert settings == {
        "REGULARIZER": "gaussian_dropout",
        "CONFIGS": "my/configs",
        "DATASETS": "digits,mnist",
        "SEEDS": "5",
    }
    small = ["--configs", settings["CONFIGS"], "--seeds", "2", "--budget", "smoke", "--name", "of-a-test"]
    small += ["--workers", "1", "--set", f"paths.results={tmp_path} model.widths=[4,4,4,4,4]"]
    done = script("compare", "gaussian_dropout", *small)
    assert done.returncode == 0, done.stderr
    assert "digits: gaussian_dropout against none: " in done.stdout and "undecided" in done.stdout


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        text = (ROOT / path).read_text() if anchor else ""
        headings = [line.lstrip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")]
        assert not anchor or f'<a id="{anchor}"></a>' in text or anchor in headings, target


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) <= 160
