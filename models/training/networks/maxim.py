"""MAXIM (Tu et al., CVPR 2022) with BlurDM's prior: three U-Nets one after the other, whose layers see windows and a grid over the whole frame.

    a stage     frame ────── shallow ─ E0 ─────────────┬─ CG0 ─ merge ─ D0 ─ SAM0 (in the last stage: conv ─ + frame)
                  │                     └ down ┐       │   └─ up ─┐  └ up ┘
                 half ────── shallow ───────── E1 ─────┼─ CG1 ─ merge ─ D1 ─ SAM1
                  │                     ┌ down ┘       │   └─ up ─┐  └ up ┘
                quarter ──── shallow ─ E2 ─────────────┴─ CG2 ─ merge ─ D2 ─ SAM2
                                        └ down ─ bottleneck ┴───────────┘

    E, D: encoder and decoder block     x ─┬─ ( multi-axis MLP ─ residual channel attention ) twice ─ + ─
                                           └──────────────────────────────────────────────────────────┘

CG, cross gating, sees the encoder's features of all scales and what has come up from below; a decoder block sees those of all cross gatings. From the
second stage on the shallow features are gated with what SAM, the supervised attention, hands over, and the encoder's with the sum of what encoder
and decoder of the stage before had at that scale. The prior is fused into the input of every decoder block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .fusion import check_prior, modulation
from .maxim_blocks import REDUCTION, Conv, ConvAttention, CrossGating, DenseAttention, Joined, MultiAxisMlp, SupervisedAttention, Up
from .maxim_scales import Merge, nearest

LEVELS = (0, 1, 2)
"""Full size, half and a quarter. The bottleneck has an eighth."""

SIDES = (16, 16, 8)
BOTTLENECK_SIDE = 8
"""Of windows, and of grids, at each level."""

GROUPS = 2
BOTTLENECKS = 2


@dataclass
class Handed:
    """From one stage to the next, by level: features of the supervised attention, of the encoder and of the decoder together."""

    attention: list[torch.Tensor]
    features: list[torch.Tensor]


def coarser(width: int, level: int) -> int:
    """Channels of what comes up to a level: the bottleneck has no more than the last level."""
    return width << min(level + 1, LEVELS[-1])


class Groups(nn.Module):
    """The inside of encoder, decoder and bottleneck: multi-axis MLPs and residual channel attentions in turn."""

    def __init__(self, channels: int, side: int, attention: type[nn.Module]):
        super().__init__()
        self.mlps = nn.ModuleList(MultiAxisMlp(channels, side) for _ in range(GROUPS))
        self.attentions = nn.ModuleList(attention(channels) for _ in range(GROUPS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = x
        for mlp, attention in zip(self.mlps, self.attentions, strict=True):
            inner = attention(mlp(inner))
        return x + inner


class EncoderBlock(nn.Module):
    """`inputs`: channels of what comes down and of the shallow features, which are joined. gated: with the features of the stage before."""

    def __init__(self, inputs: int, channels: int, side: int, gated: bool):
        super().__init__()
        self.join = Joined(inputs, channels)
        self.groups = Groups(channels, side, ConvAttention)
        self.gating = CrossGating(channels, side, nn.Linear(channels, channels)) if gated else None
        self.down = Conv(channels, channels, half=True)

    def forward(self, parts: list[torch.Tensor], before: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """What goes down, and what stays at this level."""
        x = self.groups(self.join(*parts))
        if self.gating is not None:
            x, _ = self.gating(x, before)
        return self.down(x), x


class Bottleneck(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.enter = nn.Linear(channels, channels)
        self.groups = Groups(channels, BOTTLENECK_SIDE, DenseAttention)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.groups(self.enter(x))


class DecoderBlock(nn.Module):
    """What comes up from below, merged with the cross gatings' features of all levels; the prior is fused into the sum."""

    def __init__(self, width: int, level: int, prior: int | None):
        super().__init__()
        channels = width << level
        self.up = Up(coarser(width, level), channels)
        self.merge = Merge(width, LEVELS[::-1], level, beside=channels)
        self.kv = modulation(prior, channels)
        self.groups = Groups(channels, SIDES[level], ConvAttention)

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor], prior: torch.Tensor | None) -> torch.Tensor:
        x = self.merge(skips, beside=self.up(x))
        return self.groups(self.kv(x.permute(0, 3, 1, 2), prior).permute(0, 2, 3, 1))


class Stage(nn.Module):
    """One U-Net. first, last: its place among the stages."""

    def __init__(self, width: int, prior: int | None, first: bool, last: bool):
        super().__init__()
        widths = [width << level for level in LEVELS]
        sizes = list(zip(widths, SIDES, strict=True))
        below = [widths[0], *widths[:-1]]
        self.shallow = nn.ModuleList(Conv(3, channels) for channels in widths)
        self.fuse = None if first else nn.ModuleList(CrossGating(channels, side, nn.Linear(channels, channels)) for channels, side in sizes)
        self.encoder = nn.ModuleList(EncoderBlock(entering + channels, channels, side, not first)
                                     for entering, (channels, side) in zip(below, sizes, strict=True))
        self.bottleneck = nn.Sequential(*(Bottleneck(widths[-1]) for _ in range(BOTTLENECKS)))
        self.skips = nn.ModuleList(CrossGating(channels, side, Merge(width, LEVELS, level), coarse=coarser(width, level))
                                   for level, (channels, side) in enumerate(sizes))
        self.decoder = nn.ModuleList(DecoderBlock(width, level, prior) for level in LEVELS)
        self.attention = None if last else nn.ModuleList(SupervisedAttention(channels) for channels in widths)
        self.head = Conv(widths[0], 3) if last else None

    def forward(self, frames: list[torch.Tensor], handed: Handed | None, prior: torch.Tensor | None) -> Handed | torch.Tensor:
        """The frame at each level to what the next stage needs, or of the last stage to the restored frame."""
        shallow = [conv(frame) for conv, frame in zip(self.shallow, frames, strict=True)]
        if self.fuse is not None:
            shallow = [fuse(x, attention)[0] for fuse, x, attention in zip(self.fuse, shallow, handed.attention, strict=True)]

        x, encoded = shallow[0], []
        for level, block in enumerate(self.encoder):
            x, kept = block([x, shallow[level]], handed.features[level] if handed else None)
            encoded.append(kept)
        x = below = self.bottleneck(x)

        skips = []
        for level in reversed(LEVELS):
            skip, below = self.skips[level](encoded, below)
            skips.append(skip)

        decoded = []
        for level in reversed(LEVELS):
            x = self.decoder[level](x, skips, prior)
            decoded.insert(0, x)
        if self.attention is None:
            return frames[0] + self.head(x)
        attention = [module(x, frame)[0] for module, x, frame in zip(self.attention, decoded, frames, strict=True)]
        return Handed(attention, [e + d for e, d in zip(encoded, decoded, strict=True)])


class Maxim(nn.Module):
    """`prior`: width of the prior, None for a network without fusion; `width`: channels at full size, doubled at each smaller one; `stages`: three are
    the published MAXIM-3S. Raises ValueError for a size that cannot be built."""

    MULTIPLE = 64
    SHIFT = 0.0

    def __init__(self, prior: int | None = 256, width: int = 32, stages: int = 3):
        super().__init__()
        if width < REDUCTION or width % REDUCTION:
            raise ValueError(f"width must be a multiple of {REDUCTION} from {REDUCTION} up, got {width}")
        if stages < 1:
            raise ValueError(f"stages must be at least 1, got {stages}")
        self.prior = prior
        self.stages = nn.ModuleList(Stage(width, prior, first=stage == 0, last=stage == stages - 1) for stage in range(stages))

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The frame [B, 3, H, W] in 0..1, sides multiples of 64, and the prior [B, D], to the restored frame. Raises ValueError for other sides."""
        check_prior(self.prior, prior)
        height, width = frame.shape[2:]
        if height % self.MULTIPLE or width % self.MULTIPLE:
            raise ValueError(f"frame: sides must be multiples of {self.MULTIPLE}, got {height} x {width}; pad it")
        pixels = frame.permute(0, 2, 3, 1)
        frames = [nearest(pixels, 1 << level) for level in LEVELS]
        handed = None
        for stage in self.stages:
            handed = stage(frames, handed, prior)
        return handed.permute(0, 3, 1, 2)
