"""In which precision formulas are computed: no less than float32, and float64 where it is given."""

import torch
from torch import Tensor


def widen(x: Tensor) -> Tensor:
    """16 bits as float32, in which sums of a layer and inverses of small numbers fit; others as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
