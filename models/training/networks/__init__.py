"""The networks, a file each. Backbones by name, blur encoders by name, oracles by name: what a configuration can choose from."""

from .blur_encoder import BlurEncoder
from .estimators import PlainMapping, ResidualEstimators
from .exposure_oracle import ExposureOracle
from .fftformer import FFTformer
from .fusion import Modulation, begin_at_one
from .loformer import LoFormer
from .maxim import Maxim
from .mimo_unet import MimoUNet
from .multi_scale_nano import MultiScaleBackbone
from .nano import NanoBackbone
from .published_latents import PublishedBlurEncoder, PublishedEstimators
from .separable import SeparableBackbone
from .spectral_encoder import SpectralEncoder
from .stripformer import Stripformer

BACKBONES = {"nano": NanoBackbone, "multi-scale": MultiScaleBackbone, "separable": SeparableBackbone, "mimo-unet": MimoUNet, "stripformer": Stripformer,
             "fftformer": FFTformer, "loformer": LoFormer, "maxim": Maxim}
ENCODERS = {"strided": BlurEncoder, "spectral": SpectralEncoder, "published": PublishedBlurEncoder}
ESTIMATORS = {"jumps": ResidualEstimators, "published": PublishedEstimators}
ORACLES = {"exposure": ExposureOracle, "strided": BlurEncoder, "published": PublishedBlurEncoder}

__all__ = [
             "BACKBONES",
             "ENCODERS",
             "ESTIMATORS",
             "ORACLES",
             "BlurEncoder",
             "ExposureOracle",
             "FFTformer",
             "LoFormer",
             "Maxim",
             "MimoUNet",
             "Modulation",
             "MultiScaleBackbone",
             "NanoBackbone",
             "PlainMapping",
             "PublishedBlurEncoder",
             "PublishedEstimators",
             "ResidualEstimators",
             "SeparableBackbone",
             "SpectralEncoder",
             "Stripformer",
             "begin_at_one",
]
