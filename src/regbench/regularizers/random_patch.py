"""Random patches: PB-EDropout's control. As many patches are dropped, but which ones is chance.

Paper
    None: the control that PB-EDropout's paper lacks.
Formula
    For every sample and channel, K = floor(keep L) of the L patches are kept, uniformly at random.
Where
    Wherever PB-EDropout stands.
Paper settings
    keep 0.85 and k = 2, PB-EDropout's.
Ambiguities and the choice made
    No rescaling by 1/keep, as in PB-EDropout: the two then differ in which patches are dropped, in nothing else.
    Evaluation keeps everything: there is no mask worth averaging.
Deviations
    None.
Evidence
    results/tables/table1.md; results/REPORT.md#pb-energy-cifar10. Only a gain over this control
    shows that energy matters.
"""

import torch
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.patches import keep_count, lowest, mask_patches, patch_grid, random_integers


def random_patch_mask(x: Tensor, patch_size: int, keep: float) -> Tensor:
    """Uniformly random patch masks for x, bool (N, C, H/k, W/k), K of the patches True in each map."""
    samples, channels, height, width = x.shape
    rows, columns = patch_grid(height, width, patch_size)
    n_patches = rows * columns
    scores = random_integers(x, [samples, channels, n_patches])
    return ~lowest(scores, n_patches - keep_count(keep, n_patches)).view(samples, channels, rows, columns)


class RandomPatch2d(nn.Module):
    """Drop random patches in training, (N, C, H, W) -> (N, C, H, W); nothing in evaluation.

    Args:
        patch_size: k, the side and stride of a patch; it must divide H and W.
        keep: share of patches that stay, exactly floor(keep * L) in each sample and channel.
        map_size: (H, W), to check the patch size at once; else the first forward checks it.
    """

    def __init__(self, patch_size: int = 2, keep: float = 0.85, map_size: tuple[int, int] | None = None):
        super().__init__()
        if not 0.0 < keep <= 1.0:
            raise UserError(f"keep={keep} is not allowed: allowed is a share in (0, 1]")
        if map_size is not None:
            rows, columns = patch_grid(*map_size, patch_size)
            keep_count(keep, rows * columns)
        self.patch_size, self.keep = patch_size, keep
        self.register_buffer("patch_counts", torch.zeros(2, dtype=torch.int64))  # dropped, all
        self.register_buffer("mass_sums", torch.zeros(2))  # L1 activation mass: removed, all

    def extra_repr(self) -> str:
        return f"patch_size={self.patch_size}, keep={self.keep}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = random_patch_mask(x, self.patch_size, self.keep)
        masked = mask_patches(x, keep)
        with torch.no_grad():
            self.patch_counts[0] += keep.numel() - keep.count_nonzero()
            self.patch_counts[1] += keep.numel()
            mass = x.detach().abs().sum(dtype=torch.float32)
            self.mass_sums += torch.stack([mass - masked.detach().abs().sum(dtype=torch.float32), mass])
        return masked

    def measurements(self) -> dict[str, float]:
        """Share of patches masked and of L1 mass removed since the last call; the counts start anew."""
        dropped, patches = self.patch_counts.tolist()
        removed, mass = self.mass_sums.tolist()
        self.patch_counts.zero_()
        self.mass_sums.zero_()
        return {"masked": dropped / patches, "removed_mass": removed / mass if mass else 0.0} if patches else {}
