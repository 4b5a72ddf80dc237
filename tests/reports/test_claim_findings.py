"""Findings and trends: the repository's own claims answered by made-up rows of which the answer is known."""

import pytest

from regbench.errors import UserError
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import eps_text
from regbench.reports.claims.finding import Context
from regbench.reports.claims.findings_autoencoders import penalty_has_gradient, stops_by
from regbench.reports.claims.findings_gan import gan_claim, gan_stability
from regbench.reports.claims.findings_gan_sign import gan_other_sign
from regbench.reports.claims.findings_maps import entropy_map_positions, entropy_map_untrained, entropy_map_value
from regbench.reports.claims.findings_masks import masks_counted, patches_ranked_by_noise
from regbench.reports.claims.ledger import answer_all
from regbench.reports.claims.report import load_claims, report_text
from regbench.reports.claims.rows import Evidence

from . import entropy_factory, gan_factory, handout_factory, linearity_factory
from .claims_factory import RESULTS
from .factory import make_row

PRINTED = {"regularizer.name": "pb_edropout"}
STOP = {"table": "text on Figure 4", "row": "MNIST, lambda_1 >= 0.0001", "column": "Stopping epoch, high"}


@pytest.fixture(scope="module")
def own():
    return load_claims(RESULTS)


def context(papers, document="entropy_guidance", results=RESULTS, **rows):
    return Context(Evidence({name.replace("_", "-"): found for name, found in rows.items()}), papers[document], results)


def answers(own, **rows):
    ledger, papers = own
    return answer_all(
        ledger, Evidence({name.replace("_", "-"): found for name, found in rows.items()}), papers, RESULTS
    )


def test_trends_are_measured_on_every_data_set(own):
    names = ("digits", "mnist", "cifar10")
    plain = [linearity_factory.linearity_row("none", 0.0, seed, dataset=name) for name in names for seed in range(5)]
    rows = [row for name in names for row in linearity_factory.sweep("dropout", dataset=name)]
    assert answers(own, linearity=plain)["lin-dropout"].word == verdicts.NOT_RUN
    found = answers(own, linearity=rows)["lin-dropout"]
    assert found.word in (verdicts.SUPPORTED, verdicts.CONTRADICTED, verdicts.INCONCLUSIVE)
    assert found.runs.startswith("n = 5") and len(found.details) == 3 and "rho" in found.found
    some = [row for row in rows if row["config"]["dataset"]["name"] != "digits"]
    partly = answers(own, linearity=some)["lin-dropout"]
    assert partly.word != verdicts.SUPPORTED and "Not measured: digits: not run." in partly.details


def test_perfect_trends_without_any_spread_are_answered_by_pages_test(own):
    rows = []
    for name in ("digits", "mnist", "cifar10"):
        for seed in range(5):
            for place, strength in enumerate((0.0, 0.1, 0.3, 0.5, 0.7)):
                kind = "dropout" if strength else "none"
                rows.append(
                    _with_gap(linearity_factory.linearity_row(kind, strength, seed, dataset=name), 0.9 - 0.1 * place)
                )
    found = answers(own, linearity=rows)["lin-dropout"]
    assert found.word == verdicts.SUPPORTED and f"rho {chr(0x2212)}1.000 in every seed" in found.found
    rising = [_with_gap(row, 1.9 - row["epochs"][-1]["test"]["full"]["additivity_gap"]) for row in rows]
    assert answers(own, linearity=rising)["lin-dropout"].word == verdicts.CONTRADICTED


def test_a_trend_says_what_its_sides_are_and_its_interval_ends_where_ranks_do(own):
    rows = []
    for name in ("digits", "mnist", "cifar10"):
        for seed in range(5):
            for place, strength in enumerate((0.0, 0.1, 0.3, 0.7)):
                kind, gap = "dropout" if strength else "none", 0.3 + 0.1 * place
                gap = 0.45 if (seed, place) == (0, 3) else gap  # one seed whose last step falls
                rows.append(_with_gap(linearity_factory.linearity_row(kind, strength, seed, dataset=name), gap))
    found = answers(own, linearity=rows)["lin-dropout"]
    assert found.details[0].startswith("digits: rank correlation of Z, additivity gap with Dropout rate: Z, additivity")
    assert "gap at Dropout rate 0 and 0.7: 0.300 and 0.570 \N{PLUS-MINUS SIGN} " in found.details[0]
    assert "; rho +0.960 [+0.849, +1.000]; n = 5" in found.details[0] and "difference rho" not in found.details[0]
    assert [(effect.low > 0.8, effect.high) for effect in found.effects] == [(True, 1.0)] * 3


def _with_gap(row, gap):
    last = row["epochs"][-1]
    full = {**last["test"]["full"], "additivity_gap": round(gap, 6)}
    return {**row, "epochs": [*row["epochs"][:-1], {**last, "test": {**last["test"], "full": full}}]}


def test_the_handouts_claims_are_answered_by_its_rows(own):
    rows = [
        handout_factory.handout_row(name, seed, dataset=dataset)
        for name in ("none", "dropout", "batchnorm", "dropout_batchnorm")
        for dataset in ("digits", "mnist", "cifar10")
        for seed in range(5)
    ]
    found = answers(own, handout=rows)
    for name in ("ho-dropout-overfitting", "ho-dropout-generalization", "ho-batchnorm-speed", "ho-both"):
        assert found[name].word in verdicts.WORDS[:4] and found[name].runs == "n = 5, quick, cpu"
    assert "epochs" in found["ho-batchnorm-speed"].found


def test_a_case_whose_reference_leaves_less_than_an_epoch_to_gain_is_said_to_be_saturated(own):
    def rows(first):
        """The level is reached in the first epoch where the held-out accuracy starts high."""
        return [
            handout_factory.handout_row(name, seed, heldout=[first, first + 0.01, 0.99], dataset=dataset)
            for name in ("none", "batchnorm")
            for dataset in ("digits", "mnist", "cifar10")
            for seed in range(5)
        ]

    details = answers(own, handout=rows(0.98))["ho-batchnorm-speed"].details
    said = "saturated: the reference has 1.0 epochs where 1.0 epochs is the least there can be; no more than 0.0 epochs"
    assert [said in detail for detail in details] == [True] * 3
    assert "saturated" not in "".join(answers(own, handout=rows(0.1))["ho-batchnorm-speed"].details)


def test_the_best_strength_is_judged_with_the_choice_allowed_for(own):
    base = [0.60, 0.61, 0.62, 0.60, 0.61]
    worse = {strength: [v - 0.01 for v in base] for strength in (0.0001, 0.001, 0.1, 1.0, 10.0)}
    better = [v + 0.05 + 0.001 * i for i, v in enumerate(base)]
    gains = entropy_factory.rows_of({0.0: base, 0.01: better, **worse})
    found = answers(own, entropy_table1=gains)
    assert found["eg-t1-32-32"].word == verdicts.SUPPORTED and "lambda 0.01" in found["eg-t1-32-32"].details[0]
    assert found["eg-t1-32-32"].effects[0].printed == "+0.76 pp (n = 10)"
    assert found["eg-t1-32-32"].family.text in found["eg-t1-32-32"].why
    assert (found["eg-t1-32-32"].family.claimed, found["eg-t1-32-32"].family.noun) == (1, "architecture")
    assert found["eg-t1-32-32"].effects[0].source.endswith("(Table 1; [32, 32]; Mean Delta Val. Acc.)")
    assert found["eg-t1-all"].family == found["eg-t1-32-32"].family
    assert found["eg-t1-32"].word == verdicts.NOT_RUN
    assert found["eg-t1-all"].word == verdicts.INCONCLUSIVE and "8 not run" in found["eg-t1-all"].found
    less = [v - 0.002 - 0.0001 * i for i, v in enumerate(base)]
    nothing = entropy_factory.rows_of({0.0: base, 0.01: less, **worse})
    assert answers(own, entropy_table1=nothing)["eg-t1-32-32"].word == verdicts.CONTRADICTED
    assert answers(own, entropy_table1=nothing)["eg-t1-all"].word == verdicts.CONTRADICTED


def test_the_run_line_of_an_entropy_claim_says_eps(own):
    ledger, papers = own
    base = {0.0: [0.60, 0.61, 0.62], 0.01: [0.60, 0.61, 0.63]}
    rows = {"entropy-table1": entropy_factory.rows_of(base, eps=1e-5)}
    found = answer_all(ledger, Evidence(rows), papers, RESULTS)
    assert found["eg-t1-32-32"].settings == found["eg-t1-all"].settings == "eps 1e-5"
    page = report_text(ledger, found, papers, rows)
    assert "- Run: n = 3, quick, cpu, eps 1e-5 ([table](tables/entropy-table1.md)" in page
    form = {"regularizer": {"method": {"form": "log", "eps": 0.1}}}
    assert eps_text([{"config": form}, {"config": {"regularizer": {"name": "none"}}}]) == ""


@pytest.mark.parametrize("change", [0.05, 0.0, -0.002])
def test_a_sweep_that_lacks_strengths_decides_nothing_about_the_best_of_them(own, change):
    base = [0.60, 0.61, 0.62, 0.60, 0.61]
    some = {strength: [v + change + 0.0001 * i for i, v in enumerate(base)] for strength in (0.0001, 0.01, 1.0, 10.0)}
    whole = {**some, **{strength: [v - 0.02 for v in base] for strength in (0.001, 0.1)}}
    decided = answers(own, entropy_table1=entropy_factory.rows_of({0.0: base, **whole}))["eg-t1-32-32"]
    assert decided.word == {0.05: verdicts.SUPPORTED, 0.0: verdicts.SMALLER, -0.002: verdicts.CONTRADICTED}[change]
    found = answers(own, entropy_table1=entropy_factory.rows_of({0.0: base, **some}))
    assert found["eg-t1-32-32"].word == found["eg-t1-32-32"].effects[0].word == verdicts.INCONCLUSIVE
    assert found["eg-t1-32-32"].why.endswith("; not run: lambda 0.001 and 0.1, one of which may be the best")
    assert "Best of 4 strengths (lambda 0.001 and 0.1 not run), chosen" in found["eg-t1-32-32"].details[0]
    assert found["eg-t1-all"].word == verdicts.INCONCLUSIVE
    assert found["eg-t1-all"].details[0].endswith("(lambda 0.001 and 0.1 not run)")


def test_gan_claims_are_those_of_the_gan_table(own):
    _, papers = own
    rows = gan_factory.golden_rows()
    best = gan_claim(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist", "AGNN-ADR is the best in FID")
    assert best.word in verdicts.WORDS and "against DCGAN: " in best.found
    assert "are not compared" in best.details[-1] and "18.2" in best.details[-1]
    lone = [row for row in rows if row["config"]["model"]["name"] != "sngan"]
    missing = gan_claim(
        context(papers, "adaptive_dropout_gan", gan_table1=lone), "mnist", "AGNN-ADR is the best in FID"
    )
    assert missing.word == verdicts.NOT_RUN and "SNGAN" in missing.why and not missing.effects
    with pytest.raises(UserError, match="claim='AGNN-ADR is pretty': allowed are AGNN-ADR is the best in FID"):
        gan_claim(context(papers, "adaptive_dropout_gan"), "mnist", "AGNN-ADR is pretty")


def gan_rows(fids, **options):
    """Five trainings of AGNN-ADR with these FIDs, which `options` change, and of sound baselines."""
    others = {name: [10.0, 11.0, 12.0, 10.0, 12.0] for name in ("DCGAN", "WGAN-GP", "SNGAN")}
    return [*gan_factory.rows_of({"AGNN-ADR": fids}, **options), *gan_factory.rows_of(others)]


def test_gan_claims_print_both_sides_both_p_values_and_how_many_collapsed(own):
    _, papers = own
    rows = gan_rows([30.0, 31.0, 32.0, 30.5, 32.5], classes=1.0)
    found = gan_claim(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist", "AGNN-ADR is the best in FID")
    assert found.word == verdicts.CONTRADICTED and [effect.word for effect in found.effects] == ["contradicted"] * 3
    first, sound = found.details[0], found.details[3]
    assert first.startswith("MNIST: AGNN-ADR against DCGAN: 31.20 \N{PLUS-MINUS SIGN} 1.29 FID and 11.00 ")
    assert "difference +20.20 [" in first and first.endswith("after Holm p = 1.000 as claimed, p < 0.001 opposite.")
    assert "AGNN-ADR 5 of 5 collapsed, 0 of 5 diverged; DCGAN 0 of 5 collapsed" in sound
    assert sound.endswith("Real images score 0.40 FID.")
    assert found.family.name == "Adaptive dropout for GANs, Table 1" and found.family.noun == "difference"
    assert found.family.opposite_text in found.why
    # of one epoch no speed can be told: untested as claimed, p = 1 in the opposite direction
    assert (found.family.claimed, found.family.opposite) == (6, 9)
    score = gan_claim(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist", "AGNN-ADR is the best in IS")
    assert "5.88 \N{PLUS-MINUS SIGN} 0.13 IS and 7.90 " in score.details[0] and "9.50 IS." in score.details[3]


def test_the_other_sign_of_the_rates_update_stands_beside_what_the_printed_one_contradicts(own):
    ledger, papers = own
    rows = gan_rows([30.0, 31.0, 32.0, 30.5, 32.5], classes=1.0, rates=[0.9])
    other = gan_factory.rows_of({"Minimised losses, descended": [9.0, 10.2, 11.1, 9.1, 11.0]}, rates=[0.01])
    found = gan_other_sign(context(papers, "adaptive_dropout_gan", gan_table1=[*rows, *other]), "mnist")
    assert found.word == verdicts.SUPPORTED and found.found.endswith(" FID; 0 of 5 collapsed")
    assert found.details[0].startswith(
        "MNIST: Minimised losses, descended against DCGAN: 10.08 FID and 11.00 FID; diff"
    )
    assert found.details[-2].endswith("opposite; not part of the claim.") and "AGNN-ADR: 10.08" in found.details[-2]
    rates = "Dropout rate after the last epoch: AGNN-ADR 0.900; Minimised losses, descended 0.010."
    assert found.details[-1] == rates
    few = gan_other_sign(context(papers, "adaptive_dropout_gan", gan_table1=[*rows, *other[:3]]), "mnist")
    assert few.word == verdicts.INCONCLUSIVE and "; 3 of the 5 seeds that a verdict needs; smallest" in few.why
    without = context(papers, "adaptive_dropout_gan", gan_table1=rows)
    assert gan_other_sign(without, "mnist").word == verdicts.NOT_RUN
    printed = gan_claim(without, "mnist", "AGNN-ADR is the best in FID")
    assert "Dropout rate after the last epoch: AGNN-ADR 0.900." in printed.details
    contradicted = {claim.id for claim in ledger.claims if claim.control == "gan-other-sign-mnist"}
    names = ("fid-mnist", "is-mnist", "faster-mnist", "adaptation-mnist", "stability")
    assert contradicted == {f"gan-{name}" for name in names}
    trained = [claim for claim in ledger.of("adaptive_dropout_gan") if claim.kind == "finding"]
    assert all("cap of 0.9" in claim.note for claim in trained if claim.id != "gan-other-sign-mnist")


def test_epochs_of_gans_that_never_reach_the_level_are_said_to_be_cut_off(own):
    _, papers = own
    lines = ("DCGAN", "WGAN-GP", "SNGAN")
    rows = [gan_factory.gan_row("AGNN-ADR", seed, [60.0, 50.0, 40.0 + seed]) for seed in range(5)]
    rows += [gan_factory.gan_row(line, seed, [40.0, 20.0, 10.0 + seed]) for line in lines for seed in range(5)]
    claim = "AGNN-ADR converges faster (epochs to the fixed FID)"
    found = gan_claim(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist", claim)
    assert "3.0 epochs (5 of 5 trainings of AGNN-ADR never reach the fixed FID and count" in found.details[0]


def test_one_case_alone_may_have_another_outcome_than_its_claim(own):
    _, papers = own
    rows = [row for row in gan_rows([30.0, 31.0, 32.0, 30.5, 32.5]) if row["config"]["model"]["name"] != "sngan"]
    rows += gan_factory.rows_of({"SNGAN": [30.5, 30.9, 32.1, 30.4, 32.6]})
    found = gan_claim(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist", "AGNN-ADR is the best in FID")
    assert [effect.word for effect in found.effects] == ["contradicted", "contradicted", "inconclusive"]
    assert found.details[2].endswith("; alone *inconclusive*.") and "alone" not in found.details[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "word"), [(0, 5, "supported"), (5, 0, "contradicted"), (1, 1, "inconclusive")]
)
def test_stability_is_fishers_test_of_counts(own, ours, theirs, word):
    _, papers = own
    rows = [
        gan_factory.gan_row(line, seed, classes=1.0 if seed < bad else 9.0)
        for line, bad in (("AGNN-ADR", ours), ("DCGAN", theirs))
        for seed in range(5)
    ]
    found = gan_stability(context(papers, "adaptive_dropout_gan", gan_table1=rows), "mnist")
    assert found.word == word and f"{ours} of 5 of AGNN-ADR, {theirs} of 5" in found.found


def test_masks_are_counted_and_patches_of_probability_zero_contradict(own):
    _, papers = own
    rows = [make_row("pb_edropout", seed) for seed in range(5)]
    for row in rows:
        row["epochs"][-1]["measures"]["train"]["conv1/zero_probability"] = 0.7 + 0.01 * row["seed"]
    made = context(papers, "pb_edropout", table1=rows)
    column = {"mnist": "MNIST Mask%"}
    assert masks_counted(made, "1", "PB-EDropout-Mask (ours)", column, PRINTED).word == verdicts.CONSISTENT
    other = {"mnist": "CIFAR-10 Mask%"}
    assert masks_counted(made, "1", "PB-EDropout-Mask (ours)", other, PRINTED).word == verdicts.INCONSISTENT
    found = patches_ranked_by_noise(made, ["mnist"], PRINTED)
    assert found.word == verdicts.CONTRADICTED and "MNIST 72.00 %" in found.found
    assert patches_ranked_by_noise(context(papers), ["mnist"], PRINTED).word == verdicts.NOT_RUN


def autoencoder(seed, losses, gradient=0.0, width=60):
    stopping = {"patience": 2, "min_delta": 0.0, "watch": "base"}
    config = {
        "dataset": {"name": "mnist"},
        "model": {"width": width},
        "regularizer": {"name": "entropy", "strength": 10.0, "method": {}},
        "task": {"early_stopping": stopping},
        "budget": "quick",
        "seed": seed,
    }
    epochs = [
        {"epoch": number, "test": {"full": {"loss": loss}}, "measures": {"train": {"gradient_norm": gradient}}}
        for number, loss in enumerate(losses, 1)
    ]
    return {
        "id": f"{width}-{seed}",
        "budget": "quick",
        "status": "done",
        "seed": seed,
        "config": config,
        "epochs": epochs,
        "provenance": {"device": "cpu"},
    }


def test_stopping_epochs_are_held_against_the_printed_one(own):
    _, papers = own
    arguments = ("mnist", [60], {"regularizer.name": "entropy"}, STOP)
    early = [autoencoder(seed, [0.3, 0.2, 0.2, 0.2]) for seed in range(6)]
    found = stops_by(context(papers, entropy_figures=early), *arguments)
    assert found.word == verdicts.SUPPORTED and found.found == "width 60 4.0 epochs"
    late = [autoencoder(seed, [1.0 / number for number in range(1, 31)]) for seed in range(6)]
    found = stops_by(context(papers, entropy_figures=late), *arguments)
    assert found.word == verdicts.CONTRADICTED and found.found == "width 60 > 30.0 epochs"
    assert stops_by(context(papers, entropy_figures=late[:3]), *arguments).word == verdicts.INCONCLUSIVE
    assert stops_by(context(papers), *arguments).word == verdicts.NOT_RUN


def test_a_penalty_without_gradient_contradicts(own):
    _, papers = own
    arguments = ("mnist", [60, 100], {"regularizer.name": "entropy"})
    flat = [autoencoder(seed, [0.3], 0.0, width) for seed in range(6) for width in (60, 100)]
    found = penalty_has_gradient(context(papers, entropy_figures=flat), *arguments)
    assert found.word == verdicts.CONTRADICTED and "in 0 of 12 trainings" in found.found
    steep = [autoencoder(seed, [0.3], 1.0, width) for seed in range(6) for width in (60, 100)]
    assert penalty_has_gradient(context(papers, entropy_figures=steep), *arguments).word == verdicts.SUPPORTED


def test_the_entropy_map_is_read_from_its_table(own, tmp_path):
    _, papers = own
    place = {"table": "text on Figure 1", "row": "VGG16, ImageNet", "column": "Mean change per filter, first layer"}
    found = entropy_map_value(context(papers), "conv1_1", **place)
    assert found.word == verdicts.CONSISTENT and f"{chr(0x2212)}2.19" in found.found
    assert entropy_map_value(context(papers), "conv1_2", **place).word == verdicts.INCONSISTENT
    assert entropy_map_positions(context(papers)).word == verdicts.INCONSISTENT
    assert entropy_map_untrained(context(papers)).word == verdicts.CONSISTENT
    text = (RESULTS / "tables" / "entropy-map-vgg16.md").read_text()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "entropy-map-vgg16.md").write_text(text.replace("-2.29 to -2.03", "-3.29 to -3.03"))
    assert entropy_map_positions(context(papers, results=tmp_path)).word == verdicts.CONSISTENT
    for finding in (entropy_map_positions, entropy_map_untrained):
        assert finding(context(papers, results=tmp_path / "nowhere")).word == verdicts.NOT_RUN
