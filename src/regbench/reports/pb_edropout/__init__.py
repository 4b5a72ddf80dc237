"""PB-EDropout: Table 1, the sensitivity to its silent settings, curves and masks."""
