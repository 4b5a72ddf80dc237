"""Made-up rows of the linearity table."""

import zlib

import numpy as np

from regbench.plan.jobs import BASELINE
from tests.reports.rows import failed, row_of

RATES, L1S, L2S = (0.1, 0.3, 0.5), (1e-6, 1e-5, 1e-4), (1e-5, 1e-4, 1e-3)
SWEEPS = {"dropout": RATES, "l1": L1S, "l2": L2S}


def linearity_row(name="none", strength=0.0, seed=0, **options):
    """One finished row; Z falls with the dropout rate, sparsity rises with L1, the norm falls with L2.

    Options: dataset, budget, placement, pairs, epochs, and any measure of the last epoch by its name.
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {strength} {seed}".encode()))
    config = _config(name, strength, seed, options)
    epochs = [_epoch(number, name, strength, rng, options) for number in range(1, config["epochs"] + 1)]
    return row_of("linearity", config, epochs)


def sweep(name="dropout", seeds=range(5), strengths=None, **options):
    """The rows of one regularizer at all strengths, with those of none."""
    strengths = SWEEPS[name] if strengths is None else strengths
    rows = [linearity_row("none", 0.0, seed, **options) for seed in seeds]
    return rows + [linearity_row(name, strength, seed, **options) for strength in strengths for seed in seeds]


def with_gaps(gaps, name="dropout", measure="additivity_gap"):
    """Rows whose measure is given: {strength: values by seed}, strength 0 is none."""
    return [
        linearity_row(name if strength else "none", strength, seed, **{measure: value})
        for strength, values in gaps.items()
        for seed, value in enumerate(values)
    ]


def _config(name, strength, seed, options):
    method = {"_target_": "regbench.regularizers.NormPenalty", "strength": strength, "power": 1, "placement": "all"}
    if name == "dropout":
        layer = {"_target_": "regbench.regularizers.Dropout", "_partial_": True, "p": strength}
        placement = options.get("placement", "all")
        method = {"_target_": "regbench.regularizers.SiteLayers", "placement": placement, "layer": layer}
    return {
        "dataset": {"name": options.get("dataset", "mnist"), "split_seed": 0}
        | {"train_images": 10000, "heldout_images": 5000},
        "model": {"name": "cnn5"},
        "regularizer": {"name": name, "strength": strength, "method": method} if strength else BASELINE,
        "task": {"name": "linearity", "batch_size": 128, "pairs": options.get("pairs", 500)},
        "budget": options.get("budget", "quick"),
        "epochs": options.get("epochs", 2),
        "seed": seed,
    }


def _epoch(number, name, strength, rng, options):
    level = np.log10(strength / 1e-7) if strength and name != "dropout" else 0.0
    accuracy = 0.9 + 0.03 * number - (0.02 * strength if name == "dropout" else 0.004 * level) + 0.002 * rng.normal()
    found = {
        "loss": 0.3 / number,
        "accuracy": accuracy,
        "additivity_gap": 0.6 - (0.3 * strength if name == "dropout" else 0.0) + 0.01 * rng.normal(),
        "sparsity": 0.02 + (0.1 * level if name == "l1" else 0.0) + 0.001 * rng.random(),
        "weight_norm": 12.0 - (1.5 * level if name == "l2" else 0.0) + 0.05 * rng.normal(),
    }
    if name == "dropout":
        found["subnetwork_gap"] = found["additivity_gap"] + 0.1
    found |= {key: value for key, value in options.items() if key in (*found, "subnetwork_gap")}
    found = {key: round(float(value), 5) for key, value in found.items()}
    held_out = {"loss": found["loss"], "accuracy": round(found["accuracy"] - 0.01, 5)}
    return {
        "epoch": number,
        "train": {"loss": found["loss"], "accuracy": found["accuracy"]},
        "heldout": {"full": held_out},
        "test": {"full": found},
        "measures": {"train": {}, "full": {}},
        "seconds": 1.0,
    }


def golden_rows():
    """Every case that the page prints: all lines, fewer seeds, failed, not run, one seed, two budgets."""
    rows = [row for name in SWEEPS for row in sweep(name)]
    rows = list({row["id"]: row for row in rows}.values())
    rows = [row for row in rows if (row["strength"], row["seed"]) != (RATES[-1], 4)]
    digits = sweep("dropout", seeds=(0, 1), dataset="digits") + sweep("l1", seeds=(0, 1), dataset="digits")
    digits = list({row["id"]: row for row in digits}.values())
    rows += [failed(row) if (row["strength"], row["seed"]) == (L1S[0], 1) else row for row in digits]
    return [*rows, linearity_row(dataset="digits", budget="smoke")]
