"""Adaptive dropout for GANs: Table 1, stability, claims, curves and samples."""
