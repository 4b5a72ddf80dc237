"""Made-up rows of the handout's table."""

import zlib

import numpy as np

from regbench.plan.jobs import BASELINE
from tests.reports.rows import failed, row_of

NAMES = ("none", "dropout", "batchnorm", "dropout_batchnorm")
DROPOUT = {
    "_target_": "regbench.regularizers.SiteLayers",
    "placement": ["conv5"],
    "layer": {"_target_": "regbench.regularizers.Dropout", "_partial_": True, "p": 0.5},
}
NORM = {
    "_target_": "regbench.regularizers.SiteLayers",
    "placement": "all",
    "layer": {"_target_": "regbench.regularizers.BatchNorm", "_partial_": True},
}
METHODS = {
    "dropout": (0.5, DROPOUT),
    "batchnorm": (1.0, {**NORM, "layer": {**NORM["layer"], "share": 1.0}}),
    "dropout_batchnorm": (0.5, {"_target_": "regbench.regularizers.Combined", "parts": [NORM, DROPOUT]}),
}
SPEED = {"none": 1.0, "dropout": 0.8, "batchnorm": 2.0, "dropout_batchnorm": 1.6}
TOP = {"none": 0.95, "dropout": 0.96, "batchnorm": 0.965, "dropout_batchnorm": 0.97}


def handout_row(name="none", seed=0, heldout=None, **options):
    """One finished row; `heldout` are the held-out accuracies of the epochs, made up where they are None.

    Options: test and train (accuracies by epoch), losses (test losses by epoch), dataset, budget, seconds, strength.
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {seed} {options.get('dataset')}".encode()))
    if heldout is None:
        numbers = np.arange(1, 6)
        heldout = TOP[name] - 0.4 * np.exp(-SPEED[name] * numbers) + 0.003 * rng.normal(size=5)
    heldout = [round(float(each), 5) for each in heldout]
    test = options.get("test") or [round(each - 0.005 + 0.002 * rng.normal(), 5) for each in heldout]
    behind = 0.01 if "dropout" in name else -0.01
    train = options.get("train") or [round(each - behind, 5) for each in heldout]
    losses = options.get("losses") or [
        round(0.3 / number + 0.05 * number + 0.01 * rng.random(), 5) for number in range(1, len(test) + 1)
    ]
    epochs = [
        {
            "epoch": number + 1,
            "train": {"loss": losses[number], "accuracy": train[number]},
            "heldout": {"full": {"loss": losses[number], "accuracy": heldout[number]}},
            "test": {"full": {"loss": losses[number], "accuracy": test[number]}},
            "measures": {"train": {}, "full": {}},
            "seconds": options.get("seconds", 1.0 + 0.1 * NAMES.index(name)) + 0.01 * seed,
        }
        for number in range(len(heldout))
    ]
    strength, method = METHODS.get(name, (0.0, {}))
    strength = options.get("strength", strength)
    config = {
        "dataset": {"name": options.get("dataset", "mnist"), "split_seed": 0}
        | {"train_images": 10000, "heldout_images": 5000},
        "model": {"name": "cnn5"},
        "regularizer": {"name": name, "strength": strength, "method": method} if strength else BASELINE,
        "task": {"name": "classify", "batch_size": 128},
        "budget": options.get("budget", "quick"),
        "epochs": len(epochs),
        "seed": seed,
    }
    return row_of("handout", config, epochs)


def golden_rows():
    """All that the page prints: methods, fewer seeds, failed, one that never arrives, not run, two budgets."""
    rows = [handout_row(name, seed) for name in NAMES for seed in range(5) if (name, seed) != ("batchnorm", 4)]
    rows += [handout_row("none", seed, dataset="digits") for seed in (0, 1)]
    rows += [handout_row("dropout", 0, dataset="digits"), failed(handout_row("dropout", 1, dataset="digits"))]
    rows += [handout_row("batchnorm", seed, [0.5] * 5, dataset="digits") for seed in (0, 1)]
    return [*rows, handout_row("dropout", budget="smoke")]
