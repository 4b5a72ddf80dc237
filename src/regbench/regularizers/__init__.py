"""The regularizers, each a drop-in layer or penalty: every file is headed by a method card."""

from regbench.regularizers.adaptive_dropout import AdaptiveDropout, AdaptiveDropoutLayers
from regbench.regularizers.batchnorm import BatchNorm
from regbench.regularizers.dropout import DropBlock2d, Dropout, SpatialDropout2d
from regbench.regularizers.entropy import ConstantPenalty, Entropy
from regbench.regularizers.norms import NormPenalty
from regbench.regularizers.parts.base import Regularizer, load_training_state, training_state
from regbench.regularizers.parts.combined import Combined
from regbench.regularizers.parts.sites import Placed, SiteLayers, place_behind
from regbench.regularizers.pb_edropout import PBEDropout2d
from regbench.regularizers.random_patch import RandomPatch2d

__all__ = [
    "AdaptiveDropout",
    "AdaptiveDropoutLayers",
    "BatchNorm",
    "Combined",
    "ConstantPenalty",
    "DropBlock2d",
    "Dropout",
    "Entropy",
    "NormPenalty",
    "PBEDropout2d",
    "Placed",
    "RandomPatch2d",
    "Regularizer",
    "SiteLayers",
    "SpatialDropout2d",
    "load_training_state",
    "place_behind",
    "training_state",
]
