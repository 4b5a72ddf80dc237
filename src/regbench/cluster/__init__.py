"""Many machines: what Slurm says."""
