#!/usr/bin/env python3
"""Train the classifiers whose features FID and IS use, and store each with its accuracy in results/extractors.

    python scripts/train_extractor.py mnist cifar10

An extractor that is there is kept: its rows are measured with these very weights. An interrupted training goes on.
"""

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from regbench.errors import answered
from regbench.measures.extractor import FOLDER
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.rows.files import check_writable
from regbench.training import Checkpoint, Training, fit
from regbench.training.build import build, make_schedule
from regbench.training.inputs import choose_device, load_data
from regbench.training.kept import save_weights
from regbench.training.memory import keep_freed_memory
from regbench.training.provenance import provenance

MODEL = "cnn5"


def main() -> int:
    """Train those that are missing; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["digits", "mnist", "cifar10"])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--again", action="store_true", help="train also those that are there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a Hydra override")
    args = parser.parse_intermixed_args()
    return answered(lambda: train_all(args), "the same command goes on from the last epoch")


def train_all(args: argparse.Namespace) -> int:
    """One classifier after the other."""
    for name in args.datasets:
        path = args.folder / f"{name}-{MODEL}.pt"
        if path.exists() and not args.again:
            print(f"{path} is there")
            continue
        check_writable(args.folder, "--folder")
        print(f"{name}: {100 * train(name, path, args.set):.2f} % of the test images right, written to {path}")
    return 0


def train(dataset: str, path: Path, overrides: list[str]) -> float:
    """Train one classifier and write it; returns its test accuracy, a fraction."""
    cfg = load_config(["experiment=extractors", "budget=paper", f"dataset={dataset}", f"model={MODEL}", *overrides])
    keep_freed_memory()
    device = choose_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    data = load_data(cfg, device)
    (member,) = members(cfg)
    checkpoint = Checkpoint(Path(cfg.paths.outputs) / "checkpoints" / f"{member.id}.pt", member.id)
    training = build(member, data, device, checkpoint)
    schedule = make_schedule(member, training.model)
    steps = -(-len(data.train) // schedule.batch_size)
    with tqdm(total=steps * schedule.epochs, desc=f"{dataset} extractor", unit="step") as bar:
        fit(training, data, schedule, lambda record: None, bar.update)
    accuracy = training.records[-1]["test"]["full"]["accuracy"]
    save(training, path, {"config": member.config, "classes": data.classes, "test_accuracy": accuracy} | pixels(data))
    checkpoint.remove()
    return accuracy


def pixels(data) -> dict:
    """What the classifier standardises its images by."""
    train = data.train
    return {"input_shape": list(train.input_shape), "mean": train.mean.cpu(), "std": train.std.cpu()}


def save(training: Training, path: Path, described: dict) -> None:
    """Write the weights with all that is needed to use them, whole or not at all."""
    origin = provenance(next(training.model.parameters()).device, described["config"])
    save_weights(path, training.model, {"code": origin["code"], "records": training.records, **described})


if __name__ == "__main__":
    sys.exit(main())
