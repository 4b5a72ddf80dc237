"""`reproduce.py`: the plan, the run, the report, and a second call that trains nothing."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from regbench.paths import ROOT
from regbench.rows.store import Store
from tests.commands import script


def call(folder, *arguments, name="reproduce"):
    """The script within this process; what it starts is started."""
    with contextlib.chdir(folder):
        return script(name, *arguments)


def reproduce_arguments(folder, *more, workers=2):
    paths = [f"paths.results={folder}/results", f"paths.outputs={folder}/outputs", "tracking=off"]
    chosen = ["--datasets", "digits", "--regularizers", "none,pb_edropout", "--workers", str(workers)]
    return ["table1", "--budget", "smoke", *chosen, *more, *paths]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduce")
    return folder, call(folder, *reproduce_arguments(folder, "--seeds", "2", workers=1))


def test_it_says_what_is_missing_runs_it_and_writes_table_and_pictures(reproduced):
    folder, result = reproduced
    assert result.returncode == 0, result.stderr
    assert "0 of 4 trainings are done" in result.stdout
    assert "missing 2 of 2: dataset=digits regularizer=pb_edropout" in result.stdout
    assert len(Store(folder / "results").rows()) == 4
    table = (folder / "results" / "tables" / "table1.md").read_text()
    assert "n = 2" in table and "budget smoke" in table and "not run" in table
    for name in ("pb_edropout_figure1_smoke.png", "pb_edropout_masks_smoke.png"):
        assert (folder / "results" / "figures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_second_call_trains_nothing_and_more_seeds_train_only_the_new_ones(reproduced):
    folder, _ = reproduced
    again = call(folder, *reproduce_arguments(folder, "--seeds", "2"))
    assert again.returncode == 0 and "4 of 4 trainings are done" in again.stdout
    more = call(folder, *reproduce_arguments(folder, "--seeds", "3", "--dry-run"))
    assert "4 of 6 trainings are done" in more.stdout
    assert re.search(r"estimate for the missing 2: about \d+ min with 2 processes$", more.stdout, re.MULTILINE)


def test_the_estimate_says_for_how_many_it_is(reproduced, monkeypatch):
    folder, _ = reproduced
    monkeypatch.setenv("REGBENCH_DATA", str(folder / "none"))  # images that are there would be timed
    words = reproduce_arguments(folder, "--seeds", "3", "--dry-run")
    words[words.index("digits")] = "digits,mnist"
    said = call(folder, *words).stdout
    assert re.search(r"missing 8: about \d+ min with 2 processes for 2 of them, unknown for those of which none", said)


def test_rows_of_budget_smoke_are_in_no_table_of_fuller_trainings(reproduced, tmp_path):
    folder, _ = reproduced
    results = tmp_path / "results"
    shutil.copytree(folder / "results" / "runs", results / "runs")
    committed = Store(ROOT / "results").rows("table1")
    for row in [row for row in committed if row["config"]["dataset"]["name"] == "digits"][:6]:
        Store(results).write(row)
    said = call(tmp_path, "--results", str(results), name="report").stdout
    table = (results / "tables" / "table1.md").read_text()
    assert "4 rows are left out: of budget smoke" in said and "budget quick" in table and "smoke" not in table
    assert not list((results / "figures").glob("*smoke*"))
    assert call(tmp_path, "--check", "--results", str(results), name="report").returncode == 0


def test_check_passes_on_its_own_tables_and_fails_on_a_changed_one(reproduced, tmp_path):
    folder, _ = reproduced
    results = tmp_path / "results"
    shutil.copytree(folder / "results", results)
    checked = call(tmp_path, "--check", "--results", str(results), name="report")
    assert checked.returncode == 0, checked.stderr
    table = results / "tables" / "table1.md"
    shutil.move(results / "runs", tmp_path / "runs")
    without_rows = call(tmp_path, "--check", "--results", str(results), name="report")
    assert without_rows.returncode == 1 and "there is no row" in without_rows.stderr
    shutil.move(tmp_path / "runs", results / "runs")
    table.write_text(table.read_text().replace("n = 2", "n = 5"))
    changed = call(tmp_path, "--check", "--results", str(results), name="report")
    assert changed.returncode == 1 and "table1.md" in changed.stderr


def test_collect_packs_what_report_then_reads(reproduced, tmp_path):
    folder, _ = reproduced
    results = tmp_path / "results"
    shutil.copytree(folder / "results", results)
    before = Store(results).rows()
    assert call(tmp_path, "--collect", "--results", str(results), name="report").returncode == 0
    assert (results / "runs" / "table1.jsonl").exists() and Store(results).rows() == before
    assert "0 rows of other code" in call(tmp_path, "--stale", "--results", str(results), name="report").stdout


def test_rows_of_other_code_are_listed(reproduced, tmp_path):
    folder, _ = reproduced
    store = Store(tmp_path / "results")
    first, *others = Store(folder / "results").rows()
    for row in ({**first, "provenance": {**first["provenance"], "code": "another"}}, *others):
        store.write({key: value for key, value in row.items() if key != "sha256"})
    said = call(tmp_path, "--stale", "--results", str(tmp_path / "results"), name="report").stdout.splitlines()
    assert len(said) == 2 and said[0].startswith(f"table1 {first['id']} digits/cnn5/")
    assert said[0].endswith("code another") and said[1].startswith("1 rows of other code than ")


def test_what_is_tried_out_is_kept_apart(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("regbench.rows.store.Store.rows", lambda self: asked.append(self.runs) or [])
    monkeypatch.setattr("regbench.plan.costs.Costs.seconds", lambda *asked: None)
    for budget in ("smoke", "quick"):
        assert call(tmp_path, "table1", "--budget", budget, "--datasets", "digits", "--dry-run").returncode == 0
    assert asked == [ROOT / "outputs" / "smoke" / "runs", ROOT / "results" / "runs"]


@pytest.mark.parametrize("number,status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
def test_an_interrupt_ends_the_workers_and_the_same_command_goes_on(tmp_path, number, status):
    command = [sys.executable, str(ROOT / "scripts" / "reproduce.py"), *reproduce_arguments(tmp_path)]
    command[command.index("smoke")] = "paper"
    command += ["--seeds", "1"]
    child = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in a shell's background inherit an ignored SIGINT; a user's terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    checkpoints = tmp_path / "outputs" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*.epoch")) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(number)
    _, said = child.communicate(timeout=120)
    assert child.returncode == status and ("goes on from each training's last epoch" in said) is (status == 130)
    time.sleep(1.0)
    before = {path: path.read_text() for path in checkpoints.glob("*.epoch")}
    time.sleep(2.0)
    assert before and before == {path: path.read_text() for path in checkpoints.glob("*.epoch")}


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["table9"], "experiment=table9 is not known"),
        (["table1", "--datasets", "imagenet"], "dataset=imagenet is not part of this experiment"),
        (["table1", "--seeds", "many"], "SEEDS=many is not allowed"),
        (["table1", "--workers", "-1"], "--workers -1 is not allowed: 1 or more"),
        (["table1", "task.optimizer.lr=0.1"], "task.optimizer.lr=0.1 would change what is trained"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, arguments, words):
    result = call(tmp_path, *arguments, "--dry-run")
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ") and words in result.stderr


def test_minutes_end_it_cleanly_with_checkpoints_and_the_missing_named(tmp_path):
    words = reproduce_arguments(tmp_path, "--seeds", "1", "--minutes", "0.001", workers=1)
    said = call(tmp_path, *words)
    assert said.returncode == 0, said.stderr
    assert "2 trainings are still missing" in said.stdout and "missing: digits/cnn5/pb_edropout" in said.stdout
    assert not Store(tmp_path / "results").rows()


def test_the_table_is_printed_last(reproduced):
    _, result = reproduced
    table = result.stdout.partition("### Table 1, digits")[2]
    assert "| PB-EDropout-Mask | 2 |" in table and table.rstrip().endswith("results/tables/table1.md")
