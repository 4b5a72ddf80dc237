"""The entry point as a user runs it: training, resuming, skipping, failing, sweeping."""

import base64
import contextlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

import regbench.training.loop as loop
import regbench.training.run
from regbench.errors import MembersFailed, UserError
from regbench.paths import ROOT
from regbench.plan import code_version as code
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.locks import lock
from regbench.rows.store import Store
from regbench.train import train
from regbench.training import Failed, provenance
from tests.commands import train_command
from tests.training.worlds import started

SMOKE = ["budget=smoke", "budget.epochs=3", "tracking=off", "progress=false", "threads=1"]


def config(folder, *overrides):
    return load_config([*SMOKE, f"paths.results={folder}/results", f"paths.outputs={folder}/outputs", *overrides])


def refused(folder, monkeypatch, *overrides):
    """What a training with these settings is refused with, in one line; it is not begun and leaves no row."""
    monkeypatch.setattr("regbench.training.run.Run.train", lambda *args: pytest.fail("trained"))
    with pytest.raises(UserError) as error:
        train(config(folder, *overrides))
    assert "\n" not in str(error.value) and not Store(folder / "results").rows()
    return str(error.value)


def metrics(row):
    """All numbers of a row that time does not change."""
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in row["epochs"]]


def interrupt(cfg, monkeypatch):
    """Train one epoch and lose the second."""
    real, calls = loop.train_epoch, []

    def stops_in_the_second_epoch(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "train_epoch", stops_in_the_second_epoch)
        train(cfg)


def command(folder, *overrides, module_arguments=()):
    settings = [*SMOKE, f"paths.results={folder}/results", f"paths.outputs={folder}/outputs", *overrides]
    return [sys.executable, "-m", "regbench.train", *module_arguments, *settings]


def run(folder, *overrides, module_arguments=()):
    """The command within this process."""
    return train_command(*command(folder, *overrides, module_arguments=module_arguments)[3:])


def test_a_job_writes_a_row_a_member_and_never_trains_it_again(tmp_path, monkeypatch):
    cfg = config(tmp_path, "regularizer=pb_edropout", "seeds=[0,1]")
    train(cfg)
    rows = Store(tmp_path / "results").rows()
    assert [row["id"] for row in rows] == sorted(member.id for member in members(cfg))
    row = rows[0]
    assert row["status"] == "done" and len(row["epochs"]) == 3
    assert set(row["epochs"][0]["test"]) == {"full", "mask"}
    assert row["epochs"][0]["measures"]["train"]["conv1/masked"] == pytest.approx(6 / 36)
    assert row["epochs"][0]["measures"]["mask"]["conv1/masked"] == pytest.approx(6 / 36)
    assert row["epochs"][0]["measures"]["full"]["conv1/masked"] == 0
    assert row["artifacts"]["conv1/ema"]["shape"] == [32, 36]
    kept = base64.b64decode(row["artifacts"]["conv1/mask"]["uint8"])
    assert kept.count(255) == 32 * 30 and kept.count(0) == 32 * 6
    assert row["provenance"]["device"] == "cpu" and row["provenance"]["seconds"] > 0
    assert not list((tmp_path / "outputs" / "checkpoints").glob("*.pt"))

    monkeypatch.setattr("regbench.training.run.Run.alone", lambda *args: pytest.fail("trained again"))
    train(cfg)
    with pytest.raises(BaseException, match="trained again"):
        train(config(tmp_path, "regularizer=pb_edropout", "seeds=[0,1,2]"))


def test_members_share_initial_weights_and_data_order_but_not_across_seeds(tmp_path):
    from regbench.data import load_splits
    from regbench.data.sources import digits
    from regbench.training.batch import data_order
    from regbench.training.build import build

    data = load_splits(digits(), 64, 16, 0, torch.device("cpu"))
    weights = {}
    for name in ("none", "pb_edropout", "dropout"):
        for seed in (0, 1):
            member = members(load_config([f"regularizer={name}", f"seeds=[{seed}]"]))[0]
            weights[name, seed] = build(member, data, torch.device("cpu")).model.head.weight
    assert torch.equal(weights["none", 0], weights["pb_edropout", 0])
    assert torch.equal(weights["none", 0], weights["dropout", 0])
    assert not torch.equal(weights["none", 0], weights["none", 1])
    assert torch.equal(data_order(50, 3, 1), data_order(50, 3, 1))
    assert not torch.equal(data_order(50, 3, 1), data_order(50, 3, 2))
    assert not torch.equal(data_order(50, 3, 1), data_order(50, 4, 1))


@pytest.mark.parametrize("regularizer", ["none", "dropout", "pb_edropout", "pb_edropout_standardized", "random_patch"])
def test_a_training_stopped_after_an_epoch_resumes_bit_for_bit(tmp_path, monkeypatch, regularizer):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config(whole, f"regularizer={regularizer}"))

    real = loop.train_epoch
    calls = []

    def stops_in_the_second_epoch(*args):
        calls.append(1)
        if len(calls) == 2:
            real(*args)  # the work of the epoch is done and lost
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(loop, "train_epoch", stops_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(config(parts, f"regularizer={regularizer}"))
    assert not Store(parts / "results").rows()
    torch.manual_seed(12345)  # whatever the generator held before, the checkpoint's state counts
    train(config(parts, f"regularizer={regularizer}"))
    expected, resumed = Store(whole / "results").rows()[0], Store(parts / "results").rows()[0]
    assert metrics(resumed) == metrics(expected)
    assert resumed["artifacts"] == expected["artifacts"]
    assert len(calls) == 4  # one, the lost one, two and three again


def test_kill_minus_nine_loses_at_most_an_epoch(tmp_path, monkeypatch):
    overrides = ["regularizer=pb_edropout", "budget.epochs=12"]
    child = started(command(tmp_path, *overrides)[3:], tmp_path, tmp_path / "log")
    progress = tmp_path / "outputs" / "checkpoints"
    deadline = time.monotonic() + 120
    done = 0
    while done < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
        done = max([int(path.read_text() or 0) for path in progress.glob("*.epoch")], default=0)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    kept = max(int(path.read_text()) for path in progress.glob("*.epoch"))
    assert 2 <= kept < 12 and not Store(tmp_path / "results").rows()

    real, again = loop.train_epoch, []
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_epoch", lambda *args: again.append(1) or real(*args))
        train(config(tmp_path, *overrides))
    # The number of epochs is written just after the checkpoint: a kill between them leaves one more than it says.
    assert len(again) in (12 - kept, 12 - kept - 1)
    train(config(tmp_path / "whole", *overrides))
    resumed, whole = Store(tmp_path / "results").rows()[0], Store(tmp_path / "whole" / "results").rows()[0]
    assert metrics(resumed) == metrics(whole)


def test_nan_makes_a_failed_row_and_the_other_members_go_on(tmp_path):
    cfg = config(tmp_path, "regularizer=dropout", "task.optimizer.lr=1e30", "seeds=[0,1]")
    with pytest.raises(MembersFailed, match=r"2 of 2 members failed: seed 0: train loss became (nan|inf)"):
        train(cfg)
    rows = Store(tmp_path / "results").rows()
    assert [row["status"] for row in rows] == ["failed", "failed"] and "epoch" in rows[0]["reason"]
    with pytest.raises(MembersFailed, match="2 of 2 members failed"):  # a failed row is a row, and still a failure
        train(cfg)


def test_weights_that_break_in_the_last_step_of_an_epoch_make_a_failed_row(tmp_path):
    """One step an epoch: its loss is fine, the evaluation after it is not."""
    cfg = config(tmp_path, "task.batch_size=400", "task.optimizer.lr=1e30")
    with pytest.raises(MembersFailed, match=r"heldout full loss became (nan|inf)"):
        train(cfg)
    row = Store(tmp_path / "results").rows()[0]
    assert row["status"] == "failed" and row["epochs"] == []


def test_retrying_trains_failed_members_only(tmp_path, monkeypatch):
    cfg = config(tmp_path, "seeds=[0,1]")
    train(cfg)
    store = Store(tmp_path / "results")
    failed = store.rows()[0]
    store.write({**failed, "status": "failed", "reason": "made up"})
    trained = []
    real = regbench.training.run.Run.alone

    def counted(self, member):
        trained.append(member.id)
        return real(self, member)

    monkeypatch.setattr("regbench.training.run.Run.alone", counted)
    with pytest.raises(MembersFailed, match=r"1 of 2 members failed: seed [01]: made up"):
        train(cfg)
    assert trained == []
    train(config(tmp_path, "seeds=[0,1]", "retry_failed=true"))
    assert trained == [failed["id"]]
    assert [row["status"] for row in store.rows()] == ["done", "done"]


@pytest.mark.parametrize("outcome,trainings", [("done", 1), ("failed", 2)])
def test_of_two_retries_the_second_trains_what_the_first_left_failed(tmp_path, monkeypatch, outcome, trainings):
    """Both have seen the same failed row; the second comes to the member when the first is through with it."""
    train(config(tmp_path, "budget.epochs=1"))
    store = Store(tmp_path / "results")
    store.write({**store.rows()[0], "status": "failed", "reason": "made up"})
    cfg = config(tmp_path, "budget.epochs=1", "retry_failed=true")
    real_job, real_fit, fitted = regbench.training.run.Run.train, regbench.training.run.fit, []

    def fit(training, *others):
        fitted.append(training.seed)
        if outcome == "failed" and len(fitted) == 1:
            raise Failed("made up again", [])
        return real_fit(training, *others)

    def overtaken(self, job):
        monkeypatch.setattr("regbench.training.run.Run.train", real_job)
        with contextlib.suppress(MembersFailed):
            train(cfg)
        assert store.rows()[0]["status"] == outcome and len(fitted) == 1
        real_job(self, job)

    monkeypatch.setattr("regbench.training.run.fit", fit)
    monkeypatch.setattr("regbench.training.run.Run.train", overtaken)
    train(cfg)
    assert len(fitted) == trainings and [row["status"] for row in store.rows()] == ["done"]


def test_retrain_trains_what_has_a_row_and_the_new_row_takes_its_place(tmp_path, caplog):
    cfg, store = config(tmp_path, "budget.epochs=1"), Store(tmp_path / "results")
    train(cfg)
    (first,) = store.rows()
    store.pack("adhoc")
    train(config(tmp_path, "budget.epochs=1", "retrain=true"))
    (second,) = store.rows()
    assert second["sha256"] != first["sha256"] and metrics(second) == metrics(first)
    store.pack("adhoc")
    assert store.rows() == [second]


def test_a_run_says_what_came_of_each_member_and_where_its_row_is(tmp_path, caplog):
    cfg = config(tmp_path, "budget.epochs=1", "seeds=[0,1]")
    said = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, "regbench"):
            train(cfg)
        said.append([record.getMessage() for record in caplog.records if "[" in record.getMessage()])
    for seed, row in enumerate(sorted(Store(tmp_path / "results").rows(), key=lambda row: row["seed"])):
        accuracy = f"{100 * row['epochs'][0]['test']['full']['accuracy']:.2f} %"
        line = f"test accuracy {accuracy} (held-out), {accuracy} (paper); row {tmp_path}/results/runs/adhoc/{row['id']}"
        assert said[0][seed].endswith(f"[{row['id']}] is done: {line}.json")
        assert said[1][seed].endswith(f"[{row['id']}] has its row: {line}.json")


def test_the_code_of_a_row_has_the_files_of_ones_own_classes_in_it(tmp_path, monkeypatch, caplog):
    """A row that other code made is named as such, whosever code it is, and `retrain=true` makes it anew."""
    source = "import torch\n\n\nclass Mine(torch.nn.Dropout):\n    factor = {factor}\n"
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = config(tmp_path, "budget.epochs=1", "regularizer=dropout", "regularizer.method.layer._target_=my_own.Mine")
    said = []
    for factor in (1, 1, 2):
        (tmp_path / "my_own.py").write_text(source.format(factor=factor))
        code._of_modules.cache_clear()
        caplog.clear()
        with caplog.at_level(logging.INFO, "regbench"):
            train(cfg)
        said.append(caplog.text)
    (row,) = Store(tmp_path / "results").rows()
    assert row["provenance"]["code"].partition("+")[0] == code.code_version()
    assert "made by other code" not in said[1] and "made by other code" in said[2]
    cfg.retrain = True
    train(cfg)
    (again,) = Store(tmp_path / "results").rows()
    assert again["provenance"]["code"] == code.code_version(row["config"]) != row["provenance"]["code"]


def test_running_out_of_memory_is_a_failed_row_that_keeps_its_epochs(tmp_path, monkeypatch):

    real, calls = loop.train_epoch, []

    def runs_out_in_the_third_epoch(*args):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return real(*args)

    monkeypatch.setattr(loop, "train_epoch", runs_out_in_the_third_epoch)
    with pytest.raises(MembersFailed, match="out of memory in epoch 3"):
        train(config(tmp_path))
    assert len(Store(tmp_path / "results").rows()[0]["epochs"]) == 2


def test_a_member_that_another_process_trains_is_skipped(tmp_path):
    cfg = config(tmp_path, "seeds=[0]")
    with lock(tmp_path / "outputs" / "checkpoints" / f"{members(cfg)[0].id}.lock") as mine:
        assert mine
        train(cfg)
        assert not Store(tmp_path / "results").rows()
    train(cfg)
    assert len(Store(tmp_path / "results").rows()) == 1


def test_two_processes_on_one_job_train_each_member_once(tmp_path):
    logs = [tmp_path / f"log{number}" for number in range(2)]
    calls = [started(command(tmp_path, "seeds=[0,1,2]")[3:], tmp_path, log) for log in logs]
    for call in calls:
        call.join(300)
    said = "".join(log.read_text() for log in logs)
    assert [call.exitcode for call in calls] == [0, 0], said
    assert len(Store(tmp_path / "results").rows()) == 3
    assert said.count("is done") == 3, said


def checkpoint_of(folder, *overrides):
    """A checkpoint left by an interrupted training."""
    cfg = config(folder, *overrides)
    path = folder / "outputs" / "checkpoints" / f"{members(cfg)[0].id}.pt"
    path.parent.mkdir(parents=True)
    return cfg, path


def test_a_corrupt_checkpoint_is_named_and_not_trained_over(tmp_path):
    cfg, path = checkpoint_of(tmp_path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"checkpoint .*\.pt is corrupt .*delete it"):
        train(cfg)
    assert path.read_bytes() == b"not a checkpoint" and not Store(tmp_path / "results").rows()


def test_a_checkpoint_of_another_config_is_refused(tmp_path):
    cfg, path = checkpoint_of(tmp_path)
    torch.save({"member": "0123456789abcdef", "origins": []}, path)
    with pytest.raises(UserError, match="is of member 0123456789abcdef, this config is member"):
        train(cfg)


def test_a_checkpoint_of_another_network_is_one_line(tmp_path):
    cfg, path = checkpoint_of(tmp_path)
    torch.save({"member": members(cfg)[0].id, "origins": [], "model": {}, "optimizer": {}, "epochs": []}, path)
    with pytest.raises(UserError, match="does not fit this code"):
        train(cfg)


def test_a_row_says_when_other_code_trained_its_first_epochs(tmp_path, monkeypatch):
    interrupt(config(tmp_path), monkeypatch)
    monkeypatch.setattr("regbench.training.provenance.code_version", lambda config: "other")
    train(config(tmp_path))
    provenance = Store(tmp_path / "results").rows()[0]["provenance"]
    assert provenance["code"] == "other" and [earlier["device"] for earlier in provenance["resumed_from"]] == ["cpu"]
    assert provenance["resumed_from"][0]["code"] != "other" and provenance["resumed_from"][0]["processes"] == 1


def test_a_checkpoint_of_other_images_is_refused(tmp_path, monkeypatch):
    digests = ["one"]
    monkeypatch.setattr("regbench.data.prepared.Prepared.provenance", lambda prepared: {"digest": digests[-1]})
    interrupt(config(tmp_path), monkeypatch)
    digests.append("two")
    with pytest.raises(UserError, match=r"\.pt was trained on other images \(digest one, now two\): delete it"):
        train(config(tmp_path))
    assert not Store(tmp_path / "results").rows()
    digests.append("one")
    train(config(tmp_path))
    assert len(Store(tmp_path / "results").rows()) == 1


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    cfg, path = checkpoint_of(tmp_path)
    torch.save({"member": "x", "run": Path}, path)
    with pytest.raises(UserError, match="is corrupt"):
        train(cfg)


def test_a_results_folder_that_cannot_be_written_is_said_before_training(tmp_path, monkeypatch):
    (tmp_path / "results").write_text("a file where the folder should be")
    monkeypatch.setattr("regbench.training.run.Run.train", lambda *args: pytest.fail("trained for nothing"))
    with pytest.raises(UserError, match=r"paths\.results=.* cannot be written"):
        train(config(tmp_path))


def test_a_full_disk_at_the_row_keeps_the_checkpoint(tmp_path, monkeypatch):
    cfg = config(tmp_path)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(UserError, match="No space left on device"):
        patch.setattr(os, "fsync", full)
        train(cfg)
    assert list((tmp_path / "outputs" / "checkpoints").glob("*.pt"))
    train(cfg)
    assert len(Store(tmp_path / "results").rows()) == 1


def test_a_full_disk_at_the_checkpoint_is_one_line(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match=r"checkpoint .* cannot be written .*No space left on device"):
        train(config(tmp_path))


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["regularizer=pb_edropout", "regularizer.method.layer.patch_size=5"], "patch_size=5 does not divide"),
        (["regularizer=pb_edropout", "regularizer.strength=-0.5"], "keep=1.5"),
        (["regularizer=random_patch", "regularizer.strength=1.0"], "keep=0.0"),
        (["regularizer=dropout", "regularizer.strength=1.5"], "p=1.5"),
        (["regularizer=dropout", "regularizer.method.placement=[conv7]"], "placement=conv7"),
        (["regularizer=dropout", "regularizer.method.placement=[conv1,conv1]"], "names a site twice"),
        (
            ["regularizer=dropblock", "regularizer.method.layer.block_size=2"],
            "block_size=2 is not allowed: allowed is an odd",
        ),
        (
            ["regularizer=dropblock", "regularizer.method.layer.block_size=99"],
            "block_size=99 is not allowed on maps",
        ),
        (
            ["regularizer=pb_edropout", "regularizer.method.layer.eps=abc"],
            "layer.eps=abc is not allowed: allowed is a number",
        ),
        (["regularizer=pb_edropout", "regularizer.method.layer.population=2.5"], "population=2.5 is not allowed"),
        (["seeds=[99999999999999]"], "seeds=[99999999999999] is not allowed: a list of different integers from 0 to"),
        (["share=maybe"], "share=maybe is not allowed: allowed are true, false"),
        (["paths.outputs=null"], "paths.outputs=None is not allowed: allowed is a word"),
        (["regularizer=dropout", "+regularizer.method.layer.unknown=1"], "layer.unknown is no setting of Dropout"),
        (["+model.unknown=1"], "unknown"),
        (["+task.weight_decay=0.1"], "weight_decay"),
        (["regularizer=dropout", "strengths=[0.15,1.5]"], "p=1.5"),
        (["regularizer=none", "strengths=[0.1]"], "nothing in regularizer=none reads regularizer.strength"),
        (["regularizer=dropout", "regularizer.method.layer.p=0.3"], "set regularizer.strength and leave"),
        (["device=cuda:99"], "device=cuda:99"),
        (["budget.train_images=2000"], "budget.train_images=2000"),
        (["dataset=mnist", "download=false", "paths.data=/nonexistent"], "prepare_data.py mnist"),
        (["tracking.mode=sometimes"], "tracking.mode=sometimes"),
    ],
)
def test_wrong_input_is_one_line_before_training_and_leaves_no_row(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, *overrides)


@pytest.mark.parametrize("group", ["dataset", "model", "regularizer"])
def test_an_unknown_choice_shows_the_options(tmp_path, group):
    result = run(tmp_path, f"{group}=unheard_of")
    assert result.returncode == 2 and "Traceback" not in result.stderr
    known = sorted(path.stem for path in (ROOT / "configs" / group).glob("*.yaml"))
    assert "unheard_of" in result.stderr and all(name in result.stderr for name in known)


def test_the_command_line_reports_wrong_input_in_its_last_line(tmp_path):
    result = run(tmp_path, "regularizer=pb_edropout", "regularizer.method.layer.variant=fast")
    assert result.returncode == 2
    expected = "error: variant=fast is not allowed: allowed are printed, standardized"
    assert result.stderr.strip().splitlines()[-1] == expected


@pytest.mark.parametrize("launch", ["local", "joblib", "submitit_local"])
def test_multirun_under_every_launcher_skips_what_another_one_finished(tmp_path, launch):
    train(config(tmp_path, "budget.epochs=1", "seeds=[0,1]"))
    stamp = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.json")}
    sweep = ["budget.epochs=1", f"launch={launch}", "seeds=[0,1]", "regularizer=none,dropout"]
    result = run(tmp_path, *sweep, module_arguments=("-m",))
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(Store(tmp_path / "results").rows()) == 4
    assert all(path.stat().st_mtime_ns == before for path, before in stamp.items())


def test_rows_are_the_same_with_tracking_on_and_wandb_is_offline_without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    train(config(tmp_path / "off", "regularizer=pb_edropout", "budget.epochs=1"))
    train(config(tmp_path / "on", "regularizer=pb_edropout", "budget.epochs=1", "tracking=auto"))
    off, on = (Store(tmp_path / name / "results").rows()[0] for name in ("off", "on"))
    assert metrics(on) == metrics(off) and on["id"] == off["id"]
    assert list((tmp_path / "on" / "outputs" / "wandb").glob("offline-run-*"))
    assert not (tmp_path / "off" / "outputs" / "wandb").exists()


def test_a_row_is_plain_json_with_its_config(tmp_path):
    train(config(tmp_path, "budget.epochs=1"))
    path = next((tmp_path / "results").rglob("*.json"))
    row = json.loads(path.read_text())
    assert row["config"]["model"]["widths"] == [32, 64, 64, 128, 128]
    assert row["config"]["regularizer"]["name"] == "none" and row["config"]["seed"] == 0


def test_the_command_of_a_row_names_no_folder_of_the_machine():
    words = ["/home/me/regbench/train.py", "-m", "dataset=mnist", "paths.results=/home/me/rows", "seeds=[0]"]
    assert provenance.command(words) == "train.py -m dataset=mnist seeds=[0]"
