"""What each experiment publishes from its rows: tables under `tables/`, pictures under `figures/`."""

import os
from collections.abc import Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.documents import load_all_pages
from regbench.evidence.pages import Built, build
from regbench.evidence.publish import publish_page
from regbench.evidence.settings import without_trials
from regbench.plan.experiments import cells_by_experiment, known_budgets, rows_of_cells
from regbench.rows.store import Store


def experiments() -> list[str]:
    """Every experiment that publishes, in the order of its documents."""
    return list(load_all_pages())


def built_pages(rows: Sequence[dict]) -> dict[str, Built]:
    """The pages that have any of these rows, by experiment."""
    known = load_all_pages()
    cells = cells_by_experiment(list(known), known_budgets(rows))
    own = {experiment: rows_of_cells(of_one, rows) for experiment, of_one in cells.items()}
    return {name: build(page, own[name], paper.numbers) for name, (paper, page) in known.items() if own[name]}


def publishable(store: Store) -> list[dict]:
    """The rows that tables are made of: packed ones, and loose ones of the experiments that publish.

    A training by hand counts where ADHOC=1 says so, or its row is packed; of budget smoke none counts beside others.
    """
    return without_trials(store.rows(loose=None if by_hand_too() else experiments()))


def by_hand_too() -> bool:
    """Whether ADHOC=1 asks for trainings by hand."""
    return os.environ.get("ADHOC", "") not in ("", "0")


def publish(experiment: str, rows: Sequence[dict], results: Path, pictures: bool = True) -> tuple[Built, list[Path]]:
    """Write what the experiment publishes; returns what was built and the files.

    Raises:
        UserError: an experiment that publishes nothing, or one without rows.
    """
    if experiment not in experiments():
        raise UserError(f"experiment={experiment} publishes nothing: allowed are {', '.join(experiments())}")
    if not rows:
        raise UserError(f"experiment={experiment} has no rows yet: run `make reproduce-{experiment}` first")
    return publish_page(*load_all_pages()[experiment], rows, results, pictures)
