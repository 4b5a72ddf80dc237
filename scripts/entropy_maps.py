#!/usr/bin/env python3
"""Entropy maps of networks (the entropy paper's Figures 1, 8, 9): change in entropy per filter in each layer.

    python scripts/entropy_maps.py vgg16                    torchvision's ImageNet weights beside an untrained network
    python scripts/entropy_maps.py vgg16 --weights W.npz    filters from a file: arrays (O, I, p, q) by layer name
    python scripts/entropy_maps.py vgg16 --weights W.pt     a state_dict of such a network
    python scripts/entropy_maps.py unet --weights outputs/weights/ID.pt    a network trained here with keep_weights=true
    python scripts/entropy_maps.py                          the pictures of all tables that are there, from no weights

Writes results/tables/entropy-map-<network>.md and results/figures/entropy_map_<network>.png; of a network trained here
<network>-<dataset>; of weights from a file below outputs/entropy-map instead. As a control, the table also has the
means at the other positions of the filter: where they look alike, c11 tells no more than the scale of the weights.
"""

import argparse
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torchvision
from torch import nn

from regbench.errors import UserError, answered, reason
from regbench.evidence.layer_maps import draw_all, draw_maps
from regbench.evidence.tables import Cell, Table, to_markdown
from regbench.measures import entropy_map, filter_positions, highest_layers, summarise
from regbench.paths import ROOT
from regbench.rows.files import naming
from regbench.training.build import make

NETWORKS = ("vgg16", "resnet50")  # of which torchvision has weights
TRAINED_HERE = (*NETWORKS, "unet")
HIGHEST = 0.25  # share of the layers listed as those of the highest change: the entropy paper's "Empirical" list
COLUMNS = ("Layer", "Filters", "Mean log|c11|", "First quartile", "Median", "Third quartile", "Lowest")
COLUMNS += ("Outliers, %", "Mean at the centre", "Means at all positions but c11")


def main() -> int:
    """Read the weights, measure, write; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", help=f"one of {', '.join(TRAINED_HERE)}; default: draw the tables again")
    parser.add_argument("--weights", type=Path, help=".npz or .pt; default: torchvision's ImageNet weights")
    parser.add_argument("--results", type=Path, help="default: results/, of weights of your own outputs/entropy-map/")
    args = parser.parse_args()
    return answered(lambda: write(args))


def write(args: argparse.Namespace) -> int:
    """Write the map that the command line asks for: a try-out changes nothing that is published."""
    if args.weights and not args.network:
        raise UserError(f"--weights {args.weights} needs a network: allowed are {', '.join(TRAINED_HERE)}")
    results = args.results or ROOT / ("outputs/entropy-map" if args.weights else "results")
    with naming(results):
        for path in publish(args.network, args.weights, results) if args.network else draw_all(results).values():
            print(f"wrote {path}")
    return 0


@dataclass(frozen=True)
class Networks:
    """Filters by layer of a trained network and of one before its training; `name` is that of what is written."""

    name: str
    source: str
    trained: Mapping[str, np.ndarray | torch.Tensor]
    untrained: Mapping[str, torch.Tensor]
    beginning: str


def publish(network: str, weights: Path | None, results: Path) -> list[Path]:
    """Write the table and the figure of a network's trained and untrained filters."""
    if network not in TRAINED_HERE:
        raise UserError(f"network={network} is not known: allowed are {', '.join(TRAINED_HERE)}")
    kept = trained_here(network, weights)
    found = kept if kept is not None else from_torchvision(network, weights)
    beside = {name: found.untrained[other] for name, other in matching(found.trained, found.untrained)}
    panels = {f"{network}, {found.source}": found.trained, f"{network}, untrained ({found.beginning})": beside}
    maps = {title: entropy_map(filters) for title, filters in panels.items()}
    tables = [summary_table(title, maps[title], filters) for title, filters in panels.items()]
    highest = highest_layers(next(iter(maps.values())), HIGHEST)
    words = f"The {100 * HIGHEST:g} % of the trained layers with the highest means: {', '.join(highest)}.\n"
    path = results / "tables" / f"entropy-map-{found.name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Entropy map of {network}\n\n" + "\n".join([*map(to_markdown, tables), words]))
    return [path, draw_maps(path, results / "figures" / f"entropy_map_{found.name.replace('-', '_')}.png")]


def from_torchvision(network: str, weights: Path | None) -> Networks:
    """Torchvision's network, with its ImageNet weights or those of a file."""
    if network not in NETWORKS:
        raise UserError(f"network={network} needs --weights of a training with keep_weights=true")
    trained, source = trained_filters(network, weights)
    torch.manual_seed(0)
    untrained = convolutions(torchvision.models.get_model(network, weights=None))
    return Networks(network, source, trained, untrained, "torchvision's initialisation")


def trained_here(network: str, weights: Path | None) -> Networks | None:
    """A network that this project trained, beside its own initial weights; None for other files."""
    if weights is None or weights.suffix != ".pt" or not weights.is_file():
        return None
    try:
        kept = torch.load(weights, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, UnpicklingError):
        return None  # whoever reads it as filters says what is wrong
    if not isinstance(kept, dict) or "config" not in kept:
        return None
    config, dataset = kept["config"], kept["config"]["dataset"]
    if config["model"]["name"] != network:
        raise UserError(f"--weights {weights} are of {config['model']['name']}: allowed for {network} are its own")
    torch.manual_seed(config["seed"])
    model = make("model", config["model"], input_shape=tuple(kept["input_shape"]), classes=kept["classes"])
    untrained = {name: weight.clone() for name, weight in convolutions(model).items()}
    model.load_state_dict(kept["model"], strict=False)  # a regularizer's layers may have state of their own
    side = kept["input_shape"][1]
    source = f"trained here on {dataset['name']} (budget {config['budget']}, {side}x{side}, seed {config['seed']})"
    return Networks(f"{network}-{dataset['name']}", source, convolutions(model), untrained, "its own initial weights")


def trained_filters(network: str, weights: Path | None) -> tuple[dict[str, np.ndarray | torch.Tensor], str]:
    """Convolutional weights by layer and where they are from."""
    if weights is None:
        try:
            return convolutions(
                torchvision.models.get_model(network, weights="DEFAULT")
            ), "torchvision's ImageNet weights"
        except OSError as error:
            raise UserError(
                f"{network}: torchvision's weights cannot be downloaded ({error}): give a file with --weights"
            ) from error
    if not weights.is_file():
        raise UserError(f"--weights {weights}: no such file; allowed are .npz and .pt")
    try:
        filters = read_filters(weights)
    except (OSError, ValueError, RuntimeError, EOFError, AttributeError, zipfile.BadZipFile, UnpicklingError) as error:
        raise UserError(f"--weights {weights} cannot be read ({reason(error)}): allowed are .npz and .pt") from error
    if not filters:
        raise UserError(f"--weights {weights}: it holds no convolutional weight (O, I, p, q)")
    return filters, f"weights of {weights.name}"


def read_filters(weights: Path) -> dict[str, np.ndarray | torch.Tensor]:
    """The convolutional weights (O, I, p, q) of a file, by layer."""
    if weights.suffix == ".npz":
        with np.load(weights) as file:
            return {name: file[name].astype(np.float32) for name in file.files if file[name].ndim == 4}
    state = torch.load(weights, weights_only=True, map_location="cpu").items()
    found = {name: value for name, value in state if torch.is_tensor(value) and value.dim() == 4}
    return {name.removesuffix(".weight"): value for name, value in found.items()}


def convolutions(model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of a network's convolutions by layer, in forward order."""
    return {name: m.weight.detach() for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}


def matching(trained: dict, untrained: dict) -> list[tuple[str, str]]:
    """Names of the same layer in both, by place; raises UserError where the shapes differ."""
    pairs = list(zip(trained, untrained, strict=False))
    for one, other in pairs:
        if tuple(trained[one].shape) != tuple(untrained[other].shape):
            raise UserError(
                f"--weights: layer {one} is {tuple(trained[one].shape)}, that of the network ({other}) is "
                f"{tuple(untrained[other].shape)}"
            )
    return pairs


def summary_table(title: str, changes: dict[str, np.ndarray], filters: dict) -> Table:
    """A line a layer: quartiles of log|c11| and, as the control, the means at the other positions of the filter."""
    lines = []
    for line, weight in zip(summarise(changes).to_dict("records"), filters.values(), strict=True):
        positions = filter_positions(weight)
        others = np.delete(positions.flatten(), 0)
        quartiles = [f"{line[key]:.2f}" for key in ("mean", "first_quartile", "median", "third_quartile", "lowest")]
        quartiles.append(f"{100 * line['outliers']:.1f}")
        center = positions[positions.shape[0] // 2, positions.shape[1] // 2]
        spread = f"{others.min():.2f} to {others.max():.2f}" if others.size else "-"
        lines.append(
            tuple(Cell(text) for text in (line["layer"], f"{line['filters']:,}", *quartiles, f"{center:.2f}", spread))
        )
    note = "Changes in entropy per filter, in nats (Corollary 6, without the map's size)."
    return Table(title, COLUMNS, tuple(lines), (note,))


if __name__ == "__main__":
    sys.exit(main())
