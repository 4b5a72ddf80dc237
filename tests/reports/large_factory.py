"""Made-up rows of the entropy paper's Tables 2 and 3."""

import base64
import zlib

import numpy as np

from regbench.evidence.documents import OWN
from regbench.plan.jobs import unregularized
from tests.reports.rows import failed, row_of

PAPER = OWN / "entropy_guidance" / "numbers.yaml"
AUGMENT = {"flip": True, "rotation": 0.2, "zoom": 0.2}
STRATEGIES = {"vanilla": (None, 0.0), "augmentation": (AUGMENT, 0.0), "augmentation + dropout": (AUGMENT, 0.5)}


def large_row(strength=0.0, seed=0, test=None, heldout=None, **options):
    """One finished row of Table 2; `test` and `heldout` are accuracies by epoch, made up where they are None.

    Options: model, strategy, placement, eps, side, width, budget, seconds, patience.
    """
    model, strategy = options.get("model", "vgg16"), options.get("strategy", "vanilla")
    placement = options.get("placement", "first")
    test = _drawn(f"{model} {strategy} {strength} {placement} {seed}", 0.6) if test is None else list(test)
    heldout = [round(each - 0.01, 5) for each in test] if heldout is None else heldout
    augment, dropout = STRATEGIES[strategy]
    config = {
        "dataset": {"name": "imagenette", "split_seed": 0, "train_images": 3000, "heldout_images": 500}
        | {"side": options.get("side", 64)},
        "model": {"name": model, "_target_": f"regbench.models.{model}", "dropout": dropout}
        | {"width": options.get("width", 0.125)}
        | ({"pooled": None} if model == "vgg16" else {}),
        "task": _task("classify_plateau", options.get("patience", 25), 0.0, "accuracy") | {"augment": augment},
    }
    epochs = [
        _epoch(number, {"loss": 1.0, "accuracy": mine}, {"loss": 1.0, "accuracy": other}, options, strength)
        for number, (mine, other) in enumerate(zip(test, heldout, strict=True), start=1)
    ]
    return _row("entropy-table2", config, strength, seed, epochs, options | {"placement": placement})


def unet_row(strength=0.0, seed=0, losses=None, accuracies=None, **options):
    """One finished row of Table 3; `losses` and `accuracies` of test and held-out images by epoch, drawn where None.

    Options: dataset, placement, watch, eps, penalties (by epoch), heldout (losses), ious, seconds, patience, masks,
    budget, train_images.
    """
    name = f"{options.get('dataset')} {strength} {options.get('placement')} {seed}"
    losses = [round(0.2 * 0.7**number, 5) for number in range(4)] + [0.06] * 4 if losses is None else list(losses)
    drawn = [round(each, 5) for each in (0.8 + np.array(_drawn(name, 0.0, len(losses)))).tolist()]
    accuracies = drawn if accuracies is None else list(accuracies)
    ious = options.get("ious") or [round(each - 0.2, 5) for each in accuracies]
    config = {
        "dataset": {"name": options.get("dataset", "duts"), "split_seed": 0, "side": 128}
        | {"train_images": options.get("train_images", 284), "heldout_images": 50},
        "model": {"name": "unet", "_target_": "regbench.models.UNet", "widths": [8, 16, 32, 64, 128]},
        "task": _task("segment", options.get("patience", 3), 0.01, options.get("watch", "compound")),
    }
    heldout = options.get("heldout", losses)
    epochs = [
        _epoch(
            place + 1,
            {"loss": losses[place], "accuracy": accuracies[place], "iou": ious[place]},
            {"loss": heldout[place], "accuracy": accuracies[place], "iou": ious[place]},
            options,
            strength,
        )
        for place in range(len(losses))
    ]
    row = _row("entropy-table3", config, strength, seed, epochs, {"placement": "up"} | options)
    return row | ({"artifacts": _masks(strength)} if options.get("masks") else {})


def _drawn(name, level, count=3):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return np.round(level + 0.02 * rng.normal(size=count), 4).tolist()


def _task(name, patience, min_delta, watch):
    return {
        "name": name,
        "batch_size": 32,
        "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.01},
        "early_stopping": {"patience": patience, "min_delta": min_delta, "watch": watch},
        "augment": None,
    }


def _epoch(number, test, heldout, options, strength):
    penalties = options.get("penalties")
    penalty = penalties[number - 1] if penalties else 0.5 * strength
    return {
        "epoch": number,
        "train": {"loss": 1.0},
        "heldout": {"full": heldout},
        "test": {"full": test},
        "measures": {"train": {"penalty": penalty, "gradient_norm": 0.1} if strength else {}, "full": {}},
        "seconds": options.get("seconds", 2.0 + 0.1 * (strength > 0)),
    }


def _row(experiment, config, strength, seed, epochs, options):
    method = {
        "_target_": "regbench.regularizers.Entropy",
        "strength": strength,
        "placement": options["placement"],
        "form": "reciprocal",
        "eps": options.get("eps", 0.001),
    }
    config |= {"regularizer": {"name": "entropy", "strength": strength, "method": method}}
    config |= {"budget": options.get("budget", "quick"), "epochs": options.get("cap", 30), "seed": seed}
    config = config if strength else unregularized(config)
    return row_of(experiment, config, epochs, device="cuda", device_name="an accelerator")


def _masks(strength):
    """A disc that is true, and predicted with an edge that strength blurs; two images of 8 x 8."""
    y, x = np.mgrid[:8, :8] - 3.5
    true = np.stack([(x**2 + y**2 < 8), (x > 0)]).astype(float)
    predicted = np.clip(true * 0.9 - 0.3 * (strength > 0) * (x + y > 2) + 0.05, 0, 1)
    return {"test/predicted": _packed(predicted), "test/mask": _packed(true)}


def _packed(array):
    flat = (array.reshape(len(array), -1) * 255).round().astype(np.uint8)
    text = base64.b64encode(flat.tobytes()).decode()
    return {"shape": list(flat.shape), "grid": list(array.shape[1:]), "scale": 255, "uint8": text}


def golden_table2():
    """All that the page prints: several and single trainings, failed, not run, both models, named layers, budgets."""
    rows = [large_row(key, seed) for key in (0.0, 0.001, 1.0) for seed in range(3)]
    rows += [large_row(key, seed, placement="first_two") for key in (0.001, 10.0) for seed in range(3)]
    rows += [failed(large_row(10.0, 0))]
    resnet = {"model": "resnet50", "strategy": "augmentation + dropout"}
    rows += [large_row(key, **resnet) for key in (0.0, 0.0001, 0.1)]
    rows += [large_row(0.1, placement=["conv1", "layer1.0.conv1"], **resnet)]
    rows += [large_row(1.0, strategy="augmentation")]
    return [*rows, large_row(0.0, budget="smoke", model="resnet50", width=0.25)]


def golden_table3():
    """All that the page prints: both datasets, both losses watched, other layers, the cap, failed, not run, budgets."""
    rows = [unet_row(key, seed) for key in (0.0, 0.001, 1.0) for seed in range(3)]
    falling = [1 - 0.02 * number for number in range(8)]
    rows += [unet_row(10.0, seed, penalties=falling) for seed in range(2)]
    rows += [unet_row(0.001, seed, watch="base") for seed in range(2)]
    rows += [unet_row(0.001, placement="layer_2"), failed(unet_row(0.1))]
    rows += [unet_row(key, dataset="coco") for key in (0.0, 0.001)]
    return [*rows, unet_row(budget="smoke")]
