"""What to train next: numbers by hand on made-up rows of a paper that no code knows, and the calls that train it."""

import math
import sys

import pytest

from regbench.errors import UserError
from regbench.evidence import looks
from regbench.evidence.documents import load_documents
from regbench.evidence.pages import build
from regbench.evidence.planning import Planner
from regbench.plan.experiments import Cell
from regbench.plan.jobs import Member, member_id
from tests.commands import load_script

from .made_up import folder, row, rows_of

CLAIMS = """
- id: gain
  claim: Dampening is more accurate.
  quote: more accurate
  place: Table 1
  cases: {page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [mnist], margin: 1.0}
- id: gain-elsewhere
  claim: It is, on CIFAR-10, too.
  quote: there, too
  place: Table 1
  cases: {page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [cifar10], margin: 1.0}
- id: tiny
  claim: It is by a hair.
  quote: by a hair
  place: Table 1
  cases: {page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [mnist], margin: 0.01}
"""
PLAIN = [98.0] * 5
SCATTERED = [98.0 + each for each in (-1.0, -0.5, 0.0, 0.5, 1.0)]
SD = math.sqrt(2.5 / 4)
SECONDS = {"none": 1800.0, "damp": 3600.0}


def timed(rows):
    """Rows that took SECONDS, in one thread."""
    own = {"threads": 1}
    return [
        {**each, "provenance": {**each["provenance"], **own, "seconds": SECONDS[each["config"]["regularizer"]["name"]]}}
        for each in rows
    ]


def cell(name, dataset):
    """A cell of the experiment with five seeds, as its configs would give it."""
    rows = [row(name, seed, (0.9,), dataset=dataset) for seed in range(5)]
    members = [Member(each["id"], each["seed"], each["strength"], each["config"]) for each in rows]
    return Cell((f"dataset={dataset}", f"regularizer={name}"), members)


CELLS = [cell(name, dataset) for dataset in ("mnist", "cifar10") for name in ("none", "damp")]


def planner(tmp_path, rows, budget="", claims=CLAIMS):
    document = load_documents([folder(tmp_path, claims__yaml=claims)])["dampening"]
    pages = {"dampening": build(document.pages[0], rows, document.numbers)} if rows else {}
    return Planner([document], pages, frozenset(each["id"] for each in rows), lambda name, own: CELLS, budget)


@pytest.fixture
def rows():
    return timed([*rows_of("none", PLAIN), *rows_of("damp", SCATTERED)])


def test_effect_scatter_seeds_trainings_and_core_hours_are_those_by_hand(tmp_path, rows):
    found = {each.claim.id: each for each in planner(tmp_path, rows).plan().claims}
    gain = found["gain"]
    assert gain.need.effect == 1.0 and gain.need.scatter == pytest.approx(SD) and gain.need.n == 5
    # `tiny` asks the same comparison within another margin: it is one, at the level of its look with power 0.8
    assert gain.need.seeds == looks.seeds_needed(1.0, SD, family=1) == 8
    assert (gain.look, gain.trainings) == (10, 10)
    assert gain.hours == pytest.approx(5 * 0.5 + 5 * 1.0)
    config = rows[0]["config"]
    assert member_id({**config, "seed": 9}) in {each for part in gain.missing for each in part.ids}


def test_what_was_not_run_borrows_the_scatter_and_has_an_unknown_cost(tmp_path, rows):
    plan = planner(tmp_path, rows).plan()
    assert [each.claim.id for each in plan.claims] == ["gain", "gain-elsewhere", "tiny"]
    other = plan.claims[1]
    assert other.need.n == 0 and other.need.scatter == pytest.approx(SD) and other.look == 10
    assert (other.trainings, other.hours) == (20, None)
    assert plan.cumulative[:2] == [(7.5, True), (7.5, False)]


def test_a_claim_that_needs_more_than_the_last_look_is_out_of_reach(tmp_path, rows):
    tiny = planner(tmp_path, rows).plan(["tiny"]).claims[0]
    assert tiny.why == f"out of reach: {tiny.need.seeds:,} seeds" and tiny.need.seeds > 10_000 and not tiny.missing


def test_a_training_that_claims_share_is_counted_once(tmp_path, rows):
    twice = CLAIMS + CLAIMS.split("- id: gain-elsewhere")[0].replace("id: gain", "id: same")
    plan = planner(tmp_path, rows, claims=twice).plan(["gain", "same"])
    assert [each.hours for each in plan.claims] == [7.5, 7.5] and plan.cumulative == [(7.5, True)] * 2


def test_rows_that_exist_are_not_trained_again_and_a_served_row_costs_nothing(tmp_path, rows):
    more = timed([row("none", seed, (0.98,)) for seed in range(5, 10)])
    gain = planner(tmp_path, [*rows, *more]).plan(["gain"]).claims[0]
    assert (gain.trainings, gain.hours) == (5, 5.0)
    served = [{**each, "provenance": {**each["provenance"], "served_by": "x"}} for each in rows[5:9]]
    gain = planner(tmp_path, [*rows[:5], *served, rows[9], *more]).plan(["gain"]).claims[0]
    assert gain.hours == pytest.approx(5 * 1.0 / 5)


@pytest.mark.parametrize(
    ("shift", "direction", "seeds"),
    [
        (0.6, "", looks.seeds_needed(0.6, SD)),  # as claimed, and too large to be equal within 0.1
        (-0.6, "", looks.seeds_needed(0.6, SD)),  # against it
        (0.02, "", looks.seeds_needed(0.08, SD, power=0.9)),  # within the margin: equal, if only just
        (0.6, "direction: none, ", looks.seeds_needed(0.6, SD)),
    ],
)
def test_what_is_seen_says_how_many_seeds_decide_a_claim_that_is_what_it_seems(tmp_path, shift, direction, seeds):
    claims = CLAIMS.replace("margin: 1.0", "margin: 0.1").replace("metric: accuracy,", f"{direction}metric: accuracy,")
    rows = timed([*rows_of("none", PLAIN), *rows_of("damp", [each + shift for each in SCATTERED])])
    gain = planner(tmp_path, rows, claims=claims).plan(["gain"]).claims[0]
    assert gain.as_seen == seeds and gain.need.seeds > 20
    assert (gain.look is None) == (seeds > 20)


@pytest.mark.parametrize(("mnist", "decisive"), [(0.6, 0.6), (-0.7, 0.7)])
def test_one_comparison_against_a_claim_decides_it_and_all_have_to_be_for_it(tmp_path, mnist, decisive):
    both = CLAIMS.replace("datasets: [mnist], margin: 1.0", "datasets: [mnist, cifar10], margin: 0.1")
    rows = []
    for dataset, shift in (("mnist", mnist), ("cifar10", 0.65)):
        rows += rows_of("none", PLAIN, dataset=dataset)
        rows += rows_of("damp", [each + shift for each in SCATTERED], dataset=dataset)
    gain = planner(tmp_path, timed(rows), claims=both).plan(["gain"]).claims[0]
    assert gain.as_seen == looks.seeds_needed(decisive, SD, family=2)


def test_a_step_ends_at_the_next_look(tmp_path, rows):
    wide = [98.0 + 1.6 * (each - 98.0) for each in SCATTERED]
    gain = planner(tmp_path, timed([*rows_of("none", PLAIN), *rows_of("damp", wide)])).plan(["gain"]).claims[0]
    assert (gain.look, gain.trainings) == (20, 30) and (gain.step.look, gain.step.trainings) == (10, 10)


def test_a_look_that_is_past_and_left_a_claim_open_is_not_planned_again(tmp_path):
    half = [each + 0.5 for each in (*SCATTERED, *SCATTERED)]
    gain = planner(tmp_path, timed([*rows_of("none", PLAIN * 2), *rows_of("damp", half)])).plan(["gain"]).claims[0]
    assert gain.need.n == 10 and gain.need.seeds <= 10  # as many would have done, and did not
    assert (gain.look, gain.trainings, gain.why) == (20, 20, "")


def test_a_decided_claim_is_not_planned(tmp_path):
    better = timed([*rows_of("none", PLAIN), *rows_of("damp", [99.0, 99.1, 98.9, 99.0, 99.05])])
    plan = planner(tmp_path, better).plan()
    assert "gain" not in [each.claim.id for each in plan.claims] and plan.decided == 2 and plan.testable == 3


def test_without_a_scatter_nothing_is_planned(tmp_path, rows):
    with pytest.raises(UserError, match="nothing to learn the scatter from"):
        planner(tmp_path, []).plan()
    with pytest.raises(UserError, match="nothing to learn the scatter from"):
        planner(tmp_path, [rows[0], rows[5]]).plan()


def test_an_unknown_claim_is_refused(tmp_path, rows):
    with pytest.raises(UserError, match="CLAIMS=gains is no claim"):
        planner(tmp_path, rows).plan(["gains"])


@pytest.fixture
def script():
    return load_script("plan")


def called(script, monkeypatch, tmp_path, rows, *words):
    monkeypatch.setattr(script, "planner", lambda args: planner(tmp_path, rows, args.budget))
    monkeypatch.setattr(script, "experiment_cells", lambda name, budgets: CELLS)
    monkeypatch.setattr(sys, "argv", ["plan.py", *words])
    return script.main()


def test_a_dry_run_prints_the_calls_that_reproduce_takes(script, monkeypatch, tmp_path, rows, capsys):
    assert called(script, monkeypatch, tmp_path, rows, "--hours=1", "--dry-run", "--claims=gain", "--workers=2") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "gain: 10 trainings to n = 10"
    asked = "dampening --budget=quick --seeds=10 --only=dataset=mnist --only=regularizer=none,damp"
    assert said[1].startswith(f"  reproduce.py {asked} --launch=joblib --workers=2 --minutes=")
    assert said[2:] == ["0 of 3 claims are decided, 0 were before"]


def test_settle_stops_where_a_step_changes_nothing(script, monkeypatch, tmp_path, rows, capsys):
    monkeypatch.setattr(script, "run", lambda command, dry: 1)
    assert called(script, monkeypatch, tmp_path, rows, "--hours=1") == 1
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[:2]] == ["gain", "gain-elsewhere"]


@pytest.mark.parametrize("minutes,left,begun", [(25, [60.0, 35.0], ["gain", "gain-elsewhere"]), (70, [60.0], ["gain"])])
def test_settle_judges_again_after_each_step_and_begins_none_past_its_end(
    script, monkeypatch, tmp_path, rows, capsys, minutes, left, begun
):
    """Every call takes so many of 60 minutes; the first trains what decides its claim and another on the same rows."""
    clock, calls, stored = [1000.0], [], list(rows)

    def trained(command, dry):
        calls.append(float(command[-1].removeprefix("--minutes=")))
        clock[0] += 60 * minutes
        stored[:] = timed([*rows_of("none", 2 * PLAIN), *rows_of("damp", 5 * [99.0, 99.1])])
        return 0

    monkeypatch.setattr(script.time, "time", lambda: clock[0])
    monkeypatch.setattr(script, "run", trained)
    assert called(script, monkeypatch, tmp_path, stored, "--hours=1") == 0
    said = capsys.readouterr().out.splitlines()
    assert calls == left and [line.split(":")[0] for line in said[:-1]] == begun
    assert said[-1] == "2 of 3 claims are decided, 0 were before"


def test_the_plan_is_a_line_a_claim(script, monkeypatch, tmp_path, rows, capsys):
    assert called(script, monkeypatch, tmp_path, rows) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5 and said[1].split()[:9] == ["gain", "1.00", "0.79", "5", "8", "10", "10", "10", "7.50"]
    assert said[1].endswith("make settle CLAIMS=gain BUDGET=quick") and "> 7.50" in said[2]
    assert said[-1] == "0 of 3 claims that trainings can answer are decided; 2 of the 3 above can be settled"


@pytest.mark.parametrize("word", ["--hours=0", "--hours=-1", "--hours=word", "--claims=x", "--budget=smoke"])
def test_bad_input_is_one_line(script, monkeypatch, tmp_path, rows, capsys, word):
    assert called(script, monkeypatch, tmp_path, rows, word) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ") and said.err.count("\n") == 1


def test_cells_are_merged_only_into_a_product_that_has_no_other(script):
    alike = [{"a": "1", "b": "1"}, {"a": "1", "b": "2"}]
    assert script.merged(alike) == [{"a": ["1"], "b": ["1", "2"]}]
    assert script.merged([*alike, {"a": "2", "b": "1"}]) == [
        {"a": [each["a"]], "b": [each["b"]]} for each in [*alike, {"a": "2", "b": "1"}]
    ]


TREND = """
- id: falls
  claim: More dampening, smaller loss.
  quote: smaller loss
  place: Figure 1
  cases: {page: dampening, metric: loss, over: [damped], datasets: [mnist, cifar10]}
"""


def test_a_trend_that_is_decided_on_one_data_set_is_trained_on_the_other_alone(tmp_path, rows):
    """The base of its sweep, too, is left alone there."""

    def swept(dataset, seeds, loss):
        cells = [("none", 0.0), ("damp", 0.1), ("damp", 0.2), ("damp", 0.3)]
        return timed(
            row(name, seed, (0.9,), strength, dataset=dataset, losses=[loss(seed, place)])
            for seed in range(seeds)
            for place, (name, strength) in enumerate(cells)
        )

    falling = swept("mnist", 5, lambda seed, place: 1.0 - 0.1 * place)
    series = [(0.6, 0.5, 0.3, 0.4), (0.6, 0.5, 0.4, 0.3), (0.8, 0.2, 0.6, 0.4)]  # rho is -0.8, -1, -0.4
    mixed = swept("cifar10", 3, lambda seed, place: series[seed][place])
    found = planner(tmp_path, [*falling, *mixed], claims=TREND).plan().claims[0]
    assert found.look > 5 and found.missing and not found.why
    assert {part.cell.overrides[0] for part in found.missing} == {"dataset=cifar10"}
