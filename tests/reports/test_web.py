"""The page of all results from made-up rows: what it holds, what it escapes, that it needs nothing beside it."""

import re
from html.parser import HTMLParser

import pytest

from regbench.errors import UserError
from regbench.evidence import paper_cells, web
from regbench.evidence.documents import _load, load_documents
from regbench.evidence.estimates import Estimate
from regbench.evidence.pages import build
from regbench.evidence.report import answer_all, findings
from regbench.evidence.wording import MINUS

from . import made_up
from .made_up import rows_of

ODD = '<script>alert("no")</script> & a | b'
CLAIMS = f"""
- id: better
  claim: It is better, by `dampening`.
  quote: better
  place: Table 1
  main: true
  short: better by <i>far</i>
  condition: On {ODD}.
  note: A & B < C.
  effect: {{table: "1", column: "{{dataset}} Acc"}}
  cases: {{page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [mnist]}}
- {{id: worse, claim: It is worse., quote: worse, place: Table 2,
   cases: {{page: dampening, metric: accuracy, lines: [damped], minus: [plain], datasets: [cifar10]}}}}
- {{id: printed, claim: It is first., quote: first, place: Table 1, main: true, short: first,
   check: {{name: ranks_first, table: "1", row: Dampened, columns: [MNIST Acc], best: highest}}}}
- {{id: later, claim: It is fast., quote: fast, place: "2", not_run: no clock., needed: a clock.}}
- {{id: vague, claim: It is nice., quote: nice, place: "3", not_testable: no measure.}}
"""
FINDINGS = """
- {finding: Dampening helps., holds: {better: supported}, change: more seeds}
- {finding: It does nothing., holds: {better: no effect}, change: more seeds}
"""
PLAIN, DAMPED = (97.0, 97.5, 98.0, 97.2, 97.9), (98.4, 98.9, 99.6, 98.5, 99.2)


def made(tmp_path, rows=None):
    """(documents, answers, pages) of a paper of nobody."""
    documents = load_documents([made_up.folder(tmp_path / "papers", claims__yaml=CLAIMS)])
    (document,) = documents.values()
    rows = rows_of("none", PLAIN) + rows_of("damp", DAMPED) if rows is None else rows
    pages = {"dampening": build(document.pages[0], rows, document.numbers)} if rows else {}
    return documents, answer_all(documents.values(), pages), pages


def page(tmp_path, rows=None):
    return web.render(*made(tmp_path, rows), tmp_path)


class Reader(HTMLParser):
    """What a page asks for, its tags that stay open and the words between them."""

    EMPTY = ("meta", "link", "input", "br", "img")

    def __init__(self, text):
        super().__init__()
        self.links, self.sources, self.ids, self.open, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []
        self.ids += [given["id"]] if "id" in given else []
        self.open += [tag] if tag not in self.EMPTY else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


def test_every_claim_stands_with_its_verdict_comparisons_quote_and_command(tmp_path):
    text = page(tmp_path)
    words = " ".join(" ".join(Reader(text).words).split())
    for each in ("better", "printed", "later", "vague", "worse"):
        assert text.count(f'<tbody id="{each}"') == 1
    assert "Trainings could answer 3 of them; 1 of these are decided." in words
    assert "MNIST: Dampened 0.1 against Plain +1.40 [" in words and f"+0.50 pp = 98.50 {MINUS} 98.00" in words
    assert "(quick: cnn5, 55,000 images, 1 epochs)" in words  # what it was trained on stands beside what was found
    assert "make reproduce-dampening DATASETS=mnist SEEDS=5 BUDGET=quick" in words
    assert "What would answer it. a clock." in words and "Why this verdict. No measure." in words
    assert 'data-verdict="supported" data-text="better' in text and 'data-verdict="not testable"' in text


def test_findings_come_first_one_paragraph_a_document(tmp_path):
    words = " ".join(" ".join(Reader(page(tmp_path)).words).split())
    finding, claims = words.index("All its claims: 1 supported, 2 not run"), words.index("It is nice.")
    assert finding < claims
    assert re.search(r"supported Better by <i>far</i> \( ?p [=<] 0\.\d+ \(Holm\), n = 5 ?\)", words)


def test_only_an_undecided_claim_says_how_to_learn_what_would_decide_it(tmp_path):
    assert "make plan" not in page(tmp_path)
    few = [row for row in rows_of("none", PLAIN) + rows_of("damp", DAMPED) if row["seed"] < 3]
    documents, answers, pages = made(tmp_path, few)
    undecided = {each.claim.id for found in answers.values() for each in found.values() if each.word == "undecided"}
    text = web.render(documents, answers, pages, tmp_path)
    assert undecided and set(re.findall(r"make plan CLAIMS=([a-z-]+)", text)) == undecided


def test_a_finding_stands_as_long_as_its_claims_have_its_verdicts(tmp_path):
    assert "*supported*: [better by" in findings(*made(tmp_path)[:2])
    folder = tmp_path / "papers" / "dampening"
    (folder / "findings.yaml").write_text(FINDINGS)
    loaded = _load.__wrapped__((tmp_path / "papers",))
    near = (97.02, 97.48, 98.02, 97.18, 97.9)
    for damped, said in ((DAMPED, "Dampening helps."), (near, "It does nothing.")):
        rows = rows_of("none", PLAIN) + rows_of("damp", damped)
        built = {"dampening": build(loaded["dampening"].pages[0], rows, loaded["dampening"].numbers)}
        answers = answer_all(loaded.values(), built)
        line = findings(loaded, answers).splitlines()[-1]
        assert said in line and line.endswith("| more seeds |") and said in web.render(loaded, answers, built, tmp_path)
    assert re.search(r"#better\): [a-z ]+ \(.*n = 5, quick\)", line)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"better: supported": "best: supported"}, "holds='best': allowed are better"),
        ({"better: supported": "better: true-ish"}, "better='true-ish': allowed are supported"),
        ({"better: supported": "worse: supported"}, "claim 'worse' has no short name"),
        ({"{better: supported}": "{}"}, "holds is empty"),
        ({"change: more": "chance: more"}, "key 'chance' is unknown: allowed are finding, change, holds"),
    ],
)
def test_a_finding_that_rests_on_nothing_is_refused_in_one_line(tmp_path, change, words):
    text = FINDINGS
    for old, new in change.items():
        text = text.replace(old, new, 1)
    with pytest.raises(UserError, match=re.escape(words)):
        load_documents([made_up.folder(tmp_path / "papers", claims__yaml=CLAIMS, findings__yaml=text)])


def test_text_of_papers_is_escaped_and_the_tags_are_closed(tmp_path):
    text = page(tmp_path)
    reader = Reader(text)
    assert not reader.open
    assert ODD not in text and ODD in "".join(reader.words)
    assert "A &amp; B &lt; C." in text and "<code>dampening</code>" in text
    assert "<i>far</i>" not in text


def test_the_page_needs_no_network_and_no_file_beside_it(tmp_path):
    text = page(tmp_path)
    reader = Reader(text)
    assert not reader.sources and "@import" not in text and "url(" not in text
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"^\s*//.*|\s//\s.*", "", text, flags=re.M))
    inside = {link[1:] for link in reader.links if link.startswith("#")}
    assert inside <= set(reader.ids) and len(reader.ids) == len(set(reader.ids))
    outside = {link for link in reader.links if not link.startswith(("#", "data:"))}
    assert outside == {"../claims.csv", "../tables/dampening.md"}


def test_figures_are_linked_where_they_exist(tmp_path):
    assert "Figures." not in page(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "dampening_mnist_quick.png").write_bytes(b"")
    assert 'href="../figures/dampening_mnist_quick.png"' in page(tmp_path)


def test_the_order_of_rows_changes_no_byte_and_no_rows_are_no_error(tmp_path):
    rows = rows_of("none", PLAIN) + rows_of("damp", DAMPED)
    assert page(tmp_path, rows) == page(tmp_path, rows[::-1])
    empty = page(tmp_path, [])
    assert "no row yet" in empty.lower() and "make reproduce-dampening" in empty


def test_the_file_is_written_under_its_folder(tmp_path):
    (path,) = web.write_web(*made(tmp_path), tmp_path)
    assert path == tmp_path / "page" / "index.html" and path.read_text().startswith("<!DOCTYPE html>")


def test_the_papers_numbers_stand_beside_ours_cell_by_cell(tmp_path):
    *_, pages = made(tmp_path)
    (table,) = paper_cells.paper_tables(pages["dampening"])
    assert table.columns == ("Acc %",)
    (plain, (first,)), (damped, (second,)) = table.rows
    assert (plain, first.paper, first.n, first.difference) == ("Plain", "98.00", 5, f"{MINUS}0.48")
    assert first.ours.startswith("97.52 ± ") and first.place == paper_cells.WITHIN
    assert (damped, second.paper, second.difference) == ("Dampened 0.1", "98.50", "+0.42")


def test_numbers_of_another_extractor_are_shown_and_not_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(paper_cells, "EXTRACTED", ("%",))
    *_, pages = made(tmp_path)
    (table,) = paper_cells.paper_tables(pages["dampening"])
    found = [pair for _, pairs in table.rows for pair in pairs]
    assert len(found) == 2
    assert all(
        (pair.place, pair.difference) == (paper_cells.UNTOLD, "") and pair.ours and pair.n == 5 for pair in found
    )


def test_a_number_is_within_above_below_or_cannot_be_told():
    def place(paper, **given):
        return paper_cells.where(Estimate("a", "accuracy", "paper", "%", **given), paper)

    interval = {"mean": 2.0, "low": 1.0, "high": 3.0}
    assert [place(each, **interval) for each in (1.0, 0.9, 3.1)] == ["within", "above", "below"]
    assert place(2.0, mean=2.0) == place(2.0, **interval, bounds=(True, False)) == "untold"


def test_a_template_that_lacks_a_name_is_an_error():
    import jinja2

    with pytest.raises(jinja2.UndefinedError):
        web.environment().from_string("{{ nobody }}").render()
