"""Stripformer (Tsai et al., ECCV 2022) with BlurDM's prior: attention within strips and between strips of the frame's features.

    frame ─ conv ─ residual blocks ─────────────────────────────────────────────────────────── cat ─ residual blocks ─ conv ─ + ─ restored
      │              └ down ─ residual blocks ─────────────── cat ─ (intra, inter) x 3 ─── up ──┘                             │
      │                         └ down ─ (intra, inter) x 6 ─ up ┘                                                            │
      └───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘

Half of the channels goes through horizontal strips (rows), half through vertical ones (columns). Intra: the pixels of a strip attend
to one another. Inter: whole strips do. The prior is fused into what every intra and inter block attends to; the path around the attention
stays as it is. Attributes are named as in the published checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional as F

from .fusion import check_prior, modulation

SLOPE = 0.2


def _conv(channels: int, to: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, to, kernel, stride, padding=kernel // 2)


def _activated(layer: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer, nn.LeakyReLU(SLOPE))


def _up(channels: int, to: int) -> nn.Sequential:
    return _activated(nn.ConvTranspose2d(channels, to, 4, stride=2, padding=1))


def _two_convs(channels: int, to: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(_conv(channels, to, kernel), nn.LeakyReLU(SLOPE), _conv(to, to))


def _plus(x: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x + change, SLOPE)


class FeedForward(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PositionalEncodingGenerator(nn.Module):
    """x plus its depthwise 3x3 convolution: zero padding tells the borders, and so the position."""

    def __init__(self, channels: int):
        super().__init__()
        self.PEG = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.PEG(x)


class _StripBlock(nn.Module, ABC):
    """What intra-strip and inter-strip blocks share: everything around the attention. `heads` divides half of the channels."""

    def __init__(self, channels: int, heads: int, prior: int | None):
        super().__init__()
        self.heads = heads
        self.kv = modulation(prior, channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.conv_input = _conv(channels, channels, kernel=1)
        self.fuse_out = _conv(channels, channels, kernel=1)
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels)
        self.PEG = PositionalEncodingGenerator(channels)

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        normed = self.attention_norm(self.kv(x, prior).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        rows, columns = self.conv_input(normed).chunk(2, dim=1)
        x = x + self.fuse_out(torch.cat([self.horizontal(rows), self.vertical(columns)], dim=1))
        x = x.permute(0, 2, 3, 1)
        x = x + self.ffn(self.ffn_norm(x))
        return self.PEG(x.permute(0, 3, 1, 2))

    @abstractmethod
    def horizontal(self, x: torch.Tensor) -> torch.Tensor:
        """Attention along or between the rows of [B, C/2, H, W]."""

    @abstractmethod
    def vertical(self, x: torch.Tensor) -> torch.Tensor:
        """Attention along or between the columns of [B, C/2, H, W]."""


class IntraStripBlock(_StripBlock):
    """The pixels of each row attend to one another, and those of each column."""

    def __init__(self, channels: int, heads: int, prior: int | None):
        super().__init__(channels, heads, prior)
        half = channels // 2
        self.qkv_local_h = nn.Linear(half, 3 * half)
        self.qkv_local_v = nn.Linear(half, 3 * half)

    def _within_rows(self, x: torch.Tensor, qkv: nn.Linear) -> torch.Tensor:
        batch, channels, height, width = x.shape
        by_head = (batch * height, width, self.heads, channels // self.heads)
        q, k, v = (part.reshape(by_head).transpose(1, 2) for part in qkv(x.permute(0, 2, 3, 1)).chunk(3, dim=-1))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return out.reshape(batch, height, width, channels).permute(0, 3, 1, 2)

    def horizontal(self, x: torch.Tensor) -> torch.Tensor:
        return self._within_rows(x, self.qkv_local_h)

    def vertical(self, x: torch.Tensor) -> torch.Tensor:
        return self._within_rows(x.transpose(2, 3), self.qkv_local_v).transpose(2, 3)


class InterStripBlock(_StripBlock):
    """Whole rows attend to one another, and whole columns; the scale follows the frame: 1 / sqrt(strip length x channels per head)."""

    def __init__(self, channels: int, heads: int, prior: int | None):
        super().__init__(channels, heads, prior)
        half = channels // 2
        self.conv_h = _conv(half, 3 * half, kernel=1)
        self.conv_v = _conv(half, 3 * half, kernel=1)

    def _between_rows(self, qkv: torch.Tensor) -> torch.Tensor:
        batch, height, width = qkv.shape[0], qkv.shape[2], qkv.shape[3]
        size = qkv.shape[1] // (3 * self.heads)
        by_head, strips = (batch, self.heads, size, height, width), (batch, self.heads, height, size * width)
        q, k, v = (part.reshape(by_head).transpose(2, 3).reshape(strips) for part in qkv.chunk(3, dim=1))
        out = F.scaled_dot_product_attention(q, k, v).reshape(batch, self.heads, height, size, width)
        return out.transpose(2, 3).reshape(batch, self.heads * size, height, width)

    def horizontal(self, x: torch.Tensor) -> torch.Tensor:
        return self._between_rows(self.conv_h(x))

    def vertical(self, x: torch.Tensor) -> torch.Tensor:
        return self._between_rows(self.conv_v(x).transpose(2, 3)).transpose(2, 3)


def strip_blocks(channels: int, heads: int, prior: int | None, pairs: int) -> list[_StripBlock]:
    """Intra, inter, intra, inter, ..."""
    return [block(channels, heads, prior) for _ in range(pairs) for block in (IntraStripBlock, InterStripBlock)]


def _add_blocks(module: nn.Module, prefix: str, blocks: list[_StripBlock]) -> list[str]:
    """Registers the blocks as PREFIX1, PREFIX2, ... of the module itself, as the checkpoints name them; returns these names."""
    names = [f"{prefix}{number}" for number in range(1, len(blocks) + 1)]
    for name, block in zip(names, blocks, strict=True):
        module.add_module(name, block)
    return names


class Encoder(nn.Module):
    """Features at full size (width), at half (2 width), and the quarter-size input (5 width) of the attention."""

    def __init__(self, width: int):
        super().__init__()
        c1, c2, c3 = width, 2 * width, 5 * width
        self.en_layer1_1 = _activated(_conv(3, c1))
        self.en_layer1_2, self.en_layer1_3, self.en_layer1_4 = (_two_convs(c1, c1) for _ in range(3))
        self.en_layer2_1 = _activated(_conv(c1, c2, stride=2))
        self.en_layer2_2, self.en_layer2_3, self.en_layer2_4 = (_two_convs(c2, c2) for _ in range(3))
        self.en_layer3_1 = _activated(_conv(c2, c3, stride=2))

    def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x1 = self.en_layer1_1(frame)
        for layer in (self.en_layer1_2, self.en_layer1_3, self.en_layer1_4):
            x1 = _plus(x1, layer(x1))
        x2 = self.en_layer2_1(x1)
        for layer in (self.en_layer2_2, self.en_layer2_3, self.en_layer2_4):
            x2 = _plus(x2, layer(x2))
        return x1, x2, self.en_layer3_1(x2)


class Decoder(nn.Module):
    def __init__(self, width: int, prior: int | None, pairs: int):
        super().__init__()
        c1, c2, c3, inner = width, 2 * width, 5 * width, 3 * width
        self.de_layer3_1 = _up(c3, inner)
        self.de_layer2_2 = _activated(_conv(inner + c2, inner, kernel=1))
        self.blocks = _add_blocks(self, "de_block_", strip_blocks(inner, 3, prior, pairs))
        self.de_layer2_1 = _up(inner, c1)
        self.de_layer1_3 = _two_convs(2 * c1, c1, kernel=1)
        self.de_layer1_2 = _two_convs(c1, c1)
        self.de_layer1_1 = _activated(_conv(c1, 3))

    def forward(self, x1: torch.Tensor, x2: torch.Tensor, x3: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        x = self.de_layer2_2(torch.cat([self.de_layer3_1(x3), x2], dim=1))
        for name in self.blocks:
            x = getattr(self, name)(x, prior)
        x = self.de_layer2_1(x)
        x = _plus(x, self.de_layer1_3(torch.cat([x, x1], dim=1)))
        x = _plus(x, self.de_layer1_2(x))
        return self.de_layer1_1(x)


class Stripformer(nn.Module):
    """`prior`: width of the prior, None for a network without fusion; `width`: channels at full size; `depth`: pairs of intra and inter
    blocks at a quarter of the size and at half. Raises ValueError for a size that cannot be built."""

    MULTIPLE = 32
    SHIFT = 0.5

    def __init__(self, prior: int | None = 256, width: int = 64, depth: tuple[int, int] = (6, 3)):
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"width must be an even number from 2 up, got {width}")
        if isinstance(depth, int) or len(depth) != 2 or min(depth) < 1:
            raise ValueError(f"depth must be two numbers of at least 1 (block pairs at a quarter of the size, at half), got {depth}")
        self.prior = prior
        self.encoder = Encoder(width)
        self.blocks = _add_blocks(self, "Trans_block_", strip_blocks(5 * width, 5, prior, depth[0]))
        self.decoder = Decoder(width, prior, depth[1])

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The frame [B, 3, H, W] in -0.5..0.5, sides multiples of 4 (published: padded to 32), and the prior [B, D], to the restored frame."""
        check_prior(self.prior, prior)
        x1, x2, x3 = self.encoder(frame)
        for name in self.blocks:
            x3 = getattr(self, name)(x3, prior)
        return frame + self.decoder(x1, x2, x3, prior).float()
