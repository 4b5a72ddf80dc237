"""The networks. Each names its *sites*: identity modules where an activation regularizer may stand."""

from regbench.models.cnn5 import CNN5

__all__ = ["CNN5"]
