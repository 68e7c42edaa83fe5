"""FFTformer (Kong et al., CVPR 2023) with BlurDM's prior: a U-Net whose attention and feed-forward work on spectra of 8x8 patches.

    frame ─ conv ─ E1 ────────────────────────────── Fuse1 ─ D1 ─ refinement ─ conv ─ + ─ restored
      │             └ down ─ E2 ────────── Fuse2 ─ D2 ─ up ┘                          │
      │                       └ down ─ E3 ─ D3 ─ up ┘                                 │
      └───────────────────────────────────────────────────────────────────────────────┘

    in E:                   x ─┬─ norm ─ DFFN ─ + ─
                               └────────────────┘
    in D and refinement:    x ─┬─ norm ─ FSAS ─ + ─┬─ norm ─ DFFN ─ + ─
                               └────────────────┘  └────────────────┘

FSAS, the frequency-domain self-attention solver: the product of the patch spectra of queries and keys, back as pixels and normalised, weighs
the values. DFFN, the discriminative frequency-domain feed-forward network: a learned mask over the patch spectra chooses what passes.
The prior is fused into the input of every FSAS. Attributes are named as in the published checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from .fusion import check_prior, modulation
from .restormer import ChannelLayerNorm, GeluGate, Pointwise
from .transforms import PATCH, PatchSpectra, from_patches, to_patches

EXPANSION = 3.0
FUSE_EXPANSION = 2.66
"""Hidden channels of the feed-forward networks per channel: in the blocks, and where Fuse joins skip and decoder."""


def _conv(channels: int, to: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(channels, to, kernel, padding=kernel // 2, bias=bias)


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


class Fsas(nn.Module):
    def __init__(self, channels: int, prior: int | None, spectra: PatchSpectra):
        super().__init__()
        self.spectra = spectra
        self.kv = modulation(prior, channels)
        self.to_hidden = _conv(channels, 6 * channels, 1)
        self.to_hidden_dw = _depthwise(6 * channels)
        self.norm = ChannelLayerNorm(2 * channels)
        self.project_out = Pointwise(2 * channels, channels)

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        q, k, v = self.to_hidden_dw(self.to_hidden(self.kv(x, prior))).chunk(3, dim=1)
        weights = from_patches(self.spectra.multiply(to_patches(q), to_patches(k)), *x.shape[2:])
        return self.project_out(v * self.norm(weights))


class Dffn(nn.Module):
    def __init__(self, channels: int, expansion: float, spectra: PatchSpectra):
        super().__init__()
        hidden = int(expansion * channels)
        self.spectra = spectra
        self.fft = nn.Parameter(torch.ones(2 * hidden, 1, 1, PATCH, PATCH // 2 + 1))
        self.project_in = Pointwise(channels, 2 * hidden)
        self.dwconv = _depthwise(2 * hidden)
        self.gate = GeluGate()
        self.project_out = Pointwise(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A 1x1 convolution and a transform of each channel may change places: transformed first, there are six times fewer channels to do.
        spectra = self.project_in(self.spectra.transform(to_patches(x)))
        spectra = self.spectra.mask(self.fft.flatten(1))[:, None] * spectra
        x = from_patches(self.spectra.transform(spectra), *x.shape[2:])
        return self.project_out(self.gate(self.dwconv(x)))


class EncoderBlock(nn.Module):
    def __init__(self, channels: int, expansion: float, spectra: PatchSpectra):
        super().__init__()
        self.norm2 = ChannelLayerNorm(channels)
        self.ffn = Dffn(channels, expansion, spectra)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.ffn(self.norm2(x))


class DecoderBlock(EncoderBlock):
    def __init__(self, channels: int, prior: int | None, spectra: PatchSpectra):
        super().__init__(channels, EXPANSION, spectra)
        self.norm1 = ChannelLayerNorm(channels)
        self.attn = Fsas(channels, prior, spectra)

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        return super().forward(x + self.attn(self.norm1(x), prior))


class Fuse(nn.Module):
    """What comes up from below and the skip, joined."""

    def __init__(self, channels: int, spectra: PatchSpectra):
        super().__init__()
        self.conv = _conv(2 * channels, 2 * channels, 1, bias=True)
        self.att_channel = EncoderBlock(2 * channels, FUSE_EXPANSION, spectra)
        self.conv2 = _conv(2 * channels, 2 * channels, 1, bias=True)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        first, second = self.conv2(self.att_channel(self.conv(torch.cat([x, skip], dim=1)))).chunk(2, dim=1)
        return first + second


class Down(nn.Module):
    """Bilinear interpolation to half the size, which is the mean of 2x2 pixels, and a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(nn.AvgPool2d(2), _conv(channels, 2 * channels, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Up(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), _conv(channels, channels // 2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class FFTformer(nn.Module):
    """`prior`: width of the prior, None for a network without fusion; `width`: channels at full size, doubled at each smaller one;
    `depth`: blocks of the encoder, and as many of the decoder, at full size, at half and at a quarter; `refinement`: blocks after the decoder.
    Raises ValueError for a size that cannot be built."""

    MULTIPLE = 32
    SHIFT = 0.0

    def __init__(self, prior: int | None = 256, width: int = 48, depth: tuple[int, int, int] = (6, 6, 12), refinement: int = 4):
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if isinstance(depth, int) or len(depth) != 3 or min(depth) < 1:
            raise ValueError(f"depth must be three numbers of at least 1 (blocks at full size, at half, at a quarter), got {depth}")
        if refinement < 1:
            raise ValueError(f"refinement must be at least 1, got {refinement}")
        self.prior = prior
        c1, c2, c3 = width, 2 * width, 4 * width
        spectra = PatchSpectra()

        def encoder(channels: int, blocks: int) -> nn.Sequential:
            return nn.Sequential(*(EncoderBlock(channels, EXPANSION, spectra) for _ in range(blocks)))

        def decoder(channels: int, blocks: int) -> nn.ModuleList:
            return nn.ModuleList(DecoderBlock(channels, prior, spectra) for _ in range(blocks))

        self.patch_embed = nn.Sequential(OrderedDict(proj=_conv(3, c1, 3)))
        self.encoder_level1 = encoder(c1, depth[0])
        self.down1_2 = Down(c1)
        self.encoder_level2 = encoder(c2, depth[1])
        self.down2_3 = Down(c2)
        self.encoder_level3 = encoder(c3, depth[2])
        self.decoder_level3 = decoder(c3, depth[2])
        self.up3_2 = Up(c3)
        # No path leads through it, Fuse took its place, but published checkpoints have it.
        self.reduce_chan_level2 = _conv(c3, c2, 1).requires_grad_(False)
        self.fuse2 = Fuse(c2, spectra)
        self.decoder_level2 = decoder(c2, depth[1])
        self.up2_1 = Up(c2)
        self.fuse1 = Fuse(c1, spectra)
        self.decoder_level1 = decoder(c1, depth[0])
        self.refinement = decoder(c1, refinement)
        self.output = _conv(c1, 3, 3)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The frame [B, 3, H, W] in 0..1, sides multiples of 32, and the prior [B, D], to the restored frame. Raises ValueError for other sides."""
        check_prior(self.prior, prior)
        height, width = frame.shape[2:]
        if height % self.MULTIPLE or width % self.MULTIPLE:
            raise ValueError(f"frame: sides must be multiples of {self.MULTIPLE}, got {height} x {width}; pad it")
        x1 = self.encoder_level1(self.patch_embed(frame))
        x2 = self.encoder_level2(self.down1_2(x1))
        x = self.encoder_level3(self.down2_3(x2))
        for block in self.decoder_level3:
            x = block(x, prior)
        x = self.fuse2(self.up3_2(x), x2)
        for block in self.decoder_level2:
            x = block(x, prior)
        x = self.fuse1(self.up2_1(x), x1)
        for block in (*self.decoder_level1, *self.refinement):
            x = block(x, prior)
        return frame + self.output(x).float()
