"""The networks, a file each: blur encoder, residual estimators, backbones."""

from .blur_encoder import BlurEncoder
from .estimators import ResidualEstimators
from .nano import NanoBackbone

__all__ = ["BlurEncoder", "NanoBackbone", "ResidualEstimators"]
