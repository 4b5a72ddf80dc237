"""What only the entropy paper's Table 1 has: its settings, its null groups, the share of its own lines that pass."""

from __future__ import annotations

from regbench.evidence.best_notes import choosable
from regbench.evidence.groups import flatten
from regbench.evidence.notes import Shown, note
from regbench.evidence.wording import EN_DASH

ALPHA = 0.05  # the paper's


@note
def cnn_settings(shown: Shown) -> str:
    """What the penalized trainings share, the strengths apart."""
    rows = [row for _, _, group in choosable(shown) for row in (*group.done, *group.failed)]
    if not rows:
        return f"Lambdas: {EN_DASH} (not run)."
    method = rows[0]["config"]["regularizer"]["method"]
    strengths = ", ".join(f"{value:g}" for value in sorted({row["strength"] for row in rows}))
    form = f"placement {method['placement']}, form {method['form']}, eps {method['eps']:g}"
    return f"Lambdas: {strengths}; {form}; {_network(rows[0])}."


@note
def cnn_null(shown: Shown) -> str:
    """What the null groups are, and how many there are of those looked for."""
    apart, found = shown.section.page.seed_groups, len(choosable(shown))
    wanted = len(shown.lines) * len([value for value in shown.section.values(shown.lines) if value])
    return (
        f"Null group g: lambda = 0, seeds {apart} g + s; s is paired with the baseline's seed s, with which it shares "
        f"neither first weights nor the order of images. {found} groups have rows, {wanted - found} have none and are "
        f"left out; {_network(shown.section.rows[0])}."
    )


def _network(row: dict) -> str:
    model, task = row["config"]["model"], flatten(row["config"]["task"])
    optimizer = str(task.get("optimizer._target_", EN_DASH)).rsplit(".", 1)[-1]
    rate, batch = task.get("optimizer.lr", EN_DASH), task.get("batch_size", EN_DASH)
    return f"leaky ReLU of slope {model['slope']:g}; {optimizer}, learning rate {rate}, batches of {batch}"


@note
def cnn_paper_share(shown: Shown) -> str | None:
    """The same share in the paper's own table."""
    numbers, page = shown.section.numbers, shown.section.page
    if shown.section.dataset not in page.printed_for:
        return None
    rows = [each.row for each in numbers if (each.table, each.column) == (page.paper_table, "Mean Delta Val. Acc.")]
    printed = [numbers.find(page.paper_table, row, "Delta Val. Acc., p") for row in rows]
    return f"In the paper's own table: {sum(p is not None and p.value < ALPHA for p in printed)} of {len(rows)} lines."
