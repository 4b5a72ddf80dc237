"""Members: what their identity depends on, and what it does not; every shipped config is whole."""

import math
import shutil

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from regbench.errors import UserError
from regbench.evidence.documents import load_all_pages
from regbench.paths import CONFIGS
from regbench.plan.experiments import cells, load_config, rows_of_cells, sweeps
from regbench.plan.jobs import members
from regbench.rows.stopping import WATCHED


def ids(*overrides):
    return [member.id for member in members(load_config(overrides))]


def options(group):
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def test_members_are_seeds_times_strengths():
    found = members(load_config(["regularizer=dropout", "seeds=[0,3]", "strengths=[0.1,0.2,0.3]"]))
    assert [(m.seed, m.strength) for m in found] == [(s, p) for s in (0, 3) for p in (0.1, 0.2, 0.3)]
    assert len({m.id for m in found}) == 6
    assert found[1].config["regularizer"]["method"]["layer"]["p"] == 0.2


@pytest.mark.parametrize(
    "override",
    ["device=cuda", "threads=1", "tracking=off", "launch=joblib", "paths.outputs=/x", "experiment_name=other"],
)
def test_how_it_runs_is_not_part_of_the_identity(override):
    assert ids("regularizer=pb_edropout", override) == ids("regularizer=pb_edropout")


@pytest.mark.parametrize(
    "override",
    [
        "dataset=mnist",
        "dataset.split_seed=1",
        "budget.epochs=3",
        "task.batch_size=64",
        "task.optimizer.lr=0.1",
        "+task.early_stopping.patience=3",
        "model.widths=[8,8,8,8,8]",
        "regularizer.strength=0.2",
        "regularizer.method.layer.eps=0.1",
    ],
)
def test_what_the_numbers_depend_on_is(override):
    assert not set(ids("regularizer=pb_edropout", override)) & set(ids("regularizer=pb_edropout"))


def test_strength_zero_of_every_regularizer_is_the_baseline():
    baseline = ids("regularizer=none")
    for name in options("regularizer"):
        assert ids(f"regularizer={name}", "strengths=[0.0]") == baseline


@pytest.mark.parametrize("key", ["early_stopping", "plateau"])
def test_the_baseline_watches_what_a_penalty_is_not_part_of(key):
    """With no penalty the compound loss is the task's: one baseline for both words, another for the accuracy."""
    task = ["regularizer=l2", "task=classify_plateau", "strengths=[0.0]"]
    watched = {word: members(load_config([*task, f"task.{key}.watch={word}"]))[0] for word in WATCHED}
    assert watched["compound"].id == watched["base"].id != watched["accuracy"].id
    found = {word: member.config["task"][key]["watch"] for word, member in watched.items()}
    assert found == {"compound": "base", "base": "base", "accuracy": "accuracy"}
    assert watched["accuracy"].id == ids("regularizer=none", "task=classify_plateau")[0]
    penalised = [ids(*task[:2], f"task.{key}.watch={word}")[0] for word in WATCHED]
    assert len(set(penalised)) == 3


def test_what_is_not_said_to_be_watched_is_the_classs_default():
    base = ["regularizer=l2", "task=classify_plateau", "strengths=[0.0]"]
    assert ids(*base, "~task.early_stopping.watch") != ids(*base)
    task = members(load_config([*base, "~task.early_stopping.watch", "~task.plateau.watch"]))[0].config["task"]
    assert task["early_stopping"]["watch"] == "base" and "watch" not in task["plateau"]


def test_more_seeds_keep_the_old_members():
    assert set(ids("seeds=[0,1,2]")) < set(ids("seeds=[0,1,2,3,4]"))


@pytest.mark.parametrize("values", ["[]", "[0,0]", "[-1]", "[a]", "[1.5]", "[true]"])
def test_seeds_that_are_none_are_refused(values):
    with pytest.raises(UserError, match="seeds="):
        ids(f"seeds={values}")


def test_a_single_number_is_no_list_of_seeds():
    """It would be seed 5 to one reader and five seeds to another."""
    with pytest.raises(UserError, match=r"seeds=5 is not allowed: a list, \[5\] for this one, \[0,1,2\] for three"):
        ids("seeds=5")


@pytest.mark.parametrize("values", ["[0.1,0.1]", "[nan]", "[inf]", "[x]"])
def test_strengths_that_are_none_are_refused(values):
    with pytest.raises(UserError, match="strengths="):
        ids("regularizer=dropout", f"strengths={values}")


@pytest.mark.parametrize("override", ["budget.epochs=0", "task.batch_size=0", "task.optimizer.lr=-1"])
def test_numbers_out_of_range_are_refused_by_name(override):
    with pytest.raises(UserError, match=override.split("=")[0]):
        ids(override)


@pytest.mark.parametrize("dataset", options("dataset"))
@pytest.mark.parametrize("budget", options("budget"))
def test_every_dataset_has_every_budget(dataset, budget):
    found = members(load_config([f"dataset={dataset}", f"budget={budget}"]))
    assert found[0].config["epochs"] >= 1 and found[0].config["dataset"]["train_images"] > 0


GANS = ("dcgan", "wgan_gp", "sngan")
TASKS = {"autoencoder": "reconstruct", "unet": "segment", **dict.fromkeys(GANS, "generate")}
SMALL = {"vgg16": ["model.width=0.05"], "resnet50": ["model.width=0.05"], "unet": ["model.widths=[2,2,2,3,4]"]}
FIRST_SITE = {"vgg16": "conv1_1", "unet": "down1_1"}  # of models that have no site conv1


def made_data(model):
    """A dataset that fits the model: digits, or pictures large enough for it, with masks where it makes masks."""
    from regbench.data.prepared import Prepared
    from regbench.data.sources import digits

    if model not in SMALL:
        return digits()
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 80), ("test", 4)):
        arrays[f"{split}_images"] = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = random.integers(0, 3, count)
        arrays[f"{split}_masks"] = random.integers(0, 2, (count, 32, 32), dtype=np.uint8)
    task = "segmentation" if model == "unet" else "classification"
    return Prepared("made", task, ["a", "b", "c"], "made by a test", arrays)


@pytest.mark.parametrize("regularizer", options("regularizer"))
@pytest.mark.parametrize("model", options("model"))
def test_every_model_builds_with_every_regularizer(model, regularizer):
    from regbench.data import load_splits
    from regbench.training.build import build

    cpu = torch.device("cpu")
    task = TASKS.get(model, "classify")
    cfg = load_config([f"model={model}", f"regularizer={regularizer}", f"task={task}", *SMALL.get(model, [])])
    if model == "autoencoder" and "placement" in cfg.regularizer.method and "layer" in cfg.regularizer.method:
        if "patch" in regularizer or "pb_" in regularizer or regularizer in ("dropblock", "spatial_dropout"):
            pytest.skip("a latent vector has no patches, blocks or channel maps")
        cfg.regularizer.method.placement = ["latent"]
    if model in GANS and "layer" in cfg.regularizer.method:
        cfg.regularizer.method.placement = "all"
    if model in FIRST_SITE and cfg.regularizer.method.get("placement") == ["conv1"]:
        cfg.regularizer.method.placement = [FIRST_SITE[model]]
    member = members(cfg)[0]
    data = load_splits(made_data(model), 64, 16, 0, cpu)
    training = build(member, data, cpu)
    training.task.check(training.model, data.train, {"task": cfg.task.name, "model": model, "dataset": "made"})
    inputs, _ = training.task.batch(data.train, slice(0, 4))
    assert len(training.model.train()(inputs)) == 4
    optimizers = training.optimizer.values() if model in GANS else [training.optimizer]
    assert {each.param_groups[0]["lr"] for each in optimizers} == {member.config["task"]["optimizer"]["lr"]}


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_enumerates_its_cells(experiment):
    found = [cell for sweep in sweeps(experiment, {}) for cell in cells(experiment, sweep)]
    assert len(found) > 1 and all(cell.members for cell in found)


@pytest.mark.parametrize("launch", options("launch"))
def test_every_launch_config_composes(launch):
    assert OmegaConf.to_container(load_config([f"launch={launch}"]), resolve=True)["experiment_name"] == "adhoc"


def test_table1_counts_rows_of_its_cells_whatever_stored_them_and_no_others():
    sweep = sweeps("table1", {"dataset": ["digits"], "regularizer": ["none", "dropout"]})[0]
    found = cells("table1", sweep)
    member = members(load_config(["dataset=digits", "regularizer=dropout", "seeds=[77]"]))[0]
    other = members(load_config(["dataset=digits", "regularizer=dropout", "regularizer.strength=0.3"]))[0]
    rows = [{"id": m.id, "config": m.config, "experiment": "adhoc"} for m in (member, other)]
    assert [row["id"] for row in rows_of_cells(found, rows)] == [member.id]


def test_table1_has_a_line_for_every_regularizer_that_it_trains():
    swept = {name for sweep in sweeps("table1", {}) for name in sweep["regularizer"]}
    lines = load_all_pages()["table1"][1].lines.values()
    assert swept == {line.where["regularizer.name"] for line in lines}


def test_narrowing_to_what_an_experiment_lacks_is_refused():
    with pytest.raises(UserError, match=r"dataset=imagenet is not part .* digits, mnist"):
        sweeps("table1", {"dataset": ["imagenet"]})
    with pytest.raises(UserError, match=r"experiment=table9 is not known: allowed are .*table1"):
        sweeps("table9", {})


MADE_UP = """# @package _global_
experiment_name: made-up
some: [0.001, 0.1]
sweeps:
  - {dataset: digits, regularizer: "none, l2"}
  - {dataset: digits, regularizer: l1, strengths: ["${some}", [0.5]]}
  - {dataset: "digits,mnist", model: cnn_blocks, model.widths: ["[4]", [4, 8]], regularizer: dropout}
"""
EPS = {"constant": '"1e-7,1e-5"', "entropy": "1e-7"}


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """An experiment whose sweeps nobody else changes."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    (tmp_path / "configs" / "experiment" / "made-up.yaml").write_text(MADE_UP)
    monkeypatch.setattr("regbench.plan.experiments.CONFIGS", tmp_path / "configs")
    return "made-up"


def test_an_entry_of_a_yaml_list_is_one_value_though_it_is_a_list(made_up):
    first, second, third = sweeps(made_up, {})
    assert first == {"dataset": ["digits"], "regularizer": ["none", "l2"]}
    assert second == {"dataset": ["digits"], "regularizer": ["l1"], "strengths": ["[0.001,0.1]", "[0.5]"]}
    assert third["dataset"] == ["digits", "mnist"] and third["model.widths"] == ["[4]", "[4,8]"]
    found = cells(made_up, second)
    assert [[member.strength for member in cell.members if member.seed == 0] for cell in found] == [[0.001, 0.1], [0.5]]
    assert found[0].overrides == ("dataset=digits", "regularizer=l1", "strengths=[0.001,0.1]")
    widths = [cell.members[0].config["model"]["widths"] for cell in cells(made_up, third)]
    assert widths == [[4], [4, 8], [4], [4, 8]]


def test_fixed_overrides_hold_in_all_cells(made_up):
    found = cells(made_up, sweeps(made_up, {})[0], ["seeds=[3]", "budget.epochs=2"])
    assert [(cell.members[0].seed, cell.members[0].config["epochs"]) for cell in found] == [(3, 2), (3, 2)]


def test_narrowing_keeps_what_matches_and_drops_sweeps_that_have_nothing_left(made_up):
    first, second, third = sweeps(made_up, {})
    assert sweeps(made_up, {"regularizer": ["l1", "dropout"]}) == [second, third]
    assert sweeps(made_up, {"regularizer": ["none"]}) == [{**first, "regularizer": ["none"]}]
    assert sweeps(made_up, {"dataset": ["mnist"]}) == [{**third, "dataset": ["mnist"]}]
    assert sweeps(made_up, {"dataset": ["mnist"], "regularizer": ["l1"]}) == []
    assert sweeps(made_up, {"model.widths": ["[4,8]"], "regularizer": ["dropout"]}) == [
        {**third, "model.widths": ["[4,8]"]}
    ]


def test_a_sweep_without_the_narrowed_parameter_is_left_out_unless_its_config_has_that_value(made_up):
    second = next(sweep for sweep in sweeps(made_up, {}) if "strengths" in sweep)
    assert sweeps(made_up, {"strengths": ["[0.5]"]}) == [{**second, "strengths": ["[0.5]"]}]


@pytest.mark.parametrize(
    "narrowed,words",
    [
        (
            {"regularizer": ["l1", "l3"]},
            "regularizer=l3 is not part of this experiment: allowed are none, l2, l1, dropout",
        ),
        ({"strengths": ["[0.001]"]}, r"strengths=\[0.001\] is not part .* allowed are \[0.001,0.1\], \[0.5\]"),
        ({"dataset": ["digits"], "model.widths": ["[8]"]}, r"model.widths=\[8\] is not part .* \[4\], \[4,8\]"),
        ({"task": ["classify"]}, "task=classify is not part .* none: this experiment does not sweep over it"),
    ],
)
def test_narrowing_to_an_unknown_value_names_the_allowed_ones(made_up, narrowed, words):
    with pytest.raises(UserError, match=words):
        sweeps(made_up, narrowed)


def test_a_number_is_one_value_however_it_is_written(made_up, tmp_path):
    lines = ["# @package _global_", "experiment_name: written", "sweeps:"]
    lines += [f"  - {{regularizer: {name}, regularizer.method.eps: {eps}}}" for name, eps in EPS.items()]
    (tmp_path / "configs" / "experiment" / "written.yaml").write_text("\n".join(lines))
    found = sweeps("written", {"regularizer.method.eps": ["1e-7"]})
    assert [sweep["regularizer"] for sweep in found] == [["constant"], ["entropy"]]


@pytest.mark.parametrize("value", ["-1", "1.5", "true", "x"])
def test_a_seed_offset_that_is_none_is_refused(value):
    with pytest.raises(UserError, match="seed_offset="):
        ids(f"seed_offset={value}")


def test_an_offset_is_added_to_every_seed():
    assert ids("seeds=[0,1]", "seed_offset=100") == ids("seeds=[100,101]")


def test_one_minus_is_the_share_that_stays():
    member = members(load_config(["regularizer=pb_edropout"]))[0]
    assert math.isclose(member.config["regularizer"]["method"]["layer"]["keep"], 0.85)
