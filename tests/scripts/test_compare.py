"""`make compare`: what a method is compared with, its verdicts on made-up rows, and what is refused."""

import sys
from argparse import Namespace

import pytest

from regbench.errors import UserError
from regbench.evidence.comparison import checked_folder, find_methods, reasons, write_paper
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.store import Store
from tests.commands import load_script, script, train_command
from tests.reports.made_up import rows_of

compare = load_script("compare")

PLAIN = (97.0, 97.5, 98.0, 97.2, 97.9)
MINE = """
name: mine
strength: 0.3
method:
  _target_: regbench.regularizers.SiteLayers
  placement: [conv2]
  layer: {_target_: regbench.regularizers.Dropout, _partial_: true, p: "${regularizer.strength}"}
"""


@pytest.fixture
def configs(tmp_path):
    folder = tmp_path / "configs" / "regularizer"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(MINE)
    return tmp_path / "configs"


def test_a_layer_is_compared_with_dropout_of_its_rate_and_place_and_patches_with_random_ones(configs):
    mine, none, dropout = find_methods("mine", "", configs)
    assert (mine.name, none.name) == ("mine", "none")
    assert dropout.overrides == (
        "regularizer=dropout",
        "regularizer.strength=0.3",
        "regularizer.method.placement=[conv2]",
    )
    names = [each.label for each in find_methods("pb_edropout", "", None)]
    assert names == ["pb_edropout", "none", "dropout", "random_patch"]
    assert [each.label for each in find_methods("l2", "batchnorm", None)] == ["l2", "none", "dropout", "batchnorm"]
    assert find_methods("l2", "", None)[2].overrides == ("regularizer=dropout",)


def test_a_control_has_what_it_shares_and_a_config_may_name_it(configs):
    own = ["regularizer.strength=0.3", "regularizer.method.layer.patch_size=4"]
    control = find_methods("pb_edropout", "", None, own)[3]
    shared = {
        "regularizer.strength=0.3",
        "regularizer.method.placement=[conv1]",
        "regularizer.method.layer.patch_size=4",
    }
    assert control.label == "random_patch" and set(control.overrides[1:]) == shared
    assert "which pb_edropout's config names" in control.why and "patch_size 4" in control.why
    constant = find_methods("entropy", "", None)[3]
    assert constant.overrides == ("regularizer=constant", "regularizer.strength=0.0001", "regularizer.method.eps=0.001")
    (configs / "regularizer" / "mine.yaml").write_text(MINE + "control: spatial_dropout\n")
    named = find_methods("mine", "", configs)[3]
    assert named.overrides[:2] == ("regularizer=spatial_dropout", "regularizer.strength=0.3")
    assert [each.label for each in find_methods("mine", "dropblock", configs)][3] == "dropblock"
    (configs / "regularizer" / "mine.yaml").write_text(MINE + "control: spatial\n")
    with pytest.raises(UserError, match="CONTROL=spatial is not known: the nearest is spatial_dropout"):
        find_methods("mine", "", configs)
    assert "There is no further control: the config of l2 names none" in reasons(find_methods("l2", "", None))


def test_naming_a_control_changes_no_training(configs):
    words = [f"hydra.searchpath=[file://{configs}]", "regularizer=mine"]
    before = members(load_config(words))
    (configs / "regularizer" / "mine.yaml").write_text(MINE + "control: spatial_dropout\n")
    assert [each.id for each in members(load_config(words))] == [each.id for each in before]


def test_a_config_built_on_another_is_read_as_hydra_does(configs):
    (configs / "regularizer" / "mine.yaml").write_text("defaults: [dropout, _self_]\nname: mine\nstrength: 0.4\n")
    assert find_methods("mine", "", configs)[2].overrides[1] == "regularizer.strength=0.4"


def verdicts(tmp_path, capsys, mine, plain=PLAIN, **options):
    methods = [m for m in find_methods("l2", "", None) if m.label != "dropout"]
    folder = tmp_path / "l2"
    write_paper(folder / "paper" / "l2", methods, {"mnist": "MNIST"}, "accuracy")
    rows = rows_of("none", plain) + rows_of("l2", mine)
    rows = [{**row, "provenance": {**row["provenance"], "seconds": 3600.0, "threads": 1}} for row in rows]
    settled = options.pop("settled", {})
    decided = compare.published(folder, [{**row, "experiment": "compare"} for row in rows], "accuracy", settled)
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if "paper/" not in str(path)}
    assert {"tables/compare.md", "tables/compare.csv", "figures/compare_mnist.png", "page/index.html"} <= written
    return decided, capsys.readouterr().out


def test_better_worse_no_effect_and_what_would_decide(tmp_path, capsys):
    decided, said = verdicts(tmp_path, capsys, (98.5, 98.9, 99.5, 98.6, 99.3))
    assert (
        decided
        and "MNIST: l2 against none: +1.44" in said
        and said.splitlines()[-2].endswith(": better (look at n = 5)")
    )
    assert (
        verdicts(tmp_path, capsys, (95.5, 95.9, 96.5, 95.6, 96.3))[1]
        .splitlines()[-2]
        .endswith(": worse (look at n = 5)")
    )
    decided, said = verdicts(tmp_path, capsys, (97.01, 97.5, 98.0, 97.21, 97.9))
    assert decided and "no effect within 0.50 pp" in said
    decided, said = verdicts(tmp_path, capsys, (98.0, 97.0, 98.5, 97.9, 97.0))
    assert not decided and "undecided: " in said and "core-hours to see 0.50 pp" in said


def test_a_verdict_that_fell_stands_at_later_looks(tmp_path, capsys):
    settled = {}
    assert verdicts(tmp_path, capsys, (98.5, 98.9, 99.5, 98.6, 99.3), settled=settled)[0]
    decided, said = verdicts(tmp_path, capsys, (98.0, 97.0, 98.5, 97.9, 97.0), settled=settled)
    assert decided and said.splitlines()[-2].endswith(": better (look at n = 5)")


def test_fewer_seeds_than_the_first_look_decide_nothing(tmp_path, capsys):
    decided, said = verdicts(tmp_path, capsys, (98.5, 98.9, 99.5, 98.6), PLAIN[:4])
    assert not decided and "undecided: 1 more seeds" in said
    assert "undecided: 4 more seeds, to see how much" in verdicts(tmp_path, capsys, (98.5,), PLAIN[:1])[1]


IDLE = """
import torch

class Idle(torch.nn.Module):
    def __init__(self, p=0.3):
        super().__init__()
        self.drop = torch.nn.Dropout(0.0)

    def forward(self, x):
        return self.drop(x)
"""


def test_dropout_of_rate_0_is_no_effect_the_same_numbers(tmp_path, configs, monkeypatch, capsys):
    (tmp_path / "idle_layer.py").write_text(IDLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    (configs / "regularizer" / "mine.yaml").write_text(MINE.replace("regbench.regularizers.Dropout", "idle_layer.Idle"))

    def run(self, plan, missing, store):
        assert self.fixed[-2:] == ["launch=joblib", "workers=1"]
        (sweep,) = plan
        words = [f"{key}={value}" for key, (value,) in sweep.items()]
        return train_command(*self.fixed[:-2], *words, "seeds=[0,1]", "progress=false").returncode

    monkeypatch.setattr(compare.Runner, "all", run)
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    given = f"paths.results={tmp_path}/r paths.outputs={tmp_path}/o budget.epochs=1"
    changes = {"regularizer": "mine", "configs": configs, "seeds": "2", "set": given}
    assert compare.compare(arguments(**changes)) == 0
    said = capsys.readouterr().out
    assert "digits: mine against none: no effect: the same numbers in every seed" in said
    assert "better" not in said and "mine: 2 of 2 trainings are missing" in said
    assert len(Store(tmp_path / "r").rows()) == 6
    monkeypatch.setattr(compare.Runner, "all", lambda *a: pytest.fail("it was trained again"))
    assert compare.compare(arguments(**changes)) == 0
    assert "mine: 0 of 2 trainings are missing" in capsys.readouterr().out
    assert compare.compare(arguments(**changes | {"set": f"{given} regularizer.strength=0.0"})) == 0
    assert "at strength 0 it is no regularizer" in capsys.readouterr().out


def test_after_a_method_whose_trainings_fail_nothing_else_is_trained(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(compare.Runner, "all", lambda self, *a: ran.append(self.name) or 1)
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    assert compare.compare(arguments(set=f"paths.results={tmp_path}")) == 1
    assert ran == ["compare-l2"]


def looks(monkeypatch, falls, **changes):
    """The seeds that a comparison was trained with, where its verdicts fall with so many."""
    asked = []
    monkeypatch.setattr(compare, "trained", lambda m, s, d, n, metric, w: asked.append(n) or (0, [{"n": n}]))
    monkeypatch.setattr(compare, "published", lambda folder, rows, metric, settled: rows[0]["n"] >= falls)
    monkeypatch.setattr(compare, "write_paper", lambda *a: None)
    assert compare.compare(arguments(**changes)) == 0
    return asked


def test_until_decided_adds_seeds_look_by_look_up_to_the_most(monkeypatch):
    assert looks(monkeypatch, 99) == [5]
    assert looks(monkeypatch, 99, until="decided") == [5, 10, 20]
    assert looks(monkeypatch, 10, until="decided") == [5, 10]
    assert looks(monkeypatch, 99, until="decided", max_seeds="10") == [5, 10]
    assert looks(monkeypatch, 99, until="decided", seeds="10") == [10, 20]


def arguments(**changes):
    usual = {"regularizer": "l2", "datasets": "digits", "seeds": "5", "budget": "smoke", "configs": None, "control": ""}
    usual |= {"metric": "accuracy", "name": "", "until": "", "max_seeds": "20", "workers": "1", "set": ""}
    return Namespace(**usual | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regularizer": "l22"}, "REGULARIZER=l22 is not known: the nearest is l2"),
        ({"regularizer": "none"}, "REGULARIZER=none is what others are compared with"),
        ({"control": "randompatch"}, "CONTROL=randompatch is not known: the nearest is random_patch"),
        ({"seeds": "0"}, "SEEDS=0 is not allowed"),
        ({"seeds": "many"}, "SEEDS=many is not allowed"),
        ({"until": "decided", "max_seeds": "4"}, "MAX_SEEDS=4 is below SEEDS=5"),
        ({"workers": "0"}, "WORKERS=0 is not allowed"),
        ({"set": "foo=1"}, "foo=1: foo is no key"),
        ({"metric": "speed"}, "METRIC=speed is not allowed"),
        ({"name": "../../x"}, "NAME=../../x is not allowed"),
        ({"name": "a/b"}, "NAME=a/b is not allowed"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_trained(monkeypatch, changes, message):
    monkeypatch.setattr(compare.Runner, "all", lambda *a: pytest.fail("something was trained"))
    with pytest.raises(UserError) as caught:
        compare.compare(arguments(**changes))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_data_set_that_is_none_ends_the_command_in_one_line():
    said = script("compare", "l2", "--datasets", "digits,minst")
    assert said.returncode == 2 and said.stderr.startswith("error: dataset=minst is not known: allowed are celeba")


def test_a_folder_without_configs_and_a_metric_that_rows_lack(tmp_path):
    with pytest.raises(UserError, match=r"a folder with regularizer/NAME\.yaml in it"):
        find_methods("mine", "", tmp_path)
    methods = find_methods("l2", "", None)
    write_paper(tmp_path / "paper" / "l2", methods, {"mnist": "MNIST"}, "iou")
    rows = [{**row, "experiment": "compare"} for row in rows_of("none", PLAIN)]
    with pytest.raises(UserError, match="METRIC=iou: mnist has no iou in its rows"):
        compare.published(tmp_path, rows, "iou", {})
    assert checked_folder("l2", tmp_path) == tmp_path / "l2" and "compare_script" not in sys.modules
