"""REPORT.md and its picture: the golden page, what a reader finds on it, and bytes that depend on rows alone."""

import random
from dataclasses import replace

import pytest

from regbench.errors import UserError
from regbench.reports.claims.answers import Effect
from regbench.reports.claims.figure import POWER, RANK, RATIO, draw_claims, panels
from regbench.reports.claims.ledger import answer_all
from regbench.reports.claims.report import load_claims, report_text, says, write_report
from regbench.reports.claims.rows import Evidence

from .claims_factory import GOLDEN, RESULTS, golden_rows, ledger_at, write_golden


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


def test_every_claim_has_a_section_with_quote_verdict_and_links(frozen):
    ledger, papers, rows, answers = frozen
    text = report_text(ledger, answers, papers, rows)
    for claim in ledger.claims:
        section = text.split(f"### {claim.id}\n", 1)[1].split("\n### ", 1)[0]
        assert claim.claim in section and claim.place in section and f"**{answers[claim.id].word}**" in section
    better = text.split("### better\n", 1)[1].split("\n### ", 1)[0]
    for part in (
        "[table](tables/table1.md)",
        "[rows](runs/table1.jsonl)",
        "Chance alone",
        "Note: A note.",
        r"best\*\*",
    ):
        assert part in better
    assert "To be run" in text.split("### nowhere\n", 1)[1].split("\n### ", 1)[0]


def test_what_the_paper_says_is_its_effect_with_n_or_else_its_words(frozen):
    ledger, _, _, answers = frozen
    claim = ledger.claims[0]
    assert says(claim, answers["better"]) == "+0.16 pp (n not stated)"
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
