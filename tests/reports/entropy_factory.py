"""Made-up rows of the entropy paper's Table 1."""

import zlib

import numpy as np

from regbench.plan.jobs import BASELINE
from tests.reports.rows import failed, row_of


def entropy_row(strength=0.0, seed=0, test=None, heldout=None, widths=(32, 32), **options):
    """One finished row; `test`, `heldout` and `train` are accuracies by epoch, drawn at random where they are None.

    Options: train, placement, eps, dataset, budget, train_images, slope, norms (the penalty's gradient norm by epoch).
    """
    rng = np.random.default_rng(zlib.crc32(f"{strength} {seed} {widths} {options.get('placement')}".encode()))
    drawn = np.round(0.6 + 0.01 * rng.normal(size=(2, 3)), 4).tolist()
    test, heldout = drawn if test is None else (test, test if heldout is None else heldout)
    train = options.get("train") or [round(0.5 + 0.1 * number, 4) for number in range(len(test))]
    norms = options.get("norms") or [strength * 2.0**-number for number in range(len(test))]
    epochs = [
        {
            "epoch": number,
            "train": {"loss": 1.0, "accuracy": train[number - 1]},
            "heldout": {"full": {"loss": 1.0, "accuracy": heldout[number - 1]}},
            "test": {"full": {"loss": 1.0, "accuracy": test[number - 1]}},
            "measures": {"train": {"penalty": 1.0, "gradient_norm": norms[number - 1]} if strength else {}, "full": {}},
            "seconds": 1.0,
        }
        for number in range(1, len(test) + 1)
    ]
    config = _config(strength, seed, widths, len(test), options)
    return row_of("entropy-table1", config, epochs)


def rows_of(accuracies, **options):
    """{strength: test accuracies by seed}, one epoch each."""
    return [
        entropy_row(strength, seed, [value], **options)
        for strength, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def null_rows(accuracies, **options):
    """{null group: test accuracies by seed}, one epoch each; group g has the seeds 100 g + s."""
    return [
        entropy_row(0.0, 100 * group + seed, [value], **options)
        for group, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def _config(strength, seed, widths, epochs, options):
    method = {
        "_target_": "regbench.regularizers.Entropy",
        "strength": strength,
        "placement": options.get("placement", "first"),
        "form": "reciprocal",
        "eps": options.get("eps", 1e-7),
    }
    return {
        "dataset": {
            "name": options.get("dataset", "cifar10"),
            "split_seed": 0,
            "train_images": options.get("train_images", 10000),
            "heldout_images": 2000,
        },
        "model": {"name": "cnn_blocks", "widths": list(widths), "slope": options.get("slope", 0.01)},
        "regularizer": {"name": "entropy", "strength": strength, "method": method} if strength else BASELINE,
        "task": {"name": "classify", "batch_size": 128, "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.001}},
        "budget": options.get("budget", "quick"),
        "epochs": epochs,
        "seed": seed,
    }


def golden_rows():
    """Every case that the page prints: finished, fewer seeds, a strength or null group not run, failed, two budgets."""
    rows = [entropy_row(key, s, widths=w) for w in ((32,), (32, 32)) for key in (0.0, 0.01, 1.0) for s in range(4)]
    rows += [entropy_row(10.0, seed, widths=(32,)) for seed in (0, 1)]
    rows += [entropy_row(key, s, widths=(64,)) for key in (0.0, 0.01) for s in range(3)]
    rows += [failed(entropy_row(1.0, 0, widths=(64,)))]
    rows += [entropy_row(key, s, placement="convolutions") for key in (0.01, 1.0) for s in range(4)]
    rows += [entropy_row(0.0, 100 * g + s, widths=(32,)) for g in (1, 2, 3) for s in range(4)]
    rows += [entropy_row(0.0, 100 + s) for s in range(4)]
    rows += [entropy_row(key, s, widths=(32,), dataset="mnist", budget="smoke") for key in (0.0, 1.0) for s in (0, 1)]
    return rows
