"""The words around the tables: how to read them, what a budget means, and the lines below each table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from regbench.evidence import stats
from regbench.evidence.cells import number
from regbench.evidence.groups import Group
from regbench.evidence.notes import code
from regbench.evidence.records import Record
from regbench.evidence.settings import devices, image_count
from regbench.evidence.tables import EN_DASH, Table, to_markdown
from regbench.reports.methods import DATASETS, PB, PB_STANDARDIZED, RANDOM, SITE

STANDARD_TRAIN_IMAGES = {"mnist": 60_000, "cifar10": 50_000, "cifar100": 50_000, "celeba": 162_770}
GUIDE = """# Table 1: PB-EDropout and its controls

How to read this:

- The question: does PB-EDropout help a five-layer CNN, and is it the *energy* that helps? Random patches
  is the control: it drops as many patches, chosen at random. Energies help where a method beats both the
  baseline and this control. The control matches how many patches are dropped, not how much activation they
  hold (the last note below a table): a method that drops dead patches only is nearly the baseline.
- `n` counts independently seeded trainings. `±` and `[ , ]` are 95 % t-intervals over them: they tell how
  much the training seed matters, not how much another set of test images would.
- Protocol `paper` reports the epoch with the best test accuracy, as the paper seems to do; protocol
  `held-out` reports the epoch with the best accuracy on held-out images. Both print the test split. Each
  evaluation mode picks its own epoch; ties go to the earlier one.
- The loss is the test loss at that same epoch. The paper does not say at which epoch its loss is taken;
  its baseline's 1.195 on CIFAR-10 looks like the loss at the best-accuracy epoch.
- The held-out images never train, so every row trains on fewer images than the paper did.
- The paper states neither epochs, batch size, optimizer, learning rate, widths nor a number of trainings:
  the epochs and training images in a table's title are our choice.
- Differences are in percentage points (pp), paired by seed; p is two-sided and Holm-corrected over all
  differences of its own table, the intervals are not. Mask and Full are two readings of the same trainings.
- Mask % is counted on the masks applied in that evaluation mode.
- `X`: a training failed (its footnote says why). `not run`: no row. An en dash: nothing to print.
- Tables of different budgets are never mixed.
"""
BUDGET_NOTES = {
    "paper": "The full-size runs. The paper does not state its epochs, so their number is our choice.",
    "quick": "`quick` is not a reproduction: it trains for less than a comparison with the paper's numbers "
    "needs. It shows how the methods compare with each other after the same short training.",
    "smoke": "`smoke` only shows that everything runs. Its numbers say nothing about a method.",
}


MASK_MEASURES = {
    "zero_probability": "of the patches had probability exactly 0, so that noise alone ranked them,",
    "removed_mass": "of the L1 activation mass was in the dropped patches",
}


def page(sections: dict[str, list[Table]], rows: Sequence[dict], guide: str = GUIDE) -> str:
    """The Markdown page: the guide, then one section per budget with its tables."""
    parts = [guide]
    for budget, tables in sections.items():
        names = ", ".join(devices(row for row in rows if row["budget"] == budget))
        of_budget = [row for row in rows if row["budget"] == budget]
        intro = [f"## Budget `{budget}`", BUDGET_NOTES.get(budget), f"Devices: {names}. {code(of_budget)}"]
        parts.append("\n\n".join(text for text in intro if text) + "\n")
        parts += [to_markdown(table, level=3) for table in tables]
    if not sections:
        parts.append("Not run: there is no row yet (n = 0).\n")
    return "\n".join(parts)


def images_note(dataset: str, settings: dict) -> str:
    """How many images trained and how many were held out, against the standard training split."""
    held_out = image_count(settings.get("heldout_images"))
    note = f"Trained on {image_count(settings.get('train_images'))} images, {held_out} held out"
    standard = STANDARD_TRAIN_IMAGES.get(dataset)
    if standard is None:
        return f"{note}; the paper has no numbers for {DATASETS[dataset]}."
    return f"{note}; the standard training split has {standard:,} and the paper mentions no images held out."


def gap_note(accuracies: Iterable[tuple[Record, Record]]) -> str:
    """The selection gap over pairs (accuracy by protocol paper, by protocol held-out)."""
    gaps = [paper.mean - held_out.mean for paper, held_out in accuracies if paper.status == "done"]
    if not gaps:
        return f"Selection gap: {EN_DASH} (no row has a mean)."
    mean = number(fmean(gaps), "pp", signed=True)
    return (
        f"Selection gap (accuracy by protocol paper minus accuracy by protocol held-out): {mean} pp, "
        f"mean over {len(gaps)} row{'s' * (len(gaps) != 1)}."
    )


def power_note(
    differences: Sequence[Record], tests: int, reference: str = "the baseline", alternative: str = "two-sided"
) -> str:
    """What the differences to the reference could have shown; `tests` counts the Holm family."""
    parts = []
    for record in differences:
        if record.p is not None:
            alone = stats.smallest_effect(record.comparison, alternative=alternative)
            first_step = stats.smallest_effect(record.comparison, alpha=0.05 / tests, alternative=alternative)
            parts.append(f"{record.method} {number(alone, 'pp')} ({number(first_step, 'pp')})")
    if not parts:
        return f"Smallest difference to {reference} that these runs could have shown: {EN_DASH} (no test)."
    return (
        f"Smallest difference to {reference} that these runs could have shown at 80 % power, in pp, "
        f"{'two' if alternative == 'two-sided' else 'one'}-sided at 0.05 uncorrected, "
        "if the spread seen is the true one "
        f"(in brackets: at Holm's first step of {tests} test{'s' * (tests != 1)}): {', '.join(parts)}."
    )


def masks_note(groups: dict[str, Group]) -> str | None:
    """What the masks of training did in the last epoch: Pr = 0, and the activation mass that the dropped held."""
    parts = []
    for regularizer in (PB, PB_STANDARDIZED, RANDOM.regularizer):
        rows = groups[regularizer].done if regularizer in groups else ()
        measures = [row["epochs"][-1]["measures"]["train"] for row in rows]
        text = [
            f"{100 * fmean(values):.1f} % {meaning}"
            for name, meaning in MASK_MEASURES.items()
            if (values := [measure[f"{SITE}/{name}"] for measure in measures if f"{SITE}/{name}" in measure])
        ]
        if text:
            parts.append(f"{regularizer} {' and '.join(text)}")
    return f"In the last epoch of training: {'; '.join(parts)}." if parts else None
