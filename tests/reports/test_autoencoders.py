"""The reports of the autoencoders: what is read from rows, the pairwise tests, the page and its pictures."""

import random

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence.documents import OWN
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.stops import stop_epoch, stopped
from regbench.evidence.tables import MINUS
from regbench.reports.entropy import autoencoder_curves
from regbench.reports.entropy.autoencoder_curves import draw_autoencoders
from regbench.reports.entropy.autoencoder_signs import sign_tables
from regbench.reports.entropy.autoencoder_tables import CSV_FIELDS, findings, write_autoencoders
from regbench.reports.entropy.autoencoders import epochs_to, mse, pages, short, variant_of
from regbench.reports.entropy.loss_curves import draw_losses, steeper_between

NUMBERS = load_paper_numbers(OWN / "entropy_guidance" / "numbers.yaml")
CAP = 12


def row(seed, strength, losses, width=60, name="entropy", watch="compound", penalty=0.0, **method):
    """A row whose test and held-out losses are `losses`."""
    settings = {"form": "reciprocal", "eps": 1e-7, "placement": "first", **method}
    regularizer = {"name": "none", "method": {}} if strength == 0 else {"name": name, "method": settings}
    stopping = {"patience": 2, "min_delta": 0.0, "watch": "base" if strength == 0 else watch}
    train = {} if strength == 0 else {"penalty": penalty, "gradient_norm": 0.0}
    epochs = [
        {
            "epoch": number,
            "test": {"full": {"loss": loss}},
            "heldout": {"full": {"loss": loss}},
            "measures": {"train": train, "steps": {"encoder/entropy_change": -100.0 - number}},
        }
        for number, loss in enumerate(losses, start=1)
    ]
    return {
        "id": f"{name}{watch}{strength}{width}{seed}{method}",
        "seed": seed,
        "strength": float(strength),
        "status": "done",
        "reason": "",
        "budget": "quick",
        "epochs": epochs,
        "provenance": {"device": "cpu", "code": "abc", **({"served_by": "x"} if penalty else {})},
        "config": {
            "dataset": {"name": "mnist", "train_images": 100},
            "model": {"name": "autoencoder", "width": width},
            "regularizer": regularizer,
            "task": {"name": "reconstruct", "early_stopping": stopping},
            "epochs": CAP,
            "seed": seed,
        },
    }


def falling(seed, length=CAP):
    return [0.05 / number + 1e-4 * seed for number in range(1, length + 1)]


def sweep():
    """lambda 0 falls to the cap; lambda 1 hides it behind a penalty of 1e7 and stops at 3; 1e-4 behind nothing."""
    rows = []
    for seed in range(5):
        for width in (60, 100):
            rows.append(row(seed, 0, falling(seed), width))
            rows.append(row(seed, 1e-4, falling(seed), width, penalty=1e-9))
            rows.append(row(seed, 1, falling(seed, 3), width, penalty=1e7))
    return rows


def test_a_hidden_loss_stops_after_the_patience_and_a_falling_one_at_the_cap():
    hidden, free = row(0, 1, falling(0, 3), penalty=1e7), row(0, 0, falling(0))
    assert stop_epoch(hidden, "paper") == 3 and stopped(hidden, "paper")
    assert stop_epoch(free, "paper") == CAP and not stopped(free, "paper")
    assert mse(hidden, "held-out") == pytest.approx(0.05 / 3) and mse(free, "paper") == pytest.approx(0.05 / CAP)
    watched = row(0, 1, falling(0), watch="base", penalty=1e7)
    assert stop_epoch(watched, "paper") == CAP


def test_epochs_to_an_error_do_not_depend_on_the_stop():
    assert epochs_to(row(0, 0, falling(0)), 0.01) == 5
    assert epochs_to(row(0, 1, falling(0, 3), penalty=1e7), 0.01) is None


def test_variants_are_told_apart_and_others_refused():
    rows = [
        row(0, 1, falling(0)),
        row(0, 1, falling(0), name="constant"),
        row(0, 1, falling(0), form="log"),
        row(0, 1, falling(0), watch="base"),
        row(0, 1, falling(0), eps=1e-3),
    ]
    labels = [variant_of(each).label for each in rows]
    assert labels == [
        "entropy, eps 1e-7",
        "constant, eps 1e-7",
        "entropy, log",
        "entropy, eps 1e-7, base loss watched",
        "entropy, eps 0.001",
    ]
    with pytest.raises(UserError, match="regularizer='l1'"):
        variant_of(row(0, 1, falling(0), name="l1"))


def test_the_baseline_is_lambda_0_of_every_variant_and_width():
    rows = [*sweep(), row(0, 1, falling(0), name="constant")]
    (page,) = pages(rows)
    assert [variant.label for variant in page.variants] == ["entropy, eps 1e-7", "constant, eps 1e-7"]
    assert page.widths == [60, 100] and page.strengths == [0.0, 1e-4, 1.0]
    for variant in page.variants:
        assert page.groups[variant, 60, 0.0].seeds == (0, 1, 2, 3, 4)


def test_rows_that_differ_in_another_setting_are_refused():
    rows = sweep()
    rows[3]["config"]["task"]["early_stopping"]["patience"] = 9
    with pytest.raises(UserError, match=r"task\.early_stopping\.patience differs"):
        pages(rows)


def test_signs_are_those_of_welch_tests_and_mirror_each_other():
    (page,) = pages(sweep())
    (table,) = sign_tables(page, "mse", NUMBERS)
    cells = [[cell.text.split(" / ") for cell in line[1:]] for line in table.rows]
    groups = [page.groups[page.variants[0], 60, strength].done for strength in page.strengths]
    values = [[mse(each, "paper") for each in group] for group in groups]
    for a in range(3):
        for b in range(3):
            if a == b:
                continue
            test = scipy_stats.ttest_ind(values[a], values[b], equal_var=False)
            expected = "0" if test.pvalue >= 0.01 else "+" if test.statistic > 0 else MINUS
            assert cells[a][b][0] == expected
    assert cells[2][0][0] == "+" and cells[0][2][0] == MINUS and cells[0][1][0] == "0"
    agree = sum(cells[a][b][0] == cells[a][b][2] for a in range(3) for b in range(3) if a != b)
    counted = f"{agree} of 6 printed cells, read without the "
    assert 0 < agree < 6 and f"paper in {counted}column of 10; {counted}diagonal." in table.notes[0]


def test_stops_without_any_spread_differ_where_their_means_do():
    (page,) = pages(sweep())
    (table,) = sign_tables(page, "stop", NUMBERS)
    cells = [[cell.text.split(" / ") for cell in line[1:]] for line in table.rows]
    assert cells[0][2][:2] == ["+", "+"] and cells[2][0][:2] == [MINUS, MINUS] and cells[0][1][:2] == ["0", "0"]


def test_the_page_is_the_same_for_rows_in_any_order_and_marks_what_the_cap_ended(tmp_path):
    rows = sweep()
    first = [path.read_bytes() for path in write_autoencoders(pages(rows), NUMBERS, tmp_path / "a")]
    random.Random(0).shuffle(rows)
    assert first == [path.read_bytes() for path in write_autoencoders(pages(rows), NUMBERS, tmp_path / "b")]
    text = first[0].decode()
    assert f"> {CAP}.0" in text and "| 3.0 |" in text
    assert "stops after 3.0 epochs instead of > 12.0" in text
    assert "over 40" in text  # the paper's own words beside ours
    assert first[1].decode().splitlines()[0] == ",".join(CSV_FIELDS)


def test_a_width_that_was_not_run_stands_as_not_run(tmp_path):
    rows = [each for each in sweep() if each["config"]["model"]["width"] == 60 or each["strength"] == 0]
    text = write_autoencoders(pages(rows), NUMBERS, tmp_path)[0].read_text()
    assert "| entropy, eps 1e-7 | 100 |" in text and "not run" in text


def test_a_speed_up_is_said_only_where_both_reach_the_error():
    (page,) = pages(
        [row(s, strength, falling(s), penalty=1e-9 * (strength > 0)) for s in range(3) for strength in (0, 1)]
    )
    assert "a test MSE of 0.01 takes" in findings(page)
    (page,) = pages(sweep())
    assert "0 of 5 instead of 5 of 5 trainings" in findings(page)


def test_numbers_are_written_as_by_hand():
    assert [short(each) for each in (0.0, 1e-7, 1e-4, 0.01, 10.0)] == ["0", "1e-7", "0.0001", "0.01", "10"]


def test_a_picture_says_which_lambdas_of_a_panel_are_not_run(monkeypatch):
    monkeypatch.setattr(autoencoder_curves, "save", lambda figure, path: figure)
    rows = [row(0, strength, falling(0)) for strength in (0, 0.01, 1)]
    (page,) = pages([*rows, row(0, 1, falling(0), name="constant")])
    for measure, dotted in (("mse", False), ("stop", True)):
        figure = draw_autoencoders(page, measure, "unused.png")
        whole, part = figure.axes
        assert "\n" not in whole.get_title() and part.get_title().endswith("\nnot run: lambda 0.01")
        assert ("dotted line" in figure.get_supxlabel()) is dotted
        assert any(line.get_linestyle() == ":" for line in whole.lines) is dotted


@pytest.mark.parametrize("measure", ["mse", "stop"])
def test_pictures_are_drawn_from_finished_rows_only(tmp_path, measure):
    (page,) = pages(sweep())
    assert draw_autoencoders(page, measure, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    (empty,) = pages([row(0, 0, falling(0))])
    with pytest.raises(UserError, match="no finished row to draw"):
        draw_autoencoders(empty, measure, tmp_path / "none.png")


def test_the_reciprocal_is_steeper_only_between_two_points(tmp_path):
    assert steeper_between(0.5) is None
    low, high = steeper_between(0.1)
    for x, steeper in ((low * 0.9, False), (low * 1.1, True), (high * 0.99, True), (high * 1.01, False)):
        assert ((x + 0.1) ** -2 > 1 / x) == steeper
    assert np.isclose((low + 0.1) ** 2, low)
    assert draw_losses(tmp_path / "losses.png").stat().st_size > 1000


def test_a_lambda_of_which_a_training_failed_is_left_out_of_the_tests_and_stops_no_report(tmp_path):
    rows = sweep()
    for each in rows:
        if each["strength"] == 1 and each["seed"] < 2:
            each |= {"status": "failed", "reason": "loss became nan in epoch 1", "epochs": []}
    (page,) = pages(rows)
    (table,) = sign_tables(page, "mse", NUMBERS)
    assert table.columns == ("", "lambda 0", "lambda 0.0001") and "n = 5" in table.title
    assert "X <sup>" in write_autoencoders(pages(rows), NUMBERS, tmp_path)[0].read_text()


def test_findings_part_what_is_so_by_construction_from_what_was_found():
    rows = [*sweep(), *(row(s, 1, falling(s, 3), name="constant", penalty=1e7) for s in range(5))]
    for each in rows:
        if each["strength"] == 1 and each["seed"] == 0 and each["config"]["regularizer"]["name"] == "entropy":
            each["epochs"][0]["measures"]["train"] = {"penalty": 1e7, "gradient_norm": 0.5}
    text = findings(pages(rows)[0])
    assert "4 of 4 whose penalty never had a gradient, by construction; 1 of 1 whose penalty had one" in text


def test_a_cell_of_fewer_trainings_says_how_many(tmp_path):
    rows = [each for each in sweep() if each["strength"] != 1 or each["seed"] < 3]
    text = write_autoencoders(pages(rows), NUMBERS, tmp_path)[0].read_text()
    assert "| 3.0 <sup>1</sup> |" in text and "<sup>1</sup> n = 3" in text
