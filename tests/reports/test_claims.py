"""Claims as data, on a paper of nobody: what is refused, which comparisons are judged, what the report says of them."""

import csv
import io
import random
from types import SimpleNamespace

import pytest
import yaml

from regbench.errors import UserError
from regbench.evidence import judging, looks, stats, verdicts
from regbench.evidence.answers import answer_document
from regbench.evidence.documents import load_documents
from regbench.evidence.effects import PaperEffect
from regbench.evidence.pages import build
from regbench.evidence.report import answer_all, document_part, write_report
from regbench.evidence.wording import MINUS, p_text
from regbench.paths import ROOT

from . import made_up
from .made_up import row, rows_of
from .rows import failed

PLAIN, DAMPED = (97.0, 97.5, 98.0, 97.2, 97.9), (98.4, 98.9, 99.6, 98.5, 99.2)
ROOM = (100 - 97.52) / 5  # a fifth of what PLAIN gets wrong
HEAD = "- {id: better, claim: It is better., quote: better, place: Table 1, "
CASES = "cases: {page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [mnist]"
CLAIMS = f"""
{HEAD}main: true, short: better, effect: {{table: "1", column: "{{dataset}} Acc"}}, {CASES}}}}}
- {{id: falls, claim: The loss falls., quote: falls, place: Figure 1, condition: On small images.,
   cases: {{page: dampening, metric: loss, over: [damped], datasets: [mnist]}}}}
- {{id: printed, claim: It is first., quote: first, place: Table 1,
   check: {{name: ranks_first, table: "1", row: Dampened, columns: [MNIST Acc], best: highest}}}}
- {{id: later, claim: It is fast., quote: fast, place: "2", not_run: no clock., needed: a clock.}}
- {{id: vague, claim: It is nice., quote: nice, place: "3", not_testable: no measure.}}
"""


def paper(tmp_path, claims=CLAIMS, **changes):
    (document,) = load_documents(
        [made_up.folder(tmp_path / str(random.random()), claims__yaml=claims, **changes)]
    ).values()
    return document


def answers(tmp_path, rows, claims=CLAIMS, **changes):
    document = paper(tmp_path, claims, **changes)
    pages = {"dampening": build(document.pages[0], rows, document.numbers)} if rows else {}
    return answer_document(document, pages)


def two(plain=PLAIN, damped=DAMPED, **options):
    return rows_of("none", plain, **options) + rows_of("damp", damped, **options)


def of(tmp_path, rows, cases, effect=""):
    """The answer to a claim with these cases."""
    return answers(tmp_path, rows, f"{HEAD}{effect}cases: {{page: dampening, {cases}}}}}")["better"]


def served_row(found):
    """The row as one that another training of its seed serves."""
    return {**found, "provenance": {**found["provenance"], "served_by": f"training {found['seed']}"}}


ACCURACY = "metric: accuracy, lines: [damped], minus: [plain], datasets: "


def test_every_kind_of_claim_is_answered(tmp_path):
    found = answers(tmp_path, two())
    words = {name: answer.word for name, answer in found.items()}
    assert words == {
        "better": "supported",
        "falls": "not run",  # two settings make no trend
        "printed": "consistent",
        "later": "not run",
        "vague": "not testable",
    }
    better = found["better"]
    assert better.runs.startswith("n = 5, quick") and "55,000 images, 1 epochs" in better.settings
    assert better.why == "p < 0.001 (Holm)" and better.found.startswith("+1.40 [")
    assert found["later"].needed == "a clock." and found["printed"].found.startswith("MNIST Acc: Dampened 98.50")
    assert [answer.word for answer in answers(tmp_path, []).values()][:2] == ["not run", "not run"]


def test_a_claim_reads_the_p_value_that_its_table_prints(tmp_path):
    document = paper(tmp_path)
    built = build(document.pages[0], two(), document.numbers)
    (case,) = answer_document(document, {"dampening": built})["better"].cases
    ((_, estimate),) = built.estimates["quick"].cases("main")
    assert (case.p.claimed, case.p.opposite) == (estimate.p_holm, estimate.p_opposite_holm)
    assert case.claimed == pytest.approx(0.5) and case.margin == pytest.approx(ROOM) and case.printed.n == 1


@pytest.mark.parametrize(("printed", "margin"), [("98.20", 0.2), ("99.50", ROOM), ("98.00", ROOM)])
def test_the_margin_is_the_metrics_the_papers_effect_or_a_fifth_of_the_room_whichever_is_least(
    tmp_path, printed, margin
):
    numbers = made_up.NUMBERS.replace('value: 98.5, printed: "98.50"', f'value: {printed}, printed: "{printed}"')
    (case,) = answers(tmp_path, two(), numbers=numbers)["better"].cases
    assert case.margin == pytest.approx(margin)
    assert case.p.equal == verdicts.equivalence_p(case.estimate.comparison, case.margin)


def test_contradicted_no_effect_smaller_and_identical(tmp_path):
    assert of(tmp_path, two(DAMPED, PLAIN), ACCURACY + "[mnist]").word == "contradicted"
    near = (97.01, 97.5, 98.0, 97.21, 97.9)
    equal = of(tmp_path, two(PLAIN, near), ACCURACY + "[mnist]")
    assert equal.word == "no effect" and "margin 0.50 pp" in equal.why
    served = [served_row(each) for each in two(PLAIN, PLAIN)]
    same = of(tmp_path, served, ACCURACY + "[mnist]")
    assert same.word == "no effect" and same.why == "the same trainings on both sides, by construction"
    assert same.cases[0].identical and not of(tmp_path, two(PLAIN, PLAIN), ACCURACY + "[mnist]").cases[0].identical
    assert of(tmp_path, two(PLAIN, PLAIN), ACCURACY + "[mnist], same: numbers").cases[0].identical
    shuffled = of(tmp_path, two(PLAIN, PLAIN[::-1]), ACCURACY + "[mnist], same: numbers")
    assert not shuffled.cases[0].identical
    assert of(tmp_path, served, ACCURACY + "[mnist], direction: none, margin: 0.1").word == "supported"


def test_what_was_not_run_keeps_a_claim_undecided_and_is_named(tmp_path):
    half = of(tmp_path, two(), ACCURACY + "[mnist, cifar10]")
    assert half.word == "undecided" and half.why.startswith("not run: CIFAR-10")
    rows = two() + two(DAMPED, PLAIN, dataset="cifar10")
    assert of(tmp_path, rows, ACCURACY + "[mnist, cifar10]").word == "contradicted"
    lost = two()
    lost[-1] = failed(lost[-1], "loss became nan")
    broken = of(tmp_path, lost, ACCURACY + "[mnist]")
    assert broken.word == "not run" and not broken.cases
    assert broken.why == "every comparison lacks trainings"


def test_the_p_of_a_claim_is_that_of_its_weakest_comparison(tmp_path):
    rows = two() + two(PLAIN, (98.0, 98.1, 99.6, 98.5, 99.2), dataset="cifar10")
    found = of(tmp_path, rows, ACCURACY + "[mnist, cifar10]")
    strong, weak = sorted(case.p.claimed for case in found.cases)
    assert found.word == "supported" and p_text(strong) != p_text(weak) and found.why.startswith(p_text(weak))
    rows = two(DAMPED, PLAIN) + two((98.0, 98.1, 99.6, 98.5, 99.2), PLAIN, dataset="cifar10")
    found = of(tmp_path, rows, ACCURACY + "[mnist, cifar10]")
    strong, _ = sorted(case.p.opposite for case in found.cases)  # one that fails settles it
    assert found.word == "contradicted" and found.why.startswith(p_text(strong))


def test_the_level_of_a_look_is_that_of_its_family(tmp_path):
    plain = [90.0 + seed / 10 for seed in range(10)]
    gains = (3.75, -0.25, 2.75, -0.25, 2.75, 1.75, -0.25, 2.75, -0.25, 1.75)
    damped = [ours + gain for ours, gain in zip(plain, gains, strict=True)]
    found = of(tmp_path, two(plain, damped) + two(plain, damped, dataset="cifar10"), ACCURACY + "[mnist, cifar10]")
    for case in found.cases:
        # as one comparison by itself it would be significant at its second look, as one of two it is not
        assert looks.nominal_level(10, family=2) < case.p.claimed < looks.nominal_level(10)
        assert case.family == 2 and case.word == "undecided"


def test_few_seeds_decide_nothing(tmp_path):
    four = of(tmp_path, two(PLAIN[:4], DAMPED[:4]), ACCURACY + "[mnist]")
    assert four.word == "undecided" and "n = 4: nothing is decided below 5 seeds" in four.why


def test_the_best_covered_budget_answers(tmp_path):
    paper_rows = two(PLAIN, PLAIN[::-1], budget="paper")
    found = of(tmp_path, two() + paper_rows, ACCURACY + "[mnist]")
    assert found.judged.budget == "paper" and [each.budget for each in found.other] == ["quick"]
    few = two(PLAIN[:3], DAMPED[:3], budget="paper")
    assert of(tmp_path, two() + few, ACCURACY + "[mnist]").judged.budget == "quick"
    whole = two() + two(dataset="cifar10")
    assert of(tmp_path, whole + paper_rows, ACCURACY + "[mnist, cifar10]").judged.budget == "quick"


def test_a_saturated_baseline_is_named_and_left_out(tmp_path):
    cases = "metric: accuracy, lines: [damped], minus: [plain], datasets: "
    rows = two() + two((99.9, 100, 100, 99.8, 100), (100.0,) * 5, dataset="cifar10")
    found = of(tmp_path, rows, cases + "[mnist, cifar10]")
    assert found.word == "supported" and found.why.endswith(
        "left out, CIFAR-10: saturated: the baseline leaves no room"
    )
    alone = of(tmp_path, rows, cases + "[cifar10]")
    assert alone.word == "undecided" and alone.why == "saturated: the baseline leaves no room"


def test_lines_against_a_number(tmp_path):
    cases = "metric: accuracy, lines: [damped], datasets: [mnist], direction: greater, than: "
    assert of(tmp_path, two(), cases + "98").word == "supported"
    assert of(tmp_path, two(), cases + "99.9").word == "contradicted"
    printed = of(tmp_path, two(), cases + '{table: "1", row: Dampened, column: MNIST Acc}')
    assert printed.found.startswith("+0.42 [") and "against 98.5" in printed.cases[0].label


def test_a_setting_at_which_a_network_no_longer_learns_is_left_out_of_a_trend(tmp_path):
    rows = rows_of("none", PLAIN)
    for strength, loss, accuracy in ((0.1, 0.9, 97), (0.2, 0.8, 97), (0.3, 0.7, 97), (0.4, 9.0, 11)):
        rows += [
            row("damp", seed, (accuracy / 100,), strength=strength, losses=[loss + seed / 1e3]) for seed in range(5)
        ]
    found = of(tmp_path, rows, "metric: loss, over: [damped], datasets: [mnist]")
    assert found.word == "supported" and found.found == f"{MINUS}1.000 in every seed"
    notes = found.cases[0].estimate.notes
    assert "Dampened 0.4: it no longer learns, 11.0 % test accuracy where 97.5 % is had without" in notes[-2]
    # losses 1, 0.9, 0.8, 0.7, 9 rank 4, 3, 2, 1, 5: rho is 0
    assert notes[-1] == "with these rho is +0.000"
    assert len(found.cases[0].rows) == 25


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minus: [plain]", "minus: [nobody]", "lines='nobody': allowed are"),
        ("metric: accuracy", "metric: speed", "metric='speed': allowed are"),
        ("datasets: [mnist]", "datasets: [imagenet]", "datasets='imagenet': allowed are mnist, cifar10"),
        (
            "page: dampening, metric: accuracy",
            "page: nothing, metric: accuracy",
            "page='nothing': allowed are dampening",
        ),
        (
            "lines: [damped], minus",
            "lines: [other], minus",
            "no family of page dampening tests accuracy of other minus plain",
        ),
        ("metric: accuracy, lines", "direction: none, metric: accuracy, lines", "margin is missing"),
        (
            "metric: accuracy, lines",
            "metric: last_accuracy, lines",
            "margin is missing: metric 'last_accuracy' has none",
        ),
        ("main: true, short: better, ", "main: true, ", "short is missing"),
        ("main: true, short: better, ", "control: nobody, ", "control='nobody' is not the id of another claim"),
        ("main: true, short: better, ", "verdict: good, ", "key 'verdict' is unknown"),
        ("id: falls", "id: better", "this id occurs twice"),
        ("quote: falls, ", "quote: '', ", "quote is empty"),
        ("not_run: no clock., ", "", "nothing answers it"),
        ("needed: a clock.", "note: x", "needed is missing"),
        ("name: ranks_first", "name: wins", "name='wins': allowed are"),
        ("best: highest", "worst: lowest", "arguments of ranks_first"),
        ('effect: {table: "1"', 'effect: {page: "1"', "effect='page': allowed are"),
    ],
)
def test_a_claim_that_names_what_is_not_there_is_refused_in_one_line(tmp_path, old, new, message):
    assert old in CLAIMS
    with pytest.raises(UserError, match=message.replace("[", r"\[")) as caught:
        paper(tmp_path, CLAIMS.replace(old, new, 1))
    assert "claims.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_an_effect_that_the_paper_does_not_print_is_refused(tmp_path):
    claims = CLAIMS.replace('column: "{dataset} Acc"', 'column: "{dataset} Loss"')
    with pytest.raises(UserError, match=r"prints no number at table='1', row='Dampened', column='MNIST Loss'"):
        answers(tmp_path, two(), claims)


def test_a_printed_factor_is_a_difference_from_what_the_reference_has_here():
    four_times = PaperEffect(4.0, "times", 1, ())
    assert four_times.claimed(20.0, "less") == -15.0  # a quarter of 20 is left
    assert four_times.claimed(20.0, "greater") == 60.0
    assert PaperEffect(-0.5, "pp", 1, ()).claimed(20.0, "less") == -0.5


def test_the_report_counts_groups_and_links_and_no_order_of_rows_changes_a_byte(tmp_path):
    document = paper(tmp_path)
    rows = two()
    texts = []
    for place in range(2):
        random.Random(place).shuffle(rows)
        built = build(document.pages[0], rows, document.numbers)
        folder = tmp_path / f"out{place}"
        folder.mkdir()
        write_report({document.name: document}, answer_all([document], {"dampening": built}), folder)
        texts.append([(folder / name).read_bytes() for name in ("REPORT.md", "claims.csv")])
    assert texts[0] == texts[1]
    report, table = (text.decode() for text in texts[0])
    assert "Trainings could answer 3 of the 5 claims; 1 of these (33 %) are decided." in report
    assert '<a id="falls"></a>The loss falls. On small images.' in report and "### Not testable" in report
    records = list(csv.DictReader(io.StringIO(table)))
    assert list(records[0])[:2] == ["id", "verdict"] and [each["id"] for each in records][:2] == ["better", "falls"]
    assert (
        records[0]["verdict"] == "supported"
        and float(records[0]["value"]) == pytest.approx(1.4)
        and records[0]["look"] == "5"
    )


def test_a_condition_of_several_claims_stands_once_and_a_slip_of_print_is_told_apart(tmp_path):
    shared = CLAIMS.replace("place: Table 1, cases", "place: Table 1, condition: On small images., cases", 1)
    document = paper(tmp_path, shared.replace("main: true", "condition: On small images., main: true"))
    part = document_part(document, answer_document(document, {}))
    assert part.count("On small images.") == 1 and part.count("<sup>a</sup>") == 3
    wrong = CLAIMS.replace("best: highest", "best: lowest")
    for slip, said in (("", "**inconsistent** |"), ("slip: true, ", "**inconsistent**, a slip of print |")):
        document = paper(tmp_path, wrong.replace("quote: first,", f"quote: first, {slip}"))
        assert said in document_part(document, answer_document(document, {}))


def test_bars_and_stars_of_a_claim_cannot_break_its_table(tmp_path):
    document = paper(tmp_path, CLAIMS.replace("It is nice.", "It is | nice."))
    assert "It is \\| nice." in document_part(document, answer_document(document, {}))


def test_every_claim_of_the_documents_is_there_and_its_control_and_families_are(tmp_path):
    documents = load_documents()
    assert len(documents) == 5 and all(document.claims for document in documents.values())
    claims = [claim for document in documents.values() for claim in document.claims]
    assert len({claim.id for claim in claims}) == len(claims) >= 125 and sum(claim.main for claim in claims) >= 10
    for document in documents.values():
        text = (document.folder / "claims.yaml").read_text()
        assert all(entry.startswith(("- id:", "- {id:")) for entry in text.splitlines() if entry.startswith("- "))
        assert yaml.safe_load(text)


def test_quotes_are_the_documents_own_words():
    folder = ROOT.parent / "shared" / "papers"
    if not folder.is_dir():
        pytest.skip("the papers' texts are not part of the repository")
    for name, document in load_documents().items():
        text = plain((folder / f"{name}.txt").read_text())
        lost = [claim.id for claim in document.claims if plain(claim.quote) not in text]
        assert not lost, f"{name}: {lost}"


def plain(text):
    return "".join(letter for letter in text if letter.isalnum() or letter in "+-=<>").lower()


def test_a_row_stands_for_its_training():
    assert judging.training_of({"id": 7, "provenance": {}}) == "7"
    assert judging.training_of({"id": 7, "provenance": {"served_by": "3"}}) == "3"


def test_a_two_sided_trend_with_all_seeds_alike_is_judged_by_the_p_of_its_table():
    ones, zeros = dict.fromkeys(range(5), 1.0), dict.fromkeys(range(5), 0.0)
    alike = SimpleNamespace(bounded=False, direction="two-sided", p=1e-6, comparison=stats.paired_test(ones, zeros))
    assert judging._different(SimpleNamespace(estimate=alike)) == 1e-6
    alone = SimpleNamespace(bounded=False, direction="greater", p=1e-6, comparison=stats.paired_test(ones, zeros))
    assert judging._different(SimpleNamespace(estimate=alone)) == 2 * 0.5**5
