"""How the published networks take the sharp prior in: x -> k x + v with (k, v) = Linear(prior), without bias.

Unlike in `blocks.PriorFusion`, k itself is the gain: with a prior of zero nothing of x is left. Drawn at random, k is near zero, and the
network has to learn its decoder back first: after 1500 steps of 2 crops of 64 px a MIMO-UNet of width 8 with the oracle's prior lay 0.10 dB below
the blurred input, and 0.11 above when it had begun as identity. So it begins as identity for a prior of ones, and the oracles of such
backbones begin there (`begin_at_one`).
"""

from __future__ import annotations

import torch
from torch import nn


class Modulation(nn.Linear):
    """A Linear, so that its tensor is named `kv.weight`, as in the published checkpoints."""

    def __init__(self, prior: int, channels: int):
        super().__init__(prior, 2 * channels, bias=False)
        with torch.no_grad():
            self.weight[:channels] = 1 / prior
            self.weight[channels:] = 0

    def forward(self, x: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """x [B, C, H, W], prior [B, D]."""
        k, v = super().forward(prior)[:, :, None, None].chunk(2, dim=1)
        return k * x + v


class NoModulation(nn.Module):
    """What stands in its place in the network without prior."""

    def forward(self, x: torch.Tensor, prior: None) -> torch.Tensor:
        return x


def modulation(prior: int | None, channels: int) -> nn.Module:
    """The fusion of a prior of this width, or none. Raises ValueError for a width below 1."""
    if prior is not None and prior < 1:
        raise ValueError(f"prior must be at least 1, or None for a network without fusion, got {prior}")
    return NoModulation() if prior is None else Modulation(prior, channels)


def begin_at_one(oracle: nn.Module) -> None:
    """Lets what an untrained oracle makes lie around a prior of ones."""
    nn.init.ones_(oracle.last.bias)


def check_prior(expected: int | None, prior: torch.Tensor | None) -> None:
    """Raises ValueError if the prior is not of the width that the network was built for, or missing, or not asked for."""
    if expected is None:
        if prior is not None:
            raise ValueError("prior: this network was built without fusion (prior=None), pass None")
    elif prior is None or prior.ndim != 2 or prior.shape[1] != expected:
        got = "None" if prior is None else f"shape {tuple(prior.shape)}"
        raise ValueError(f"prior: this network was built for [B, {expected}], got {got}")
