"""What is measured on a network, trained or not: change in entropy per layer, additivity, closeness of its samples."""

from regbench.measures.additivity import additivity_gap
from regbench.measures.entropy_map import entropy_map, filter_positions, highest_layers, summarise

__all__ = ["additivity_gap", "entropy_map", "filter_positions", "highest_layers", "summarise"]
