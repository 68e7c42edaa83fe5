"""LayerNorm of pictures of features, as in Restormer and what descends from it."""

from __future__ import annotations

import torch
from torch import nn


class ChannelLayerNorm(nn.Module):
    """Over the channels of each pixel [B, C, H, W], in float32 also under autocast. Its tensors are named `body.weight` and `body.bias`."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.permute(0, 2, 3, 1).float()).permute(0, 3, 1, 2)
