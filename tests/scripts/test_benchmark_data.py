"""The data path's benchmark: one line a dataset, measured in a process of its own."""

import sys

import numpy as np
import pytest

from regbench.data.prepared import Prepared, write_prepared
from tests.commands import script

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_an_epoch_of_masks_is_measured(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 264), ("test", 20)):
        arrays[f"{split}_images"] = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_masks"] = random.integers(0, 2, (count, 32, 32), dtype=np.uint8)
    write_prepared(Prepared("duts", "segmentation", ["off", "on"], "made by a test", arrays), tmp_path / "duts")
    done = script("benchmark_data", "duts", "--root", tmp_path)
    assert done.returncode == 0, done.stderr
    cells = [cell.strip() for cell in done.stdout.split("\n| duts")[1].splitlines()[0].split("|")]
    assert cells[:4] == ["at 32 pixels", "64", "1", "in memory"]
    assert 0 < float(cells[4]) < 500 and float(cells[6].replace(",", "")) > 0


def test_a_dataset_that_is_not_there_is_one_line(tmp_path):
    done = script("benchmark_data", "imagenette:64", "--root", tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "dataset=imagenette" in done.stderr and "downloads are off" in done.stderr
