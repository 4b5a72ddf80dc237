"""The networks. Each names its *sites*: identity modules where an activation regularizer may stand."""

from regbench.models.autoencoder import Autoencoder
from regbench.models.cnn5 import CNN5
from regbench.models.cnn_blocks import CNNBlocks
from regbench.models.gan import DCGAN, GAN, SNGAN, WGANGP

__all__ = ["CNN5", "DCGAN", "GAN", "SNGAN", "WGANGP", "Autoencoder", "CNNBlocks"]
