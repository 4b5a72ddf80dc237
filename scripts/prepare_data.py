#!/usr/bin/env python3
"""Download datasets and write their prepared folders, or check those that are there.

python scripts/prepare_data.py mnist cifar10        into REGBENCH_DATA (default: data/)
python scripts/prepare_data.py --check mnist        read the folder and compare every array with its sha256
python scripts/prepare_data.py --again mnist        make the folder anew; raw files that turn out damaged are replaced

Raw files lie in downloads/ beside the folders. Of a damaged one --again downloads that file, or unpacks its archive,
anew; without a download it leaves what was there. DUTS is unpacked by hand, and mended by hand.
"""

import argparse
import sys
from pathlib import Path

from regbench.data.prepared import read_prepared
from regbench.data.sources import DOWNLOADS, prepare
from regbench.errors import answered
from regbench.paths import data_root


def main() -> int:
    """Prepare or check each dataset named; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="dataset", help=", ".join(DOWNLOADS))
    parser.add_argument("--root", type=Path, default=data_root())
    parser.add_argument("--check", action="store_true", help="only check what is there")
    parser.add_argument("--again", action="store_true", help="make the folder anew, and damaged raw files before it")
    args = parser.parse_args()
    return answered(lambda: prepare_all(args))


def prepare_all(args: argparse.Namespace) -> int:
    """Each dataset named, one after the other."""
    for name in args.names:
        folder = args.root / name
        if args.again or not (args.check or (folder / "dataset.json").exists()):
            prepare(name, args.root, again=args.again)
        shapes = {key: array.shape for key, array in read_prepared(folder).arrays.items()}
        print(f"{folder} is complete: {', '.join(f'{key} {shape}' for key, shape in shapes.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
