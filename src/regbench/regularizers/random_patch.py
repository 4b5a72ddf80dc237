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
from torch import Tensor

from regbench.regularizers.parts.layer import Layer, recomputing
from regbench.regularizers.parts.patches import (
    keep_count,
    keep_share,
    lowest,
    mask_patches,
    patch_grid,
    patch_side,
    random_integers,
)
from regbench.regularizers.parts.settings import map_size_of


def random_patch_mask(x: Tensor, patch_size: int, keep: float) -> Tensor:
    """Uniformly random patch masks for x, bool (N, C, H/k, W/k), K of the patches True in each map."""
    samples, channels, height, width = x.shape
    rows, columns = patch_grid(height, width, patch_size)
    n_patches = rows * columns
    scores = random_integers(x, [samples, channels, n_patches])
    return ~lowest(scores, n_patches - keep_count(keep, n_patches)).view(samples, channels, rows, columns)


class RandomPatch2d(Layer):
    """Drop random patches in training, (N, C, H, W) -> (N, C, H, W); nothing in evaluation.

    Args:
        patch_size: k, the side and stride of a patch; it must divide H and W.
        keep: share of patches that stay, exactly floor(keep * L) in each sample and channel.
        map_size: (H, W), to check the patch size at once; else the first forward checks it.

    It has no state: what it counts is in no `state_dict`.
    """

    def __init__(self, patch_size: int = 2, keep: float = 0.85, map_size: tuple[int, int] | None = None):
        super().__init__()
        self.patch_size, self.keep = patch_side(patch_size), keep_share(keep)
        map_size = map_size_of(map_size)
        if map_size is not None:
            rows, columns = patch_grid(*map_size, patch_size)
            keep_count(keep, rows * columns)
        self.register_buffer("patch_counts", torch.zeros(2, dtype=torch.int64), persistent=False)  # dropped, all
        self.register_buffer("mass_sums", torch.zeros(2), persistent=False)  # L1 activation mass: removed, all

    def extra_repr(self) -> str:
        return f"patch_size={self.patch_size}, keep={self.keep}"

    def transform(self, x: Tensor) -> Tensor:
        if not self.training or x.numel() == 0:
            return x
        keep = random_patch_mask(x, self.patch_size, self.keep)
        masked = mask_patches(x, keep)
        if not recomputing():
            self._count(keep, x.detach(), masked.detach())
        return masked

    @torch.no_grad()
    def _count(self, keep: Tensor, x: Tensor, masked: Tensor) -> None:
        self.patch_counts[0] += keep.numel() - keep.count_nonzero()
        self.patch_counts[1] += keep.numel()
        mass = x.abs().sum(dtype=torch.float32)
        removed = mass - masked.abs().sum(dtype=torch.float32)
        # An activation that is no number would stay in the sums for good.
        self.mass_sums += torch.where(mass.isfinite(), torch.stack([removed, mass]), 0.0)

    def measurements(self) -> dict[str, float]:
        """Share of patches masked and of L1 mass removed since the last call; the counts start anew."""
        dropped, patches = self.patch_counts.tolist()
        removed, mass = self.mass_sums.tolist()
        self.patch_counts.zero_()
        self.mass_sums.zero_()
        return {"masked": dropped / patches, "removed_mass": removed / mass if mass else 0.0} if patches else {}
