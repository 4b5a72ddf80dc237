"""Batch normalisation as a regularizer: the library's layer at the sites.

Paper
    The handout on dropout and batch normalization, section 3; Ioffe and Szegedy 2015, "Batch normalization".
Formula
    x^ = (x - mu_B) / sqrt(sigma_B^2 + eps), y = gamma x^ + beta; mu_B, sigma_B^2 of the batch (over its pixels too, by
    channel), running means of both in evaluation. sigma_B^2 is the biased variance, as the handout's example has it.
Where
    "The outputs of a layer": at the sites, which stand after the non-linearity.
Paper settings
    None; eps and momentum are torch's.
Ambiguities and the choice made
    Before or after the non-linearity is not said (Ioffe and Szegedy: before). `share` below 1 mixes the input in,
    (1 - share) x + share y, so that a strength can be swept; 1 is batch normalisation itself.
Deviations
    None at share 1. Torch's running variance is the unbiased one.
Evidence
    results/tables/handout.md; results/REPORT.md#ho-batchnorm-speed.
"""

from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.layer import Layer
from regbench.regularizers.parts.settings import is_count, is_number, require


class BatchNorm(Layer):
    """Batch normalisation of (N, C, H, W) or (N, C), or a mixture of it and its input.

    Args:
        channels: C. share: of the normalised output in the result, in (0, 1]. eps, momentum: torch's.
    """

    def __init__(self, channels: int, share: float = 1.0, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        require("channels", channels, is_count, "an integer of 1 or more")
        self.share = require("share", share, lambda part: is_number(part) and 0.0 < part <= 1.0, "above 0, up to 1")
        self.norm = _AnyBatchNorm(channels, eps, momentum)

    _apply = nn.Module._apply  # torch's own layer, in the precision that torch gives it

    def transform(self, x: Tensor) -> Tensor:
        normalised = self.norm(x)
        return normalised if self.share == 1.0 else x.lerp(normalised, self.share)


class _AnyBatchNorm(nn.modules.batchnorm._BatchNorm):
    """torch's batch norm for maps and for features."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise UserError(f"batch norm: an input of shape {tuple(input.shape)}; allowed are (N, C) and (N, C, H, W)")
