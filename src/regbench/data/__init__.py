"""Datasets: prepared folders on disk, where they come from, and batches that live on the compute device."""

from regbench.data.batches import Batches, Splits, load_splits

__all__ = ["Batches", "Splits", "load_splits"]
