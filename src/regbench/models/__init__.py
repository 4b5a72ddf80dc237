"""The networks. Each names its *sites*: identity modules where an activation regularizer may stand."""

from regbench.models.autoencoder import Autoencoder
from regbench.models.cnn5 import CNN5
from regbench.models.cnn_blocks import CNNBlocks
from regbench.models.gan import DCGAN, GAN, SNGAN, WGANGP
from regbench.models.imagenet import VGG16, ResNet50
from regbench.models.unet import UNet

__all__ = ["CNN5", "DCGAN", "GAN", "SNGAN", "VGG16", "WGANGP", "Autoencoder", "CNNBlocks", "ResNet50", "UNet"]
