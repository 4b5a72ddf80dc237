"""What a reproduction says before it trains, from rows or from timed steps, and a log's line a minute."""

import pytest
import torch
from tqdm import tqdm

from regbench.plan.costs import Costs, words
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.store import Store
from regbench.training.timing import seconds_of_an_image
from tests.commands import load_script

reproduce = load_script("reproduce")

OVERRIDES = ("experiment=table1", "budget=smoke", "dataset=digits")


@pytest.fixture(scope="module")
def member():
    return members(load_config(OVERRIDES))[0]


def row(member, seconds, regularizer="none"):
    config = {**member.config, "regularizer": {"name": regularizer}}
    return {"status": "done", "config": config, "provenance": {"seconds": seconds}}


def test_rows_of_the_like_are_believed_the_same_regularizer_first(member):
    assert Costs([row(member, 10.0), row(member, 20.0), row(member, 90.0, "dropout")]).seconds(member) == 15.0
    assert Costs([row(member, 90.0, "dropout")]).seconds(member) == 90.0
    served = row(member, 1.0)
    served["provenance"]["served_by"] = "x"
    assert Costs([served, {**row(member, 1.0), "status": "failed"}]).seconds(member) is None


def test_without_rows_a_few_steps_are_timed_and_nothing_else_is_changed(member):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    costs = Costs([], seconds_of_an_image)
    found = costs.seconds(member, OVERRIDES)
    assert 0 < found < 600 and costs.seconds(member) == found  # once a kind
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)


def test_images_that_are_not_here_leave_it_unknown(member, tmp_path):
    assert (
        Costs([], seconds_of_an_image).seconds(member, ("experiment=table1", "dataset=mnist", f"paths.data={tmp_path}"))
        is None
    )


@pytest.mark.parametrize("seconds,said", [(1, "1 min"), (3000, "50 min"), (7199, "120 min"), (64800, "18 h")])
def test_times_are_said_in_a_readers_unit(seconds, said):
    assert words(seconds) == said


def test_a_log_that_is_no_terminal_has_a_line_a_minute_that_never_goes_back(member, tmp_path, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(reproduce.time, "monotonic", lambda: now[0])
    run = reproduce.Runner("table1", [], tmp_path, "[0]", None)
    progress = tmp_path / "checkpoints" / f"{member.id}.epoch"
    progress.parent.mkdir()
    said = []
    with tqdm(total=10, disable=True) as bar:
        bar.n, bar.total = 0, 10
        for now[0], epochs in ((30.0, 1), (61.0, 2), (90.0, 2), (122.0, 1)):
            progress.write_text(f"{epochs}\n")
            run.show([member], Store(tmp_path), bar)
            said.append(capsys.readouterr().out)
    assert [text.strip()[6:] for text in said] == ["", "2 of 10 epochs", "", "2 of 10 epochs"]
