"""The notebooks run from start to end on committed rows, and are stored without output."""

import json

import nbformat
import pytest

from regbench.errors import UserError
from regbench.evidence.notebooks import draw, sentences
from regbench.evidence.wording import number
from regbench.paths import ROOT
from regbench.rows.store import Store
from tests.commands import load_script

run_notebooks = load_script("run_notebooks")

#: notebook -> the datasets whose rows it is given here
DRAWN = {
    "pb_edropout": ("digits",),
    "entropy_guidance": ("cifar10", "imagenette", "coco"),
    "adaptive_dropout_gan": ("mnist",),
    "linearity_essay": ("digits",),
    "dropout_batchnorm_handout": ("digits",),
}


def rows_of(datasets, folder):
    """A results folder with the committed rows of these datasets."""
    (folder / "runs").mkdir(parents=True)
    for path in (ROOT / "results" / "runs").glob("*.jsonl"):
        lines = path.read_text().splitlines()
        kept = [line for line in lines if json.loads(line)["config"]["dataset"]["name"] in datasets]
        (folder / "runs" / path.name).write_text("".join(f"{line}\n" for line in kept))
    return folder


def test_every_notebook_is_known_and_stored_without_output():
    assert {path.stem for path in run_notebooks.chosen([])} == set(DRAWN)
    for path in run_notebooks.chosen([]):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert cells and all(cell.outputs == [] and cell.execution_count is None for cell in cells), path


@pytest.mark.parametrize("name", DRAWN)
def test_a_notebook_draws_its_figures_from_rows(name, tmp_path):
    folder = rows_of(DRAWN[name], tmp_path / "results")
    (path,) = run_notebooks.chosen([name])
    before = path.read_text()
    notebook = run_notebooks.run(path, folder)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    drawn = list((folder / "figures").glob("*.png"))
    assert drawn and len(shown) == len(drawn) and path.read_text() == before
    said = [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    assert said and all(text.startswith("**") and text.endswith(".") for text in said)


def test_a_question_is_answered_by_the_verdict_and_the_numbers_of_the_rows(tmp_path):
    drawn = draw("handout", rows_of(("digits", "cifar10"), tmp_path))
    answer = drawn.answers["ho-batchnorm-speed"]
    (section,) = [each for each in drawn.built.sections if each.dataset == "digits"]
    page, estimates = drawn.built.page, drawn.built.estimates[section.budget]
    found = estimates.difference(section, page.lines["batchnorm"], page.lines["none"], "epochs_to_fixed_accuracy")
    text = sentences(answer)
    assert text.startswith(f"**{answer.word.capitalize()}**: {answer.claim.claim} Found (n = 5, quick, cpu): digits: ")
    assert f"digits: {number(found.mean, 'epochs', True)} [" in text
    with pytest.raises(UserError, match="claim=nope is not known: allowed are gan-fid-mnist"):
        drawn.answer("nope")


def test_an_unknown_notebook_and_an_experiment_without_rows_are_named(tmp_path):
    with pytest.raises(UserError, match="notebook=nope is not known: allowed are adaptive_dropout_gan"):
        run_notebooks.chosen(["nope"])
    assert Store(tmp_path).rows() == []
    with pytest.raises(UserError, match="experiment=handout has no rows yet"):
        draw("handout", tmp_path)
