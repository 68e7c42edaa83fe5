"""A U-Net of separable convolutions behind deconvolutions at several scales.

    frame ─┬─ blocks of 4x4 pixels ─ + ─ stem ─ L1 (1/4) ────────────────────────── + ─ D1 ─ head ─ + ─ shuffle 4 ─ + ─ restored
           │                         │           └ L2 (1/8) ──────────── + ─ D2 ────┘               │               │
           │                         │                └ L3 (1/16) ───────┘                          │               │
           │                         └─ detail, weighed by D1 ──────────────────────────────────────┤               │
           └─ deconvolutions ─ blocks of 4x4 ───────────────────────────────────────────────────────┘               │
           └────────────────────────────────────────────────────────────────────────────────────────────────────────┘

In 8 bits a 3x3 convolution runs at half the rate of a 1x1 convolution, and a depthwise one costs next to nothing (REAL_BLUR.md has the figures). So blocks
widen, convolve each channel by itself and narrow (Sandler et al., "MobileNetV2", CVPR 2018), and the prior modulates what they have in their middle.

The head works on what remains of the features when their mean is taken away, so that what is flat stays flat and shows no lattice.

L1 has fewer channels than a block has pixels. So the detail of the frame reaches the head beside the U-Net, by filters that each block weighs by itself (as the
kernels that Mildenhall et al. predict for each pixel, "Burst denoising with kernel prediction networks", CVPR 2018, but of a basis).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import PriorFusion, down
from .cells import BLOCK, Enlarge, over_blocks
from .multi_scale import MultiScaleDeconvolution
from .regions import WHOLE
from .transforms import luma


class SeparableBlock(nn.Module):
    """x + narrow(relu(fused(depthwise(relu(widen(x)))))). Starts close to identity."""

    def __init__(self, prior: int, channels: int, expansion: int = 2):
        super().__init__()
        wide = expansion * channels
        self.widen = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.fusion = PriorFusion(prior, wide)
        self.narrow = nn.Conv2d(wide, channels, 1)
        for convolution in (self.widen, self.depthwise):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
        nn.init.normal_(self.narrow.weight, std=0.1 * (2 / wide) ** 0.5)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(torch.relu(self.fusion(self.depthwise(torch.relu(self.widen(x))), prior)))


class SeparableChain(nn.ModuleList):
    def __init__(self, prior: int, channels: int, blocks: int, expansion: int):
        super().__init__(SeparableBlock(prior, channels, expansion) for _ in range(blocks))

    def forward(self, x: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        for block in self:
            x = block(x, prior)
        return x


class EdgeHead(nn.Module):
    """Features [B, C, h, w] to the change of blocks of 4x4 pixels [B, 48, h, w]: no change where features are the same all around."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        wide = expansion * channels
        self.widen = nn.Conv2d(channels, wide, 1)
        self.edges = nn.Parameter(torch.empty(wide, 1, 3, 3))
        self.out = nn.Conv2d(wide, 3 * BLOCK**2, 1, bias=False)
        nn.init.kaiming_normal_(self.edges, nonlinearity="linear")
        nn.init.zeros_(self.out.weight)

    def kernels(self) -> torch.Tensor:
        """Of sum 0 each."""
        return self.edges - self.edges.mean((2, 3), keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(over_blocks(self.widen(x), self.kernels(), self.edges.shape[0]))


class GatedDetail(nn.Module):
    """Blocks of 4x4 pixels [B, 64, h, w] and features [B, C, h, w] to a part of the change [B, 48, h, w]: filters of 3x3 blocks, weighed in each block by
    what the features are there. Zero where the frame is the same all around, and at first everywhere."""

    def __init__(self, blocks: int, channels: int, filters: int):
        super().__init__()
        self.project = nn.Conv2d(blocks, filters, 1)
        self.edges = nn.Parameter(torch.empty(filters, 1, 3, 3))
        self.gate = nn.Conv2d(channels, filters, 1)
        self.out = nn.Conv2d(filters, 3 * BLOCK**2, 1, bias=False)
        nn.init.kaiming_normal_(self.project.weight, nonlinearity="linear")
        nn.init.zeros_(self.project.bias)
        nn.init.kaiming_normal_(self.edges, nonlinearity="linear")
        nn.init.normal_(self.gate.weight, std=0.1 * channels**-0.5)
        nn.init.ones_(self.gate.bias)
        nn.init.zeros_(self.out.weight)

    def kernels(self) -> torch.Tensor:
        """Of sum 0 each."""
        return self.edges - self.edges.mean((2, 3), keepdim=True)

    def forward(self, projected: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return self.out(over_blocks(projected, self.kernels(), self.edges.shape[0]) * self.gate(features))


class SeparableBackbone(MultiScaleDeconvolution):
    """channels: at 1/4, 1/8 and 1/16 of the frame's sides; encoder, decoder: blocks at 1/4 and at 1/8; middle: blocks at 1/16; expansion: by how much
    blocks widen; detail: filters of the frame's own blocks beside the U-Net. prior, scales, spread_hidden, regions: see MultiScaleDeconvolution. Frames are
    in 0..1, their sides multiples of 16."""

    MULTIPLE = 16

    def __init__(self, prior: int = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 2), middle: int = 6,
                 decoder: tuple[int, int] = (2, 3), expansion: int = 2, detail: int = 0, scales: tuple[int, ...] = (1, 2, 4), spread_hidden: int = 256,
                 regions: tuple[int, int] = WHOLE):
        super().__init__(prior, scales, spread_hidden, regions)
        c1, c2, c3 = channels
        self.stem = nn.Conv2d(4 * BLOCK**2, c1, 1)
        self.level1 = SeparableChain(prior, c1, encoder[0], expansion)
        self.down1 = down(c1, c2)
        self.level2 = SeparableChain(prior, c2, encoder[1], expansion)
        self.down2 = down(c2, c3)
        self.level3 = SeparableChain(prior, c3, middle, expansion)
        self.enlarge2 = Enlarge(c3, c2)
        self.decoder2 = SeparableChain(prior, c2, decoder[1], expansion)
        self.enlarge1 = Enlarge(c2, c1)
        self.decoder1 = SeparableChain(prior, c1, decoder[0], expansion)
        self.head = EdgeHead(c1, expansion)
        self.detail = GatedDetail(4 * BLOCK**2, c1, detail) if detail else None

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the priors of all scales [B, scales D] or of all regions at each [B, scales regions D]."""
        with torch.autocast(frame.device.type, enabled=False):
            # Half precision would lose what the filter brings back.
            linear, fused = self.linear(self.reduced(luma(frame.float())), prior.float())
        blocks = torch.cat([F.pixel_unshuffle(frame - 0.5, BLOCK), linear], dim=1)
        features = self.features(self.stem(blocks), fused)
        change = self.head(features)
        if self.detail is not None:
            change = change + self.detail(self.detail.project(blocks), features)
        change = change.float()
        return frame + F.pixel_shuffle(linear, BLOCK) + F.pixel_shuffle(change, BLOCK)

    def features(self, stem: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """What the head makes the change from, given what the stem made of the frame; both [B, channels[0], H / 4, W / 4]."""
        x1 = self.level1(stem, prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.enlarge2(self.level3(self.down2(x2), prior))
        x = x1 + self.enlarge1(self.decoder2(x, prior))
        return self.decoder1(x, prior)
