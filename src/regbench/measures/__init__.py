"""What is measured on a network, trained or not: its change in entropy per layer."""

from regbench.measures.entropy_map import entropy_map, filter_positions, summarise

__all__ = ["entropy_map", "filter_positions", "summarise"]
