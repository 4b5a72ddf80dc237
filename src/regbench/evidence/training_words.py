"""How rows were trained, in words below a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from regbench.evidence.settings import data_words, image_count
from regbench.evidence.wording import EN_DASH

WATCHED = {"accuracy": "the accuracy", "base": "the base loss", "compound": "the compound loss"}
BETTER = {"accuracy": "a higher accuracy", "base": "a lower base loss", "compound": "a lower compound loss"}
DEFAULTS = {"precision": "float32", "accumulate": 1}


def settings_words(rows: Sequence[dict]) -> str:
    """What rows of one table share: their images, how they were trained."""
    return " ".join(filter(None, (data_words(rows), training_words(rows))))


def training_words(rows: Sequence[dict]) -> str:
    """Optimizer, batches, precision, plateau, early stopping, processes and the images held out, in sentences.

    The rows share all of their task but the loss that early stopping watches. What is at its default is left out.
    """
    config = rows[0]["config"]
    task = config["task"]
    sentences = [
        f"{_optimizer(task)}, {_batches(task)}{_precision(task)}",
        *_plateau(task),
        *_early_stopping(config, rows),
        *_processes(rows),
        f"Held out of the training data: {image_count(config['dataset'].get('heldout_images'))} images",
    ]
    return " ".join(f"{sentence}." for sentence in sentences)


def _optimizer(task: dict) -> str:
    """`SGD, learning rate 0.01, momentum 0.9`, and whatever else its config sets."""
    settings = dict(task.get("optimizer") or {})
    name = str(settings.pop("_target_", EN_DASH)).rsplit(".", 1)[-1]
    rate = settings.pop("lr", EN_DASH)
    others = [f"{key.replace('_', ' ')} {value}" for key, value in sorted(settings.items())]
    return ", ".join([name, f"learning rate {rate}", *others])


def _batches(task: dict) -> str:
    parts = task.get("accumulate", DEFAULTS["accumulate"])
    size = f"batches of {task.get('batch_size', EN_DASH)}"
    return size if parts == DEFAULTS["accumulate"] else f"{size} in {parts} parts"


def _precision(task: dict) -> str:
    precision = task.get("precision", DEFAULTS["precision"])
    return "" if precision == DEFAULTS["precision"] else f", mixed precision {precision}"


def _plateau(task: dict) -> list[str]:
    rule = task.get("plateau")
    if not rule:
        return []
    better = BETTER[rule.get("watch", "accuracy")]
    return [
        f"The learning rate is multiplied by {rule['factor']} after {rule['patience']} epochs without {better} on "
        "held-out images"
    ]


def _early_stopping(config: dict, rows: Iterable[dict]) -> list[str]:
    rule = config["task"].get("early_stopping")
    if not rule:
        return ["No early stopping"]
    watches = {row["config"]["task"]["early_stopping"].get("watch", "compound") for row in rows}
    watched = " or ".join(words for watch, words in WATCHED.items() if watch in watches)
    own = ", as each line says" if len(watches) > 1 else ""
    patience, epochs = rule["patience"], config["epochs"]
    least = f"{rule.get('min_delta', 0.0):g}"
    text = f"Early stopping watches {watched}{own}, with patience {patience} and least change {least}"
    # The first epoch is always the best so far: the earliest stop is after epoch patience + 1.
    return [text] if epochs > patience else [text, f"It can never fire: the cap is {epochs} epochs"]


def _processes(rows: Iterable[dict]) -> list[str]:
    """How many trained one network together, where that was ever more than one."""
    counts = sorted({row.get("provenance", {}).get("processes", 1) for row in rows})
    return [f"Processes at one training: {' or '.join(map(str, counts))}"] if counts[-1] > 1 else []
