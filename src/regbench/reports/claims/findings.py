"""Findings by the names that the ledger uses, each with the experiment whose rows it reads."""

from __future__ import annotations

from regbench.reports.claims import (
    findings_autoencoders,
    findings_cnns,
    findings_gan,
    findings_gan_sign,
    findings_maps,
    findings_masks,
)
from regbench.reports.claims.finding import Finding

FINDINGS: dict[str, Finding] = {
    finding.function.__name__: finding
    for finding in (
        Finding(findings_cnns.best_strength_gain, findings_cnns.EXPERIMENT),
        Finding(findings_cnns.every_line_gains, findings_cnns.EXPERIMENT),
        Finding(findings_cnns.no_line_gains, findings_cnns.EXPERIMENT),
        Finding(findings_autoencoders.penalty_has_gradient, findings_autoencoders.EXPERIMENT),
        Finding(findings_autoencoders.stops_by, findings_autoencoders.EXPERIMENT),
        Finding(findings_maps.entropy_map_value),
        Finding(findings_maps.entropy_map_untrained),
        Finding(findings_maps.entropy_map_positions),
        Finding(findings_masks.patches_ranked_by_noise, findings_masks.EXPERIMENT),
        Finding(findings_masks.masks_counted, findings_masks.EXPERIMENT),
        Finding(findings_gan.gan_claim, findings_gan.EXPERIMENT),
        Finding(findings_gan.gan_stability, findings_gan.EXPERIMENT),
        Finding(findings_gan_sign.gan_other_sign, findings_gan_sign.EXPERIMENT),
    )
}
