"""Cells of experiments that are kept in files: the same as composed, and never another config's."""

import shutil

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from regbench.errors import UserError
from regbench.paths import CONFIGS
from regbench.plan import experiments
from regbench.plan.experiments import cells, cells_by_experiment, experiment_cells, load_config, sweeps


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "KEPT", tmp_path / "cells")
    experiment_cells.cache_clear()
    yield tmp_path / "cells"
    experiment_cells.cache_clear()


def counted(monkeypatch):
    composed = []
    real = experiments._compose_cells
    monkeypatch.setattr(experiments, "_compose_cells", lambda *asked: composed.append(asked) or real(*asked))
    return composed


def test_kept_cells_are_those_that_were_composed_and_are_not_composed_again(kept, monkeypatch):
    composed = counted(monkeypatch)
    found = experiment_cells("handout", ("smoke",))
    experiment_cells.cache_clear()
    before = len(composed)
    assert before and experiment_cells("handout", ("smoke",)) == found
    sweep = sweeps("handout", {})[0]
    first = cells("handout", sweep, ["budget=smoke", "seeds=[0,7]"])
    assert cells("handout", sweep, ["budget=smoke", "seeds=[0,7]"]) == first
    assert len(composed) == before + 1 and {member.seed for cell in first for member in cell.members} == {0, 7}
    assert cells_by_experiment(["handout"], ("smoke",)) == {"handout": found}
    assert len(composed) == before + 1


@pytest.mark.parametrize("damage", [b"", b"[]\n0", b"\xff\xfe", None])
def test_a_damaged_file_is_composed_anew(kept, monkeypatch, damage):
    found = experiment_cells("handout", ("smoke",))
    experiment_cells.cache_clear()
    (file,) = kept.glob("*.json")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"digits", b"digitz", 1) if damage is None else damage)
    assert experiment_cells("handout", ("smoke",)) == found
    assert file.read_bytes() == whole


def test_another_config_or_code_is_another_file_and_the_old_ones_go(kept, monkeypatch):
    experiment_cells("handout", ("smoke",))
    (old,) = kept.glob("*.json")
    experiment_cells.cache_clear()
    monkeypatch.setattr(experiments, "_sources", lambda: "f" * 64)
    experiment_cells("handout", ("smoke",))
    (new,) = kept.glob("*.json")
    assert new.name != old.name and not list(kept.glob("*.partial"))


def test_sources_change_with_configs(tmp_path, monkeypatch):
    for text in ("a: 1", "a: 2"):
        (tmp_path / "x.yaml").write_text(text)
        monkeypatch.setattr(experiments, "CONFIGS", tmp_path)
        experiments._sources.cache_clear()
        (tmp_path / text[-1]).write_text(experiments._sources())
    experiments._sources.cache_clear()
    assert (tmp_path / "1").read_text() != (tmp_path / "2").read_text()


def test_where_nothing_can_be_written_cells_are_composed(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(experiments, "KEPT", tmp_path / "file" / "cells")
    sweep = sweeps("handout", {})[0]
    assert cells("handout", sweep, ["budget=smoke"])


def test_the_value_of_a_key_that_only_other_sweeps_sweep_over_may_be_asked_for():
    wanted = {"dataset": ["cifar10"], "model.widths": ["[32]"], "regularizer": ["none"]}
    assert len(sweeps("entropy-table1", wanted)) == 3
    assert sweeps("entropy-table1", wanted | {"seed_offset": ["0"]}) == [wanted]
    with pytest.raises(UserError, match=r"seed_offset=1 is not part of this experiment: allowed are 100, .*600, 0$"):
        sweeps("entropy-table1", {"seed_offset": ["1"]})


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["seeds=[0,7]", "task.batch_size=3", "regularizer=pb_edropout", "dataset=mnist", "seeds=[1]"],
        ["regularizer.method.layer.keep=0.5", "regularizer=pb_edropout", "strengths=null", "paths.results='a b=c'"],
        ["experiment=entropy-table1", "model.widths=[8,8]", "task.optimizer={lr: 0.5}", "budget=smoke"],
        ["+task.accumulate=2", "~task.optimizer.lr", "seeds=[3]"],
        ["hydra.verbose=true", "launch=joblib", "workers=3"],
    ],
)
def test_a_config_is_what_hydra_composes_of_the_same_words(words):
    for _ in range(2):
        cfg, expected = load_config(words), experiments._compose(CONFIGS, words)
        assert OmegaConf.to_container(cfg) == OmegaConf.to_container(expected)
        assert OmegaConf.is_struct(cfg) == OmegaConf.is_struct(expected)
        cfg.task.batch_size = 12345  # and whoever has one may change it


@pytest.mark.parametrize("word", ["task.bacth_size=3", "seeds=1,2", "dataset=nope", "dataset", "seeds=[0", "x.y=1"])
def test_what_hydra_refuses_is_refused_in_its_words(word):
    said = []
    for call in (lambda: load_config([word]), lambda: experiments._compose(CONFIGS, [word])):
        with pytest.raises(HydraException) as error:
            call()
        said.append((type(error.value), str(error.value)))
    assert said[0] == said[1]


def test_a_changed_config_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "CONFIGS", shutil.copytree(CONFIGS, tmp_path / "configs"))
    file = tmp_path / "configs" / "budget" / "smoke.yaml"
    assert load_config(["budget=smoke"]).budget.name == "smoke"
    file.write_text(file.read_text().replace("name: smoke", "name: another"))
    assert load_config(["budget=smoke"]).budget.name == "another"
