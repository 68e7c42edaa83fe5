"""Multiply-accumulates, counted on the networks themselves."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .config import Config
from .graphs import PriorEncoderGraph, ResidualsGraph
from .model import BlurDm


def count_macs(network: nn.Module, *inputs: torch.Tensor) -> int:
    """Multiply-accumulates of the convolutions and matrix products in one pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(*inputs)
    return counter.get_total_flops() // 2


def per_pixel(config: Config, side: int = 512) -> dict[str, float]:
    """Per pixel of the frame: the backbone, and the prior (encoder, and the estimators of a five-step sampler)."""
    model = BlurDm(config.model)
    frame, latent = torch.zeros(1, 3, side, side), torch.zeros(1, model.regions * config.model.latent)
    bytes_ = torch.zeros(1, side, side, 4, dtype=torch.uint8)
    prior = count_macs(PriorEncoderGraph(model), bytes_) + 5 * count_macs(ResidualsGraph(model), latent, latent, torch.ones(1), torch.zeros(1))
    return {"backbone": count_macs(model.backbone, frame, latent) / side**2, "prior": prior / side**2}
