"""How a row was trained, in words below a table."""

from __future__ import annotations

from regbench.reports.groups import flatten
from regbench.reports.settings import image_count
from regbench.reports.tables import EN_DASH


def training_words(row: dict) -> str:
    """Optimizer, learning rate, batch size, early stopping and the images held out."""
    task = flatten(row["config"]["task"])
    optimizer = str(task.get("optimizer._target_", EN_DASH)).rsplit(".", 1)[-1]
    rate, batch = task.get("optimizer.lr", EN_DASH), task.get("batch_size", EN_DASH)
    stop = {key: task.get(f"early_stopping.{key}", EN_DASH) for key in ("patience", "min_delta")}
    images = image_count(row["config"]["dataset"].get("heldout_images"))
    return (
        f"{optimizer}, learning rate {rate}, batches of {batch}; early stopping with patience {stop['patience']}, "
        f"least change {stop['min_delta']}. Held out of the training data: {images} images."
    )


def loss_words(rows: list[dict]) -> str:
    """The form and eps of the penalty that these rows share."""
    if not rows:
        return "The loss: not run."
    method = rows[0]["config"]["regularizer"]["method"]
    return f"The loss: form {method['form']}, eps {method['eps']:g}."
