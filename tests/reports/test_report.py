"""REPORT.md and its picture: the golden page, what a reader finds on it, and bytes that depend on rows alone."""

import random
import re
from dataclasses import replace

import pytest

from regbench.errors import UserError
from regbench.evidence.style import save
from regbench.evidence.tables import EN_DASH, MINUS
from regbench.paths import ROOT
from regbench.reports.claims.answers import Effect
from regbench.reports.claims.document_part import says
from regbench.reports.claims.figure import (
    POWER,
    RANK,
    RATIO,
    Bar,
    balanced,
    commonest,
    draw_claims,
    label_of,
    panels,
)
from regbench.reports.claims.ledger import answer_all
from regbench.reports.claims.report import load_claims, report_text, write_report
from regbench.reports.claims.rows import Evidence
from regbench.reports.claims.rules import RULES, families_text
from regbench.reports.claims.takeaways import brief, takeaways

from .claims_factory import GOLDEN, LEDGER, RESULTS, golden_rows, ledger_at, write_golden


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    ledger, papers = ledger_at(tmp_path_factory.mktemp("ledger"))
    rows = {"table1": golden_rows()}
    return ledger, papers, rows, answer_all(ledger, Evidence(rows), papers, RESULTS)


def test_the_page_of_frozen_rows_is_the_golden_one(tmp_path):
    (path,) = write_golden(tmp_path)
    assert path.read_text() == (GOLDEN / "REPORT.md").read_text()


def test_it_opens_with_the_table_of_main_claims_then_the_picture(frozen):
    ledger, papers, rows, answers = frozen
    text = report_text(ledger, answers, papers, rows)
    first = next(line for line in text.splitlines() if line.startswith("|"))
    assert first == "| Document | Claim | The paper says | We found | n, budget, device | Verdict |"
    head, rest = text.split("![", 1)
    assert "(#better)" in head and "(#printed)" in head and "(#worse)" not in head and "## " not in head
    assert rest.index("How to read") < rest.index("What was run") < rest.index("### better")
    assert "`quick` is no reproduction" in text


def section(text, name):
    return text.split(f"### {name}\n", 1)[1].split("\n### ", 1)[0]


def test_every_answered_claim_has_a_section_with_quote_verdict_and_links(frozen):
    ledger, papers, rows, answers = frozen
    text = report_text(ledger, answers, papers, rows)
    for claim in ledger.claims:
        if answers[claim.id].word not in ("not run", "not testable"):
            found = section(text, claim.id)
            assert claim.claim in found and claim.place in found and f"**{answers[claim.id].word}**" in found
    better = section(text, "better")
    for part in (
        "[table](tables/table1.md)",
        "[rows](runs/table1.jsonl)",
        "Chance alone",
        "Note: A note.",
        r"best\*\*",
    ):
        assert part in better


def test_claims_without_an_answer_stand_in_one_table_with_what_is_needed(frozen):
    ledger, papers, rows, answers = frozen
    text = report_text(ledger, answers, papers, rows)
    head, table = text.split("### PB-EDropout: unanswered\n", 1)
    part = head.split("## PB-EDropout: ", 1)[1]
    assert "3 more claims: [unanswered](#pb-edropout-unanswered), below." in part
    lines = {name: line for line in table.splitlines() for name in ("nowhere", "elsewhere", "opinion") if name in line}
    assert "`make reproduce-table1`" in lines["nowhere"] and "No row yet." in lines["nowhere"]
    assert "| It is large. | time. |" in lines["elsewhere"] and '"large" (Table 9)' in lines["elsewhere"]
    assert f"| not testable | No measure. | {EN_DASH} |" in lines["opinion"]
    for name in ("nowhere", "elsewhere", "opinion"):
        assert f'<a id="{name}"></a>' in lines[name] and f"### {name}\n" not in text and f"(#{name})" not in part


def targets(text):
    """What a link inside the page may lead to: anchors, and headings as the web spells them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    slugs = {re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in headings}
    return set(re.findall(r'<a id="([^"]+)"></a>', text)) | slugs


@pytest.mark.parametrize("ran", [False, True])
def test_every_link_inside_the_page_leads_somewhere(frozen, ran):
    ledger, papers, rows, answers = frozen
    rows = rows if ran else {}
    answers = answers if ran else answer_all(ledger, Evidence({}), papers, RESULTS)
    text = report_text(ledger, answers, papers, rows)
    assert not set(re.findall(r"\]\(#([^)]+)\)", text)) - targets(text)
    assert {claim.id for claim in ledger.claims} <= targets(text)


def test_the_repositorys_links_to_the_report_and_in_it_lead_somewhere():
    text = (RESULTS / "REPORT.md").read_text()
    wanted = set(re.findall(r"\]\(#([^)]+)\)", text))
    files = [ROOT / "README.md", *(ROOT / "src").rglob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")]
    outside = {name for path in files for name in re.findall(r"REPORT\.md#([\w-]+)", path.read_text())}
    assert len(wanted) > 80 and len(outside) > 5
    assert not (wanted | outside) - targets(text)
    linked = set(re.findall(r"\]\(((?:tables|runs|figures)/[^)]+)\)", text))
    # A table or rows that are yet to come are the only files that may be missing.
    assert all((RESULTS / path).exists() or "| none yet |" in text for path in linked)


def test_one_sentence_a_document_names_its_main_claims_by_verdict_with_what_was_measured(frozen):
    ledger, papers, rows, answers = frozen
    (line,) = takeaways(ledger, answers).splitlines()
    assert line == (
        "- **PB-EDropout**: of 8 claims 1 supported, 1 contradicted, 1 inconclusive, 2 not run, 1 not testable, "
        "1 consistent and 1 inconsistent; *supported*: [Full better](#better) (+0.52 pp); "
        "*not borne out when computed again*: [lowest loss](#printed); of the 1 effect that it prints and we measured "
        "1 had the claimed sign and 1 the claimed size, the median 3.25 times it."
    )
    turned = {**answers, "better": replace(answers["better"], word="contradicted")}
    assert "*contradicted*: [Full better](#better)" in takeaways(ledger, turned)
    assert "had the claimed sign" not in takeaways(ledger, answer_all(ledger, Evidence({}), papers, RESULTS))
    assert line in report_text(ledger, answers, papers, rows).split("\n| Document", 1)[0]


def test_effects_of_a_control_and_effects_cut_off_are_not_counted_among_those_measured(tmp_path):
    text = LEDGER.replace("  short: Full better\n", "  short: Full better\n  control: worse\n")
    ledger, papers = ledger_at(tmp_path, text.replace("- id: worse\n", "- id: worse\n  short: classic, too\n"))
    answers = answer_all(ledger, Evidence({"table1": golden_rows()}), papers, RESULTS)
    measured = Effect("", "epochs", "less", -30.0, -31.0, -29.0, claimed=-30.0)
    cut = replace(measured, low=None, high=None, value=-42.0, bound="at least")

    def line(*effects):
        other = replace(answers["worse"], effects=(measured,))
        return takeaways(ledger, {**answers, "better": replace(answers["better"], effects=effects), "worse": other})

    assert "of the 1 effect that it prints and we measured 1 had" in line(measured)
    both = line(measured, cut, replace(cut, value=-45.0))
    assert "of the 1 effect that" in both
    assert both.endswith("; 2 effects that the cap on epochs cut off: at least 1.40 times it.\n")
    assert line(replace(cut, bound="open")).endswith("; 1 effect that the cap on epochs cut off: left out.\n")
    assert "cut off" not in line(replace(cut, claimed=None)) and "we measured" not in line(cut)


def test_the_measured_number_is_a_range_over_cases_or_what_was_found(frozen):
    *_, answers = frozen
    effect, answer = answers["better"].effects[0], answers["better"]
    two = (replace(effect, value=-0.414), replace(effect, value=0.2))
    assert brief(replace(answer, effects=two)) == f"{MINUS}0.41 to +0.20 pp"
    alike = (replace(effect, value=0.1049), replace(effect, value=0.1051, unit="rho"))
    assert brief(replace(answer, effects=alike[:1] * 2)) == "+0.10 pp"
    assert brief(replace(answer, effects=(replace(effect, value=0.5, unit="rho"), alike[1]))) == "rho +0.105 to +0.500"
    assert brief(replace(answer, effects=(replace(effect, value=0.5, unit="rho"),))) == "rho +0.500"
    assert brief(replace(answer, effects=(replace(effect, label="digits"),))) == "digits: +0.52 pp"
    assert brief(replace(answer, effects=(replace(effect, low=0.5, high=0.5, value=0.5),))) == "+0.50 pp in every seed"
    bounded = replace(answer, effects=(replace(effect, low=None),), found="width 1: 8 against > 50; width 2: 9")
    assert brief(bounded) == bounded.found
    assert brief(replace(bounded, found="width 1: 8 against > 50; width 2: 8 against > 50")) == "8 against > 50"
    assert brief(answers["printed"]) == brief(answers["nowhere"]) == ""


def test_a_claim_with_a_control_shows_what_the_control_found_wherever_it_stands(tmp_path):
    text = LEDGER.replace("  short: Full better\n", "  short: Full better\n  control: worse\n")
    text = text.replace("- id: worse\n", "- id: worse\n  short: classic does it, too\n")
    ledger, papers = ledger_at(tmp_path, text)
    rows = {"table1": golden_rows()}
    answers = answer_all(ledger, Evidence(rows), papers, RESULTS)
    page = report_text(ledger, answers, papers, rows)
    said = f"whether [classic does it, too](#worse): *contradicted*: {answers['worse'].found}"
    lines = [line for line in page.splitlines() if "classic does it, too" in line]
    assert [said in line for line in lines] == [False, True, True, True]  # sentence, two tables, section
    assert "control, whether [classic does it, too](#worse): contradicted, " in lines[0]
    assert f"- Control, {said}" in section(page, "better")


def test_p_values_of_a_case_are_printed_in_both_directions(frozen):
    answers = frozen[-1]
    assert "uncorrected p < 0.001 as claimed, p = 1.000 opposite" in answers["better"].details[0]
    assert "uncorrected p = 1.000 as claimed, p < 0.001 opposite" in answers["worse"].details[0]
    assert f"`p = {EN_DASH}`: no test" in RULES


def test_holm_families_are_named_with_their_claims_and_linked_from_each_section(frozen):
    ledger, papers, rows, answers = frozen
    text = report_text(ledger, answers, papers, rows)
    table = text.split("## Holm families\n", 1)[1].split("\n## ", 1)[0]
    (one,) = [line for line in table.splitlines() if '<a id="holm-one-quick"></a>one | quick |' in line]
    assert "| 2 and 2, one a claim | 2: [better](#better), [worse](#worse); no row yet: [nowhere](#nowhere) |" in one
    assert "[table](tables/table1.md)" in one and "within a family" in table and "In no family" not in table
    assert "[Holm over 2 claims: one](#holm-one-quick)" in section(text, "worse")
    alone = {**answers, "partly": replace(answers["partly"], family=None)}
    assert "uncorrected over claims: [partly](#partly)." in families_text(ledger, alone)


def test_trainings_that_no_claim_rests_on_are_listed_among_what_was_run(frozen):
    ledger, papers, rows, answers = frozen
    more = {**rows, "sensitivity": rows["table1"][:4]}
    table = report_text(ledger, answers, papers, more).split("## What was run\n", 1)[1].split("\n## ", 1)[0]
    assert "| sensitivity | 4 (quick) | " in table and "[table](tables/sensitivity.md)" in table
    assert "sensitivity" not in report_text(ledger, answers, papers, rows)


def test_a_difference_of_printed_numbers_names_both_and_their_places(frozen):
    ledger, papers, rows, answers = frozen
    better = section(report_text(ledger, answers, papers, rows), "better")
    places = [f"(Table 1; {row}; MNIST Acc)" for row in ("PB-EDropout-Full (ours)", "Baseline / No Dropout")]
    assert f"- The paper's numbers: +0.16 pp = 99.450 {places[0]} {MINUS} 99.290 {places[1]}." in better


def test_what_the_paper_says_is_its_effect_with_n_or_else_its_words(frozen):
    ledger, _, _, answers = frozen
    claim = ledger.claims[0]
    assert says(claim, answers["better"]) == f"+0.16 pp = 99.450 {MINUS} 99.290 (n not stated)"
    two = [replace(answers["better"].effects[0], printed=f"+{value} pp (n = 3)") for value in (1, 2)]
    assert says(claim, replace(answers["better"], effects=tuple(two))) == "+1 pp and +2 pp (n = 3)"
    assert says(claim, replace(answers["better"], effects=())) == r'"best\*\* accuracy"'


def test_the_bytes_of_page_and_picture_depend_on_the_rows_alone(frozen, tmp_path):
    ledger, papers, rows, _ = frozen
    shuffled = list(rows["table1"])
    random.Random(1).shuffle(shuffled)
    first = write_report(ledger, papers, rows, RESULTS, tmp_path / "a")
    second = write_report(ledger, papers, {"table1": shuffled}, RESULTS, tmp_path / "b")
    assert [path.name for path in first] == ["REPORT.md", "claims.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert write_report(ledger, papers, rows, RESULTS, tmp_path / "c", pictures=False) == [tmp_path / "c" / "REPORT.md"]


def test_without_rows_there_is_a_page_and_no_picture(tmp_path):
    ledger, papers = load_claims(RESULTS)
    (path,) = write_report(ledger, papers, {}, RESULTS, tmp_path)
    assert "claims.png" not in path.read_text() and "none yet" in path.read_text()
    answers = answer_all(ledger, Evidence({}), papers, RESULTS)
    with pytest.raises(UserError, match="nothing to draw"):
        draw_claims(ledger, answers, tmp_path / "claims.png")


def test_bars_stand_on_the_axis_of_the_papers_effect_of_power_or_of_ranks(frozen):
    ledger, _, _, answers = frozen
    effects = (
        Effect("a", "pp", "greater", 1.0, 0.5, 1.5, claimed=2.0, smallest=1.0),
        Effect("b", "nats", "less", -1.0, -1.5, -0.5, claimed=-2.0),
        Effect("c", "epochs", "less", -6.0, -9.0, -3.0, smallest=3.0),
        Effect("d", "rho", "less", -0.9, -1.0, -0.8),
        Effect("e", "pp", "greater", 1.0),  # no interval: not drawn
        Effect("f", "pp", "greater", 1.0, 0.0, 2.0),  # nothing to divide by
    )
    drawn = panels(ledger, {**answers, "better": replace(answers["better"], effects=effects)})
    bars = {
        panel: [(bar.value, bar.low, bar.high) for bar in found if bar.label.startswith("better")]
        for panel, found in drawn.items()
    }
    assert bars == {RATIO: [(0.5, 0.25, 0.75)] * 2, POWER: [(2.0, 1.0, 3.0)], RANK: [(0.9, 0.8, 1.0)]}


def test_a_bar_has_the_outcome_of_its_own_case_and_its_n(frozen):
    ledger, _, _, answers = frozen
    effects = (
        Effect("a", "pp", "greater", 1.0, 0.5, 1.5, claimed=2.0, word="contradicted", n=3),
        Effect("b", "pp", "greater", 1.0, 0.5, 1.5, claimed=2.0),
    )
    found = panels(ledger, {**answers, "better": replace(answers["better"], effects=effects)})[RATIO]
    assert [(bar.word, bar.n) for bar in found if bar.claim == "better"] == [("contradicted", 3), ("supported", None)]
    assert all(bar.budget == "quick" for bar in found)
    own = panels(ledger, answers)[RATIO][0]
    assert (own.word, own.n, own.budget) == ("supported", 5, "quick")


def test_a_label_names_n_and_budget_only_where_they_are_not_the_commonest():
    bars = [Bar("one", case, "supported", 0.0, 0.0, 0.0, n, "quick") for case, n in (("a", 5), ("b", 5), ("", 10))]
    bars.append(Bar("two", "c", "supported", 0.0, 0.0, 0.0, 5, "paper"))
    usual = commonest(bars)
    assert usual == (5, "quick")
    assert [label_of(bar, usual) for bar in bars] == ["one, a", "one, b", "one (n = 10)", "two, c (paper)"]


def test_panels_fill_two_columns_evenly():
    assert balanced({RATIO: 30, POWER: 36, RANK: 7}) == [[RATIO, RANK], [POWER]]
    assert balanced({RATIO: 36, POWER: 20, RANK: 7}) == [[RATIO], [POWER, RANK]]
    assert balanced({RANK: 7}) == [[RANK]]


def test_no_label_of_the_picture_is_cut_off(frozen, tmp_path, monkeypatch):
    ledger, _, _, answers = frozen
    drawn = {}

    def keep(figure, path):
        drawn["figure"] = figure
        return save(figure, path)

    monkeypatch.setattr("regbench.reports.claims.figure.save", keep)
    wide = replace(answers["better"].effects[0], label="a case of a very long name against another of one as long")
    draw_claims(ledger, {**answers, "better": replace(answers["better"], effects=(wide,))}, tmp_path / "claims.png")
    figure = drawn["figure"]
    figure.draw_without_rendering()
    labels = [text for axes in figure.get_axes() if axes.get_visible() for text in axes.get_yticklabels()]
    boxes = [text.get_window_extent() for text in labels]
    assert len(boxes) >= 3 and min(box.x0 for box in boxes) > 0 and max(box.x1 for box in boxes) < figure.bbox.x1
