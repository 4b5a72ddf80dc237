"""What a claim reads from a row that early stopping ends: the same as the tables print."""

import pytest

from regbench.evidence.groups import make_group
from regbench.evidence.protocols import PROTOCOLS
from regbench.reports.claims.comparisons import measure_comparison
from regbench.reports.claims.readings import is_bound, readings
from regbench.reports.claims.report import load_claims
from regbench.reports.claims.rows import Evidence

from .claims_factory import RESULTS
from .factory import make_row
from .golden_tables import built
from .large_factory import large_row, unet_row

# Both splits rise once more after patience 2 has ended the training: held-out after epoch 3, test after epoch 4.
TEST, HELDOUT = [0.5, 0.6, 0.55, 0.5, 0.9], [0.6, 0.5, 0.5, 0.9, 0.95]


def late_rows(strength, shift=0.0):
    return [
        large_row(strength, seed, [each + shift + 0.001 * seed for each in TEST], HELDOUT, patience=2)
        for seed in range(5)
    ]


def test_the_claims_accuracy_is_table_2s_where_accuracy_rises_after_the_stop():
    rows = [*late_rows(0.0), *late_rows(0.001, 0.02)]
    ledger, papers = load_claims(RESULTS)
    outcome = measure_comparison(
        ledger.find("eg-t2-run-vanilla"), ledger, Evidence({"entropy-table2": rows}), papers, "quick"
    )
    found, (measured,) = built("entropy-table2", rows), outcome.found
    (section,), line = found.sections, found.page.lines["first.vgg.vanilla"]

    def mean(strength, protocol):
        return found.estimates["quick"].mean(section, section.cell(line, strength), "accuracy", protocol).mean

    printed = [mean(strength, "held-out") for strength in (0.001, 0.0)]
    assert measured.means == pytest.approx(printed) and printed == pytest.approx([52.2, 50.2])
    gap = [mean(0.001, protocol) for protocol in PROTOCOLS]
    assert outcome.selection_gap == pytest.approx(gap[0] - gap[1]) and gap == pytest.approx([62.2, 52.2])


def test_loss_and_epochs_to_a_level_look_no_further_than_the_stop():
    rows = late_rows(0.0)
    for row in rows:
        for number, entry in enumerate(row["epochs"]):
            entry["test"]["full"]["loss"] = 1.0 + number
    loss = readings()["loss"]
    assert loss.read(rows[0], "held-out", "full") == 1.0
    assert loss.read(rows[0], "paper", "full") == 2.0
    # The reference ends at 0.5, so that the level is 47.5 %; after the last epoch run it would be 90.25 %.
    own = readings()["epochs_to_fixed_accuracy"]
    reading = own.against(own, [make_group(rows, "reference")])
    late = large_row(0.001, 0, TEST, [0.4, 0.3, 0.3, 0.9, 0.9], patience=2)
    assert reading.read(rows[0], "held-out split", "full") == 1.0
    assert reading.read(late, "held-out split", "full") == 3.0 and is_bound(reading, late, "held-out split")


def test_a_row_without_early_stopping_is_read_to_its_last_epoch():
    row = make_row("none", 0, [0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9])
    assert readings()["accuracy"].read(row, "held-out", "full") == pytest.approx(90)


def test_the_claims_stop_of_a_u_net_is_table_3s_and_its_baseline_may_watch_the_base_loss():
    hidden = [0.2, 0.1, 0.095, 0.095, 0.095]  # with patience 3 and 0.01, the stop is after epoch 5
    rows = [unet_row(0.0, seed, [*hidden, 0.0], seconds=2.0) for seed in range(5)]
    rows += [unet_row(0.001, seed, [0.2, 0.195, 0.195, 0.195, 0.1, 0.1]) for seed in range(5)]
    ledger, papers = load_claims(RESULTS)
    claim = ledger.find("eg-t3-run")
    outcome = measure_comparison(claim, ledger, Evidence({"entropy-table3": rows}), papers, "quick")
    (measured,), found = outcome.found, built("entropy-table3", rows)
    assert {row["config"]["task"]["early_stopping"]["watch"] for row in rows} == {"base", "compound"}
    (section,), lines = found.sections, found.page.lines
    shown = [lines["up"].swept((0.001,)), lines["plain"]]
    printed = [found.estimates["quick"].mean(section, line, "epochs", "held-out").mean for line in shown]
    assert measured.means == tuple(printed) == (4.0, 5.0) and not any(measured.bounds)
    capped = [row | {"epochs": row["epochs"][:4]} if row["strength"] == 0 else row for row in rows]
    outcome = measure_comparison(claim, ledger, Evidence({"entropy-table3": capped}), papers, "quick")
    assert outcome.found[0].bounds == (False, True)
