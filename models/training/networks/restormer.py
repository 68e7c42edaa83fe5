"""What FFTformer and LoFormer both have from Restormer (Zamir et al., CVPR 2022)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class ChannelLayerNorm(nn.Module):
    """Over the channels of each pixel [B, C, H, W], in float32 also under autocast. Its tensors are named `body.weight` and `body.bias`."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.permute(0, 2, 3, 1).float()).permute(0, 3, 1, 2)


class Gelu(nn.Module):
    """GELU, exported in the order of operations that ONNX Runtime fuses into one; the exporter's own order it runs as five."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x * (1 + torch.erf(x / 2**0.5)) if torch.compiler.is_exporting() else F.gelu(x)


class GeluGate(Gelu):
    """GELU of the first half of the channels, times the second half."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=1)
        return super().forward(first) * second


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as a matrix product. Where it stands between layers that are no convolutions it spares ONNX Runtime the
    conversion to the layout of its convolutions, and back."""

    def __init__(self, channels: int, to: int, bias: bool = False):
        super().__init__(channels, to, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product = self.weight.flatten(1) @ x.flatten(2)
        return (product if self.bias is None else product + self.bias[:, None]).reshape(x.shape[0], -1, *x.shape[2:])
