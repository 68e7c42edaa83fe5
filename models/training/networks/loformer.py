"""LoFormer-S (Mao et al., 2024) with BlurDM's prior: a U-Net that attends in the DCT of the whole frame, window by window of coefficients.

    frame ─ conv ─ E1 ─────────────────────────────────────────── cat ─ D1 ─ conv ─ + ─ restored
      │             └ down ─ E2 ──────────────────────── cat ─ D2 ─ up ┘            │
      │                       └ down ─ E3 ────── cat ─ D3 ─ up ┘                    │
      │                                 └ down ─ middle ─ up ┘                      │
      └─────────────────────────────────────────────────────────────────────────────┘

    in each, twice a block:   x ─┬─ DCT ─ norm ─ attention ─ inverse DCT ─ + ─┬─ norm ─ feed-forward ─ + ─
                                 └─────────────────────────────────────────┘  └────────────────────────┘

Within each window of 8x8 neighbouring coefficients channels attend to channels: coarse and fine structure, each in its own band of
frequencies. In the decoder the prior is fused into the normalised coefficients. The transform has constant matrices for the size at
hand, so an exported graph has a fixed size. Attributes are named as in the published checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from .fusion import Modulation, check_prior, modulation
from .restormer import ChannelLayerNorm, Gelu, GeluGate, Pointwise
from .transforms import CosineTransform

WINDOW = 8
EXPANSION = 2.66
"""Hidden channels of the feed-forward network per channel."""

LEVELS = 4


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


def _biased_modulation(prior: int | None, channels: int) -> nn.Module:
    """The fusion with a bias, which only this network has."""
    fusion = modulation(prior, channels)
    if isinstance(fusion, Modulation):
        fusion.bias = nn.Parameter(torch.zeros(2 * channels))
    return fusion


def _reflected_to(x: torch.Tensor, dim: int, side: int) -> torch.Tensor:
    """Reflects at the end; unlike `pad` of torch also a side shorter than what is missing."""
    if x.shape[dim] == side:
        return x
    return x.index_select(dim, torch.from_numpy(np.pad(np.arange(x.shape[dim]), (0, side - x.shape[dim]), mode="reflect")).to(x.device))


class WindowAttention(nn.Module):
    """Within each window of coefficients channels attend to channels, and a network over the window's positions gates what they get."""

    def __init__(self, channels: int, heads: int, prior: int | None):
        super().__init__()
        self.heads = heads
        self.kv = _biased_modulation(prior, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.qkv_dwconv = _depthwise(3 * channels)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.mlp = nn.Sequential(nn.Linear(WINDOW**2, WINDOW**2), Gelu())
        self.project_out = Pointwise(channels, channels, bias=True)

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """Coefficients [B, C, H, W] to as many. Where windows do not divide a side, it is reflected up to the next window."""
        batch, channels, height, width = x.shape
        rows, columns = -(-height // WINDOW), -(-width // WINDOW)
        qkv = self.qkv_dwconv(self.qkv(self.kv(x, prior)))
        qkv = _reflected_to(_reflected_to(qkv, 2, rows * WINDOW), 3, columns * WINDOW)
        windows = qkv.reshape(batch, 3, self.heads, channels // self.heads, rows, WINDOW, columns, WINDOW)
        q, k, v = windows.permute(1, 0, 4, 6, 2, 3, 5, 7).flatten(-2)
        out = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1) @ v * self.mlp(v)
        out = out.unflatten(-1, (WINDOW, WINDOW)).permute(0, 3, 4, 1, 5, 2, 6).reshape(batch, channels, rows * WINDOW, columns * WINDOW)
        return self.project_out(out[:, :, :height, :width])


class FeedForward(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        hidden = int(EXPANSION * channels)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1)
        self.dwconv = _depthwise(2 * hidden)
        self.gate = GeluGate()
        self.project_out = Pointwise(hidden, channels, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project_out(self.gate(self.dwconv(self.project_in(x))))


class TransformerBlock(nn.Module):
    """Attention to the coefficients, feed-forward on the pixels."""

    def __init__(self, channels: int, heads: int, prior: int | None):
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels)
        self.attn = nn.ModuleList([WindowAttention(channels, heads, prior)])
        self.norm2 = ChannelLayerNorm(channels)
        self.ffn = nn.ModuleList([FeedForward(channels)])

    def forward(self, x: torch.Tensor, dct: CosineTransform, prior: torch.Tensor | None) -> torch.Tensor:
        x = x + dct.inverse(self.attn[0](self.norm1(dct.forward(x)), prior))
        return x + self.ffn[0](self.norm2(x))


class Block(nn.Module):
    def __init__(self, channels: int, heads: int, prior: int | None = None):
        super().__init__()
        self.trans1 = TransformerBlock(channels, heads, prior)
        self.trans2 = TransformerBlock(channels, heads, prior)

    def forward(self, x: torch.Tensor, dct: CosineTransform, prior: torch.Tensor | None = None) -> torch.Tensor:
        return self.trans2(self.trans1(x, dct, prior), dct, prior)


class Down(nn.Module):
    """To half the size and twice the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Up(nn.Module):
    """To twice the size and half the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False), nn.PixelShuffle(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def _check_blocks(name: str, blocks: tuple[int, int, int]) -> None:
    if isinstance(blocks, int) or len(blocks) != 3 or min(blocks) < 1:
        raise ValueError(f"{name} must be three numbers of at least 1 (blocks at each of its levels), got {blocks}")


class LoFormer(nn.Module):
    """`prior`: width of the prior, None for a network without fusion; `width`: channels at full size, doubled at each smaller one;
    `encoder`: blocks at full size, at half, at a quarter; `middle`: blocks at an eighth; `decoder`: blocks at a quarter, at half, at full size;
    `heads`: attention heads at full size, at half, at a quarter, at an eighth, each a divisor of the channels there.
    Raises ValueError for a size that cannot be built."""

    MULTIPLE = 8
    SHIFT = 0.0

    def __init__(self, prior: int | None = 256, width: int = 32, encoder: tuple[int, int, int] = (1, 2, 3), middle: int = 7,
                 decoder: tuple[int, int, int] = (3, 2, 2), heads: tuple[int, int, int, int] = (1, 2, 4, 8)):
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"width must be an even number from 2 up, got {width}")
        _check_blocks("encoder", encoder)
        _check_blocks("decoder", decoder)
        if middle < 1:
            raise ValueError(f"middle must be at least 1, got {middle}")
        channels = [width * 2**level for level in range(LEVELS)]
        if isinstance(heads, int) or len(heads) != LEVELS or any(h < 1 or c % h for c, h in zip(channels, heads, strict=True)):
            raise ValueError(f"heads must be four divisors of the channels {channels}, got {heads}")
        self.prior = prior
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, 3, padding=1, bias=False)))
        self.encoders = nn.ModuleList(nn.ModuleList(Block(c, h) for _ in range(blocks)) for c, h, blocks in zip(channels[:3], heads[:3], encoder, strict=True))
        self.downs = nn.ModuleList(Down(c) for c in channels[:3])
        self.middle_blks = nn.ModuleList(Block(channels[3], heads[3]) for _ in range(middle))
        self.ups = nn.ModuleList(Up(c) for c in channels[:0:-1])
        self.reduce_chan = nn.ModuleList(nn.Conv2d(c, c // 2, 1) for c in channels[:1:-1])
        # At full size skip and decoder stay side by side, as in Restormer: twice the channels, no reduction.
        self.decoders = nn.ModuleList(nn.ModuleList(Block(c, h, prior) for _ in range(blocks))
                                      for c, h, blocks in zip((channels[2], channels[1], channels[1]), heads[2::-1], decoder, strict=True))
        self.output = nn.Conv2d(channels[1], 3, 3, padding=1)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The frame [B, 3, H, W] in 0..1, sides multiples of 8, and the prior [B, D], to the restored frame. Raises ValueError for other sides."""
        check_prior(self.prior, prior)
        height, width = frame.shape[2:]
        if height % self.MULTIPLE or width % self.MULTIPLE:
            raise ValueError(f"frame: sides must be multiples of {self.MULTIPLE}, got {height} x {width}; pad it")
        transforms = [CosineTransform(height >> level, width >> level, frame.device) for level in range(LEVELS)]
        x, skips = self.patch_embed(frame), []
        for dct, blocks, down in zip(transforms[:3], self.encoders, self.downs, strict=True):
            for block in blocks:
                x = block(x, dct)
            skips.append(x)
            x = down(x)
        for block in self.middle_blks:
            x = block(x, transforms[3])
        for level, up, blocks in zip((2, 1, 0), self.ups, self.decoders, strict=True):
            x = torch.cat([up(x), skips[level]], dim=1)
            if level > 0:
                x = self.reduce_chan[2 - level](x)
            for block in blocks:
                x = block(x, transforms[level], prior)
        return frame + self.output(x).float()
