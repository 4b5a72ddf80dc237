#!/usr/bin/env python3
"""Memory and speed of the way from a prepared dataset to batches: an epoch of each, no network.

    python scripts/benchmark_data.py imagenette:160 duts:128            data from REGBENCH_DATA
    python scripts/benchmark_data.py imagenette:160 --write             also write results/tables/benchmark-data.md

Each dataset, at a side in pixels where one is given, is read in a process of its own: what it needs beyond the imports,
at its peak. Pages of a memory-mapped file count as resident, but the system takes them back when it needs them; the
process's own memory is what must be there. Linux only.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from regbench.data import load_splits
from regbench.data.sources import load_prepared
from regbench.errors import UserError, answered
from regbench.paths import ROOT, data_root
from regbench.rows.files import check_writable, naming
from regbench.training.augmentation import Augmentation, move
from regbench.training.batch import data_order
from regbench.training.provenance import device_name

TABLE = ROOT / "results" / "tables" / "benchmark-data.md"
BATCH, HELDOUT = 32, 200
MIB = 1024
COLUMNS = (
    "Dataset",
    "Training images",
    "Arrays, MiB",
    "Kept",
    "Own memory at the peak, MiB",
    "Resident, MiB",
    "Images/s",
)


def main() -> int:
    """Measure each dataset; wrong input is one line and exit status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="NAME[:SIDE]")
    parser.add_argument("--root", type=Path, default=data_root())
    parser.add_argument("--write", action="store_true", help="write results/tables/benchmark-data.md")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in the process that is measured
    args = parser.parse_args()
    return answered(lambda: benchmark(args))


def benchmark(args: argparse.Namespace) -> int:
    """Measure and print, or also write, the table."""
    if args.here:
        print(measure(args.datasets[0], args.root))
        return 0
    if args.write:
        check_writable(TABLE.parent)
    lines = [in_a_process(name, args.root) for name in args.datasets]
    head = ["| " + " | ".join(COLUMNS) + " |", "| :--- |" + " ---: |" * (len(COLUMNS) - 1)]
    title = (
        f"# Memory of the data path: batches of {BATCH}, augmented, on {device_name(torch.device('cpu'))}, one thread"
    )
    text = "\n".join([title, "", *head, *lines, "", *__doc__.split("\n\n")[2].splitlines()]) + "\n"
    print(text, end="")
    if args.write:
        with naming(TABLE):
            TABLE.write_text(text)
    return 0


def in_a_process(name: str, root: Path) -> str:
    """A dataset's line, measured in a fresh process."""
    command = [sys.executable, __file__, name, "--root", str(root), "--here"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"dataset={name}: {done.stderr.strip().splitlines()[-1].removeprefix('error: ')}")
    return done.stdout.strip().splitlines()[-1]


def measure(name: str, root: Path) -> str:
    """A dataset's line: what this process takes beyond what it took before."""
    torch.set_num_threads(1)
    name, _, side = name.partition(":")
    own, resident = memory("RssAnon"), memory("VmRSS")
    prepared = load_prepared(name, root, False, int(side) if side else None)
    own_peak, total = own, sum(array.nbytes for array in prepared.arrays.values())
    count = len(prepared.arrays["train_images"]) - HELDOUT
    splits = load_splits(prepared, count, HELDOUT, 0, torch.device("cpu"))
    augmentation, generator = Augmentation(), torch.Generator().manual_seed(0)
    start = time.perf_counter()
    for index in data_order(count, 0, 1).split(BATCH):
        masks = splits.train.target(index) if splits.train.targets.dim() == 3 else None
        move(splits.train.take(index), augmentation.draw(len(index), generator), masks)
        own_peak = max(own_peak, memory("RssAnon"))
    rate = count / (time.perf_counter() - start)
    kept = "in memory" if splits.train.chosen is None else "in the file"
    cells = (f"{name} at {splits.train.input_shape[1]} pixels", f"{count:,}", f"{total / 2**20:,.0f}", kept)
    cells += (f"{own_peak - own:,.0f}", f"{memory('VmHWM') - resident:,.0f}", f"{rate:,.0f}")
    return "| " + " | ".join(cells) + " |"


def memory(field: str) -> float:
    """A line of this process's status, in MiB: RssAnon (its own), VmRSS (with files), VmHWM (the peak of that)."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise UserError("this system does not tell a process's memory: allowed is Linux")
    return int(found.group(1)) / MIB


if __name__ == "__main__":
    sys.exit(main())
