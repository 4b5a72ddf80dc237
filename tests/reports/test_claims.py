"""The ledger: what it accepts, what its rows must be, and that every claim of every document is answered."""

import random
import re
from itertools import product

import pytest
import yaml

from regbench.errors import UserError
from regbench.evidence.groups import flatten
from regbench.evidence.numbers import PaperNumber, PaperNumbers, load_paper_numbers
from regbench.evidence.tables import MINUS
from regbench.experiments import cells, sweeps
from regbench.paths import ROOT
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import AT_LEAST, OPEN
from regbench.reports.claims.comparisons import measure_comparison
from regbench.reports.claims.families import Family
from regbench.reports.claims.ledger import _bound, answer_all
from regbench.reports.claims.loading import check_cells, load_ledger
from regbench.reports.claims.paper_effects import paper_effect
from regbench.reports.claims.report import load_claims, report_text
from regbench.reports.claims.rows import Evidence
from regbench.reports.claims.takeaways import takeaways

from .claims_factory import ACCURACIES, LEDGER, RESULTS, golden_rows, ledger_at
from .factory import PAPER, make_row
from .large_factory import large_row
from .rows import failed

DOCUMENTS = (
    "pb_edropout",
    "entropy_guidance",
    "adaptive_dropout_gan",
    "linearity_essay",
    "dropout_batchnorm_handout",
)


@pytest.fixture(scope="module")
def own():
    return load_claims(RESULTS)


def changed(old, new):
    assert old in LEDGER
    return LEDGER.replace(old, new, 1)


def answers(tmp_path, rows, text=LEDGER):
    ledger, papers = ledger_at(tmp_path, text)
    return answer_all(ledger, Evidence({"table1": rows}), papers, RESULTS)


def test_every_claim_of_all_five_documents_is_valid_and_answered_without_any_row(own):
    ledger, papers = own
    assert tuple(ledger.documents) == DOCUMENTS and all(ledger.of(name) for name in DOCUMENTS)
    assert len(ledger.claims) >= 100 and sum(claim.main for claim in ledger.claims) >= 10
    found = answer_all(ledger, Evidence({}), papers, RESULTS)
    assert list(found) == [claim.id for claim in ledger.claims]
    assert all(answer.word in verdicts.WORDS and answer.found and answer.why for answer in found.values())
    for claim in ledger.claims:
        rows = claim.kind in ("comparison", "trend") or (claim.kind == "finding" and bool(found[claim.id].experiments))
        assert (found[claim.id].word == verdicts.NOT_RUN) == (rows or claim.kind == "not run"), claim.id


def test_entries_of_the_file_start_with_their_id_and_quotes_are_short():
    text = (RESULTS / "claims.yaml").read_text()
    entries = yaml.safe_load(text)["claims"]
    assert len(re.findall(r"^- id: ", text, flags=re.M)) == len(entries) >= 30
    assert max(len(entry["quote"]) for entry in entries) < 160


def test_quotes_are_the_documents_own_words(own):
    ledger, _ = own
    folder = ROOT.parent / "shared" / "papers"
    if not folder.is_dir():
        pytest.skip("the papers are not part of the repository")
    texts = {name: re.sub(r"[\s*]", "", (folder / f"{name}.txt").read_text()) for name in DOCUMENTS}
    strange = [claim.id for claim in ledger.claims if re.sub(r"[\s*]", "", claim.quote) not in texts[claim.document]]
    assert not strange


def test_every_comparison_names_cells_that_its_experiment_has(own):
    ledger, _ = own
    configs = {
        experiment: [
            flatten(member.config)
            for sweep in sweeps(experiment, {})
            for cell in cells(experiment, sweep, ["budget=quick"])
            for member in cell.members
        ]
        for experiment in ("table1", "handout")
    }
    check_cells(ledger, configs)
    bad = [{key: value for key, value in config.items() if key != "regularizer.name"} for config in configs["handout"]]
    with pytest.raises(UserError, match=r"claim ho-dropout-overfitting: method dropout_half: .* is no cell of handout"):
        check_cells(ledger, {"handout": bad})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- id: worse", "- id: better", "id=better occurs twice"),
        ("experiment: table1", "experiment: table9", "experiment='table9': allowed are .*table1"),
        ("methods: [full]", "methods: [fill]", "methods='fill': allowed are none, classic, full, mask"),
        ("references: [none]", "references: [nobody]", "references='nobody': allowed are"),
        ("datasets: [mnist]", "datasets: [emnist]", "datasets='emnist': allowed are .*mnist"),
        ("metric: accuracy", "metric: precision", "metric='precision': allowed are accuracy, loss"),
        ("protocol: held-out", "protocol: best", "protocol='best': allowed are paper, held-out"),
        ("direction: greater", "direction: higher", "direction='higher': allowed are greater, less, none"),
        ("kind: comparison", "kind: opinion", "kind='opinion': allowed are comparison, trend"),
        ("kind: not run", "kind: unknown", "kind='unknown': allowed are .*not run, not testable"),
        ("document: pb_edropout", "document: nature", "document='nature': allowed are pb_edropout"),
        ("function: ranks_first", "function: ranks", "function='ranks': allowed are ranks_first"),
        ("best: lowest}", "worst: lowest}", "arguments=.* of ranks_first: missing a required argument: 'best'"),
        ("function: masks_counted", "function: masks", "function='masks': allowed are"),
        ("function: best_of_equals", "function: luck", "function='luck': allowed are best_of_equals"),
        ("family: one\n  effect", "effect", "better: family is missing"),
        (", margin: 0.5", "", "margin is needed with direction none"),
        ("place: Table 1", "page: 1", "key 'place' is missing"),
        ("claim: Full is better.", "claim: ''", "better: claim is empty"),
        ("why: No measure.", "because: No measure.", "opinion: key 'why' is missing"),
        (
            '{table: "1", column: "{dataset} Acc"}',
            '{table: "1", column: Acc}',
            "no number at table='1', .*column='Acc'",
        ),
        ("row: PB-EDropout-Full (ours)", "row: Full", "no number at table='1', row='Full'"),
        ('column: "{dataset} Acc"', 'column: "{dataset} Loss"', "unit='nats' .* is not that of the metric, 'pp'"),
        ("  short: Full better\n", "", "better: short is missing: a main claim and a control need a short name"),
        (
            "  short: Full better\n",
            "  short: Full better\n  control: best\n",
            "better: control='best' is not the id of",
        ),
        ("  short: Full better\n", "  short: Full better\n  control: better\n", "control='better' is not the id of"),
        ("  short: Full better\n", "  short: Full better\n  control: worse\n", "worse: short is missing"),
        ("  main: true\n", "  main: true\n  implied: 1\n", "better: implied=1: allowed are true, false"),
        ("label: no regularizer", "name: no regularizer", "method none: key 'label' is missing"),
    ],
)
def test_a_claim_that_names_what_is_not_there_is_refused_in_one_line(tmp_path, old, new, message):
    with pytest.raises(UserError, match=message) as error:
        ledger_at(tmp_path, changed(old, new))
    assert "\n" not in str(error.value)


def test_a_missing_ledger_and_a_missing_paper_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"claims .*claims.yaml: no such file"):
        load_ledger(tmp_path / "claims.yaml", {})
    (tmp_path / "claims.yaml").write_text(LEDGER)
    with pytest.raises(UserError, match="paper 'pb_edropout' has no numbers"):
        load_ledger(tmp_path / "claims.yaml", {})


@pytest.mark.parametrize("key", ["unit", "n"])
def test_a_paper_number_without_unit_or_n_is_refused(tmp_path, key):
    content = yaml.safe_load(PAPER.read_text())
    del content["numbers"][3][key]
    (tmp_path / "pb_edropout.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"number 4: key '{key}' is missing"):
        load_paper_numbers(tmp_path / "pb_edropout.yaml")


def test_effects_are_looked_up_scaled_and_keep_their_n(tmp_path, own):
    ledger, papers = ledger_at(tmp_path)
    claim = ledger.claims[0]
    effect = paper_effect(claim, ledger.cases(claim)[0], "pp", papers)
    assert (effect.value, effect.unit, effect.n) == (pytest.approx(0.16), "pp", None)
    ledger, papers = own
    claim = next(each for each in ledger.claims if each.id == "eg-mse-mnist")
    effect = paper_effect(claim, ledger.cases(claim)[0], "1e-3", papers)
    assert (effect.value, effect.n) == (pytest.approx(7.0), 10)
    claim = next(each for each in ledger.claims if each.id == "eg-faster")
    effect = paper_effect(claim, ledger.cases(claim)[0], "epochs", papers)
    assert (effect.value, effect.unit) == (4.0, "times")


def test_rows_answer_by_the_rules(tmp_path):
    found = answers(tmp_path, golden_rows())
    words = {name: answer.word for name, answer in found.items()}
    assert words == {
        "better": "supported",
        "worse": "contradicted",
        "partly": "inconclusive",
        "nowhere": "not run",
        "printed": "inconsistent",
        "counted": "consistent",
        "elsewhere": "not run",
        "opinion": "not testable",
    }
    assert found["better"].runs == "n = 5, quick, cpu" and "Holm over 2 claims" in found["better"].why
    assert found["better"].effects[0].claimed == pytest.approx(0.16)
    assert "CIFAR-10: Mask not run" in found["partly"].why
    assert [effect.label for effect in found["partly"].effects] == ["MNIST"] and found["better"].effects[0].label == ""


def test_the_order_of_rows_changes_nothing_and_a_smoke_run_never_counts(tmp_path):
    rows = golden_rows()
    mixed = list(rows)
    random.Random(0).shuffle(mixed)
    assert answers(tmp_path, mixed) == answers(tmp_path, rows)
    assert answers(tmp_path, [row for row in rows if row["budget"] != "smoke"]) == answers(tmp_path, rows)
    smoke = answers(tmp_path, [row for row in rows if row["budget"] == "smoke"])
    assert smoke["better"].word == verdicts.NOT_RUN


def test_four_seeds_are_inconclusive_and_say_what_they_could_have_shown(tmp_path):
    found = answers(tmp_path, [row for row in golden_rows() if row["seed"] != 4])
    assert found["better"].word == "inconclusive"
    assert "4 of the 5 seeds" in found["better"].why and "smallest effect at 80 % power" in found["better"].why


def test_the_verdict_is_the_fuller_budgets_and_the_other_is_told(tmp_path):
    rows = [*golden_rows(), *(make_row(n, s, [0.98 + 0.0001 * s], mask=[0.98], budget="paper")
                              for n in ("none", "pb_edropout") for s in range(5))]  # fmt: skip
    found = answers(tmp_path, rows)["better"]
    assert found.runs.startswith("n = 5, paper") and found.word != "supported"
    assert any(detail.startswith("Also at budget quick: supported") for detail in found.details)
    few = [row for row in rows if row["budget"] != "paper" or row["seed"] < 2]
    assert answers(tmp_path, few)["better"].runs == "n = 5, quick, cpu"


def test_rows_of_mixed_budgets_or_settings_are_refused(tmp_path):
    evidence = Evidence({"table1": golden_rows()})
    with pytest.raises(UserError, match=r"mixed: budget differs between its rows: 'quick' .* and 'smoke'"):
        evidence.group("table1", {"regularizer.name": "none"}, "mixed")
    rows = [row if row["config"]["regularizer"]["name"] != "none" else _longer(row) for row in golden_rows()]
    with pytest.raises(UserError, match=r"claim better: epochs differs between its rows: 1 .* and 2"):
        answers(tmp_path, rows)


def _longer(row):
    return {**row, "config": {**row["config"], "epochs": 2}}


def test_a_failed_training_leaves_its_case_out_and_says_why(tmp_path):
    rows = [failed(row) if row["id"] == golden_rows()[0]["id"] else row for row in golden_rows()]
    found = answers(tmp_path, rows)
    assert found["better"].word == verdicts.NOT_RUN and found["better"].found == "not run"
    both = answers(tmp_path, rows, changed("references: [none]", "references: [none, classic]"))["better"]
    assert both.word == "inconclusive" and "1 of 5 members failed (seed 0: train loss became nan in" in both.why


def test_the_paper_printing_the_opposite_of_its_claim_is_no_effect_to_fall_short_of(tmp_path):
    found = answers(tmp_path, golden_rows())["worse"]
    assert found.effects[0].claimed is None and "against its own claim" in found.details[0]


def test_paper_numbers_made_by_hand_reach_the_answer(tmp_path):
    ledger, papers = ledger_at(tmp_path)
    rows = ("PB-EDropout-Full (ours)", "Baseline / No Dropout", "Classic Dropout")
    shifted = [
        PaperNumber("1", row, f"{name} Acc", value, str(value), "%", 3, None, "printed")
        for name in ("MNIST", "CIFAR-100")
        for row, value in zip(rows, (90.0, 80.0, 70.0), strict=True)
    ]
    others = [number for number in papers["pb_edropout"] if not number.column.endswith("Acc")]
    papers["pb_edropout"] = PaperNumbers("pb_edropout", [*shifted, *others])
    found = answer_all(ledger, Evidence({"table1": golden_rows()}), papers, RESULTS)["better"]
    assert (
        f"+10.00 pp = 90.0 {MINUS} 80.0 (n = 3)" in found.details[0] and "smaller than the paper's effect" in found.why
    )


def test_a_case_is_judged_alone_with_p_corrected_over_all_cases_of_its_family(tmp_path):
    two = changed("references: [none]", "references: [none, classic]")
    found = answers(tmp_path, golden_rows(), two)
    # Mask loses a little against no regularizer and gains much against classic dropout, each beyond doubt.
    assert [effect.word for effect in found["better"].effects] == ["supported", "supported"]
    mixed = two.replace("methods: [classic]}", "methods: [mask]}")
    worse = answers(tmp_path, golden_rows(), mixed)["worse"]
    assert worse.word != verdicts.SUPPORTED and [effect.word for effect in worse.effects][1] == "supported"
    assert worse.details[1].endswith("; alone *supported*.") and worse.effects[1].n == 5


def test_the_cases_of_a_family_are_corrected_together(tmp_path):
    gains = [0.001, 0.002, 0.001, -0.0005, 0.0025]  # p = 0.04: enough alone, too little among two
    weak = [make_row("pb_edropout", seed, [ACCURACIES["none"][seed] + gain]) for seed, gain in enumerate(gains)]
    rows = [*weak, *(row for row in golden_rows() if row["config"]["regularizer"]["name"] != "pb_edropout")]
    alone = answers(tmp_path, rows, changed("family: one\n  effect", "family: three\n  effect"))["better"]
    among = answers(tmp_path, rows)["better"]
    assert alone.family.claimed == 1 and among.family.claimed == 2
    assert (alone.effects[0].word, among.effects[0].word) == ("supported", "inconclusive")


def test_the_sides_of_a_paired_case_are_of_the_seeds_that_both_have(tmp_path):
    more = [*golden_rows(), make_row("none", 8, [0.5])]
    assert answers(tmp_path, more)["better"].details == answers(tmp_path, golden_rows())["better"].details
    apart = changed("    direction: greater\n", "    direction: greater\n    paired: false\n")
    assert "90." in answers(tmp_path, more, apart)["better"].details[0]  # 5 of 98.1 % and one of 50 %


def test_a_case_that_is_not_measured_is_named_by_what_tells_it_from_the_others(tmp_path, own):
    ledger, papers = own
    claim = ledger.find("eg-t2-run")
    rows = [large_row(strength, 0, [0.5]) for strength in (0.0, 0.001)]
    missing = measure_comparison(claim, ledger, Evidence({"entropy-table2": rows}), papers, "quick").missing
    assert len(set(missing)) == len(missing) > 1
    assert (
        "Imagenette, resnet50, dropout 0.5: entropy penalty at the first convolution, lambda 0.001 not run" in missing
    )


def test_a_family_without_any_p_value_says_so():
    family = Family("one", "quick", "table1", "claim", "one a claim", 0, 2)
    assert family.text == "[no claim with a p-value: one](#holm-one-quick)"
    assert family.opposite_text == "[Holm over 2 claims: one](#holm-one-quick)"


def test_the_effect_of_a_factor_says_what_it_is_here(own):
    ledger, papers = own
    claim = ledger.find("eg-faster")
    effect = paper_effect(claim, ledger.cases(claim)[0], "epochs", papers)
    assert effect.text(-3.15, "epochs") == f"4 times (n = 10), {MINUS}3.1 epochs here"
    assert effect.source(-3.15, "epochs").startswith("4 (text on Figures 3-6; entropy loss; ")
    claim = ledger.find("eg-stop-mnist")
    effect = paper_effect(claim, ledger.cases(claim)[0], "epochs", papers)
    assert effect.text(None, "epochs") == f"{MINUS}30.0 epochs = 10 {MINUS} 40 (n = 10)"
    assert f"10 (text on Figure 4; MNIST, lambda_1 >= 0.0001; Stopping epoch, high) {MINUS} 40 (" in effect.source(
        None, "epochs"
    )


def test_an_effect_cut_off_by_the_cap_is_at_least_as_large_only_where_the_other_side_is_the_bound():
    plain = verdicts.paired({seed: 8.0 for seed in range(5)}, {seed: 50.0 for seed in range(5)}, "less", -30.0)
    words = {
        (ours, theirs): _bound(verdicts.bounded(plain, ours, theirs))
        for ours, theirs in product((False, True), repeat=2)
    }
    assert words == {(False, False): "", (False, True): AT_LEAST, (True, False): OPEN, (True, True): OPEN}


def test_claims_that_early_stopping_ends_trainings_have_the_constant_as_their_control(own):
    ledger, _ = own
    names = {"eg-stop-mnist", "eg-stop-cifar10", "eg-mse-mnist", "eg-mse-cifar10"}
    for claim in (ledger.find(name) for name in names):
        control = ledger.find(claim.control)
        # of the same metric, data set and widths: all but what is held against
        assert control.answer == {**claim.answer, "references": ["constant_10"]}, claim.id
        assert control.implied and not control.effect
    assert all(claim.short for claim in ledger.claims if claim.main)


def test_claims_that_a_document_does_not_state_are_marked_and_counted_apart(tmp_path):
    text = changed("- id: worse\n", "- id: worse\n  implied: true\n")
    ledger, papers = ledger_at(tmp_path, text.replace("- id: nowhere\n", "- id: nowhere\n  implied: true\n"))
    rows = {"table1": golden_rows()}
    found = answer_all(ledger, Evidence(rows), papers, RESULTS)
    page = report_text(ledger, found, papers, rows)
    assert page.split("\n")[2] == "8 claims of 1 document (2 of them implied):"
    assert "1 supported, 1 contradicted (1 implied) and 1 inconclusive;" in page
    assert "of 8 claims (2 of them implied) 1 supported, 1 contradicted (1 implied), 1 incon" in page
    assert "Implied, not stated: Classic dropout is better. Table 1" in page
    assert "[Classic dropout is better.](#worse) (implied) |" in page and "[Full is better.](#better) |" in page
    assert '<a id="nowhere"></a>It is better on CIFAR-100. (implied) |' in page
    assert "| PB-EDropout | 8 | 2 | 1 | 1 |" in page
    ledger, papers = ledger_at(tmp_path, changed("  short: Full better\n", "  short: Full better\n  implied: true\n"))
    assert "[Full better](#better) (implied; +0.52 pp)" in takeaways(ledger, found)
