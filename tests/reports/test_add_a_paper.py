"""The example of `papers/README.md`: a paper of data alone, found on a search path, has tables, figures, verdicts."""

import re

import pytest

from regbench.errors import UserError
from regbench.evidence.documents import load_all_pages, load_documents
from regbench.evidence.pages import glance
from regbench.evidence.publish import publish_page
from regbench.evidence.report import answer_all, findings, write_report
from regbench.paths import ROOT

from .made_up import row

TEXT = (ROOT / "src" / "regbench" / "papers" / "README.md").read_text()
FILES = dict(re.findall(r"`my/papers/noise/(\w+\.yaml)`.*?```yaml\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def papers(tmp_path, monkeypatch):
    folder = tmp_path / "papers" / "noise"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.setenv("REGBENCH_PAPERS", str(tmp_path / "papers"))
    return folder


def rows():
    found = []
    for seed, shift in enumerate((0.0, 0.001, 0.002, 0.0005, 0.0015)):
        found.append(row("none", seed, (0.95 + shift, 0.97 + shift), losses=[0.3, 0.2 + shift]))
        for strength in (0.1, 0.2, 0.3):
            accuracy = 0.975 + 1.3 * shift + strength / 100
            found.append(row("noise", seed, (0.95, accuracy), strength=strength, losses=[0.3, 0.2 - strength / 10]))
    return [{**each, "experiment": "noise"} for each in found]


def test_it_is_at_most_100_lines_of_yaml_and_no_python(papers):
    assert set(FILES) == {"numbers.yaml", "table.yaml", "claims.yaml", "findings.yaml"}
    assert sum(len(text.splitlines()) for text in FILES.values()) <= 100
    assert not list(papers.glob("*.py"))


def test_its_table_figure_and_verdicts_come_out(papers, tmp_path):
    documents = load_documents()
    assert len(documents) == 6 and documents["noise"].folder == papers
    built, written = publish_page(*load_all_pages()["noise"], rows(), tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert names == {"tables/noise.md", "tables/noise.csv", "tables/noise.tex", "figures/noise_mnist_quick.png"}
    table = (tmp_path / "tables" / "noise.md").read_text()
    assert "| Noise 0.1 | 5 | 98.6 | 97.73 ± 0.13 |" in table and "| Plain | 5 | 98.0 |" in table
    answers = answer_all(documents.values(), {"noise": built})["noise"]
    words = {name: answer.word for name, answer in answers.items()}
    assert words == {"noise-better": "supported", "noise-trend": "supported", "noise-first": "consistent"}
    assert "A little noise makes the network more accurate, as claimed." in findings(documents, {"noise": answers})
    assert "| MNIST, quick | Noise 0.1 | 5 | 97.73 ± 0.13 |" in glance(built)
    write_report(documents, {"noise": answers}, tmp_path)
    assert "## Noise" in (tmp_path / "REPORT.md").read_text()
    assert (tmp_path / "claims.csv").read_text().count("noise-") == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("table.yaml", "what: Noise", "what: Noise\nverdict: good", "key 'verdict' is unknown"),
        ("table.yaml", "metric: loss, dir", "metric: noisiness, dir", "metric='noisiness': allowed are"),
        ("table.yaml", "lines: [plain, noise], label", "lines: [nobody], label", "lines='nobody': allowed are"),
        ("table.yaml", "  columns:\n", "  notes: [nothing]\n  columns:\n", "nothing"),
        ("claims.yaml", "lines: [noise]", "lines: [nobody]", "lines='nobody': allowed are"),
    ],
)
def test_what_it_gets_wrong_is_one_clear_line(papers, file, old, new, message):
    text = FILES[file]
    assert old in text
    (papers / file).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message.replace("[", r"\[")) as caught:
        load_documents([papers.parent])
    assert file in str(caught.value) and "\n" not in str(caught.value)
