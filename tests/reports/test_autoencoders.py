"""The autoencoders' page: stops, errors and signs from made-up rows, and rows that are one training."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import figures
from regbench.evidence.documents import load_all_pages
from regbench.evidence.metrics import METRICS
from regbench.evidence.pages import build, section_tables
from regbench.evidence.publish import draw
from regbench.evidence.stops import stop_epoch, stopped
from regbench.evidence.wording import MINUS
from regbench.papers.entropy_guidance.autoencoders.signs.extra import pairwise_tests

EXPERIMENT = "entropy-figures"
CAP = 12


def row(seed, strength, losses, width=60, name="entropy", watch="compound", penalty=0.0, **method):
    """A row whose test and held-out losses are `losses`."""
    settings = {"form": "reciprocal", "eps": 1e-7, "placement": "first", **method}
    regularizer = {"name": "none", "method": {}} if strength == 0 else {"name": name, "method": settings}
    regularizer["strength"] = float(strength)
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
        "experiment": EXPERIMENT,
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


def page(rows):
    document, own = load_all_pages()[EXPERIMENT]
    return build(own, rows, document.numbers)


def table_of(rows, name):
    built = page(rows)
    (section,) = built.sections
    return next(table for table in section_tables(built, section) if table.title.startswith(name))


def texts(table):
    return [[cell.text for cell in line] for line in table.rows]


def test_a_hidden_loss_stops_after_the_patience_and_a_falling_one_at_the_cap():
    hidden, free = row(0, 1, falling(0, 3), penalty=1e7), row(0, 0, falling(0))
    assert stop_epoch(hidden, "paper") == 3 and stopped(hidden, "paper")
    assert stop_epoch(free, "paper") == CAP and not stopped(free, "paper")
    mse = METRICS["mse_at_stop"].read
    assert mse(hidden, "held-out", "full") == pytest.approx(50 / 3)
    assert mse(free, "paper", "full") == pytest.approx(50 / CAP)
    assert stop_epoch(row(0, 1, falling(0), watch="base", penalty=1e7), "paper") == CAP


def test_epochs_to_an_error_do_not_depend_on_the_stop():
    read = METRICS["epochs_to_target"].read
    assert read(row(0, 0, falling(0)), "paper", "full") == 5
    assert read(row(0, 1, falling(0, 3), penalty=1e7), "paper", "full") is None
    assert METRICS["had_gradient"].read(row(0, 1, falling(0)), "", "") == 0


def test_a_line_a_penalty_and_width_and_lambda_0_is_the_baseline_of_each():
    rows = [
        *sweep(),
        row(0, 1, falling(0), name="constant"),
        row(0, 1, falling(0), form="log"),
        row(0, 1, falling(0), watch="base"),
        row(0, 1, falling(0), eps=1e-3),
    ]
    table = table_of(rows, "Stopping epoch, protocol paper")
    assert [line[:2] for line in texts(table)] == [
        ["entropy, eps 1e-7", "60"],
        ["entropy, eps 1e-7", "100"],
        ["entropy, eps 0.001", "60"],
        ["constant, eps 1e-7", "60"],
        ["entropy, eps 1e-7, base loss watched", "60"],
        ["entropy, log", "60"],
        ["entropy, log", "100"],  # of its baseline alone
    ]
    assert [line[2] for line in texts(table)] == ["> 12.0"] * 7
    assert texts(table)[0][2:] == ["> 12.0", "> 12.0", "3.0"]
    with pytest.raises(UserError, match="'l1'"):
        page([*rows, row(0, 1, falling(0), name="l1")])


def test_rows_that_differ_in_another_setting_are_refused():
    rows = sweep()
    rows[3]["config"]["task"]["early_stopping"]["patience"] = 9
    with pytest.raises(UserError, match=r"task\.early_stopping\.patience differs"):
        page(rows)


def test_rows_of_one_training_are_counted_once():
    (note,) = [
        each for each in table_of(sweep(), "Test MSE at the stop, x 1e-3, protocol paper").notes if "rows are" in each
    ]
    assert note.startswith("These 30 rows are 11 trainings.")  # ten without penalty, and the one that is said to serve


def test_signs_are_those_of_welch_tests_and_mirror_each_other():
    (section,) = page(sweep()).sections
    table = pairwise_tests(section)[0]
    assert "Figure 3b" in table.title and "latent width 60 (the paper's is 80), n = 5" in table.title
    cells = [[cell.text.split(" / ") for cell in line[1:]] for line in table.rows]
    read = METRICS["mse_at_stop"].read
    values = [
        [
            read(each, "paper", "full")
            for each in sweep()
            if each["strength"] == s and each["config"]["model"]["width"] == 60
        ]
        for s in (0.0, 1e-4, 1.0)
    ]
    for a in range(3):
        for b in range(3):
            if a == b:
                continue
            test = scipy_stats.ttest_ind(values[a], values[b], equal_var=False)
            assert cells[a][b][0] == ("0" if test.pvalue >= 0.01 else "+" if test.statistic > 0 else MINUS)
    assert cells[2][0][0] == "+" and cells[0][2][0] == MINUS and cells[0][1][0] == "0"


def test_the_pictures_are_drawn(tmp_path):
    found = page([*sweep(), row(0, 1, falling(0), name="constant")])
    assert sorted(path.name for path in draw(found, tmp_path)) == [
        "entropy_figure2.png",
        "entropy_figure3_mnist_quick.png",
        "entropy_figure4_mnist_quick.png",
        "entropy_stops_mnist_quick.png",
    ]
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


def test_without_a_penalty_there_is_nothing_to_draw_by_lambda(tmp_path):
    found = page([row(seed, 0, falling(seed)) for seed in (0, 1)])
    assert [path.name for path in draw(found, tmp_path)] == ["entropy_figure2.png"]


def test_figure_4_has_a_panel_a_penalty_and_a_curve_a_lambda():
    found = page([*sweep(), row(0, 1, falling(0), name="constant")])
    spec = next(each for each in found.page.figures if "figure4" in each.file)
    (section,) = found.sections
    figure = figures.DRAWN["lines"]([section], spec, found.estimates["quick"])
    panels = [axes for axes in figure.axes if axes.get_visible()]
    penalties = {line.names["penalty"] for name in spec.panels[0].lines for line in run(section, name)}
    assert {axes.get_title() for axes in panels} == penalties and len(panels) == len(penalties)
    first = panels[0]
    (line,) = run(section, "entropy", width=60, strength=1.0)
    (curve,) = [each for each in first.lines if each.get_label() == "lambda = 1"]
    widths = [float(each.get_text()) for each in first.get_xticklabels()]
    stops = figures.seed_values(section, line, None, "epochs", "paper")
    assert curve.get_ydata()[widths.index(60)] == pytest.approx(np.mean(list(stops.values())))
    assert first.get_xlabel() == "latent width" and first.get_ylim()[0] == 0


def run(section, name, width=None, strength=None):
    """The lines of that name that have trainings, at a width and strength."""
    lines = [each for each in section.expanded(section.page.lines[name]) if section.group(each)]
    return [each for each in lines if width is None or each.at[-2:] == (width, strength)]
