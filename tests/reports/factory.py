"""Synthetic rows for the report tests."""

import base64
import zlib
from pathlib import Path

import numpy as np

from tests.reports.rows import failed, row_of

PAPER = Path(__file__).parents[2] / "src" / "regbench" / "papers" / "pb_edropout" / "numbers.yaml"
LAYER = {"variant": "printed", "patch_size": 2, "beta": 0.1, "c": 1.0, "noise_std": 0.01, "eps": 0.001}
ACCURACY = {"none": 0.980, "dropout": 0.981, "pb_edropout": 0.983, "random_patch": 0.982}


def make_row(regularizer="none", seed=0, accuracies=None, heldout=None, **options):
    """One finished row. `accuracies` are the test accuracies of the epochs, `heldout` the held-out ones.

    Options: mask (test accuracies of mode mask), dataset, budget, layer (changes to the layer's settings),
    epochs, train_images, strength, losses.
    """
    base = ACCURACY.get(regularizer.removesuffix("_standardized"), 0.98)
    rng = np.random.default_rng(zlib.crc32(f"{regularizer} {seed} {options}".encode()))
    if accuracies is None:
        accuracies = np.round(base + 0.002 * np.arange(options.get("epochs", 2)) + 0.001 * rng.normal(size=2), 5)
    heldout = list(heldout if heldout is not None else accuracies)
    epochs = [
        _epoch(
            number,
            regularizer,
            full,
            held,
            _at(options.get("mask"), number),
            _at(options.get("losses"), number),
        )
        for number, (full, held) in enumerate(zip(accuracies, heldout, strict=True), 1)
    ]
    config = _config(regularizer, seed, len(epochs), options)
    return row_of("table1", config, epochs)


def with_masks(row, channels=32, grid=(12, 12), keep=0.85):
    """The same row with an EMA artifact: a disc of kept patches that differs from channel to channel."""
    rng = np.random.default_rng(row["seed"])
    y, x = np.mgrid[: grid[0], : grid[1]]
    centres = rng.uniform(3, grid[0] - 3, size=(channels, 2))
    distance = np.hypot(y - centres[:, :1, None], x - centres[:, 1:, None])
    ema = np.clip(1.25 - 0.07 * distance + 0.05 * rng.normal(size=distance.shape), 0, 1)
    artifact = {
        "shape": [channels, grid[0] * grid[1]],
        "grid": list(grid),
        "scale": 255,
        "uint8": base64.b64encode(np.round(255 * ema).astype(np.uint8).tobytes()).decode(),
    }
    kept = int(keep * grid[0] * grid[1]) / (grid[0] * grid[1])
    epochs = [{**e, "measures": {**e["measures"], "mask": {"conv1/masked": 1 - kept}}} for e in row["epochs"]]
    return {**row, "artifacts": {"conv1/ema": artifact}, "epochs": epochs}


def table_rows(seeds=(0, 1, 2), **options):
    """Rows for every regularizer of Table 1."""
    names = ("none", "dropout", "pb_edropout", "random_patch", "spatial_dropout", "dropblock")
    return [make_row(name, seed, **options) for name in (*names, "pb_edropout_standardized") for seed in seeds]


def _config(regularizer, seed, epochs, options):
    method = {}
    if regularizer != "none":
        method = {"placement": ["conv1"], "layer": {"p": 0.15}}
    if regularizer.startswith("pb_edropout"):
        variant = "standardized" if regularizer.endswith("standardized") else "printed"
        method["layer"] = LAYER | {"variant": variant} | options.get("layer", {})
    strength = options.get("strength", 0.0 if regularizer == "none" else 0.15)
    return {
        "dataset": {
            "name": options.get("dataset", "mnist"),
            "split_seed": 0,
            "train_images": options.get("train_images", 55000),
            "heldout_images": 5000,
        },
        "model": {"name": "cnn5"},
        "regularizer": {"name": regularizer, "strength": strength, "method": method},
        "task": {"name": "classify", "batch_size": 128},
        "epochs": epochs,
        "seed": seed,
        "budget": options.get("budget", "quick"),
    }


def _epoch(number, regularizer, full, held, mask, loss):
    loss = round(0.05 / number, 5) if loss is None else loss
    heldout, test = {"full": _metrics(held, loss)}, {"full": _metrics(full, loss)}
    measures = {"train": {}, "full": {}}
    if regularizer.startswith("pb_edropout"):
        mask = round(full - 0.001, 5) if mask is None else mask
        test["mask"], heldout["mask"] = _metrics(mask, loss + 0.001), _metrics(held, loss)
        measures = {
            "train": {"conv1/masked": 22 / 144, "conv1/zero_probability": 0.8},
            "mask": {"conv1/masked": 22 / 144},
            "full": {"conv1/masked": 0.0},
        }
    train = {"loss": loss, "accuracy": round(1 - 0.1 / number, 5)}
    return {
        "epoch": number,
        "train": train,
        "heldout": heldout,
        "test": test,
        "measures": measures,
        "seconds": 1.0,
    }


def _metrics(accuracy, loss):
    return {"loss": round(float(loss), 5), "accuracy": float(accuracy)}


def _at(values, number):
    return None if values is None else values[number - 1]


def golden_rows():
    """Every case that a table prints: finished, fewer seeds, failed, not run, one seed, a second budget."""
    # In seed 1 the held-out images prefer the first epoch: the two protocols differ.
    names = ("none", "pb_edropout", "random_patch")
    rows = [make_row(name, s, heldout=[0.99, 0.98] if s == 1 else None) for name in names for s in (0, 1, 2)]
    rows += [make_row("dropout", seed) for seed in (0, 1)]
    rows += [make_row("spatial_dropout", 0), failed(make_row("spatial_dropout", 1))]
    rows += [make_row("none", 0, dataset="digits", budget="smoke")]
    return rows
