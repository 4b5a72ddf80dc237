"""What the notebooks use: an experiment's figures, drawn from its rows, and what they say about the claims."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.answers import Answer, answer_document
from regbench.evidence.documents import load_documents
from regbench.evidence.layer_maps import draw_all
from regbench.evidence.pages import Built
from regbench.evidence.publish import publish, publishable
from regbench.paths import ROOT
from regbench.plan.experiments import experiment_rows
from regbench.rows.store import Store


@dataclass(frozen=True)
class Drawn:
    """The figures of an experiment by name, and its page where they are made of rows."""

    figures: Mapping[str, Path]
    built: Built | None = None

    def show(self, *beginnings: str) -> None:
        """Display, in a notebook, the figures whose names begin with one of these; says so where there is none."""
        from IPython.display import Image, display

        for beginning in beginnings:
            found = [path for name, path in self.figures.items() if name.startswith(beginning)]
            if not found:
                print(f"{beginning}: no rows yet, see `make help` for the command that trains them")
            for path in found:
                display(Image(filename=str(path)))

    def answer(self, *claims: str) -> None:
        """Display, in a notebook, what came out for these claims: the verdict first, then what was found.

        Raises UserError for a claim of no document.
        """
        from IPython.display import Markdown, display

        known = self.answers
        for name in claims:
            if name not in known:
                raise UserError(f"claim={name} is not known: allowed are {', '.join(known)}")
            display(Markdown(sentences(known[name])))

    @cached_property
    def answers(self) -> dict[str, Answer]:
        """The answers to all claims of the documents, as far as this experiment's rows give any, by id."""
        pages = {self.built.page.experiment: self.built} if self.built else {}
        documents = load_documents().values()
        return {name: each for document in documents for name, each in answer_document(document, pages).items()}


def sentences(answer: Answer) -> str:
    """The verdict on a claim and what was found, in two sentences."""
    runs = f" ({answer.runs})" if answer.runs else ""
    claim = f"{answer.claim.claim} {answer.claim.condition}".strip()
    text = f"Found{runs}: {answer.found}" if answer.found else answer.why[:1].upper() + answer.why[1:]
    return f"**{answer.word.capitalize()}**: {claim} {text.rstrip('.')}."


def draw(experiment: str, results: str | Path | None = None) -> Drawn:
    """Draw all figures of an experiment, and write its tables, from its rows.

    Args:
        results: the folder with `runs/`, default: REGBENCH_RESULTS, or the repository's own.

    Raises:
        UserError: an unknown experiment, or one without rows.
    """
    folder = _folder(results)
    built, written = publish(experiment, experiment_rows(experiment, publishable(Store(folder))), folder)
    return Drawn({path.stem: path for path in written if path.suffix == ".png"}, built)


def draw_entropy_maps(results: str | Path | None = None) -> Drawn:
    """Draw the entropy maps that have a table: the weights behind them are in no row."""
    return Drawn(draw_all(_folder(results)))


def _folder(results: str | Path | None) -> Path:
    return Path(results or os.environ.get("REGBENCH_RESULTS") or ROOT / "results")
