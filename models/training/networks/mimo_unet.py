"""MIMO-UNet+ (Cho et al., ICCV 2021) with BlurDM's prior: one U-Net that reads and restores the frame at three scales.

    frame ── conv ─ EB1 ────────────┬───────────────────── AFF1 ─── cat ─ DB3 ─ conv ─ + frame ─── full
      │              └ down ┐       │                                └── up ───┐
     half ───── SCM2 ───── FAM2 ─ EB2 ──┬───────────────── AFF2 ─── cat ─ DB2 ─┴ conv ─ + half ──── half
      │                             └ down ┐                         └── up ───┐
    quarter ─── SCM1 ──────────────────── FAM1 ─ EB3 ─────────────────── DB1 ──┴ conv ─ + quarter ─ quarter

EB, DB: encoder and decoder blocks, each a chain of residual blocks; SCM: shallow convolutional module, the features of a smaller
frame; FAM: feature attention module, which lets them into the encoder; AFF: asymmetric feature fusion, which sees EB1, EB2 and EB3.
The prior is fused into the input of DB1, DB2 and DB3. Attributes are named as in the published checkpoints, where AFFs[0] is AFF1.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .fusion import check_prior, modulation


def halved(x: torch.Tensor) -> torch.Tensor:
    """Every second row and column: nearest interpolation to half the size, for even sides."""
    return x[:, :, ::2, ::2]


def doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Conv(nn.Module):
    def __init__(self, channels: int, to: int, kernel: int = 3, stride: int = 1, relu: bool = True):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(channels, to, kernel, stride, padding=kernel // 2), nn.ReLU() if relu else nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x)


class Up(nn.Module):
    """A transposed convolution to twice the size, and ReLU."""

    def __init__(self, channels: int, to: int):
        super().__init__()
        self.main = nn.Sequential(nn.ConvTranspose2d(channels, to, 4, stride=2, padding=1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x)


class ResidualBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.main = nn.Sequential(Conv(channels, channels), Conv(channels, channels, relu=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.main(x)


class EncoderBlock(nn.Module):
    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.layers = nn.Sequential(*(ResidualBlock(channels) for _ in range(depth)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class DecoderBlock(nn.Module):
    """An encoder block whose input the prior has modulated."""

    def __init__(self, channels: int, depth: int, prior: int | None):
        super().__init__()
        self.layers = nn.Sequential(*(ResidualBlock(channels) for _ in range(depth)))
        self.kv = modulation(prior, channels)

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        return self.layers(self.kv(x, prior))


class ShallowConvolutionalModule(nn.Module):
    """Features of a smaller frame [B, 3, h, w] to [B, channels, h, w]."""

    def __init__(self, channels: int):
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.main = nn.Sequential(Conv(3, quarter), Conv(quarter, half, kernel=1), Conv(half, half), Conv(half, channels - 3, kernel=1))
        self.conv = Conv(channels, channels, kernel=1, relu=False)

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.cat([frame, self.main(frame)], dim=1))


class FeatureAttentionModule(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.merge = Conv(channels, channels, relu=False)

    def forward(self, x: torch.Tensor, shallow: torch.Tensor) -> torch.Tensor:
        return x + self.merge(x * shallow)


class AsymmetricFeatureFusion(nn.Module):
    """Features of all three levels, brought to one size, to [B, to, h, w]."""

    def __init__(self, channels: int, to: int):
        super().__init__()
        self.conv = nn.Sequential(Conv(channels, to, kernel=1), Conv(to, to, relu=False))

    def forward(self, *levels: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.cat(levels, dim=1))


class MimoUNet(nn.Module):
    """`prior`: width of the prior, None for a network without fusion; `width`: channels at full size, doubled at each smaller one;
    `depth`: residual blocks in every encoder and decoder block. Raises ValueError for a size that cannot be built."""

    MULTIPLE = 8
    SHIFT = 0.5

    def __init__(self, prior: int | None = 256, width: int = 32, depth: int = 20):
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"width must be an even number from 2 up, got {width}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self.prior = prior
        c1, c2, c3 = width, 2 * width, 4 * width
        self.SCM2, self.SCM1 = ShallowConvolutionalModule(c2), ShallowConvolutionalModule(c3)
        self.FAM2, self.FAM1 = FeatureAttentionModule(c2), FeatureAttentionModule(c3)
        self.Encoder = nn.ModuleList(EncoderBlock(c, depth) for c in (c1, c2, c3))
        self.AFFs = nn.ModuleList(AsymmetricFeatureFusion(c1 + c2 + c3, c) for c in (c1, c2))
        self.Decoder = nn.ModuleList(DecoderBlock(c, depth, prior) for c in (c3, c2, c1))
        self.feat_extract = nn.ModuleList([Conv(3, c1), Conv(c1, c2, stride=2), Conv(c2, c3, stride=2), Up(c3, c2), Up(c2, c1), Conv(c1, 3, relu=False)])
        self.Convs = nn.ModuleList([Conv(2 * c2, c2, kernel=1), Conv(2 * c1, c1, kernel=1)])
        self.ConvsOut = nn.ModuleList([Conv(c3, 3, relu=False), Conv(c2, 3, relu=False)])

    def pyramid(self, frame: torch.Tensor, prior: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The frame [B, 3, H, W] in -0.5..0.5, sides multiples of 8, restored at a quarter of its size, at half, and in full."""
        check_prior(self.prior, prior)
        stem, down1, down2, up2, up1, head = self.feat_extract
        half = halved(frame)
        quarter = halved(half)

        x1 = self.Encoder[0](stem(frame))
        x2 = self.Encoder[1](self.FAM2(down1(x1), self.SCM2(half)))
        x3 = self.Encoder[2](self.FAM1(down2(x2), self.SCM1(quarter)))
        skip1 = self.AFFs[0](x1, doubled(x2), doubled(doubled(x3)))
        skip2 = self.AFFs[1](halved(x1), x2, doubled(x3))

        x = self.Decoder[0](x3, prior)
        restored_quarter = quarter + self.ConvsOut[0](x).float()
        x = self.Decoder[1](self.Convs[0](torch.cat([up2(x), skip2], dim=1)), prior)
        restored_half = half + self.ConvsOut[1](x).float()
        x = self.Decoder[2](self.Convs[1](torch.cat([up1(x), skip1], dim=1)), prior)
        return restored_quarter, restored_half, frame + head(x).float()

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The frame [B, 3, H, W] in -0.5..0.5, sides multiples of 8, and the prior [B, D], to the restored frame."""
        return self.pyramid(frame, prior)[2]
