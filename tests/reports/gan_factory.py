"""Made-up rows of the GAN table."""

import base64
import zlib

import numpy as np

from regbench.plan.jobs import BASELINE
from tests.reports.rows import failed, row_of

EXTRACTOR = {"name": "mnist-cnn5", "accuracy": 0.9871, "sha256": "5ba1e0de" * 8, "features": 128}
WINDOWS, STEPS = 4, 100  # points and steps of an epoch
GRID = (1, 8, 8)
FID = {"DCGAN": 20.0, "WGAN-GP": 30.0, "SNGAN": 18.0, "AGNN-ADR": 15.0}  # of other lines that of DCGAN
#: line of the table -> (model, regularizer, settings of its method)
LINES = {
    "DCGAN": ("dcgan", "none", {}),
    "WGAN-GP": ("wgan_gp", "none", {}),
    "SNGAN": ("sngan", "none", {}),
    "AGNN-ADR": ("dcgan", "adaptive_dropout", {}),
    "Rate fixed at 0.5": ("dcgan", "adaptive_dropout", {"rule": "fixed"}),
    "Minimised losses, descended": ("dcgan", "adaptive_dropout", {"rule": "descend"}),
    "Minimised losses, ascended": ("dcgan", "adaptive_dropout", {"rule": "ascend"}),
    "Printed rule, both signs turned": ("dcgan", "adaptive_dropout", {"rule": "reverse"}),
    "One rate a layer": ("dcgan", "adaptive_dropout", {"shared": False}),
    "Score-function estimator": ("dcgan", "adaptive_dropout", {"estimator": "score"}),
    "Classic dropout 0.5": ("dcgan", "dropout", {}),
}


def gan_row(line="DCGAN", seed=0, fids=None, heldout=None, **options):
    """One finished row of a line of the table; `fids` and `heldout` are FID by epoch, at random where they are None.

    Options: dataset, budget, epochs, scores (IS by epoch), classes and diversity (after the last epoch), rates (by
    epoch), strength, extractor, train_images; method, task and model (changes to those of the config).
    """
    model, regularizer, method = LINES[line]
    rng = np.random.default_rng(zlib.crc32(f"{line} {seed} {options.get('dataset')}".encode()))
    if fids is None:
        best, epochs = FID.get(line, FID["DCGAN"]), range(options.get("epochs", 3))
        fids = [best * (1 + 2.0 ** (1 - number)) + rng.normal() for number in epochs]
    fids = [round(float(fid), 3) for fid in fids]
    heldout = list(fids if heldout is None else heldout)
    config = _config(model, regularizer, method, seed, len(fids), options)
    epochs = [_epoch(number, config, fids, heldout, rng, options) for number in range(1, len(fids) + 1)]
    return row_of(
        "gan-table1", config, epochs, {"samples": samples(seed)}, extractor=options.get("extractor", EXTRACTOR)
    )


def rows_of(fids, **options):
    """{line: FID by seed}, one epoch each."""
    return [gan_row(line, seed, [fid], **options) for line, values in fids.items() for seed, fid in enumerate(values)]


def samples(seed, count=6, grid=GRID):
    """Images as rows hold them: each brighter than the one before."""
    rng = np.random.default_rng(seed)
    values = np.linspace(0, 255, count)[:, None] * rng.uniform(0.5, 1, size=(count, int(np.prod(grid))))
    encoded = base64.b64encode(values.astype(np.uint8).tobytes()).decode()
    return {"shape": [count, int(np.prod(grid))], "grid": list(grid), "scale": 255, "uint8": encoded}


def _config(model, regularizer, method, seed, epochs, options):
    strength = options.get("strength", 0.0 if regularizer == "none" else 0.5)
    settings = {"_target_": "regbench.regularizers.AdaptiveDropoutLayers", "rate": strength, "placement": "all"}
    settings |= {"beta": 0.0002, "rule": "printed", "estimator": "concrete", "temperature": 0.1, "shared": True}
    if regularizer == "dropout":
        layer = {"_target_": "regbench.regularizers.Dropout", "_partial_": True, "p": strength}
        settings = {"_target_": "regbench.regularizers.SiteLayers", "placement": "all", "layer": layer}
    settings |= method | options.get("method", {})
    penalty = {"gradient_penalty": 10.0} if model == "wgan_gp" else {}
    network = {"name": model, "_target_": f"regbench.models.{model}", "widths": [16, 32], "latent": 64, "ema": 0.99}
    return {
        "dataset": {
            "name": options.get("dataset", "mnist"),
            "split_seed": 0,
            "train_images": options.get("train_images", 6400),
            "heldout_images": 1000,
        },
        "model": network | penalty | options.get("model", {}),
        "regularizer": {"name": regularizer, "strength": strength, "method": settings} if strength else BASELINE,
        "task": {
            "name": "generate",
            "batch_size": 64,
            "extractor": "mnist-cnn5",
            "samples": 10000,
            "n_dis": 1,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.0002, "betas": [0.5, 0.999]},
        }
        | options.get("task", {}),
        "budget": options.get("budget", "quick"),
        "epochs": epochs,
        "seed": seed,
    }


def _epoch(number, config, fids, heldout, rng, options):
    adaptive = config["regularizer"]["name"] == "adaptive_dropout"
    last = number == len(fids)
    rate = (options.get("rates") or [0.5 - (0.01 + 0.002 * config["seed"]) * number] * len(fids))[number - 1]
    if config["regularizer"]["method"].get("rule") == "fixed":
        rate = 0.5
    sites = ("generator1/", "discriminator1/") if adaptive and not config["regularizer"]["method"]["shared"] else ("",)
    rates = {f"{site}rate": round(rate + 0.02 * place, 4) for place, site in enumerate(sites)} if adaptive else {}
    scores = options.get("scores")
    shown = {
        "inception_score": scores[number - 1] if scores else round(9 - fids[number - 1] / 10, 3),
        "real_inception_score": 9.5,
        "effective_classes": options["classes"] if last and "classes" in options else round(9 + 0.1 * rng.normal(), 3),
        "real_effective_classes": 9.9,
        "diversity": options["diversity"] if last and "diversity" in options else round(0.9 + 0.02 * rng.normal(), 3),
    }
    scale = {"wgan_gp": -20.0, "sngan": 1.5}.get(config["model"]["name"], 1.2)
    steps = [STEPS * (number - 1) + STEPS * window // WINDOWS for window in range(1, WINDOWS + 1)]
    curves = {
        "discriminator_loss": [scale * (1 + 20 / step) + 0.05 * rng.normal() for step in steps],
        "generator_loss": [abs(scale) * (1 - 20 / step) + 0.05 * rng.normal() for step in steps],
        "discriminator_gradient_norm": [2.0 + 10 / step + 0.1 * rng.normal() for step in steps],
        "generator_gradient_norm": [1.0 + 10 / step + 0.1 * rng.normal() for step in steps],
    } | {name: [value] * WINDOWS for name, value in rates.items()}
    curves = {name: [round(float(value), 5) for value in values] for name, values in curves.items()}
    means = {name: round(float(np.mean(values)), 5) for name, values in curves.items()}
    return {
        "epoch": number,
        "train": {"loss": means.pop("discriminator_loss"), **means},
        "heldout": {"full": {"fid": heldout[number - 1], "real_fid": 0.9, **shown}},
        "test": {"full": {"fid": fids[number - 1], "real_fid": 0.4, **shown}},
        "measures": {"train": rates, "full": {}},
        "curves": {"step": steps, **curves},
        "seconds": 1.0,
    }


def golden_rows():
    """Every case that the page prints: all lines, variants, fewer seeds, failed, collapsed, not run, two budgets."""
    rows = [gan_row(line, seed) for line in LINES if line != "SNGAN" for seed in range(5)]
    rows += [gan_row("SNGAN", seed) for seed in range(4)]
    rows += [gan_row("AGNN-ADR", seed, method={"beta": 0.002}) for seed in (0, 1)]
    rows += [gan_row("WGAN-GP", 0, task={"n_dis": 5})]
    # On the second dataset one training fails, one collapses, one diverges; the held-out images prefer other epochs.
    rows += [gan_row(line, seed, dataset="cifar10") for line in ("DCGAN", "SNGAN") for seed in (0, 1)]
    rows += [gan_row("AGNN-ADR", 0, [20.0, 15.0, 40.0], [30.0, 31.0, 29.0], dataset="cifar10")]
    rows += [gan_row("AGNN-ADR", 1, dataset="cifar10", classes=2.0)]
    rows += [gan_row("WGAN-GP", 0, dataset="cifar10"), failed(gan_row("WGAN-GP", 1, dataset="cifar10"))]
    rows += [gan_row("DCGAN", 0, dataset="digits", budget="smoke")]
    return rows
