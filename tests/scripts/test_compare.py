"""`make compare`: what a method is compared with, its verdicts on made-up rows, and what is refused."""

import importlib.util
import sys
from argparse import Namespace

import pytest

from regbench.errors import UserError
from regbench.paths import ROOT
from regbench.plan.comparison import checked_folder, find_methods, write_paper
from tests.reports.made_up import rows_of

spec = importlib.util.spec_from_file_location("compare_script", ROOT / "scripts" / "compare.py")
compare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compare)

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


def verdicts(tmp_path, capsys, mine, plain=PLAIN, **options):
    methods = [m for m in find_methods("l2", "", None) if m.label != "dropout"]
    folder = tmp_path / "l2"
    write_paper(folder / "paper" / "l2", methods, {"mnist": "MNIST"}, "accuracy")
    rows = rows_of("none", plain) + rows_of("l2", mine)
    rows = [{**row, "provenance": {**row["provenance"], "seconds": 3600.0, "threads": 1}} for row in rows]
    decided, failed = compare.published(folder, [{**row, "experiment": "compare"} for row in rows], "accuracy")
    assert not failed
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if "paper/" not in str(path)}
    assert {"tables/compare.md", "tables/compare.csv", "figures/compare_mnist.png", "page/index.html"} <= written
    return decided, capsys.readouterr().out


def test_better_worse_no_effect_and_what_would_decide(tmp_path, capsys):
    decided, said = verdicts(tmp_path, capsys, (98.5, 98.9, 99.5, 98.6, 99.3))
    assert decided and "MNIST: l2 against none: +1.44" in said and said.splitlines()[-2].endswith(": better")
    assert verdicts(tmp_path, capsys, (95.5, 95.9, 96.5, 95.6, 96.3))[1].splitlines()[-2].endswith(": worse")
    decided, said = verdicts(tmp_path, capsys, (97.01, 97.5, 98.0, 97.21, 97.9))
    assert decided and "no effect within 0.50 pp" in said
    decided, said = verdicts(tmp_path, capsys, (98.0, 97.0, 98.5, 97.9, 97.0))
    assert not decided and "undecided: " in said and "core-hours to see 0.50 pp" in said


def test_a_method_that_does_nothing_is_never_better(tmp_path, capsys):
    for shift in range(20):
        plain = tuple(97 + ((7 * seed + shift) % 10) / 10 for seed in range(5))
        assert ": better" not in verdicts(tmp_path, capsys, plain, plain)[1]


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
        ({"metric": "speed"}, "METRIC=speed is not allowed"),
        ({"name": "../../x"}, "NAME=../../x is not allowed"),
        ({"name": "a/b"}, "NAME=a/b is not allowed"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_trained(monkeypatch, changes, message):
    monkeypatch.setattr(compare.subprocess, "run", lambda *a, **k: pytest.fail("something was trained"))
    with pytest.raises(UserError) as caught:
        compare.compare(arguments(**changes))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_configs_and_a_metric_that_rows_lack(tmp_path):
    with pytest.raises(UserError, match=r"a folder with regularizer/NAME\.yaml in it"):
        find_methods("mine", "", tmp_path)
    methods = find_methods("l2", "", None)
    write_paper(tmp_path / "paper" / "l2", methods, {"mnist": "MNIST"}, "iou")
    rows = [{**row, "experiment": "compare"} for row in rows_of("none", PLAIN)]
    with pytest.raises(UserError, match="METRIC=iou: mnist has no iou in its rows"):
        compare.published(tmp_path, rows, "iou")
    assert checked_folder("l2", tmp_path) == tmp_path / "l2" and "compare_script" not in sys.modules
