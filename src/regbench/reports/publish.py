"""What each experiment publishes from its rows: tables under `tables/`, pictures under `figures/`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from regbench.errors import UserError
from regbench.evidence.numbers import load_paper_numbers
from regbench.evidence.settings import BUDGETS, budgets_of, without_trials
from regbench.evidence.tables import to_markdown
from regbench.paths import ROOT
from regbench.reports.entropy import autoencoder_findings
from regbench.reports.entropy.autoencoder_curves import draw_autoencoders
from regbench.reports.entropy.autoencoder_tables import write_autoencoders
from regbench.reports.entropy.autoencoders import FIGURES, MEASURES, pages
from regbench.reports.entropy.cnn_table import write_entropy_table1
from regbench.reports.entropy.large_gains import draw_large_gains
from regbench.reports.entropy.large_rows import pages as large_pages
from regbench.reports.entropy.large_summary import summary as large_summary
from regbench.reports.entropy.large_table import write_entropy_table2
from regbench.reports.entropy.loss_curves import draw_losses
from regbench.reports.entropy.unet_masks import draw_masks as draw_unet_masks
from regbench.reports.entropy.unet_masks import has_masks
from regbench.reports.entropy.unet_rows import parts as unet_parts
from regbench.reports.entropy.unet_summary import summary as unet_summary
from regbench.reports.entropy.unet_table import write_entropy_table3
from regbench.reports.gan.curves import draw_gan_fid, draw_gan_losses, draw_gan_rates, has_rates
from regbench.reports.gan.samples import draw_gan_samples, has_samples
from regbench.reports.gan.sections import Section, gan_sections
from regbench.reports.gan.summary import summary as gan_summary
from regbench.reports.gan.table1 import write_gan_table1
from regbench.reports.handout.curves import draw_handout
from regbench.reports.handout.methods import handout_sections
from regbench.reports.handout.summary import summary as handout_summary
from regbench.reports.handout.table import write_handout
from regbench.reports.linearity.curves import draw_linearity
from regbench.reports.linearity.lines import linearity_sections, swept_with_rows
from regbench.reports.linearity.polynomial_curves import draw_polynomials
from regbench.reports.linearity.summary import summary as linearity_summary
from regbench.reports.linearity.table import write_linearity
from regbench.reports.pb_edropout.curves import draw_curves
from regbench.reports.pb_edropout.masks import draw_masks
from regbench.reports.pb_edropout.sensitivity import build_sensitivity
from regbench.reports.pb_edropout.table1 import build_sections, write_table1
from regbench.reports.sections import Section as BudgetSection
from regbench.reports.store import Store
from regbench.reports.summary import summary, write_summary

PAPER = ROOT / "results" / "paper"
README = ROOT / "README.md"
SILENT_DEFAULTS = {"beta": 0.1, "c": 1.0, "noise_std": 0.01, "eps": 0.001, "variant": "printed"}


def publish_table1(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """PB-EDropout's Table 1, the README's summary of it; per budget, its Figure 1 and the averaged masks of conv1."""
    numbers = load_paper_numbers(PAPER / "pb_edropout.yaml")
    written = write_table1(rows, numbers, results / "tables")
    written.append(write_readme("results", summary(build_sections(rows, numbers)), results))
    if not pictures:
        return written
    for budget in sorted({row["budget"] for row in rows if row["status"] == "done"}):
        of_budget = [row for row in rows if row["budget"] == budget]
        written.append(draw_curves(of_budget, results / "figures" / f"pb_edropout_figure1_{budget}.png", budget))
        if any(row["artifacts"] for row in of_budget):
            written.append(draw_masks(of_budget, results / "figures" / f"pb_edropout_masks_{budget}.png"))
    return written


def write_readme(name: str, block: str, results: Path) -> Path:
    """The README with one of its blocks of results; a copy beside the tables where they are not this repository's."""
    target = README if results.resolve() == README.parent / "results" else results / "tables" / "README.md"
    return write_summary(name, block, target if target.exists() else README, target)


def publish_sensitivity(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """Table 1 of PB-EDropout under other values of its silent settings."""
    sections = []
    for budget in BUDGETS:
        of_budget = [row for row in rows if row["budget"] == budget]
        for dataset in sorted({row["config"]["dataset"]["name"] for row in of_budget}):
            chosen = [row for row in of_budget if row["config"]["dataset"]["name"] == dataset]
            sections.append(to_markdown(build_sensitivity(chosen, SILENT_DEFAULTS)))
    path = results / "tables" / "sensitivity.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# PB-EDropout: the settings that the paper does not give\n\n" + "\n".join(sections))
    return [path]


def publish_entropy_figures(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The entropy paper's Figures 2 to 6, and the tables behind them."""
    found = pages(rows)
    written = write_autoencoders(found, load_paper_numbers(PAPER / "entropy_guidance.yaml"), results / "tables")
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


def publish_entropy_table1(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The entropy paper's Table 1; it has no pictures."""
    return write_entropy_table1(rows, load_paper_numbers(PAPER / "entropy_guidance.yaml"), results / "tables")


def publish_entropy_table2(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The entropy paper's Table 2, the README's lines of it; per budget a picture of the gains."""
    found, numbers = large_pages(rows), load_paper_numbers(PAPER / "entropy_guidance.yaml")
    written = write_entropy_table2(rows, numbers, results / "tables")
    written.append(write_readme("imagenette results", large_summary(found, numbers), results))
    drawable = [page for page in found if any(group.done for group in page.groups)] if pictures else []
    folder = results / "figures"
    return written + [
        draw_large_gains(page, numbers, folder / f"entropy_table2_{page.budget}.png") for page in drawable
    ]


def publish_entropy_table3(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The entropy paper's Table 3, the README's lines of it; per dataset and budget its Figure 10."""
    found, numbers = unet_parts(rows), load_paper_numbers(PAPER / "entropy_guidance.yaml")
    written = write_entropy_table3(rows, numbers, results / "tables")
    written.append(write_readme("u-net results", unet_summary(found), results))
    drawable = [part for part in found if has_masks(part)] if pictures else []
    folder = results / "figures"
    names = [f"entropy_figure10_{part.dataset}_{part.budget}.png" for part in drawable]
    return written + [draw_unet_masks(part, folder / name) for part, name in zip(drawable, names, strict=True)]


def publish_gan_table1(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The adaptive-dropout paper's Table 1, the README's lines of it; per dataset and budget the pictures."""
    sections = [section for budget in budgets_of(rows) for section in gan_sections(rows, budget)]
    numbers = load_paper_numbers(PAPER / "adaptive_dropout_gan.yaml")
    written = write_gan_table1(rows, numbers, results / "tables")
    written.append(write_readme("gan results", gan_summary(sections), results))
    drawable = [section for section in sections if section.done] if pictures else []
    return written + [path for section in drawable for path in _gan_pictures(section, results / "figures")]


def _gan_pictures(section: Section, folder: Path) -> list[Path]:
    drawn = {"figure1": draw_gan_losses, "fid": draw_gan_fid}
    drawn |= {"rate": draw_gan_rates} if has_rates(section) else {}
    drawn |= {"samples": draw_gan_samples} if has_samples(section) else {}
    name = f"{section.dataset}_{section.budget}.png"
    return [draw(section, folder / f"gan_{kind}_{name}") for kind, draw in drawn.items()]


def publish_linearity(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The linearity essay: Z by strength, its trends, the README's lines; per dataset and budget a picture."""
    sections = linearity_sections(rows)
    written = write_linearity(rows, results / "tables")
    written.append(write_readme("linearity results", linearity_summary(sections), results))
    if not pictures:
        return written
    written.append(draw_polynomials(results / "figures" / "linearity_polynomials.png"))
    drawable = [section for section in sections if swept_with_rows(section)]
    return written + [draw_linearity(each, _picture(results, "linearity", each)) for each in drawable]


def publish_handout(rows: Sequence[dict], results: Path, pictures: bool) -> list[Path]:
    """The handout on dropout and batch norm: its table, the README's lines; per dataset and budget a picture."""
    sections = handout_sections(rows)
    written = write_handout(rows, results / "tables")
    written.append(write_readme("handout results", handout_summary(sections), results))
    drawable = [each for each in sections if any(group.done for group in each.groups.values())] if pictures else []
    return written + [draw_handout(each, _picture(results, "handout", each)) for each in drawable]


def _picture(results: Path, name: str, section: BudgetSection) -> Path:
    return results / "figures" / f"{name}_{section.dataset}_{section.budget}.png"


#: experiment -> writes its tables (and pictures) from its rows
PUBLISHERS: dict[str, Callable[[Sequence[dict], Path, bool], list[Path]]] = {
    "table1": publish_table1,
    "sensitivity": publish_sensitivity,
    "entropy-figures": publish_entropy_figures,
    "entropy-table1": publish_entropy_table1,
    "entropy-table2": publish_entropy_table2,
    "entropy-table3": publish_entropy_table3,
    "gan-table1": publish_gan_table1,
    "linearity": publish_linearity,
    "handout": publish_handout,
}


def publishable(store: Store) -> list[dict]:
    """The rows that tables are made of: packed ones, and loose ones of the experiments that publish.

    A training by hand counts where ADHOC=1 says so, or its row is packed; of budget smoke none counts beside others.
    """
    by_hand = os.environ.get("ADHOC", "") not in ("", "0")
    return without_trials(store.rows(loose=None if by_hand else PUBLISHERS))


def publish(experiment: str, rows: Sequence[dict], results: Path, pictures: bool = True) -> list[Path]:
    """Write what the experiment publishes; returns the files.

    Raises:
        UserError: an experiment that publishes nothing, or one without rows.
    """
    if experiment not in PUBLISHERS:
        raise UserError(f"experiment={experiment} publishes nothing: allowed are {', '.join(PUBLISHERS)}")
    if not rows:
        raise UserError(f"experiment={experiment} has no rows yet: run `make reproduce-{experiment}` first")
    return PUBLISHERS[experiment](rows, results, pictures)
