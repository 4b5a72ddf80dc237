"""What each experiment publishes from its rows: tables under `tables/`, pictures under `figures/`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.documents import OWN, load_all_pages
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.pages import Built
from regbench.evidence.publish import publish_page, write_readme
from regbench.evidence.settings import without_trials
from regbench.reports.entropy import autoencoder_findings
from regbench.reports.entropy.autoencoder_curves import draw_autoencoders
from regbench.reports.entropy.autoencoder_tables import write_autoencoders
from regbench.reports.entropy.autoencoders import FIGURES, MEASURES, pages
from regbench.reports.entropy.loss_curves import draw_losses
from regbench.reports.store import Store

ENTROPY = OWN / "entropy_guidance" / "numbers.yaml"


def publish_entropy_figures(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The entropy paper's Figures 2 to 6, and the tables behind them."""
    found = pages(rows)
    written = write_autoencoders(found, load_paper_numbers(ENTROPY), results / "tables")
    written.append(write_readme("entropy results", autoencoder_findings.summary(found), results))
    if not pictures:
        return written
    written.append(draw_losses(results / "figures" / "entropy_figure2.png"))
    for page in found:
        for measure in MEASURES:
            number = FIGURES.get(page.dataset, {}).get(measure, f"_{measure}")
            name = f"entropy_figure{number}_{page.dataset}_{page.budget}.png"
            written.append(draw_autoencoders(page, measure, results / "figures" / name))
    return written


#: experiment -> writes its tables (and pictures) from its rows
PUBLISHERS: dict[str, Callable[[Sequence[dict], Path, bool], list[Path]]] = {
    "entropy-figures": publish_entropy_figures,
}


def experiments() -> list[str]:
    """Every experiment that publishes, in the order of its documents."""
    return [*load_all_pages(), *PUBLISHERS]


def publishable(store: Store) -> list[dict]:
    """The rows that tables are made of: packed ones, and loose ones of the experiments that publish.

    A training by hand counts where ADHOC=1 says so, or its row is packed; of budget smoke none counts beside others.
    """
    return without_trials(store.rows(loose=None if by_hand_too() else experiments()))


def by_hand_too() -> bool:
    """Whether ADHOC=1 asks for trainings by hand."""
    return os.environ.get("ADHOC", "") not in ("", "0")


def publish(
    experiment: str, rows: Sequence[dict], results: Path, pictures: bool = True
) -> tuple[Built | None, list[Path]]:
    """Write what the experiment publishes; returns what was built and the files.

    Raises:
        UserError: an experiment that publishes nothing, or one without rows.
    """
    if experiment not in experiments():
        raise UserError(f"experiment={experiment} publishes nothing: allowed are {', '.join(experiments())}")
    if not rows:
        raise UserError(f"experiment={experiment} has no rows yet: run `make reproduce-{experiment}` first")
    if experiment in load_all_pages():
        return publish_page(*load_all_pages()[experiment], rows, results, pictures)
    return None, PUBLISHERS[experiment](rows, results, pictures)
