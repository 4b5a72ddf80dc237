"""Arrays that a row holds at 8 bits: averaged masks, sample images; and the inputs to show beside them."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import numpy as np

from regbench.errors import UserError
from regbench.paths import ROOT

INPUTS = ROOT / "results" / "inputs"
IMAGES_SHOWN = 8  # test images in a strip of inputs


def input_images(dataset: str, folder: Path = INPUTS) -> np.ndarray | None:
    """Test images of a data set that `scripts/input_images.py` keeps, (n, side, side, 3) in [0, 1]; None without any.

    Of segmentation they are the first ones, those whose masks rows hold.
    """
    path = folder / f"{dataset}.png"
    if not path.is_file():
        return None
    from matplotlib.image import imread  # here: tables alone need not load it

    strip = imread(path)
    return np.stack(np.split(strip, strip.shape[1] // strip.shape[0], axis=1))


def stored_array(row: dict, artifact: str) -> np.ndarray:
    """The uint8 values (n, *grid) of a row's artifact; they are `scale` times what was stored.

    Raises UserError when the values do not fill that shape.
    """
    stored = row["artifacts"][artifact]
    values = np.frombuffer(base64.b64decode(stored["uint8"]), dtype=np.uint8)
    count, size = stored["shape"]
    if values.size != count * size or math.prod(stored["grid"]) != size:
        raise UserError(
            f"row {row['id']}: {artifact} has {values.size} values, shape={stored['shape']}, "
            f"grid={stored['grid']}: needed is shape [n, values] and a grid of that many values"
        )
    return values.reshape(count, *stored["grid"])
