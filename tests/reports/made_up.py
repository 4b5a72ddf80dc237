"""A paper of nobody: its folder, and rows whose values are given."""

import base64
import math
import textwrap

from tests.reports.rows import row_of

NUMBERS = """
paper: dampening
title: On dampening
source: nowhere
notes: made up
numbers:
- {table: "1", row: Dampened, column: MNIST Acc, value: 98.5, printed: "98.50", unit: "%", n: 1, spread: null,
   read: printed}
- {table: "1", row: Plain, column: MNIST Acc, value: 98.0, printed: "98.00", unit: "%", n: 1, spread: null,
   read: printed}
"""
PAGE = """
experiment: dampening
what: Dampening
datasets: {mnist: MNIST, cifar10: CIFAR-10}
lines:
  plain: {label: Plain, paper: Plain, where: {regularizer.name: none}}
  damped: {label: "Dampened {value}", short: Dampened, paper: Dampened, where: {regularizer.name: damp},
    sweep: [regularizer.strength], base: plain}
  other: {label: Other, where: {regularizer.name: other}}
families:
  main:
    title: Dampening, Table 1
    tests:
    - {metric: accuracy, direction: greater, lines: [damped], minus: [plain]}
  speed:
    title: Dampening, speed
    tests:
    - {metric: epochs_to_fixed_accuracy, direction: less, lines: [damped], minus: [plain]}
  falls:
    title: Dampening, trends
    tests:
    - {metric: loss, direction: less, over: [damped], said: falls}
tables:
- id: measures
  title: "Dampening, {dataset}"
  columns:
  - {head: Method, label: true}
  - {head: n, n: true}
  - {head: "Acc %, paper's number", paper: "{dataset} Acc", metric: accuracy}
  - {head: "Acc %, protocol paper", metric: accuracy, protocol: paper}
  - {head: "Acc %, protocol held-out", metric: accuracy, protocol: held-out}
  - {head: "Acc, pp, minus plain", metric: accuracy, minus: plain, test: two-sided}
  - {head: "Acc, pp, minus other", metric: accuracy, minus: other, test: two-sided}
  - {head: "Epochs to {level}", metric: epochs_to_fixed_accuracy}
  - {head: "Epochs to {level}, minus plain", metric: epochs_to_fixed_accuracy, minus: plain}
  notes: [gap]
- id: trends
  title: "Trends, {dataset}"
  tests: [falls]
  columns:
  - {head: Over, label: true}
  - {head: of, name: metric}
  - {head: rho}
figures:
- file: dampening_{dataset}_{budget}
  kind: epochs
  title: "Dampening, {dataset}"
  panels: [{title: Test accuracy, curve: test.accuracy, lines: [plain, other], label: accuracy (%)}]
"""


def folder(root, page=PAGE, numbers=NUMBERS, name="dampening", **files):
    """A folder of papers with this one in it."""
    own = root / name
    own.mkdir(parents=True, exist_ok=True)
    (own / "table.yaml").write_text(textwrap.dedent(page))
    if numbers is not None:
        (own / "numbers.yaml").write_text(numbers)
    for file, text in files.items():
        (own / file.replace("__", ".")).write_text(textwrap.dedent(text))
    return root


def row(name="none", seed=0, test=(0.9, 0.95), strength=None, **options):
    """A finished row. Options: heldout, losses (of the test split), dataset, budget, train_images, lr, digest."""
    strength = strength if strength is not None else (0.0 if name == "none" else 0.1)
    heldout = options.get("heldout") or test
    losses = options.get("losses") or [1.0] * len(test)
    epochs = [
        {
            "epoch": number,
            "train": {"accuracy": 1.0, "loss": 0.1},
            "heldout": {"full": {"accuracy": held, "loss": loss}},
            "test": {"full": {"accuracy": own, "loss": loss}},
            "measures": {"train": {}, "full": {}},
            "seconds": 1.0,
        }
        for number, (own, held, loss) in enumerate(zip(test, heldout, losses, strict=True), 1)
    ]
    config = {
        "dataset": {"name": options.get("dataset", "mnist"), "split_seed": 0, "heldout_images": 5000}
        | {"train_images": options.get("train_images", 55_000)},
        "model": {"name": "cnn5"},
        "regularizer": {"name": name, "strength": strength, "method": {"strength": strength} if strength else {}},
        "task": {"name": "classify", "batch_size": 128, "lr": options.get("lr", 0.1)},
        "epochs": len(epochs),
        "seed": seed,
        "budget": options.get("budget", "quick"),
    }
    data = {"data": {"digest": options["digest"], "source": "x", "test_images": 9}} if "digest" in options else {}
    return row_of("dampening", config, epochs, **data)


def with_images(row, artifact="test/predicted", value=128, shape=(2, 4, 4)):
    """The row with an artifact of so many grey images."""
    data = base64.b64encode(bytes([value] * math.prod(shape))).decode()
    stored = {"shape": [shape[0], math.prod(shape[1:])], "grid": list(shape[1:]), "scale": 255, "uint8": data}
    return {**row, "artifacts": {**row["artifacts"], artifact: stored}}


def rows_of(name, values, **options):
    """A row a seed, whose only epoch has this test accuracy in percent."""
    return [row(name, seed, (value / 100,), **options) for seed, value in enumerate(values)]
