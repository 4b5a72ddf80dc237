#!/usr/bin/env python3
"""Keep a few test images of datasets here, for figures to show beside masks: no row holds an image, no commit does.

python scripts/input_images.py digits mnist duts      writes results/inputs/<dataset>.png, from the prepared folders
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from regbench.data.prepared import read_prepared
from regbench.data.sources import digits
from regbench.errors import answered
from regbench.evidence.arrays import IMAGES_SHOWN, INPUTS
from regbench.paths import data_root
from regbench.rows.files import naming

SIDE = 64  # pixels at most


def main() -> int:
    """Write a strip for each dataset named; one that is not prepared is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="dataset")
    parser.add_argument("--root", type=Path, default=data_root())
    parser.add_argument("--into", type=Path, default=INPUTS, help="default: results/inputs")
    args = parser.parse_args()
    return answered(lambda: write_all(args))


def write_all(args: argparse.Namespace) -> int:
    """A PNG a dataset."""
    from PIL import Image

    for name in args.names:
        dataset = digits() if name == "digits" else read_prepared(args.root / name)
        images = dataset.arrays["test_images"]
        # Rows hold the masks of the first test images; a split of classes may have these in order.
        step = 1 if dataset.task == "segmentation" else len(images) // IMAGES_SHOWN
        with naming(args.into):
            args.into.mkdir(parents=True, exist_ok=True)
            Image.fromarray(strip(images[::step][:IMAGES_SHOWN])).save(args.into / f"{name}.png")
            print(f"wrote {args.into / f'{name}.png'}")
    return 0


def strip(images: np.ndarray) -> np.ndarray:
    """(n, H, W, 1 or 3) side by side as (side, n * side, 3); of too large ones the means of blocks of pixels."""
    count, side = images.shape[:2]
    block = max(side // SIDE, 1)
    small = images.reshape(count, side // block, block, side // block, block, -1).mean(axis=(2, 4))
    colours = np.repeat(small, 3, axis=-1) if small.shape[-1] == 1 else small
    return np.concatenate(list(colours), axis=1).round().astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
