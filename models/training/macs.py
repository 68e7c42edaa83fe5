"""Multiply-accumulates, counted on the networks themselves."""

from __future__ import annotations

import torch
from torch import nn

from .config import Config
from .model import BlurDm


def count_macs(network: nn.Module, *inputs: torch.Tensor) -> int:
    """Multiply-accumulates of the convolutions and linear layers in one pass."""
    total = 0

    def count(module: nn.Module, _, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        network(*inputs)
    for handle in handles:
        handle.remove()
    return total


def per_pixel(config: Config, side: int = 512) -> dict[str, float]:
    """Per pixel of the frame: the backbone, and the prior (encoder, and the estimators of a five-step sampler)."""
    model = BlurDm(config.latent, config.backbone)
    frame, latent = torch.zeros(1, 3, side, side), torch.zeros(1, config.latent)
    prior = count_macs(model.encoder, frame) + 5 * count_macs(model.estimators, latent, latent, torch.ones(1), torch.zeros(1))
    return {"backbone": count_macs(model.backbone, frame, latent) / side**2, "prior": prior / side**2}
