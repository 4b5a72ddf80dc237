"""The picture of all claims: which rows and axes it has, what it leaves out, that it is the same each time."""

from dataclasses import replace

from regbench.evidence import claims_figure
from regbench.evidence.claims_figure import Entry, draw_claims, entries, limits, panels

from .made_up import rows_of
from .test_web import DAMPED, PLAIN, made


def answer(tmp_path, rows=None):
    _, answers, _ = made(tmp_path, rows)
    return answers["dampening"]["better"]


def test_a_panel_a_unit_with_the_claims_words(tmp_path):
    _, answers, _ = made(tmp_path)
    ((unit, rows),) = panels(answers["dampening"])
    assert unit == "pp"
    assert [(entry.label, entry.word) for entry in rows] == [("Better by <i>far</i>", "supported")]


def test_several_comparisons_stand_below_the_words_of_their_claim(tmp_path):
    found = answer(tmp_path)
    (case,) = found.cases
    cases = [case, replace(case, label="CIFAR-10: Dampened 0.1 against Plain", word="undecided")]
    rows = entries(replace(found, word="undecided"), cases)
    assert [(row.label, row.below, row.case is None, row.word) for row in rows] == [
        ("Better by <i>far</i>", False, True, "undecided"),  # a claim is no surer than its weakest comparison
        ("MNIST", True, False, "supported"),
        ("CIFAR-10", True, False, "undecided"),
    ]


def test_long_words_have_a_row_for_themselves(tmp_path):
    found = answer(tmp_path)
    long = replace(found, claim=replace(found.claim, short="word " * 20))
    rows = entries(long, found.cases)
    assert len(rows) == 2 and len(rows[0].label) == 99 and rows[1].label == found.cases[0].label


def test_an_interval_is_drawn_from_five_seeds_on_and_of_no_bound(tmp_path):
    few = answer(tmp_path / "few", rows_of("none", PLAIN[:4]) + rows_of("damp", DAMPED[:4])).cases[0]
    whole = answer(tmp_path / "whole").cases[0]
    bound = replace(whole, estimate=replace(whole.estimate, bounds=(True, False)))
    assert [Entry("", case).whole for case in (few, whole, bound)] == [False, True, False]


def test_values_and_references_far_away_do_not_stretch_the_axis(tmp_path):
    case = answer(tmp_path).cases[0]

    def entry(value, claimed=None):
        found = replace(case.estimate, mean=value, low=value - 1, high=value + 1)
        return Entry("", replace(case, estimate=found, claimed=claimed))

    usual = [entry(value) for value in (1, 2, 3, 2, 1, -1)]
    low, high = limits(usual)
    assert -3 < low < -2 and 4 < high < 5
    assert limits([*usual, entry(50.0), entry(2, claimed=400.0)])[1] < 10
    assert limits([*usual, entry(2, claimed=6.0)])[1] > 6
    assert limits([entry(50.0)])[1] > 51  # alone it is not far away


def test_a_document_has_a_picture_the_same_each_time_and_none_without_a_comparison(tmp_path):
    documents, answers, _ = made(tmp_path)
    (tmp_path / "again").mkdir()
    (one,), (two,) = (draw_claims(documents, answers, folder) for folder in (tmp_path, tmp_path / "again"))
    assert one.name == "claims_dampening.png" and one.read_bytes() == two.read_bytes() and one.stat().st_size > 5000
    assert draw_claims(*made(tmp_path / "none", [])[:2], tmp_path) == []


def test_every_verdict_of_trainings_has_a_look_of_its_own():
    from regbench.evidence import verdicts

    assert set(claims_figure.STYLES) == {*verdicts.DECIDED, verdicts.UNDECIDED}
    assert len(set(claims_figure.STYLES.values())) == len(claims_figure.STYLES)
