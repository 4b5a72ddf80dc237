"""Every key of the config, and every script's arguments, with values that are none: one line, exit status 2, no row."""

import math

import pytest
from omegaconf import OmegaConf

from regbench.errors import WRONG_INPUT, failure_of
from regbench.paths import ROOT
from regbench.plan.experiments import load_config
from regbench.plan.jobs import member_id, members
from regbench.plan.kinds import normalised
from regbench.plan.overrides import _all_keys, check_overrides
from regbench.rows.store import Store
from regbench.train import train
from tests.commands import script, train_command

BASES = {
    "layers": ["regularizer=pb_edropout"],
    "gan": ["task=generate", "model=dcgan", "regularizer=adaptive_dropout", "model.widths=[4,6]"],
    "autoencoder": ["task=reconstruct", "model=autoencoder", "regularizer=entropy", "model.width=8"],
}
VALUES = [None, "word", -1, 0, [], {}, math.nan, True]
SWITCHES = ("share", "keep_weights", "retry_failed", "retrain", "download", "progress", "fused", "shared", "_partial_")
#: what means something: by the last name of a key (or the whole one), those of VALUES that are no bad input
MEANT = {
    **{key: (True,) for key in SWITCHES},
    **{
        key: ("word",)
        for key in ("name", "control", "experiment_name", "data", "results", "outputs", "root", "extractor")
    },
    **{key: (0,) for key in ("split_seed", "seed_offset", "min_delta", "beta", "ema_decay", "feedback", "mutation")},
    **{key: (0, None) for key in ("noise_std", "threads")},
    "strength": (0, -1),
    "strengths": (0, -1, None),
    "project": VALUES,  # of a mirror that is off
    "follow": ([], None),
    "early_stopping": (None,),
    "pooled": ([],),
    "ema": (None,),
    "slope": (0, -1),
    "placement": (0, True),
}


def _same(one, other):
    return one is other or (type(one) is type(other) and one == other)


def bad_inputs():
    for base, overrides in BASES.items():
        cfg = load_config(overrides)
        keys = [key for key in _all_keys(cfg) if not key.startswith(("sweeps", "dataset.budgets"))]
        for key in keys:
            meant = MEANT.get(key.rpartition(".")[2], ())
            yield base, key, [value for value in VALUES if not any(_same(value, each) for each in meant)]


INPUTS = list(bad_inputs())


class Trained(Exception):
    """A training would have begun."""


@pytest.fixture(scope="module")
def bases():
    return {}


@pytest.fixture
def base(request, bases, tmp_path, monkeypatch):
    """The config of a base, composed once, with folders of this test; trainings end where they would begin."""

    def begins(*arguments):
        raise Trained

    monkeypatch.setattr("regbench.training.run.Run.train", begins)
    monkeypatch.setattr("regbench.train.provenance", lambda *asked: {})
    name = request.param
    if name not in bases:
        bases[name] = load_config(["budget=smoke", "tracking=off", "progress=false", *BASES[name]])
    cfg = bases[name].copy()
    cfg.paths.results, cfg.paths.outputs = str(tmp_path), str(tmp_path)
    return cfg


@pytest.mark.parametrize("base,key,values", INPUTS, indirect=["base"], ids=[f"{b}-{k}" for b, k, _ in INPUTS])
def test_a_value_that_is_none_is_one_line_and_no_training(base, key, values, tmp_path):
    for value in values:
        cfg = base.copy()
        OmegaConf.update(cfg, key, value, merge=False)
        with pytest.raises(Exception) as error:
            train(cfg)
        said = failure_of(error.value)
        assert not isinstance(error.value, Trained), f"{key}={value} was accepted"
        assert said.status == WRONG_INPUT and "\n" not in said.text, f"{key}={value}: {said.text}"
    assert not Store(tmp_path).rows()


@pytest.mark.parametrize("base", BASES, indirect=True)
def test_what_means_something_begins_a_training(base):
    with pytest.raises(Trained):
        train(base)


def test_there_are_enough_of_them():
    assert sum(len(values) for _, _, values in INPUTS) > 900


@pytest.mark.parametrize(
    "words,said",
    [
        (["regulariser=dropout"], "regulariser=dropout: regulariser is no key of the config: the nearest one is regul"),
        (
            ["+regulariser=dropout"],
            "regulariser=dropout: regulariser is no key of the config: the nearest one is regul",
        ),
        (["lr=0.1"], "lr is no key of the config: the nearest one is task.optimizer.lr"),
        (["epochs=3"], "the nearest one is budget.epochs"),
        (["seed=1"], "the nearest one is seeds"),
        (["batch_size=8"], "the nearest one is task.batch_size"),
        (["placement=conv1", "regularizer=dropout"], "the nearest one is regularizer.method.placement"),
        (["task.bacth_size=3"], "the nearest one is task.batch_size"),
        (["+budget.epochz=3"], "the nearest one is budget.epochs"),
        (["+dataset.nmae=x"], "the nearest one is dataset.name"),
        (["+paths.result=x"], "the nearest one is paths.results"),
        (["regularizer.method.layer.kep=0.5", "regularizer=pb_edropout"], "is regularizer.method.layer.keep"),
        (["xyz=1"], "xyz is no key of the config: allowed are budget, dataset"),
        (["task.accumulate=2"], "task.accumulate is not set in this config: write +task.accumulate=2"),
        (["~seeds"], "~seeds is not allowed"),
        (["~dataset"], "~dataset is not allowed: allowed are celeba"),
        (["seeds=[0"], "seeds=[0 is no override: allowed is key=value"),
        (["dataset"], "dataset is no override"),
        (["dataset=nope"], "dataset=nope is not known: allowed are celeba"),
        *[([f"{group}=null"], f"{group}=null is not allowed: allowed are") for group in ("dataset", "model", "task")],
        *[
            ([f"{group}=null"], f"{group}=null is not allowed")
            for group in ("regularizer", "budget", "tracking", "launch")
        ],
        (["-m", "regularizer=dropout,nope"], "regularizer=nope is not known"),
        (["-m", "regulariser=dropout,none"], "regulariser is no key of the config"),
    ],
)
def test_a_wrong_word_is_one_line_with_the_nearest_right_one(words, said):
    result = train_command(*words)
    assert result.returncode == WRONG_INPUT and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and said in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["+task.accumulate=2", "+task.augment={flip: true}", "strategy=augmentation", "experiment=table1"],
        ["regularizer=pb_edropout", "regularizer.method.layer.keep=0.5", "+regularizer.method.layer.beta=1"],
        ["-m", "regularizer=none,dropout", "seeds=[0],[1]", "launch=joblib", "workers=3"],
        ["hydra.searchpath=[file://my/configs]", "hydra.verbose=true", "dataset=duts", "dataset.side=64"],
    ],
)
def test_right_words_pass(words):
    check_overrides([word for word in words if word != "-m"])


def test_help_shows_examples_choices_and_the_comments_of_the_config():
    said = train_command("--help")
    assert (
        said.returncode == 0 and said.stdout.count("python -m regbench.train") > 3 and "-m (--multirun)" in said.stdout
    )
    assert "# one training each" in said.stdout and "regularizer: adaptive_dropout, batchnorm" in said.stdout


SCRIPTS = {
    "reproduce": [
        ["nope"],
        ["table1", "--budget", "nope"],
        ["table1", "--budget", ""],
        ["table1", "--datasets", "nope"],
        ["table1", "--datasets", "[]"],
        ["table1", "--regularizers", "nope"],
        ["table1", "--only", "nope"],
        ["table1", "--only", "nope=1"],
        ["table1", "--only", "dataset="],
        ["table1", "--seeds", "word"],
        ["table1", "--seeds", "0"],
        ["table1", "--seeds", "-1"],
        ["table1", "--seeds", "[]"],
        ["table1", "--seeds", "1.5"],
        ["table1", "--workers", "-1"],
        ["table1", "--workers", "word"],
        ["table1", "--launch", "nope"],
        ["table1", "--minutes", "0"],
        ["table1", "--minutes", "-1"],
        ["table1", "--minutes", "word"],
        ["table1", "--minutes", "nan"],
        ["table1", "--budget", "null"],
        ["table1", "task.batch_size=3"],
        ["table1", "device=nope", "--dry-run", "+x=1"],
    ],
    "report": [["nope"], ["--results"], ["--nope"], ["--results", "/dev/null"]],
    "page": [["nope"], ["--results", "/nonexistent"], ["--results", "/dev/null"]],
    "plan": [["nope"], ["--hours", "0"], ["--hours", "word"], ["--claims", "nope"], ["--budget", "nope"]],
    "compare": [[], ["nope"], ["none"], ["l2", "--seeds", "0"], ["l2", "--name", "../x"], ["l2", "--configs", "/dev"]],
    "prepare_data": [["nope"], ["digits"], ["--nope"]],
    "train_extractor": [["nope"], ["digits", "--again", "--set", "nope=1"], ["--nope"]],
    "input_images": [["nope"], [], ["--nope"]],
    "entropy_maps": [
        ["nope"],
        ["--weights", "a.pt"],
        ["vgg16", "--weights", "/nonexistent"],
        ["vgg16", "--weights", "/tmp"],
        ["--nope"],
    ],
    "run_notebooks": [["nope"]],
    "benchmark": [["nope"], ["--rounds", "0"], ["--rounds", "word"], ["--threads", "-1"]],
    "benchmark_members": [["nope"], ["--seeds", "0"], ["--epochs", "word"]],
    "benchmark_data": [["nope"], ["nope:word"], ["mnist:-1"]],
}


@pytest.mark.parametrize("name,words", [(name, words) for name, each in SCRIPTS.items() for words in each])
def test_a_script_with_words_that_are_none_is_one_line(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGBENCH_DATA", str(tmp_path / "data"))
    said = script(name, *words)
    lines = [line for line in said.stderr.splitlines() if "error: " in line]
    assert said.returncode == 2 and len(lines) == 1 and "Traceback" not in said.stderr, said


@pytest.mark.parametrize(
    "one,other",
    [
        (["task.optimizer.lr=1"], ["task.optimizer.lr=1.0"]),
        (["regularizer=dropout"], ["regularizer=dropout", "regularizer.method.placement=conv1"]),
        (
            ["regularizer=dropout", "regularizer.method.placement=all"],
            ["regularizer=dropout", "regularizer.method.placement=[all]"],
        ),
        (
            ["regularizer=entropy", "regularizer.method.placement=first"],
            ["regularizer=entropy", "regularizer.method.placement=0"],
        ),
        (
            ["regularizer=l2", "regularizer.method.placement=head"],
            ["regularizer=l2", "regularizer.method.placement=[head]"],
        ),
        (["regularizer=l2", "regularizer.method.power=2"], ["regularizer=l2", "regularizer.method.power=2.0"]),
        (["model=vgg16", "model.width=1"], ["model=vgg16", "model.width=1.0"]),
        (["regularizer=dropout", "strengths=[1]"], ["regularizer=dropout", "strengths=[1.0]"]),
    ],
)
def test_one_setting_is_one_member_however_it_is_written(one, other):
    ids = [[member.id for member in members(load_config(["budget=smoke", *words]))] for words in (one, other)]
    assert ids[0] == ids[1]


def test_ids_of_all_committed_rows_are_those_of_their_configs():
    rows = Store(ROOT / "results").rows()
    assert len(rows) > 1500
    for row in rows:
        config = {
            **row["config"],
            **{key: normalised(key, row["config"][key]) for key in ("model", "regularizer", "task")},
        }
        assert member_id(config) == row["id"]


@pytest.mark.parametrize("base", ["layers"], indirect=True)
@pytest.mark.parametrize(
    "target,said",
    [
        ("torch.optim.LBFGS", "task.optimizer: LBFGS needs a closure"),
        ("torch.nn.Dropout", "task.optimizer: torch.nn.Dropout does not take"),
        ("word", "task.optimizer: word does not take"),
        ("torch.optim.Nope", "task.optimizer: torch.optim.Nope does not take"),
        ("builtins.dict", "task.optimizer._target_=builtins.dict is no optimizer"),
    ],
)
def test_what_is_no_optimizer_of_the_loop_is_one_line(base, target, said):
    base.task.optimizer._target_ = target
    with pytest.raises(ValueError) as error:
        train(base)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("base", ["gan"], indirect=True)
def test_one_held_out_image_is_too_few_for_a_distance_of_distributions(base):
    base.budget.heldout_images = 1
    with pytest.raises(
        ValueError, match=r"budget\.heldout_images=1 is too few for task=generate: allowed are 2 or more"
    ):
        train(base)


def test_a_config_of_ones_own_that_is_no_yaml_is_one_line(tmp_path):
    folder = tmp_path / "configs" / "regularizer"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: [mine\nmethod: {")
    said = train_command("regularizer=mine", f"hydra.searchpath=[file://{tmp_path}/configs]")
    assert said.returncode == WRONG_INPUT and said.stderr.startswith("error: a config is no YAML: ")
    assert "mine.yaml" in said.stderr and said.stderr.count("\n") == 1


def test_an_error_in_a_layer_of_ones_own_keeps_its_traceback_shortened_to_it(tmp_path, monkeypatch):
    (tmp_path / "broken_layer.py").write_text(
        "import torch\n\n\nclass Broken(torch.nn.Dropout):\n    def forward(self, x):\n        return x.no_such_thing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    folders = [
        f"paths.results={tmp_path}",
        f"paths.outputs={tmp_path}",
        "tracking=off",
        "budget=smoke",
        "progress=false",
    ]
    said = train_command("regularizer=dropout", "regularizer.method.layer._target_=broken_layer.Broken", *folders)
    assert said.returncode == 1 and "broken_layer.py" in said.stderr and "x.no_such_thing" in said.stderr
    assert "regbench/train.py" not in said.stderr and said.stderr.startswith("error: AttributeError: ")
