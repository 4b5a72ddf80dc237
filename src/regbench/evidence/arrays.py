"""Arrays that a row holds at 8 bits: averaged masks, sample images."""

from __future__ import annotations

import base64
import math

import numpy as np

from regbench.errors import UserError


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
