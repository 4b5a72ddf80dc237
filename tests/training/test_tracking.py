"""W&B as a mirror: what decides whether and where, and that nothing it does is seen in a row. No W&B takes part."""

import http.server
import importlib
import itertools
import os
import signal
import socket
import sys
import threading
import time
import types
from pathlib import Path

import pytest
import torch

import regbench.training.state as state
import regbench.training.tracking as tracking
from regbench.errors import UserError
from regbench.plan.experiments import load_config
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.tracking import ENVIRONMENT_MODES, Tracker, chosen_mode
from tests.test_train import config, interrupt, metrics

KEY = "k" * 40
CURVE = "test/full/loss"


class FakeError(Exception):
    """As wandb.Error."""


class FakeRun:
    def __init__(self, wandb, folder):
        self.wandb, self.dir = wandb, f"{folder}/wandb/run/files"
        self.logged, self.finished = [], False

    def define_metric(self, *args, **kwargs):
        self.wandb.step("define_metric")

    def log(self, values):
        self.wandb.step("log")
        self.logged.append(values)

    def finish(self):
        self.wandb.step("finish")
        self.finished = True


class FakeWandb(types.ModuleType):
    """What of wandb is used. `fails`: by call, the number from which on it fails, and how."""

    Error, Image = FakeError, staticmethod(lambda picture: picture)

    def __init__(self, environment):
        super().__init__("wandb")
        self.environment, self.fails, self.counts, self.runs, self.asked, self.torn = environment, {}, {}, [], [], 0
        self.known = types.SimpleNamespace(
            mode="online",
            api_key=None,
            identity_token_file=None,
            base_url="http://127.0.0.1:9",
            http_proxy=None,
            https_proxy=None,
        )

    def step(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        first, error = self.fails.get(name, (10**9, None))
        if self.counts[name] >= first:
            if callable(error) and not isinstance(error, type):
                error()
            else:
                raise error

    def setup(self, settings):
        self.step("setup")
        return types.SimpleNamespace(settings=self.known)

    def Settings(self, **settings):
        return settings

    def Table(self, columns, data):
        self.step("Table")
        return {"columns": columns, "data": data}

    def init(self, config, settings):
        self.asked.append(settings)
        self.step(f"init {settings['mode']}")
        self.runs.append(FakeRun(self, settings.get("root_dir", "elsewhere")))
        return self.runs[-1]

    def teardown(self, exit_code):
        self.torn += 1


@pytest.fixture(autouse=True)
def wandb(monkeypatch, tmp_path):
    for name in ("MODE", "DISABLED", "API_KEY", "PROJECT", "DIR", "NAME", "RUN_GROUP", "INIT_TIMEOUT", "BASE_URL"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("no_proxy", "*")
    fake = FakeWandb({})
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def tracker(tmp_path, mode="auto", project=None):
    return Tracker(mode, project, tmp_path / "outputs", "table1", "job", {"seed": [0]})


def curve(run, member):
    """The epochs of a member that a run holds, with their test loss."""
    place = f"{member}/{CURVE}"
    return {values[f"{member}/epoch"]: values[place] for values in run.logged if place in values}


@pytest.fixture
def server():
    """A server that answers everything with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_address[1]}"
    found.shutdown()
    found.server_close()


@pytest.mark.parametrize(
    "mode,environment,expected",
    [
        ("auto", {}, "auto"),
        ("auto", {"WANDB_MODE": ""}, "auto"),
        *(("auto", {"WANDB_MODE": asked}, found) for asked, found in ENVIRONMENT_MODES.items()),
        *(("auto", {"WANDB_DISABLED": yes}, "off") for yes in ("true", "1", "True", "yes", "on")),
        *(("auto", {"WANDB_DISABLED": no}, "auto") for no in ("", "false", "0", "False", "no", "off")),
        ("auto", {"WANDB_DISABLED": "true", "WANDB_MODE": "online"}, "off"),
        ("auto", {"WANDB_DISABLED": "false", "WANDB_MODE": "offline"}, "offline"),
        *((mode, {"WANDB_MODE": asked}, mode) for mode in ("online", "offline", "off") for asked in ENVIRONMENT_MODES),
        ("offline", {"WANDB_DISABLED": "true"}, "offline"),
        ("online", {"WANDB_MODE": "sometimes"}, "online"),
    ],
)
def test_the_config_decides_then_the_environment(mode, environment, expected):
    assert chosen_mode(mode, environment) == expected


@pytest.mark.parametrize("mode", [None, "", "sometimes", "dryrun", 0, True, ["off"]])
def test_a_mode_that_is_none_is_one_line(mode):
    with pytest.raises(UserError, match=r"tracking\.mode=.* is not allowed: allowed are auto, online, offline, off$"):
        chosen_mode(mode, {})
    with pytest.raises(UserError, match="WANDB_MODE=sometimes is not allowed: allowed are online, run"):
        chosen_mode("auto", {"WANDB_MODE": "sometimes"})


@pytest.mark.parametrize("project", ["", 5, False, ["a"]])
def test_a_project_that_is_none_is_one_line(tmp_path, project):
    with pytest.raises(UserError, match=r"tracking\.project=.* is not allowed"):
        tracker(tmp_path, "offline", project)


@pytest.mark.parametrize(
    "environment,project,changed",
    [
        ({}, None, {}),
        ({}, "own", {"project": "own"}),
        ({"WANDB_PROJECT": "theirs"}, None, {"project": None}),
        ({"WANDB_PROJECT": "theirs"}, "own", {"project": "own"}),
        ({"WANDB_DIR": "/there"}, None, {"root_dir": None}),
        ({"WANDB_NAME": "n", "WANDB_RUN_GROUP": "g"}, None, {"run_name": None, "run_group": None}),
        ({"WANDB_CONSOLE": "wrap", "WANDB_SILENT": "false"}, None, {"console": None, "silent": None}),
        (
            {"WANDB_INIT_TIMEOUT": "99", "WANDB_FINISH_TIMEOUT": "9"},
            None,
            {"init_timeout": None, "finish_timeout": None},
        ),
    ],
)
def test_what_the_environment_sets_is_left_to_wandb(tmp_path, monkeypatch, wandb, environment, project, changed):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracker(tmp_path, "offline", project).finish([])
    expected = {
        "mode": "offline",
        "project": "regbench",
        "run_group": "table1",
        "run_name": "job",
        "root_dir": str(tmp_path / "outputs"),
        "silent": True,
        "console": "off",
        "init_timeout": tracking.INIT_SECONDS,
        "finish_timeout": tracking.UPLOAD_SECONDS,
    }
    assert wandb.asked == [{key: value for key, value in (expected | changed).items() if value is not None}]


@pytest.mark.parametrize(
    "mode,environment", [("off", {}), ("auto", {"WANDB_MODE": "disabled"}), ("auto", {"WANDB_DISABLED": "true"})]
)
def test_off_does_not_load_wandb(tmp_path, monkeypatch, wandb, mode, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    mirror = tracker(tmp_path, mode)
    mirror.log_epochs("a", [{"epoch": 1}])
    mirror.finish([])
    assert wandb.counts == {} and not (tmp_path / "outputs").exists() and mirror.place is None


@pytest.mark.parametrize("known,mode", [("offline", "offline"), ("dryrun", "offline"), ("disabled", None)])
def test_wandbs_settings_file_is_heard(tmp_path, wandb, known, mode):
    """`wandb offline` and `wandb disabled` write it; a key does not change what they say."""
    wandb.known.mode, wandb.known.api_key = known, KEY
    tracker(tmp_path).finish([])
    assert [settings["mode"] for settings in wandb.asked] == ([mode] if mode else [])


def test_without_a_key_it_is_offline_and_nobody_is_asked_for_one(tmp_path, wandb, caplog):
    tracker(tmp_path).finish([])
    assert caplog.messages == []
    tracker(tmp_path, "online").finish([])
    assert [settings["mode"] for settings in wandb.asked] == ["offline", "offline"]
    assert len(caplog.messages) == 1 and "there is no key" in caplog.messages[0]


def test_a_key_of_the_public_servers_first_name_is_one(tmp_path, monkeypatch, wandb):
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wandb.known.base_url = "https://api.forge.coreweave.com"
    assert tracking.has_key(wandb.known)
    wandb.known.base_url = "https://wandb.example.org"
    assert not tracking.has_key(wandb.known)


@pytest.mark.parametrize("where", ["settings", "token", "netrc", "netrc of another server"])
def test_with_a_key_it_is_online(tmp_path, monkeypatch, wandb, server, where):
    wandb.known.base_url = server
    if where == "settings":
        wandb.known.api_key = KEY
    elif where == "token":
        wandb.known.identity_token_file = "file"
    else:
        machine = server.removeprefix("http://") if where == "netrc" else "api.wandb.ai"
        (tmp_path / "netrc").write_text(f"machine {machine} login user password {KEY}\n")
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    mirror = tracker(tmp_path)
    assert mirror.place == str(tmp_path / "outputs" / "wandb" / "run")
    mirror.finish([])
    expected = "offline" if where.endswith("another server") else "online"
    assert [settings["mode"] for settings in wandb.asked] == [expected] and wandb.runs[0].finished


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("url", ["refused", "no such host", "silent", "no address"])
def test_a_key_without_a_network_is_offline_within_seconds(tmp_path, monkeypatch, wandb, caplog, url):
    monkeypatch.setattr(tracking, "REACH_SECONDS", 0.3)
    wandb.known.api_key = KEY
    with socket.socket() as silent:  # it takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1] if url == "silent" else free_port()
        wandb.known.base_url = {"no such host": "http://nowhere.invalid", "no address": "nowhere"}.get(
            url, f"http://127.0.0.1:{port}"
        )
        start = time.monotonic()
        tracker(tmp_path).finish([])
        assert time.monotonic() - start < 3
    assert [settings["mode"] for settings in wandb.asked] == ["offline"] and wandb.runs[0].finished
    assert len(caplog.messages) == 1 and "\n" not in caplog.messages[0] and "wandb sync" in caplog.messages[0]


@pytest.mark.parametrize(
    "error,torn", [(FakeError("project not\nfound"), 0), (ConnectionResetError("gone"), 1), (ValueError("bad key"), 1)]
)
def test_an_online_run_that_cannot_start_is_an_offline_one(tmp_path, wandb, server, caplog, error, torn):
    """Its service is started anew where it may be dead."""
    wandb.known.api_key, wandb.known.base_url = KEY, server
    wandb.fails["init online"] = (1, error)
    tracker(tmp_path).finish([])
    assert [settings["mode"] for settings in wandb.asked] == ["online", "offline"] and wandb.runs[0].finished
    (message,) = caplog.messages
    assert " ".join(str(error).split()) in message and wandb.torn == torn


CALLS = ["setup", "init offline", "define_metric", "log", "Table", "finish"]


@pytest.fixture(scope="module")
def untracked(tmp_path_factory):
    """The row of a training without tracking."""
    folder = tmp_path_factory.mktemp("off")
    train(config(folder, "regularizer=pb_edropout", "budget.epochs=2"))
    return Store(folder / "results").rows()[0]


def same(row, other):
    return metrics(row) == metrics(other) and row["artifacts"] == other["artifacts"] and row["id"] == other["id"]


def test_a_row_is_the_same_with_a_mirror_that_holds_it_all(tmp_path, wandb, untracked, caplog):
    caplog.set_level("INFO", "regbench")
    train(config(tmp_path, "regularizer=pb_edropout", "budget.epochs=2", "tracking=auto"))
    (row,), (run,) = Store(tmp_path / "results").rows(), wandb.runs
    member = f"seed0-strength{row['strength']:g}"
    assert same(row, untracked)
    assert "; W&B run " in next(each for each in caplog.messages if row["id"] in each and " is done: " in each)
    expected = {each["epoch"]: each["test"]["full"]["loss"] for each in row["epochs"]}
    assert curve(run, member) == expected and len(expected) == 2
    assert run.logged[-1]["members"]["data"] == [[row["id"], 0, row["strength"], "done", ""]]
    assert any(f"{member}/conv1/mask" in values for values in run.logged) and run.finished


@pytest.mark.parametrize(
    "error", [FakeError("dead\nservice"), ConnectionResetError("gone"), SystemExit(1), KeyError("x")]
)
@pytest.mark.parametrize("call", CALLS)
def test_a_mirror_that_breaks_is_one_line_and_changes_no_row(tmp_path, wandb, caplog, untracked, call, error):
    wandb.fails[call] = (1 if call != "log" else 2, error)
    train(config(tmp_path, "regularizer=pb_edropout", "budget.epochs=2", "tracking=offline"))
    assert same(Store(tmp_path / "results").rows()[0], untracked)
    (message,) = [each for each in caplog.messages if "W&B" in each and "W&B run" not in each]
    assert message.startswith("W&B mirrors this job no more (") and "\n" not in message
    assert wandb.torn == 1  # nothing of it is left for the process's end
    assert call in ("finish", "Table") or wandb.counts.get("Table", 0) == 0  # it is left alone from then on


@pytest.mark.parametrize("call", ["init offline", "log", "finish"])
def test_a_mirror_that_hangs_holds_up_no_training(tmp_path, monkeypatch, wandb, caplog, untracked, call):
    monkeypatch.setattr(tracking, "HANG_SECONDS", 0.3)
    let_go = threading.Event()
    wandb.fails[call] = (1, let_go.wait)
    train(config(tmp_path, "regularizer=pb_edropout", "budget.epochs=2", "tracking=offline"))
    let_go.set()
    for thread in [each for each in threading.enumerate() if each.name == "wandb"]:
        thread.join(10)
    assert same(Store(tmp_path / "results").rows()[0], untracked)
    (message,) = [each for each in caplog.messages if "W&B" in each and "W&B run" not in each]
    assert "after 0.3 s" in message


def test_a_training_that_goes_on_holds_all_of_its_epochs(tmp_path, monkeypatch, wandb):
    interrupt(config(tmp_path, "tracking=offline"), monkeypatch)
    torch.manual_seed(1)
    train(config(tmp_path, "tracking=offline"))
    (row,), (first, second) = Store(tmp_path / "results").rows(), wandb.runs
    expected = {each["epoch"]: each["test"]["full"]["loss"] for each in row["epochs"]}
    member = "seed0-strength0"
    assert curve(first, member) == {1: expected[1]} and first.finished
    assert curve(second, member) == expected and list(expected) == [1, 2, 3]
    logged = [values[f"{member}/epoch"] for values in second.logged if f"{member}/epoch" in values]
    assert logged == [1, 2, 3]  # each once, in order


def test_a_training_of_which_only_the_row_was_missing_is_whole_too(tmp_path, monkeypatch, wandb):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "write", killed)
        train(config(tmp_path, "tracking=offline"))
    train(config(tmp_path, "tracking=offline"))
    assert list(curve(wandb.runs[-1], "seed0-strength0")) == [1, 2, 3]


def test_a_wrong_mode_of_the_environment_is_wrong_input_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(UserError, match="WANDB_MODE=sometimes"):
        train(config(tmp_path, "tracking=auto"))
    assert not Store(tmp_path / "results").rows()


def test_the_configs_leave_the_project_to_the_environment():
    for name in ("auto", "online", "offline", "off"):
        assert load_config([f"tracking={name}"]).tracking == {"mode": name, "project": None}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for the service among this process's children")
def test_wandbs_own_service_that_dies_changes_no_row_and_no_import(tmp_path, monkeypatch, caplog, untracked):
    """Of the real one, killed after the first epoch: W&B listens to imports, and would raise in them."""
    monkeypatch.delitem(sys.modules, "wandb")
    real, killed = state.evaluate, []

    def kills(*args):
        if not killed:
            killed.extend(services())
            for process in killed:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.3)
            monkeypatch.delitem(sys.modules, "hydra", raising=False)
            importlib.import_module("hydra")
        return real(*args)

    monkeypatch.setattr(state, "evaluate", kills)
    train(config(tmp_path, "regularizer=pb_edropout", "budget.epochs=2", "tracking=offline"))
    assert killed and same(Store(tmp_path / "results").rows()[0], untracked)
    (message,) = [each for each in caplog.messages if "W&B" in each and "W&B run" not in each]
    assert message.startswith("W&B mirrors this job no more (")


def services():
    """This process's children that are W&B's service."""
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    found = [int(each) for each in itertools.chain(*children)]
    return [each for each in found if b"wandb-core" in Path(f"/proc/{each}/cmdline").read_bytes()]
